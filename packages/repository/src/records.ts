/**
 * Sealed records under text keys. Each body is bound to its repository, key and version, so a record that was
 * swapped, renamed or given another version does not open.
 *
 * Sealing is randomised, so a repeated `put` never has the bytes of the first: when the store answers RECORD_CONFLICT,
 * the record is read back, and the same version with the same value counts as done.
 */

import type { BlockStore, Scope, StoredRecord } from "@permafrost/blocks";
import type { RepositoryId } from "@permafrost/model";
import { CodedError, equalBytes } from "@permafrost/std";
import type { Records } from "./contract.ts";
import type { Sealing } from "./sealing.ts";

type OpenRecord = { readonly key: string; readonly version: bigint; readonly value: Uint8Array };

export class SealedRecords implements Records {
  readonly #store: BlockStore;
  readonly #repositoryId: RepositoryId;
  readonly #scope: Scope;
  readonly #sealing: Sealing;

  constructor(store: BlockStore, scope: Scope, sealing: Sealing) {
    this.#store = store;
    this.#repositoryId = scope.repositoryId;
    this.#scope = scope;
    this.#sealing = sealing;
  }

  async get(key: string): Promise<{ readonly version: bigint; readonly value: Uint8Array } | undefined> {
    const record = await this.#store.getRecord(this.#repositoryId, key);
    if (!record) return undefined;
    const { version, value } = this.#open(key, record);
    return { version, value };
  }

  async put(key: string, version: bigint, value: Uint8Array): Promise<void> {
    const body = this.#sealing.sealRecord(key, version, value);
    try {
      await this.#store.putRecord(this.#scope, { key, version, body });
    } catch (error) {
      if (!CodedError.is(error, "RECORD_CONFLICT")) throw error;
      const stored = await this.get(key);
      if (stored?.version !== version || !equalBytes(stored.value, value)) throw error;
      // Written by an earlier attempt; its bytes again, so that every replica gets them.
      const record = await this.#store.getRecord(this.#repositoryId, key);
      if (record) await this.#store.putRecord(this.#scope, record);
    }
  }

  async delete(key: string, version: bigint): Promise<void> {
    await this.#store.deleteRecord(this.#scope, key, version);
  }

  async list(prefix: string): Promise<OpenRecord[]> {
    const records = await this.#store.listRecords(this.#repositoryId, prefix);
    return records.map((record) => this.#open(record.key, record));
  }

  /** SEAL_BROKEN, naming the key, for a record that is not what was put. */
  #open(key: string, record: StoredRecord): OpenRecord {
    try {
      return { key, version: record.version, value: this.#sealing.openRecord(key, record.version, record.body) };
    } catch (cause) {
      const error = CodedError.from(cause);
      throw new CodedError(error.code, `record ${key}: ${error.message}`, {
        facts: { ...error.facts, key, version: String(record.version) },
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        retry: error.retry,
        cause: error,
      });
    }
  }
}

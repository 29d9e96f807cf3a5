/**
 * Sealed records under text keys. Each body is bound to its repository, key and version, so a record that was
 * swapped, renamed or given another version does not open.
 *
 * Sealing is randomised. A repeat of a `put` that failed sends the first bytes again, for some replicas may have them and would take
 * no others. A repeat by another process has other bytes: when the store answers RECORD_CONFLICT, the record is read back, and the
 * same version with the same value counts as done.
 */

import type { BlockStore, Scope, StoredRecord } from "@permafrost/blocks";
import type { RepositoryId } from "@permafrost/model";
import { CodedError, equalBytes } from "@permafrost/std";
import type { Records } from "./contract.ts";
import type { Sealing } from "./sealing.ts";

type OpenRecord = { readonly key: string; readonly version: bigint; readonly value: Uint8Array };

/** Bodies kept for a repeat; a record that is put again after so many other failures is sealed anew. */
const UNDECIDED_MAX = 16;

interface Undecided {
  readonly version: bigint;
  readonly value: Uint8Array;
  readonly body: Uint8Array;
}

export class SealedRecords implements Records {
  readonly #store: BlockStore;
  readonly #repositoryId: RepositoryId;
  readonly #scope: Scope;
  readonly #sealing: Sealing;
  /** By key: what was put, with an outcome that is not known. The one put longest ago is forgotten first. */
  readonly #undecided = new Map<string, Undecided>();

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
    const earlier = this.#undecidedBody(key, version, value);
    try {
      await this.#send({ key, version, body: earlier ?? this.#sealing.sealRecord(key, version, value) }, value);
    } catch (error) {
      if (!CodedError.is(error, "RECORD_CONFLICT")) throw error;
      const stored = await this.get(key);
      if (stored?.version !== version || !equalBytes(stored.value, value)) throw error;
      // Written by an earlier attempt; its bytes again, so that every replica gets them.
      const record = await this.#store.getRecord(this.#repositoryId, key);
      if (record) await this.#send(record, value);
    }
  }

  /** Sends a record; keeps its body for a repeat when the outcome is not known. */
  async #send(record: StoredRecord, value: Uint8Array): Promise<void> {
    const { key, version, body } = record;
    this.#undecided.delete(key);
    try {
      await this.#store.putRecord(this.#scope, record);
    } catch (error) {
      if (CodedError.is(error, "RECORD_CONFLICT")) throw error;
      this.#undecided.set(key, { version, value: Uint8Array.from(value), body: Uint8Array.from(body) });
      const oldest = this.#undecided.keys().next();
      if (this.#undecided.size > UNDECIDED_MAX && !oldest.done) this.#undecided.delete(oldest.value);
      throw error;
    }
  }

  async delete(key: string, version: bigint): Promise<void> {
    await this.#store.deleteRecord(this.#scope, key, version);
  }

  async list(prefix: string): Promise<OpenRecord[]> {
    const records = await this.#store.listRecords(this.#repositoryId, prefix);
    return records.map((record) => this.#open(record.key, record));
  }

  #undecidedBody(key: string, version: bigint, value: Uint8Array): Uint8Array | undefined {
    const earlier = this.#undecided.get(key);
    return earlier?.version === version && equalBytes(earlier.value, value) ? earlier.body : undefined;
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

/**
 * The records of one node: the newest version of each key, looked up in the index and read from packs.
 *
 * Two writers of one record take turns by key. A version once acknowledged is never followed by a lower one. What may be
 * here but cannot be read is an error, never an absence: a damaged record, one whose key is lost, a pack that was not read.
 */

import type { Scope, StoredRecord } from "@permafrost/blocks";
import { blake3 } from "@permafrost/crypto";
import {
  type IndexLocation,
  type IndexRecord,
  indexRange,
  indexRecordKey,
  RECORD_TYPE_RECORD,
  RECORD_TYPE_TOMBSTONE,
} from "@permafrost/format";
import type { RepositoryId } from "@permafrost/model";
import type { PackStore } from "@permafrost/packs";
import { type CodedError, equalBytes, fromHex, toHex } from "@permafrost/std";
import { readRecords } from "./body-reader.ts";
import { corrupt, recordConflict } from "./errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import { recordKeyText } from "./indexing.ts";
import { KeyTurns } from "./key-turns.ts";
import type { LiveIndex } from "./live-index.ts";
import type { NodeIndex } from "./node-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";

export interface NodeRecordsParts {
  readonly nodeId: string;
  readonly packs: PackStore;
  readonly catalog: PackCatalog;
  readonly index: LiveIndex;
  readonly commits: GroupCommit;
}

export class NodeRecords {
  readonly #nodeId: string;
  readonly #packs: PackStore;
  readonly #catalog: PackCatalog;
  readonly #index: LiveIndex;
  readonly #commits: GroupCommit;
  readonly #turns = new KeyTurns();

  constructor(parts: NodeRecordsParts) {
    this.#nodeId = parts.nodeId;
    this.#packs = parts.packs;
    this.#catalog = parts.catalog;
    this.#index = parts.index;
    this.#commits = parts.commits;
  }

  /** Undefined if there is none, or it was deleted. RECORD_CORRUPT, INDEX_UNAVAILABLE. */
  async get(repositoryId: RepositoryId, key: string, withDeleted: boolean): Promise<StoredRecord | undefined> {
    const indexKey = indexRecordKey(fromHex(repositoryId), key);
    const [found, lost] = await this.#index.ask(async (index) => {
      const record = await index.recordAt(indexKey);
      if (!record) index.lost.checkAllRead();
      return [record, index.lost.newerThan(repositoryId, key, record?.version)] as const;
    });
    if (lost) throw this.#corrupt(RECORD_TYPE_RECORD, repositoryId, key, lost, "it cannot be read");
    if (!found || (found.type === RECORD_TYPE_TOMBSTONE && !withDeleted)) return undefined;
    return (await this.#readStored(repositoryId, [{ key, record: found }]))[0];
  }

  /** In order of key. RECORD_CORRUPT, INDEX_UNAVAILABLE. */
  async list(repositoryId: RepositoryId, prefix: string, withDeleted: boolean): Promise<StoredRecord[]> {
    const from = indexRecordKey(fromHex(repositoryId), prefix);
    const found = await this.#index.ask(async (index) => {
      await this.#checkNoneLost(repositoryId, index);
      const live: { key: string; record: IndexRecord }[] = [];
      for await (const [key, record] of index.records(from, after(from))) {
        if (withDeleted || record.type === RECORD_TYPE_RECORD) live.push({ key: recordKeyText(key), record });
      }
      return live;
    });
    return this.#readStored(repositoryId, found);
  }

  /** Those that have a record. INDEX_UNAVAILABLE. */
  async repositories(): Promise<RepositoryId[]> {
    return this.#index.ask(async (index) => {
      index.lost.checkAllRead();
      const found: RepositoryId[] = [];
      let { from, to } = indexRange("record");
      // One seek per repository: after its first live record, on to the next repository.
      for (let more = true; more; ) {
        more = false;
        for await (const [key, record] of index.records(from, to)) {
          if (record.type !== RECORD_TYPE_RECORD) continue;
          const repository = Buffer.from(key.subarray(0, 17));
          found.push(toHex(repository.subarray(1)));
          from = after(repository);
          more = true;
          break;
        }
      }
      return [...new Set([...found, ...index.lost.repositories()])];
    });
  }

  /** Stores a record, or its tombstone, as `type` says. RECORD_CONFLICT. */
  async put(scope: Scope, record: StoredRecord, type: 2 | 3): Promise<void> {
    const repositoryId = fromHex(scope.repositoryId);
    const indexKey = indexRecordKey(repositoryId, record.key);
    await this.#turns.take(indexKey.toString("latin1"), async () => {
      const keyText = Buffer.from(record.key, "latin1");
      const body = Buffer.concat([keyText, record.body]);
      const digest = blake3(body);
      const [stored, lost] = await this.#index.ask(async (index) => {
        const known = await index.recordAt(indexKey);
        return [known, index.lost.newerThan(scope.repositoryId, record.key, known?.version)] as const;
      });
      // A lost record may be put again, or followed, but not be taken back.
      if (lost && record.version < lost.version) throw recordConflict(record, lost.version);
      if (stored && record.version <= stored.version) return this.#checkRepeat(scope, record, type, stored, digest);
      await this.#commits.admit();
      await this.#commits.add([
        {
          type,
          keyBytes: keyText.length,
          repositoryId,
          id: blake3(keyText),
          version: record.version,
          body,
          digest,
          indexKey,
          isNew: stored === undefined,
        },
      ]);
    });
  }

  /** RECORD_CONFLICT unless `record` is what is stored. */
  async #checkRepeat(scope: Scope, record: StoredRecord, type: 2 | 3, stored: IndexRecord, digest: Uint8Array): Promise<void> {
    if (record.version === stored.version && type === stored.type) {
      const [read] = await readRecords(this.#packs, this.#catalog, [stored]);
      if (read?.ok && equalBytes(read.digest, digest)) return;
      if (read && !read.ok) throw this.#corrupt(type, scope.repositoryId, record.key, stored, read.reason);
    }
    throw recordConflict(record, stored.version);
  }

  /** RECORD_CORRUPT, INDEX_UNAVAILABLE if a record of the repository may be under any key: no list of its records is whole then. */
  async #checkNoneLost(repositoryId: RepositoryId, index: NodeIndex): Promise<void> {
    index.lost.checkAllRead();
    if (!index.lost.repositories().includes(repositoryId)) return;
    const there: { readonly key: string; readonly version: bigint }[] = [];
    const from = indexRecordKey(fromHex(repositoryId), "");
    for await (const [key, { version }] of index.records(from, after(from))) there.push({ key: recordKeyText(key), version });
    for (const [digest, lost] of index.lost.remaining(repositoryId, there)) {
      throw this.#corrupt(RECORD_TYPE_RECORD, repositoryId, digest, lost, "it cannot be read");
    }
  }

  async #readStored(
    repositoryId: RepositoryId,
    wanted: readonly { readonly key: string; readonly record: IndexRecord }[],
  ): Promise<StoredRecord[]> {
    const reads = await readRecords(
      this.#packs,
      this.#catalog,
      wanted.map(({ record }) => record),
    );
    return wanted.map(({ key, record }, i) => {
      const read = reads[i];
      if (read?.ok && read.header.version === record.version && read.body.toString("latin1", 0, read.header.keyBytes) === key) {
        const body = read.body.subarray(read.header.keyBytes);
        return { key, version: record.version, body, ...(record.type === RECORD_TYPE_TOMBSTONE ? { deleted: true } : {}) };
      }
      const reason = read?.ok === false ? read.reason : "another record lies there";
      throw this.#corrupt(RECORD_TYPE_RECORD, repositoryId, key, record, reason);
    });
  }

  #corrupt(type: 2 | 3, repositoryId: string, name: string, location: IndexLocation, reason: string): CodedError {
    const pack = toHex(location.packId);
    return corrupt(type, { nodeId: this.#nodeId, repositoryId, name, pack, offset: location.offset, reason });
  }
}

/** The first key behind every key that starts with `prefix`. */
function after(prefix: Uint8Array): Buffer {
  const next = Buffer.from(prefix);
  for (let i = next.length - 1; i >= 0; i--) {
    const byte = next[i] as number;
    if (byte < 255) {
      next[i] = byte + 1;
      return next.subarray(0, i + 1);
    }
  }
  return next;
}

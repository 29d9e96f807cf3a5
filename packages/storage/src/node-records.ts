/**
 * The records of one node: the newest version of each key, looked up in the index and read from packs.
 *
 * Two writers of one record take turns by key. A version once acknowledged is never followed by a lower one. What may be
 * here but cannot be read is an error, never an absence: a damaged record, one whose key is lost, a pack that was not read.
 * A damaged record may be put again: with the bytes it had, as far as its header still says which; so a good replica repairs it.
 * A deletion is in its header, so damage of its body takes nothing away.
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
    if (lost?.type === RECORD_TYPE_TOMBSTONE) return withDeleted ? deletion(key, lost) : undefined;
    if (lost) throw this.#corrupt(repositoryId, key, lost, "it cannot be read");
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
        const keyText = recordKeyText(key);
        // A record that is lost is none; a deletion that is lost is one.
        if (index.lost.newerThan(repositoryId, keyText, record.version)) continue;
        if (withDeleted || record.type === RECORD_TYPE_RECORD) live.push({ key: keyText, record });
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
          const repository = Buffer.from(key.subarray(0, 17));
          const isDeleted = index.lost.newerThan(toHex(repository.subarray(1)), recordKeyText(key), record.version) !== undefined;
          if (record.type !== RECORD_TYPE_RECORD || isDeleted) continue;
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
      if (lost && (record.version < lost.version || (record.version === lost.version && type !== lost.type))) {
        throw recordConflict(record, lost.version);
      }
      if (stored && record.version <= stored.version && (await this.#isRepeat(record, type, stored, digest))) return;
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

  /** Whether `record` is stored whole; false if it makes up for a damaged copy of itself. RECORD_CONFLICT if it is neither. */
  async #isRepeat(record: StoredRecord, type: 2 | 3, stored: IndexRecord, digest: Uint8Array): Promise<boolean> {
    if (record.version === stored.version && type === stored.type) {
      const [read] = await readRecords(this.#packs, this.#catalog, [stored]);
      if (read?.ok && equalBytes(read.digest, digest)) return true;
      if (read?.ok === false && (!read.lostDigest || equalBytes(read.lostDigest, digest.subarray(0, read.lostDigest.length)))) {
        return false;
      }
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
      throw this.#corrupt(repositoryId, digest, lost, "it cannot be read");
    }
  }

  async #readStored(
    repositoryId: RepositoryId,
    wanted: readonly { readonly key: string; readonly record: IndexRecord }[],
  ): Promise<StoredRecord[]> {
    const records = wanted.map(({ record }) => record).filter(({ type }) => type === RECORD_TYPE_RECORD);
    const reads = await readRecords(this.#packs, this.#catalog, records);
    let next = 0;
    return wanted.map(({ key, record }) => {
      // A deletion has no more to say than the index does.
      if (record.type === RECORD_TYPE_TOMBSTONE) return deletion(key, record);
      const read = reads[next++];
      if (read?.ok && read.header.version === record.version && read.body.toString("latin1", 0, read.header.keyBytes) === key) {
        return { key, version: record.version, body: read.body.subarray(read.header.keyBytes) };
      }
      const reason = read?.ok === false ? read.reason : "another record lies there";
      throw this.#corrupt(repositoryId, key, record, reason);
    });
  }

  #corrupt(repositoryId: string, name: string, record: IndexLocation & { readonly version: bigint }, reason: string): CodedError {
    const { packId, offset, version } = record;
    return corrupt(RECORD_TYPE_RECORD, {
      ...{ nodeId: this.#nodeId, repositoryId, name, pack: toHex(packId), offset, reason },
      version: String(version),
    });
  }
}

const deletion = (key: string, { version }: { readonly version: bigint }): StoredRecord => ({
  key,
  version,
  body: new Uint8Array(0),
  deleted: true,
});

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

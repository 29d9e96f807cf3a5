/**
 * A BlockStore in memory: for tests, and as the shortest statement of what a store does.
 *
 * Keeps every promise of the contract except surviving its process. Bodies are copied in, so a caller may reuse
 * its buffers. Test hooks count calls, damage or lose a block, and make the next calls fail.
 */

import type { BlockId, RepositoryId } from "@permafrost/model";
import { CodedError, compareBytes, randomId, toHex } from "@permafrost/std";
import type { BlockStore, Scope, SealedBlock, StoredRecord, StoreStatus } from "./block-store.ts";
import { checkBlock, checkIds, checkRecord, checkRecordKey, checkRepositoryId, checkScope, digestMatches } from "./checks.ts";
import { Fences } from "./fences.ts";
import { memoryPruning, type PrunableBlock } from "./memory-pruning.ts";
import { repairedAlone } from "./repair.ts";

export type StoreMethod = Exclude<keyof BlockStore, "close">;

export interface MemoryBlockStore extends BlockStore {
  readonly nodeId: string;
  /** Calls so far by method. */
  readonly calls: Record<StoreMethod, number>;
  /** What passed through `put`, whether or not it was new. */
  readonly received: { blocks: number; bytes: number };
  /** Sessions that have reserved or put this block. */
  pins(id: BlockId): ReadonlySet<string>;
  /** Flips a bit of the stored body, in every repository that has the block; found out by the next `get`. */
  damage(id: BlockId): void;
  /** Loses the block. */
  drop(id: BlockId): void;
  /** The next `times` calls (of `method`, if given) throw `error`; `Infinity` until `failNext` is called with 0. */
  failNext(error: Error, times?: number, method?: StoreMethod): void;
}

interface Held extends PrunableBlock {
  block: SealedBlock;
  readonly pins: Set<string>;
  knownDamaged: boolean;
}

type HeldRecord = Omit<StoredRecord, "deleted"> & { readonly deleted: boolean };

export interface MemoryBlockStoreOptions {
  /** 32 hex digits; default random. */
  readonly nodeId?: string;
  /** Bytes it takes before it answers STORE_FULL; default no limit. */
  readonly capacityBytes?: number;
}

/** An empty store; see the hooks of MemoryBlockStore. */
export function memoryBlockStore(options: MemoryBlockStoreOptions = {}): MemoryBlockStore {
  const nodeId = options.nodeId ?? randomId();
  const capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
  const blocks = new Map<string, Held>();
  const records = new Map<string, Map<string, HeldRecord>>();
  const fences = new Fences();
  const calls: Record<StoreMethod, number> = {
    reserve: 0,
    put: 0,
    confirm: 0,
    get: 0,
    putRecord: 0,
    getRecord: 0,
    listRecords: 0,
    deleteRecord: 0,
    repairBlocks: 0,
    repairRecords: 0,
    listRepositories: 0,
    status: 0,
    pruning: 0,
  };
  const received = { blocks: 0, bytes: 0 };
  let storedBytes = 0;
  let closed = false;
  let failing: { error: Error; times: number; method: StoreMethod | undefined } | undefined;

  const enter = (method: StoreMethod, scope?: Scope) => {
    calls[method]++;
    if (closed) throw new CodedError("STORE_CLOSED", "the store is closed");
    if (failing && failing.times > 0 && (failing.method === undefined || failing.method === method)) {
      failing.times--;
      throw failing.error;
    }
    if (scope) {
      checkScope(scope);
      fences.check(scope);
    }
  };
  const blockKey = (repositoryId: RepositoryId, id: BlockId) => `${repositoryId}/${toHex(id)}`;
  const intact = (scope: Scope, id: BlockId): Held | undefined => {
    const held = blocks.get(blockKey(scope.repositoryId, id));
    return held && !held.knownDamaged ? held : undefined;
  };
  /** It is there and somebody counts on it: no prune takes it. */
  const kept = (scope: Scope, id: BlockId): Held | undefined => {
    const held = intact(scope, id);
    if (held) held.condemnedIn = 0;
    return held;
  };
  const everywhere = (id: BlockId) => [...blocks].filter(([key]) => key.endsWith(`/${toHex(id)}`));

  const storeRecord = (scope: Scope, record: StoredRecord, deleted: boolean) => {
    checkRecord(record);
    const ofRepository = records.get(scope.repositoryId) ?? new Map();
    const now = ofRepository.get(record.key);
    if (now && record.version <= now.version) {
      if (record.version === now.version && deleted === now.deleted && compareBytes(record.body, now.body) === 0) return;
      throw new CodedError("RECORD_CONFLICT", "the record has moved on", {
        facts: { key: record.key, version: String(record.version), storedVersion: String(now.version) },
        hint: "read the record again and decide anew",
      });
    }
    ofRepository.set(record.key, { key: record.key, version: record.version, body: Uint8Array.from(record.body), deleted });
    records.set(scope.repositoryId, ofRepository);
  };

  const remove = (key: string) => {
    storedBytes -= blocks.get(key)?.block.body.length ?? 0;
    blocks.delete(key);
  };
  const pruning = memoryPruning({ nodeId, blocks, remove, enter: () => enter("pruning") });

  return {
    nodeId,
    calls,
    received,
    pins: (id) => new Set(everywhere(id).flatMap(([, held]) => [...held.pins])),
    damage(id) {
      for (const [, held] of everywhere(id)) {
        const body = Uint8Array.from(held.block.body);
        body[0] = (body[0] ?? 0) ^ 1;
        held.block = { ...held.block, body };
      }
    },
    drop(id) {
      for (const [key] of everywhere(id)) remove(key);
    },
    failNext(error, times = 1, method) {
      failing = { error, times, method };
    },

    async reserve(scope, ids) {
      enter("reserve", scope);
      checkIds(ids);
      return ids.map((id) => {
        const held = kept(scope, id);
        held?.pins.add(scope.sessionId);
        return held !== undefined;
      });
    },

    async put(scope, sealed) {
      enter("put", scope);
      for (const block of sealed) checkBlock(block);
      for (const block of sealed) {
        received.blocks++;
        received.bytes += block.body.length;
        const held = kept(scope, block.id);
        if (held) {
          held.pins.add(scope.sessionId);
          continue;
        }
        if (storedBytes + block.body.length > capacityBytes) {
          throw new CodedError("STORE_FULL", "the store has no room left", {
            facts: { nodeId, capacityBytes },
            hint: "free space on the node, or add a node",
            retry: "elsewhere",
          });
        }
        const key = blockKey(scope.repositoryId, block.id);
        const earlier = blocks.get(key);
        storedBytes += block.body.length - (earlier?.block.body.length ?? 0);
        blocks.set(key, {
          block: { id: Uint8Array.from(block.id), body: Uint8Array.from(block.body), digest: Uint8Array.from(block.digest) },
          pins: new Set([...(earlier?.pins ?? []), scope.sessionId]),
          knownDamaged: false,
          bodyBytes: block.body.length,
          condemnedIn: 0,
        });
      }
    },

    async confirm(scope, ids) {
      enter("confirm", scope);
      checkIds(ids);
      return ids.map((id) => kept(scope, id) !== undefined);
    },

    async get(repositoryId, ids) {
      enter("get");
      checkRepositoryId(repositoryId);
      checkIds(ids);
      return ids.map((id) => {
        const held = blocks.get(blockKey(repositoryId, id));
        if (!held) return undefined;
        if (!digestMatches(held.block)) {
          held.knownDamaged = true;
          throw new CodedError("BLOCK_CORRUPT", "the stored block does not have its digest", {
            facts: { nodeId, block: toHex(id), pack: "memory", offset: 0 },
            hint: "another replica may be intact",
            retry: "elsewhere",
          });
        }
        return held.block;
      });
    },

    async putRecord(scope, record) {
      enter("putRecord", scope);
      storeRecord(scope, record, false);
    },

    async getRecord(repositoryId, key, { withDeleted = false } = {}) {
      enter("getRecord");
      checkRepositoryId(repositoryId);
      checkRecordKey(key);
      const record = records.get(repositoryId)?.get(key);
      return record && (withDeleted || !record.deleted) ? answerOf(record) : undefined;
    },

    async listRecords(repositoryId, prefix, { withDeleted = false } = {}) {
      enter("listRecords");
      checkRepositoryId(repositoryId);
      return [...(records.get(repositoryId)?.values() ?? [])]
        .filter((record) => (withDeleted || !record.deleted) && record.key.startsWith(prefix))
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .map(answerOf);
    },

    async deleteRecord(scope, key, version) {
      enter("deleteRecord", scope);
      storeRecord(scope, { key, version, body: new Uint8Array(0) }, true);
    },

    async repairBlocks(scope, ids) {
      enter("repairBlocks", scope);
      checkIds(ids);
      return repairedAlone(
        ids,
        ids.map((id) => kept(scope, id) !== undefined),
      );
    },

    async repairRecords(repositoryId) {
      enter("repairRecords");
      checkRepositoryId(repositoryId);
      return 0;
    },

    async listRepositories() {
      enter("listRepositories");
      return [...records]
        .filter(([, ofRepository]) => [...ofRepository.values()].some((record) => !record.deleted))
        .map(([repositoryId]) => repositoryId)
        .sort();
    },

    async status(): Promise<StoreStatus[]> {
      enter("status");
      return [{ nodeId, blocks: blocks.size, storedBytes, freeBytes: capacityBytes - storedBytes }];
    },

    async pruning() {
      enter("pruning");
      return [pruning];
    },

    async close() {
      closed = true;
    },
  };
}

function answerOf({ key, version, body, deleted }: HeldRecord): StoredRecord {
  return { key, version, body, ...(deleted ? { deleted } : {}) };
}

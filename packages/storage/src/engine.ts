/**
 * One node's BlockStore: blocks and records in packs, found through an index, durable before they are acknowledged.
 *
 * Interleavings it must survive: the same block put by many at once (it joins the copy on its way); a pack removed while it is read (the
 * removal waits for reads that have begun); the index failing under any of them (it is rebuilt from the packs and asked again). Blocks,
 * records and prunes have their own rules: `node-blocks.ts`, `node-records.ts`, `node-pruning.ts`. Once the disk fails a write the node
 * only reads, and says why.
 */

import {
  type BlockStore,
  checkBlock,
  checkIds,
  checkRecord,
  checkRecordKey,
  checkRepositoryId,
  checkScope,
  Fences,
  type NodePruning,
  type RecordsRead,
  type RepairedBlocks,
  repairedAlone,
  type Scope,
  type SealedBlock,
  type StoredRecord,
  type StoreStatus,
} from "@permafrost/blocks";
import { RECORD_TYPE_RECORD, RECORD_TYPE_TOMBSTONE } from "@permafrost/format";
import type { BlockId, RepositoryId } from "@permafrost/model";
import type { PackStore } from "@permafrost/packs";
import { Condemned } from "./condemned.ts";
import { storeClosed, storeFull, storeReadOnly } from "./errors.ts";
import { GroupCommit } from "./group-commit.ts";
import { InFlight } from "./in-flight.ts";
import type { IndexHome } from "./index-home.ts";
import { LiveIndex } from "./live-index.ts";
import { livingOf } from "./living.ts";
import { NodeBlocks } from "./node-blocks.ts";
import { type EnginePruning, nodePruning } from "./node-pruning.ts";
import { NodeRecords } from "./node-records.ts";
import type { EngineOptions } from "./options.ts";
import { PackCatalog } from "./pack-catalog.ts";
import { PackWriter, type PendingRecord } from "./pack-writer.ts";
import { checkPackOwner, type RecoveryReport } from "./recovery.ts";
import { type ScrubFinding, type ScrubPace, scrubPacks } from "./scrub.ts";

export interface StorageStats {
  readonly nodeId: string;
  readonly blocks: number;
  readonly packs: number;
  readonly storedBytes: number;
  readonly freeBytes: number;
  /** Why the node takes no writes, if it does not. */
  readonly readOnlyReason: string | undefined;
  /** Copies found damaged since the start. */
  readonly damagedFound: number;
  readonly indexRebuilds: number;
  /** Whether the last owner closed the store. */
  readonly cleanStart: boolean;
  readonly recovery: RecoveryReport;
}

export interface StorageEngine extends BlockStore {
  readonly nodeId: string;
  /** Reads every pack again and yields what is wrong; needs no key. What it finds damaged is no longer counted as present. */
  scrub(pace?: ScrubPace): AsyncIterable<ScrubFinding>;
  /** Throws the index away and makes it again from the packs; calls meanwhile wait. */
  rebuildIndex(): Promise<void>;
  stats(): Promise<StorageStats>;
}

/** What an engine works on; it owns all of it. */
export interface EngineParts {
  readonly packs: PackStore;
  readonly home: IndexHome;
  /** Where it keeps what is condemned. */
  readonly condemned: PackStore;
}

/**
 * An open engine. `identify` gives the node's id once this process has the index's lock. KV_LOCKED if a process has the node open.
 */
export async function openEngine(
  identify: () => Promise<string>,
  { packs, home, condemned }: EngineParts,
  options: EngineOptions,
): Promise<StorageEngine> {
  const catalog = new PackCatalog();
  let nodeId = "";
  let known: Condemned | undefined;
  try {
    const index = await LiveIndex.open(home, packs, catalog, async () => {
      nodeId = await identify();
      await checkPackOwner(packs, nodeId);
      known = await Condemned.open(condemned);
    });
    return new Engine(nodeId, packs, catalog, index, known as Condemned, options);
  } catch (error) {
    await packs.close();
    await condemned.close();
    throw error;
  }
}

class Engine implements StorageEngine {
  readonly nodeId: string;
  readonly #packs: PackStore;
  readonly #catalog: PackCatalog;
  readonly #index: LiveIndex;
  readonly #options: EngineOptions;
  readonly #fences = new Fences();
  readonly #writer: PackWriter;
  readonly #commits: GroupCommit;
  readonly #records: NodeRecords;
  readonly #blocks: NodeBlocks;
  readonly #condemned: Condemned;
  readonly #pruning: EnginePruning;
  readonly #reads = new InFlight();
  #readOnlyReason: string | undefined;
  /** As last asked; forgotten when a commit or a deletion may have changed it. */
  #space: { readonly freeBytes: number; readonly keepFreeBytes: number } | undefined;
  #closed = false;

  constructor(
    nodeId: string,
    packs: PackStore,
    catalog: PackCatalog,
    index: LiveIndex,
    condemned: Condemned,
    options: EngineOptions,
  ) {
    this.nodeId = nodeId;
    this.#packs = packs;
    this.#catalog = catalog;
    this.#index = index;
    this.#options = options;
    const { clock, random, packBytesMax } = options;
    const onBroken = (reason: string) => {
      this.#readOnlyReason ??= reason;
    };
    this.#writer = new PackWriter({ packs, index: () => index.current, catalog, nodeId, packBytesMax, clock, random, onBroken });
    this.#commits = new GroupCommit({
      clock,
      windowMs: options.commitWindowMs,
      batchBytes: options.commitBytes,
      queueBytesMax: options.queueBytesMax,
      write: (records) => this.#commit(records),
    });
    this.#records = new NodeRecords({ nodeId, packs, catalog, index, commits: this.#commits });
    this.#condemned = condemned;
    this.#blocks = new NodeBlocks({
      ...{ nodeId, packs, catalog, index, condemned },
      commits: this.#commits,
      checkRoom: (bytes) => this.#checkRoom(bytes),
    });
    this.#pruning = nodePruning({
      ...{ nodeId, packs, catalog, index, condemned },
      commits: this.#commits,
      reads: this.#reads,
      isIntact: this.#blocks.isIntact,
      checkOpen: () => this.#enter(),
      checkWritable: () => this.#checkWritable(),
      seal: () => index.hold(() => this.#writer.seal()),
    });
  }

  async reserve(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]> {
    this.#enter(scope);
    checkIds(ids);
    return this.#blocks.keep(scope.repositoryId, ids);
  }

  async confirm(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]> {
    this.#enter(scope);
    checkIds(ids);
    return this.#blocks.keep(scope.repositoryId, ids);
  }

  async put(scope: Scope, blocks: readonly SealedBlock[]): Promise<void> {
    this.#enter(scope);
    for (const block of blocks) checkBlock(block);
    this.#checkWritable();
    await this.#blocks.put(scope.repositoryId, blocks);
  }

  async get(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<(SealedBlock | undefined)[]> {
    this.#enter();
    checkRepositoryId(repositoryId);
    checkIds(ids);
    return this.#reads.run(() => this.#blocks.get(repositoryId, ids));
  }

  async putRecord(scope: Scope, record: StoredRecord): Promise<void> {
    this.#enter(scope);
    checkRecord(record);
    this.#checkWritable();
    await this.#reads.run(() => this.#records.put(scope, record, RECORD_TYPE_RECORD));
  }

  async deleteRecord(scope: Scope, key: string, version: bigint): Promise<void> {
    this.#enter(scope);
    const tombstone = { key, version, body: new Uint8Array(0) };
    checkRecord(tombstone);
    this.#checkWritable();
    await this.#reads.run(() => this.#records.put(scope, tombstone, RECORD_TYPE_TOMBSTONE));
  }

  async getRecord(repositoryId: RepositoryId, key: string, options: RecordsRead = {}): Promise<StoredRecord | undefined> {
    this.#enter();
    checkRepositoryId(repositoryId);
    checkRecordKey(key);
    return this.#reads.run(() => this.#records.get(repositoryId, key, options.withDeleted === true));
  }

  async listRecords(repositoryId: RepositoryId, prefix: string, options: RecordsRead = {}): Promise<StoredRecord[]> {
    this.#enter();
    checkRepositoryId(repositoryId);
    return this.#reads.run(() => this.#records.list(repositoryId, prefix, options.withDeleted === true));
  }

  /** A node has no other to copy from. */
  async repairBlocks(scope: Scope, ids: readonly BlockId[]): Promise<RepairedBlocks> {
    return repairedAlone(ids, await this.confirm(scope, ids));
  }

  async repairRecords(repositoryId: RepositoryId): Promise<number> {
    this.#enter();
    checkRepositoryId(repositoryId);
    return 0;
  }

  async listRepositories(): Promise<RepositoryId[]> {
    this.#enter();
    return this.#records.repositories();
  }

  async status(): Promise<StoreStatus[]> {
    this.#enter();
    const { freeBytes } = await this.#packs.space();
    const { nodeId } = this;
    const readOnlyReason = this.#readOnlyReason === undefined ? {} : { readOnlyReason: this.#readOnlyReason };
    const { blocks } = this.#index.current;
    return [{ nodeId, blocks, storedBytes: this.#catalog.storedBytes, freeBytes, ...readOnlyReason }];
  }

  async stats(): Promise<StorageStats> {
    this.#enter();
    const { freeBytes } = await this.#packs.space();
    return {
      nodeId: this.nodeId,
      blocks: this.#index.current.blocks,
      packs: this.#catalog.size,
      storedBytes: this.#catalog.storedBytes,
      freeBytes,
      readOnlyReason: this.#readOnlyReason,
      damagedFound: this.#blocks.damagedFound,
      indexRebuilds: this.#index.rebuilds,
      cleanStart: this.#index.cleanStart,
      recovery: this.#index.recovery,
    };
  }

  async *scrub(pace: ScrubPace = async () => undefined): AsyncGenerator<ScrubFinding> {
    this.#enter();
    yield* scrubPacks({
      packs: this.#packs,
      catalog: this.#catalog,
      index: this.#index,
      reads: this.#reads,
      markDamaged: this.#blocks.markDamaged,
      pace,
    });
  }

  async rebuildIndex(): Promise<void> {
    this.#enter();
    await this.#index.rebuild(this.#writer.openEntries);
  }

  async pruning(): Promise<NodePruning[]> {
    this.#enter();
    return [this.#pruning];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pruning.stopped();
    await this.#commits.drain();
    let whole = this.#readOnlyReason === undefined;
    if (whole) {
      // Held: over half an index nothing is sealed, for it would call a pack sealed whose records it does not have.
      // What cannot be sealed now is sealed when the node starts: nothing acknowledged hangs on it.
      await this.#index
        .hold(() => this.#writer.seal())
        .catch(() => {
          whole = false;
        });
    }
    await this.#index.close(whole);
    await this.#packs.close();
    await this.#condemned.close();
  }

  #enter(scope?: Scope): void {
    if (this.#closed) throw storeClosed();
    if (!scope) return;
    checkScope(scope);
    this.#fences.check(scope);
  }

  #checkWritable(): void {
    if (this.#readOnlyReason !== undefined) throw storeReadOnly(this.#readOnlyReason);
  }

  async #commit(records: readonly PendingRecord[]): Promise<void> {
    this.#checkWritable();
    await this.#index.hold(async () => {
      const wanted = await this.#stillWanted(records);
      if (wanted.length > 0) await this.#writer.write(wanted);
    });
    this.#space = undefined;
  }

  /** Without the copies of what no longer lives where it was copied from. */
  async #stillWanted(records: readonly PendingRecord[]): Promise<readonly PendingRecord[]> {
    const unsure = records.filter(({ isNew }) => isNew === undefined);
    if (unsure.length === 0) return records;
    const index = this.#index.current;
    // What is put in the same batch is newer than any copy of what was there before.
    const putKeys = new Set(records.flatMap(({ movedFrom, indexKey }) => (movedFrom ? [] : [indexKey.toString("latin1")])));
    const moved = unsure.flatMap(({ movedFrom, indexKey }) =>
      movedFrom && !putKeys.has(indexKey.toString("latin1")) ? [movedFrom] : [],
    );
    const living = new Map((await livingOf(index, this.#blocks.isIntact, moved)).map((one) => [one.placed, one.isKnown]));
    const put = unsure.filter(({ movedFrom }) => !movedFrom);
    const known = await index.blocksAt(put.map(({ indexKey }) => indexKey));
    const isKnown = new Map(put.map((record, i) => [record, known[i] !== undefined]));
    return records.flatMap((record) => {
      const { movedFrom, isNew } = record;
      if (isNew !== undefined) return [record];
      if (!movedFrom) return [{ ...record, isNew: isKnown.get(record) !== true }];
      return living.has(movedFrom) ? [{ ...record, isNew: living.get(movedFrom) !== true }] : [];
    });
  }

  /** STORE_FULL unless `bytes` more leave what is to be kept free. */
  async #checkRoom(bytes: number): Promise<void> {
    if (!this.#space) {
      const { freeBytes, totalBytes } = await this.#packs.space();
      const keepFreeBytes = this.#options.keepFreeBytes ?? this.#options.packBytesMax + Math.floor(totalBytes / 20);
      this.#space = { freeBytes, keepFreeBytes };
    }
    const { freeBytes, keepFreeBytes } = this.#space;
    if (freeBytes - this.#commits.queuedBytes - bytes >= keepFreeBytes) return;
    this.#space = undefined; // space may be made meanwhile
    throw storeFull({ freeBytes, keepFreeBytes });
  }
}

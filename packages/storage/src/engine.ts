/**
 * One node's BlockStore: blocks and records in packs, found through an index, durable before they are acknowledged.
 *
 * Interleavings it must survive: the same block put by many at once (it joins the copy on its way); a put that replaces a
 * damaged copy while a read finds the damage (changes of the index are decided one at a time); the index failing under
 * any of them (it is rebuilt from the packs and asked again). Records have their own rules: `node-records.ts`.
 * Once the disk fails a write the node only reads, and says why.
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
  type Scope,
  type SealedBlock,
  type StoredRecord,
  type StoreStatus,
} from "@permafrost/blocks";
import {
  encodeIndexBlock,
  type IndexLocation,
  indexBlockKey,
  RECORD_TYPE_BLOCK,
  RECORD_TYPE_RECORD,
  RECORD_TYPE_TOMBSTONE,
} from "@permafrost/format";
import type { BlockId, RepositoryId } from "@permafrost/model";
import type { PackStore } from "@permafrost/packs";
import { type CodedError, equalBytes, fromHex, toHex } from "@permafrost/std";
import { readRecords } from "./body-reader.ts";
import { corrupt, storeClosed, storeFull, storeReadOnly } from "./errors.ts";
import { GroupCommit } from "./group-commit.ts";
import type { IndexHome } from "./index-home.ts";
import { LiveIndex } from "./live-index.ts";
import { NodeRecords } from "./node-records.ts";
import type { EngineOptions } from "./options.ts";
import { PackCatalog } from "./pack-catalog.ts";
import { PackWriter, type PendingRecord } from "./pack-writer.ts";
import { checkPackOwner, type RecoveryReport } from "./recovery.ts";
import { type ScrubFinding, scrubPacks } from "./scrub.ts";

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
  scrub(): AsyncIterable<ScrubFinding>;
  /** Throws the index away and makes it again from the packs; calls meanwhile wait. */
  rebuildIndex(): Promise<void>;
  stats(): Promise<StorageStats>;
}

/**
 * An open engine over `packs` and `home`; owns both from here on. `identify` gives the node's id once this process has
 * the index's lock. KV_LOCKED if a process has the node open.
 */
export async function openEngine(
  identify: () => Promise<string>,
  packs: PackStore,
  home: IndexHome,
  options: EngineOptions,
): Promise<StorageEngine> {
  const catalog = new PackCatalog();
  let nodeId = "";
  try {
    const index = await LiveIndex.open(home, packs, catalog, async () => {
      nodeId = await identify();
      await checkPackOwner(packs, nodeId);
    });
    return new Engine(nodeId, packs, catalog, index, options);
  } catch (error) {
    await packs.close();
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
  /** Places found damaged, as `pack:offset`; known at once, and kept in the index too. */
  readonly #damaged = new Set<string>();
  #readOnlyReason: string | undefined;
  /** As last asked; forgotten when a commit or a deletion may have changed it. */
  #space: { readonly freeBytes: number; readonly keepFreeBytes: number } | undefined;
  #closed = false;

  constructor(nodeId: string, packs: PackStore, catalog: PackCatalog, index: LiveIndex, options: EngineOptions) {
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
  }

  async reserve(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]> {
    this.#enter(scope);
    checkIds(ids);
    return this.#present(scope.repositoryId, ids);
  }

  async confirm(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]> {
    this.#enter(scope);
    checkIds(ids);
    return this.#present(scope.repositoryId, ids);
  }

  async put(scope: Scope, blocks: readonly SealedBlock[]): Promise<void> {
    this.#enter(scope);
    for (const block of blocks) checkBlock(block);
    this.#checkWritable();
    await this.#commits.admit();
    const repositoryId = fromHex(scope.repositoryId);
    const keys = blocks.map((block) => indexBlockKey(repositoryId, block.id));
    const known = await this.#index.ask((index) => index.blocksAt(keys));
    const records: PendingRecord[] = [];
    let bytes = 0;
    blocks.forEach((block, i) => {
      const location = known[i];
      if (location && this.#isIntact(location)) return;
      bytes += block.body.length;
      records.push({
        type: RECORD_TYPE_BLOCK,
        keyBytes: 32,
        repositoryId,
        id: block.id,
        version: 0n,
        body: block.body,
        digest: block.digest,
        indexKey: keys[i] as Buffer,
        isNew: location === undefined,
      });
    });
    if (records.length === 0) return;
    await this.#checkRoom(bytes);
    await this.#commits.add(records);
  }

  async get(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<(SealedBlock | undefined)[]> {
    this.#enter();
    checkRepositoryId(repositoryId);
    checkIds(ids);
    const repository = fromHex(repositoryId);
    const keys = ids.map((id) => indexBlockKey(repository, id));
    const known = await this.#index.ask((index) => index.blocksAt(keys));
    const at = known.flatMap((location, i) => (location ? [{ location, i }] : []));
    const reads = await readRecords(
      this.#packs,
      this.#catalog,
      at.map(({ location }) => location),
    );
    const out = new Array<SealedBlock | undefined>(ids.length);
    let failure: CodedError | undefined;
    for (const [n, { location, i }] of at.entries()) {
      const id = ids[i] as BlockId;
      const read = reads[n];
      if (read?.ok && read.header.type === RECORD_TYPE_BLOCK && equalBytes(read.header.id, id)) {
        out[i] = { id, body: read.body, digest: read.digest };
        continue;
      }
      const reason = read?.ok === false ? read.reason : "another record lies there";
      await this.#markDamaged(keys[i] as Buffer, location);
      failure ??= this.#corrupt(repositoryId, toHex(id), location, reason);
    }
    if (failure) throw failure;
    return out;
  }

  async putRecord(scope: Scope, record: StoredRecord): Promise<void> {
    this.#enter(scope);
    checkRecord(record);
    this.#checkWritable();
    await this.#records.put(scope, record, RECORD_TYPE_RECORD);
  }

  async deleteRecord(scope: Scope, key: string, version: bigint): Promise<void> {
    this.#enter(scope);
    const tombstone = { key, version, body: new Uint8Array(0) };
    checkRecord(tombstone);
    this.#checkWritable();
    await this.#records.put(scope, tombstone, RECORD_TYPE_TOMBSTONE);
  }

  async getRecord(repositoryId: RepositoryId, key: string): Promise<StoredRecord | undefined> {
    this.#enter();
    checkRepositoryId(repositoryId);
    checkRecordKey(key);
    return this.#records.get(repositoryId, key);
  }

  async listRecords(repositoryId: RepositoryId, prefix: string): Promise<StoredRecord[]> {
    this.#enter();
    checkRepositoryId(repositoryId);
    return this.#records.list(repositoryId, prefix);
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
      damagedFound: this.#damaged.size,
      indexRebuilds: this.#index.rebuilds,
      cleanStart: this.#index.cleanStart,
      recovery: this.#index.recovery,
    };
  }

  async *scrub(): AsyncGenerator<ScrubFinding> {
    this.#enter();
    yield* scrubPacks({
      packs: this.#packs,
      catalog: this.#catalog,
      index: this.#index,
      markDamaged: (key, location) => this.#markDamaged(key, location),
    });
  }

  async rebuildIndex(): Promise<void> {
    this.#enter();
    await this.#index.rebuild(this.#writer.openEntries);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
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

  async #present(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<boolean[]> {
    const repository = fromHex(repositoryId);
    const keys = ids.map((id) => indexBlockKey(repository, id));
    const known = await this.#index.ask((index) => index.blocksAt(keys));
    return known.map((location) => location !== undefined && this.#isIntact(location));
  }

  /** As far as is known without reading it. */
  #isIntact(location: IndexLocation): boolean {
    if (location.damaged || (this.#damaged.size > 0 && this.#damaged.has(place(location)))) return false;
    const pack = this.#catalog.get(toHex(location.packId));
    return pack !== undefined && location.offset + location.bodyBytes < pack.sizeBytes;
  }

  async #commit(records: readonly PendingRecord[]): Promise<void> {
    this.#checkWritable();
    await this.#index.hold(() => this.#writer.write(records));
    this.#space = undefined;
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

  #corrupt(repositoryId: string, name: string, location: IndexLocation, reason: string): CodedError {
    const { nodeId } = this;
    return corrupt(RECORD_TYPE_BLOCK, {
      nodeId,
      repositoryId,
      name,
      pack: toHex(location.packId),
      offset: location.offset,
      reason,
    });
  }

  /** Remembers that the copy at `location` is bad, unless the index has another by now. */
  async #markDamaged(key: Buffer, location: IndexLocation): Promise<void> {
    this.#damaged.add(place(location));
    try {
      await this.#index.current.change(
        async () => {
          const [now] = await this.#index.current.blocksAt([key]);
          if (!now || now.damaged || place(now) !== place(location)) return { operations: [] };
          const value = encodeIndexBlock(key, { ...now, damaged: true });
          return { operations: [{ type: "put", key, value }] };
        },
        { sync: false },
      );
    } catch {
      // The index cannot take it; until the next start the set above knows, and after that the next read.
    }
  }
}

function place(location: IndexLocation): string {
  return `${toHex(location.packId)}:${location.offset}`;
}

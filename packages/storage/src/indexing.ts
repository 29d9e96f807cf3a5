/**
 * Puts records found in packs into the index: after a crash, after a rebuild, after a scrub.
 *
 * Only adds or improves. Of two copies of a block the one that is there stays if it is intact; of two versions of a record
 * the higher wins, whatever the order in which packs are read. So repeating it, in any order, gives the same index.
 */

import {
  decodeIndexRecordKey,
  encodeIndexBlock,
  encodeIndexRecord,
  type FooterEntry,
  type IndexLocation,
  type IndexRecord,
  indexBlockKey,
  indexRecordKey,
  RECORD_TYPE_BLOCK,
  RECORD_TYPE_TOMBSTONE,
} from "@permafrost/format";
import type { KvOperation } from "@permafrost/kv";
import type { PackStore } from "@permafrost/packs";
import { equalBytes, fromHex } from "@permafrost/std";
import { readRecords } from "./body-reader.ts";
import type { NodeIndex } from "./node-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";

/** A record and its place, as a scan or a footer gives it. */
export interface FoundRecord extends FooterEntry {
  /** Known when the body was read; a footer does not keep it. */
  readonly keyText?: string | undefined;
  /** The body was read and does not match. */
  readonly damaged?: boolean;
  /** With `damaged`: it surely was whole once, as opposed to a write that was cut off. */
  readonly wasAcknowledged?: boolean;
}

const ENTRIES_PER_BATCH = 1000;

/**
 * Indexes `found`, which lie in `pack` (already in the catalog). Not synced: the caller's next synced change covers it.
 * Answers how many records are lost: stored once, but their keys cannot be read.
 */
export async function indexFound(
  index: NodeIndex,
  packs: PackStore,
  catalog: PackCatalog,
  pack: string,
  found: readonly FoundRecord[],
): Promise<number> {
  const packId = fromHex(pack);
  const lostBefore = index.lost.count;
  for (let first = 0; first < found.length; first += ENTRIES_PER_BATCH) {
    const some = found.slice(first, first + ENTRIES_PER_BATCH);
    await index.change(
      async () => {
        // Its blocks have moved or are deleted; the file goes in a moment.
        if (catalog.get(pack)?.isLeaving) return { operations: [] };
        const blocks = await blockOperations(index, packs, catalog, packId, some);
        const records = await recordOperations(index, packs, catalog, packId, some);
        const operations = [...blocks.operations, ...records.operations];
        return { operations, newBlocks: blocks.newBlocks, newRecords: records.newRecords };
      },
      { sync: false },
    );
  }
  return index.lost.count - lostBefore;
}

const location = (packId: Uint8Array, one: FoundRecord): IndexLocation => ({
  packId,
  offset: one.offset,
  bodyBytes: one.bodyBytes,
  damaged: one.damaged === true,
});
const samePlace = (a: IndexLocation, b: IndexLocation) => a.offset === b.offset && equalBytes(a.packId, b.packId);

async function blockOperations(
  index: NodeIndex,
  packs: PackStore,
  catalog: PackCatalog,
  packId: Uint8Array,
  found: readonly FoundRecord[],
) {
  const operations: KvOperation[] = [];
  const blocks = found.filter((one) => one.type === RECORD_TYPE_BLOCK);
  const keys = blocks.map((one) => indexBlockKey(one.repositoryId, one.id));
  const known = await index.blocksAt(keys);
  const fresh = new Map<string, IndexLocation>();
  let newBlocks = 0;
  for (const [i, one] of blocks.entries()) {
    const key = keys[i] as Buffer;
    const name = key.toString("latin1");
    const here = location(packId, one);
    const earlier = fresh.get(name) ?? known[i];
    if (earlier && !(await improves(packs, catalog, earlier, here))) continue;
    if (!earlier) newBlocks++;
    fresh.set(name, here);
    operations.push({ type: "put", key, value: encodeIndexBlock(key, here) });
  }
  return { operations, newBlocks };
}

/** Whether the copy at `here` should replace the one at `earlier`. Duplicates are rare, so both may be read. */
async function improves(packs: PackStore, catalog: PackCatalog, earlier: IndexLocation, here: IndexLocation): Promise<boolean> {
  if (samePlace(earlier, here)) return here.damaged && !earlier.damaged;
  if (here.damaged) return false;
  const [old, now] = await readRecords(packs, catalog, [earlier, here]);
  return old?.ok === false && now?.ok === true;
}

async function recordOperations(
  index: NodeIndex,
  packs: PackStore,
  catalog: PackCatalog,
  packId: Uint8Array,
  found: readonly FoundRecord[],
): Promise<{ readonly operations: KvOperation[]; readonly newRecords: number }> {
  const newest = new Map<string, { key: Buffer; record: IndexRecord }>();
  let newRecords = 0;
  for (const one of found) {
    if (one.type === RECORD_TYPE_BLOCK) continue;
    const here: IndexRecord = { ...location(packId, one), version: one.version, type: one.type };
    const keyText = one.damaged ? undefined : (one.keyText ?? (await readKeyText(packs, catalog, here)));
    if (keyText === undefined) {
      const isDeletion = one.type === RECORD_TYPE_TOMBSTONE;
      if (!one.damaged || one.wasAcknowledged || isDeletion) index.lost.note(one.repositoryId, one.id, here);
      continue;
    }
    const key = indexRecordKey(one.repositoryId, keyText);
    const name = key.toString("latin1");
    const earlier = newest.get(name)?.record ?? (await index.recordAt(key));
    if (earlier && earlier.version > here.version) continue;
    if (earlier && earlier.version === here.version && !(await improves(packs, catalog, earlier, here))) continue;
    if (!earlier) newRecords++;
    newest.set(name, { key, record: here });
  }
  const operations = [...newest.values()].map(
    ({ key, record }): KvOperation => ({ type: "put", key, value: encodeIndexRecord(key, record) }),
  );
  return { operations, newRecords };
}

async function readKeyText(packs: PackStore, catalog: PackCatalog, here: IndexRecord): Promise<string | undefined> {
  const [read] = await readRecords(packs, catalog, [here]);
  return read?.ok ? read.body.toString("latin1", 0, read.header.keyBytes) : undefined;
}

/** The key text of a record's index key. */
export function recordKeyText(key: Uint8Array): string {
  return decodeIndexRecordKey(key).keyText;
}

/**
 * Clears one sealed pack: moves what lives in it, deletes what is condemned from the index, and removes the file.
 *
 * What lives is what the index leads to here, and what it leads to nowhere else that is sound: an index that lost an entry must not
 * cost a block. Copies are durable before the last look; that look, the deletions and the pack's leaving are one step among
 * the changes of packs and index, so that whatever is asked for meanwhile is either told to be here and then stays, or told to be gone.
 * A pack that is not whole is left as it is: another replica may be needed to say what lay there.
 */

import {
  type FooterEntry,
  type IndexLocation,
  indexBlockKey,
  indexPackKey,
  indexRecordKey,
  RECORD_TYPE_BLOCK,
  recordBytes,
} from "@permafrost/format";
import type { KvOperation } from "@permafrost/kv";
import type { PackStore } from "@permafrost/packs";
import { fromHex, toHex } from "@permafrost/std";
import { type ReadRecord, readRecords } from "./body-reader.ts";
import type { Condemned } from "./condemned.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { InFlight } from "./in-flight.ts";
import type { LiveIndex } from "./live-index.ts";
import { livingOf, type Placed } from "./living.ts";
import type { PackCatalog } from "./pack-catalog.ts";
import { readFooter } from "./pack-scan.ts";
import type { PendingRecord } from "./pack-writer.ts";

export interface ClearingParts {
  readonly packs: PackStore;
  readonly catalog: PackCatalog;
  readonly index: LiveIndex;
  readonly commits: GroupCommit;
  readonly condemned: Condemned;
  readonly reads: InFlight;
  /** Whether a copy is sound as far as is known without reading it. */
  readonly isIntact: (location: IndexLocation) => boolean;
}

export interface Cleared {
  readonly deletedBlocks: number;
  /** Of their sealed bodies. */
  readonly deletedBytes: number;
  /** Bytes written to move what lives. */
  readonly movedBytes: number;
}

const MOVE_BYTES = 4 * 1024 * 1024;
/** Blocks may be spared while a pack is being cleared; it is gone through again, but not for ever. */
const ROUNDS_MAX = 3;

interface Entry extends FooterEntry, Placed {}

/** Clears the pack of what `repositoryId` condemned up to `cycle`. Undefined: it was left as it is. STORE_READ_ONLY, STORE_FULL. */
export async function clearPack(
  parts: ClearingParts,
  name: string,
  repositoryId: string,
  cycle: number,
): Promise<Cleared | undefined> {
  const entries = await entriesOf(parts, name);
  if (!entries) return undefined;
  const blocks = entries.filter((entry) => entry.type === RECORD_TYPE_BLOCK && toHex(entry.repositoryId) === repositoryId);
  let movedBytes = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const moved = await moveLiving(parts, entries, (entry) => isCondemned(parts, entry, cycle));
    if (moved === undefined) return undefined;
    movedBytes += moved;
    const deleted = await parts.index.hold(() => leave(parts, name, entries, blocks, repositoryId, cycle));
    if (deleted === undefined) continue;
    await parts.reads.settled();
    parts.catalog.delete(name);
    await parts.packs.delete(name);
    await parts.packs.syncDirectory();
    const deletedBytes = deleted.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    return { deletedBlocks: deleted.length, deletedBytes, movedBytes };
  }
  return undefined;
}

/** What the pack holds by its footer, with the keys of records read from them; undefined if any of that cannot be had. */
async function entriesOf({ packs, catalog, index }: ClearingParts, name: string): Promise<Entry[] | undefined> {
  const known = catalog.get(name);
  if (!known?.sealed || index.current.lost.isIn(name)) return undefined;
  const footer = await readFooter(packs, name, known.sizeBytes);
  if (!footer) return undefined;
  const packId = fromHex(name);
  const entries: Entry[] = [];
  for (const entry of footer.entries) {
    const location = { packId, offset: entry.offset, bodyBytes: entry.bodyBytes, damaged: false };
    if (entry.type === RECORD_TYPE_BLOCK) {
      entries.push({ ...entry, location, key: indexBlockKey(entry.repositoryId, entry.id) });
      continue;
    }
    const [read] = await readRecords(packs, catalog, [location]);
    if (!read?.ok) return undefined;
    const keyText = read.body.toString("latin1", 0, read.header.keyBytes);
    entries.push({ ...entry, location, key: indexRecordKey(entry.repositoryId, keyText) });
  }
  return entries;
}

function isCondemned({ condemned }: ClearingParts, { type, repositoryId, id }: Entry, cycle: number): boolean {
  if (type !== RECORD_TYPE_BLOCK) return false;
  const condemnedIn = condemned.condemnedIn(toHex(repositoryId), id);
  return condemnedIn > 0 && condemnedIn <= cycle;
}

/** Writes another copy of all that lives here, as long as the index does not lead elsewhere. Answers the bytes; undefined if one cannot be read. */
async function moveLiving(
  parts: ClearingParts,
  entries: readonly Entry[],
  isDead: (entry: Entry) => boolean,
): Promise<number | undefined> {
  let movedBytes = 0;
  for (let at = 0; at < entries.length; ) {
    const some: Entry[] = [];
    for (let bytes = 0; at < entries.length && bytes < MOVE_BYTES; at++) {
      const entry = entries[at] as Entry;
      some.push(entry);
      bytes += entry.bodyBytes;
    }
    const found = await parts.index.ask((index) => livingOf(index, parts.isIntact, some));
    const living = found.map(({ placed }) => placed).filter((entry) => !isDead(entry));
    if (living.length === 0) continue;
    const reads = await readRecords(
      parts.packs,
      parts.catalog,
      living.map(({ location }) => location),
    );
    if (reads.some((read) => !read.ok)) return undefined;
    await parts.commits.admit();
    await parts.commits.add(living.map((entry, i) => moving(entry, reads[i] as ReadRecord & { ok: true })));
    movedBytes += living.reduce((sum, entry) => sum + recordBytes(entry.bodyBytes), 0);
  }
  return movedBytes;
}

function moving(entry: Entry, { header, body, digest }: ReadRecord & { ok: true }): PendingRecord {
  const { type, repositoryId, id, version, key } = entry;
  const { keyBytes } = header;
  return { type, keyBytes, repositoryId, id, version, body, digest, indexKey: key, isNew: undefined, movedFrom: entry };
}

/** The last look and the deletions, which it answers. Undefined if something lives here again. */
async function leave(
  parts: ClearingParts,
  name: string,
  entries: readonly Entry[],
  blocks: readonly Entry[],
  repositoryId: string,
  cycle: number,
): Promise<readonly Entry[] | undefined> {
  const { catalog, condemned, index, isIntact } = parts;
  const { chosen, done } = condemned.choose(
    repositoryId,
    cycle,
    blocks.map(({ id }) => id),
  );
  try {
    const dead = new Set(chosen.map(toHex));
    const isDead = (entry: Entry) =>
      entry.type === RECORD_TYPE_BLOCK && toHex(entry.repositoryId) === repositoryId && dead.has(toHex(entry.id));
    let deleted: readonly Entry[] | undefined;
    const look = async () => {
      const living = await livingOf(index.current, isIntact, entries);
      if (living.some(({ placed }) => !isDead(placed))) return { operations: [] };
      catalog.setLeaving(name, true);
      const named = living.filter(({ isKnown }) => isKnown).map(({ placed }) => placed);
      const operations: KvOperation[] = named.map(({ key }) => ({ type: "delete", key }));
      operations.push({ type: "delete", key: indexPackKey(fromHex(name)) });
      deleted = named;
      return { operations, newBlocks: -named.length };
    };
    await index.current.change(look, { sync: true });
    return deleted;
  } catch (error) {
    catalog.setLeaving(name, false);
    throw error;
  } finally {
    done();
  }
}

/**
 * Makes packs and index agree when a node starts (FORMAT.md A1, A3).
 *
 * A pack that the index calls sealed, of the size it had, is taken as it is. Any other is read: by its footer, or
 * record by record; then cut behind its last whole record, sealed, synced, and only then indexed. A footer may reach the disk before
 * the bodies it names, so bodies that nobody was told are durable are read before they count as present. Before anything found is
 * indexed it is synced: after a mere process crash it may so far be in memory only. Every step may be repeated
 * after a crash in the middle. Damage between whole records, and of what the index counted as durable, is left in place, never
 * cut away, and the new footer names what the index still knows to lie there. A pack of which a part could not be read is
 * left as it is and read again by the next start: what cannot be read may still be there.
 */

import {
  encodePackFooter,
  type FooterEntry,
  PACK_HEADER_BYTES,
  RECORD_TYPE_BLOCK,
  RECORD_TYPE_TOMBSTONE,
  recordBytes,
} from "@permafrost/format";
import type { PackStore } from "@permafrost/packs";
import { CodedError, fromHex, mapPool, toHex } from "@permafrost/std";
import { type FoundRecord, indexFound } from "./indexing.ts";
import { type NodeIndex, packOperation } from "./node-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";
import { readFooter, readPackHeader, scanRecords } from "./pack-scan.ts";

export interface RecoveryReport {
  /** Packs that had to be read. */
  readonly packsRead: number;
  /** Packs cut at their end. */
  readonly packsCut: number;
  /** Packs without one whole record, set aside or removed. */
  readonly packsSetAside: number;
  /** Packs of which a part could not be read, left as they are. */
  readonly packsUnread: number;
  /** Packs the index knows and the disk has not. */
  readonly packsMissing: readonly string[];
}

const HEADERS_AT_ONCE = 8;

/** The node id in the packs' headers, or undefined if no pack has a readable header. */
export async function nodeIdOfPacks(packs: PackStore): Promise<string | undefined> {
  for (const { name } of await packs.list()) {
    const header = await readPackHeader(packs, name);
    if (header) return toHex(header.nodeId);
  }
  return undefined;
}

/** Throws STORE_FOREIGN if any pack was made by another node. */
export async function checkPackOwner(packs: PackStore, nodeId: string): Promise<void> {
  await mapPool(await packs.list(), HEADERS_AT_ONCE, async ({ name }) => {
    const header = await readPackHeader(packs, name);
    if (header && toHex(header.nodeId) !== nodeId) {
      throw new CodedError("STORE_FOREIGN", "a pack here was made by another node", {
        facts: { pack: name, nodeId, packNodeId: toHex(header.nodeId) },
        hint: "Put the disk back into its node, or remove node.json to take over all its packs.",
      });
    }
  });
}

/** Fills the catalog and completes the index. The index may be empty: then every pack is read. */
export async function recover(packs: PackStore, index: NodeIndex, catalog: PackCatalog): Promise<RecoveryReport> {
  const known = await index.packs();
  const listed = await packs.list();
  const unread = [];
  // Packs are written one after the other: of a node that lost its index, only the newest can have a batch that was cut off.
  const doubtful = known.size > 0 ? undefined : await newestOf(packs, listed);
  for (const { name, sizeBytes } of listed) {
    const pack = known.get(name);
    if (pack?.state === "sealed" && pack.sizeBytes === sizeBytes) catalog.set(name, sizeBytes, true);
    else unread.push({ name, sizeBytes, indexedBytes: pack?.sizeBytes ?? 0, isDoubtful: doubtful?.has(name) ?? true });
    known.delete(name);
  }
  if (unread.length > 0) await packs.syncDirectory();
  let packsCut = 0;
  let packsSetAside = 0;
  let packsUnread = 0;
  for (const one of unread) {
    const outcome = await recoverPack(packs, index, catalog, one);
    if (outcome === "cut") packsCut++;
    if (outcome === "set aside") packsSetAside++;
    if (outcome === "left") packsUnread++;
  }
  if (packsSetAside > 0) await packs.syncDirectory();
  return { packsRead: unread.length, packsCut, packsSetAside, packsUnread, packsMissing: [...known.keys()] };
}

interface UnreadPack {
  readonly name: string;
  readonly sizeBytes: number;
  /** What the index counted as durable. */
  readonly indexedBytes: number;
  /** Its last batch may not have been synced. */
  readonly isDoubtful: boolean;
}

/** The packs made last, and those of which that is not known. */
async function newestOf(packs: PackStore, listed: readonly { readonly name: string }[]): Promise<ReadonlySet<string>> {
  const made = await mapPool(listed, HEADERS_AT_ONCE, async ({ name }) => {
    const header = await readPackHeader(packs, name);
    return { name, at: header?.createdAtMs ?? Number.POSITIVE_INFINITY };
  });
  const newest = made.reduce((latest, { at }) => (Number.isFinite(at) ? Math.max(latest, at) : latest), 0);
  return new Set(made.filter(({ at }) => at >= newest).map(({ name }) => name));
}

async function recoverPack(packs: PackStore, index: NodeIndex, catalog: PackCatalog, pack: UnreadPack) {
  const { name, sizeBytes } = pack;
  const footer = await readFooter(packs, name, sizeBytes);
  if (footer) {
    const entries = pack.isDoubtful ? await checkedEntries(packs, pack, footer) : footer.entries;
    await packs.sync(name);
    await indexSealed(packs, index, catalog, name, sizeBytes, entries);
    return "sealed";
  }
  const found: FoundRecord[] = [];
  let [endBytes, scannedBytes] = [PACK_HEADER_BYTES, PACK_HEADER_BYTES];
  let [isRead, hasGap] = [true, false];
  const onUnreadable = () => {
    isRead = false;
  };
  for await (const record of scanRecords(packs, name, sizeBytes, onUnreadable)) {
    const { intact, ...entry } = record;
    found.push({ ...entry, damaged: !intact, wasAcknowledged: record.offset < pack.indexedBytes });
    if (record.offset !== scannedBytes) hasGap = true;
    scannedBytes = record.offset + recordBytes(record.bodyBytes);
    if (intact) endBytes = scannedBytes;
  }
  if (!isRead) {
    if (pack.indexedBytes === 0) index.lost.noteUnread(name);
    catalog.set(name, sizeBytes, false);
    await packs.sync(name);
    await indexFound(index, packs, catalog, name, found);
    const open = packOperation(fromHex(name), { state: "open", sizeBytes: pack.indexedBytes });
    await index.change(async () => ({ operations: [open] }), { sync: true });
    return "left";
  }
  if (!found.some(({ damaged }) => !damaged)) {
    // An index that is new cannot say whether anything in it was acknowledged: people may want to look at it.
    if (sizeBytes > PACK_HEADER_BYTES) await packs.quarantine(name);
    else await packs.delete(name);
    return "set aside";
  }
  endBytes = Math.max(endBytes, Math.min(pack.indexedBytes, sizeBytes));
  if (hasGap || scannedBytes < pack.indexedBytes) found.push(...(await hiddenEntries(index, pack, found, endBytes)));
  const kept = found.filter((record) => record.offset < endBytes).sort((a, b) => a.offset - b.offset);
  // What surely was whole once stays known, so that no later start takes its damage for its absence.
  const named = kept.filter(
    ({ damaged, wasAcknowledged, type }) => !damaged || wasAcknowledged || type === RECORD_TYPE_TOMBSTONE,
  );
  const footerBytes = encodePackFooter(named);
  // The last record may lack its padding, which is zero anyway.
  await packs.truncate(name, Math.min(endBytes, sizeBytes));
  const padding = Buffer.alloc(Math.max(0, endBytes - sizeBytes));
  await packs.append(name, Math.min(endBytes, sizeBytes), [padding, footerBytes]);
  await packs.sync(name);
  await indexSealed(packs, index, catalog, name, endBytes + footerBytes.length, kept);
  return endBytes < sizeBytes ? "cut" : "sealed";
}

/** What the index knows to lie in the pack and a scan did not come upon: its header is damaged. */
async function hiddenEntries(
  index: NodeIndex,
  { name, indexedBytes }: UnreadPack,
  found: readonly FoundRecord[],
  endBytes: number,
): Promise<FoundRecord[]> {
  const hidden: FoundRecord[] = [];
  const seen = new Set(found.map(({ offset }) => offset));
  for await (const entry of index.entriesIn(fromHex(name))) {
    const { offset, bodyBytes } = entry;
    if (seen.has(offset) || offset >= indexedBytes || offset + recordBytes(bodyBytes) > endBytes) continue;
    hidden.push({ ...entry, damaged: true, wasAcknowledged: true });
  }
  return hidden;
}

/** The entries of a footer; those the index did not count as durable are marked damaged unless their bodies are whole. */
async function checkedEntries(
  packs: PackStore,
  { name, indexedBytes }: UnreadPack,
  { entries, footerOffset }: { readonly entries: readonly FooterEntry[]; readonly footerOffset: number },
): Promise<readonly FoundRecord[]> {
  if (entries.every(({ offset }) => offset < indexedBytes)) return entries;
  const whole = new Set<number>();
  let isRead = true;
  const onUnreadable = () => {
    isRead = false;
  };
  for await (const { offset, intact } of scanRecords(packs, name, footerOffset, onUnreadable)) if (intact) whole.add(offset);
  if (!isRead) return entries; // what cannot be read now may be there
  return entries.map((entry) => {
    const isDurable = entry.offset < indexedBytes;
    // Of a pack the index does not know any record may have been acknowledged: damage there must not pass for absence.
    const mayBeLost = indexedBytes === 0 && entry.type !== RECORD_TYPE_BLOCK;
    return isDurable || mayBeLost || whole.has(entry.offset) ? entry : { ...entry, damaged: true };
  });
}

async function indexSealed(
  packs: PackStore,
  index: NodeIndex,
  catalog: PackCatalog,
  name: string,
  sizeBytes: number,
  found: readonly FoundRecord[],
): Promise<void> {
  catalog.set(name, sizeBytes, true);
  const lost = await indexFound(index, packs, catalog, name, found);
  const sealed = packOperation(fromHex(name), { state: lost === 0 ? "sealed" : "open", sizeBytes });
  await index.change(async () => ({ operations: [sealed] }), { sync: true });
}

/**
 * Appends batches to the one open pack and makes them durable: write, sync the pack, sync the directory when the pack
 * is new, then one synced change of the index (FORMAT.md A3). Batches come one at a time.
 *
 * A write that fails leaves the pack as it was: it is cut back, or no longer written to. So does a sync of which the store says that it
 * concerns this pack alone; the next batch begins another pack. Any other sync, or an index change, that fails ends all writing
 * (`onBroken`): what the disk then has is unknown until the node starts again and reads it.
 */

import {
  encodeIndexBlock,
  encodeIndexRecord,
  encodePackFooter,
  encodePackHeader,
  type FooterEntry,
  PACK_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_TYPE_BLOCK,
  type RecordType,
  recordBytes,
  recordPaddingBytes,
  writeRecordHeader,
} from "@permafrost/format";
import type { KvOperation } from "@permafrost/kv";
import type { PackStore } from "@permafrost/packs";
import { type Clock, CodedError, fromHex, type Random, toHex } from "@permafrost/std";
import { storeFull, storeReadOnly } from "./errors.ts";
import type { Placed } from "./living.ts";
import { type NodeIndex, packOperation } from "./node-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";

/** One record on its way into a pack. */
export interface PendingRecord {
  readonly type: RecordType;
  readonly keyBytes: number;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly version: bigint;
  readonly body: Uint8Array;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly indexKey: Buffer;
  /** The index has no entry of its key yet; undefined: that is seen when it is written. */
  readonly isNew: boolean | undefined;
  /** It is a copy of what lies there, and wanted as long as that lives. */
  readonly movedFrom?: Placed;
}

/** A pack of many small records is sealed before its footer grows past a few MiB. */
const PACK_ENTRIES_MAX = 65_536;

interface OpenPack {
  readonly name: string;
  readonly id: Uint8Array;
  /** Synced and indexed so far; 0 when the file is not there yet. */
  sizeBytes: number;
  readonly entries: FooterEntry[];
}

export interface PackWriterParts {
  readonly packs: PackStore;
  readonly index: () => NodeIndex;
  readonly catalog: PackCatalog;
  readonly nodeId: string;
  readonly packBytesMax: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Called once when no further write may be tried. */
  readonly onBroken: (reason: string) => void;
}

export class PackWriter {
  readonly #parts: PackWriterParts;
  #open: OpenPack | undefined;

  constructor(parts: PackWriterParts) {
    this.#parts = parts;
  }

  /** The records of the open pack, for a rebuild. */
  get openEntries(): { readonly name: string; readonly entries: readonly FooterEntry[] } | undefined {
    return this.#open && { name: this.#open.name, entries: this.#open.entries };
  }

  /** Stores the records durably and indexes them. STORE_FULL, STORE_READ_ONLY, PACK_UNREACHABLE. */
  async write(records: readonly PendingRecord[]): Promise<void> {
    const pack = this.#open ?? this.#newPack();
    const laid = layOut(pack, records, this.#parts);
    const full = laid.endBytes >= this.#parts.packBytesMax || pack.entries.length + laid.entries.length >= PACK_ENTRIES_MAX;
    if (full) laid.parts.push(encodePackFooter([...pack.entries, ...laid.entries]));
    const sizeBytes = pack.sizeBytes + laid.parts.reduce((sum, part) => sum + part.length, 0);
    await this.#append(pack, laid.parts);
    await this.#sync(pack);
    this.#parts.catalog.set(pack.name, sizeBytes, full);
    const operations = laid.entries.map((entry, i) => indexOperation(pack.id, entry, records[i] as PendingRecord));
    operations.push(this.#packOperation(pack, full, sizeBytes));
    const counts = { newBlocks: countNew(records, true), newRecords: countNew(records, false) };
    await this.#orBroken("the index could not be written", () =>
      this.#parts.index().change(async () => ({ operations, ...counts }), { sync: true }),
    );
    pack.sizeBytes = sizeBytes;
    for (const entry of laid.entries) pack.entries.push(entry);
    this.#open = full ? undefined : pack;
  }

  /** Seals the open pack, if there is one. */
  async seal(): Promise<void> {
    const pack = this.#open;
    if (!pack) return;
    const footer = encodePackFooter(pack.entries);
    const sizeBytes = pack.sizeBytes + footer.length;
    await this.#append(pack, [footer]);
    await this.#sync(pack);
    this.#parts.catalog.set(pack.name, sizeBytes, true);
    this.#open = undefined;
    const sealed = this.#packOperation(pack, true, sizeBytes);
    await this.#orBroken("the index could not be written", () =>
      this.#parts.index().change(async () => ({ operations: [sealed] }), { sync: true }),
    );
  }

  /** Unsealed also if the next start is to read it again. */
  #packOperation({ id, name }: OpenPack, full: boolean, sizeBytes: number): KvOperation {
    const state = full && !this.#parts.index().lost.isIn(name) ? "sealed" : "open";
    return packOperation(id, { state, sizeBytes });
  }

  #newPack(): OpenPack {
    const id = this.#parts.random.bytes(16);
    return { name: toHex(id), id, sizeBytes: 0, entries: [] };
  }

  async #append(pack: OpenPack, parts: readonly Uint8Array[]): Promise<void> {
    const { packs } = this.#parts;
    try {
      if (pack.sizeBytes === 0) await packs.create(pack.name);
      await packs.append(pack.name, pack.sizeBytes, parts);
    } catch (error) {
      await this.#undo(pack);
      if (CodedError.is(error, "PACK_NO_SPACE")) throw storeFull({});
      throw this.#broken("a pack could not be written", error);
    }
  }

  async #sync(pack: OpenPack): Promise<void> {
    const { packs } = this.#parts;
    try {
      await packs.sync(pack.name);
      if (pack.sizeBytes === 0) await packs.syncDirectory();
    } catch (error) {
      const isFull = CodedError.is(error, "PACK_NO_SPACE");
      if (!isFull && !CodedError.is(error, "PACK_UNREACHABLE")) throw this.#broken("a pack could not be synced", error);
      // It stays unsealed until the node starts again.
      this.#open = undefined;
      await this.#undo(pack);
      throw isFull ? storeFull({}) : error;
    }
  }

  /** Takes an unfinished write back; a pack for which that fails is not written again, and cut when the node starts. */
  async #undo(pack: OpenPack): Promise<void> {
    const { packs } = this.#parts;
    try {
      if (pack.sizeBytes === 0) await packs.delete(pack.name);
      else await packs.truncate(pack.name, pack.sizeBytes);
    } catch {
      this.#open = undefined;
    }
  }

  async #orBroken(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw this.#broken(what, error);
    }
  }

  #broken(what: string, error: unknown): CodedError {
    const reason = `${what}: ${CodedError.from(error).message}`;
    this.#parts.onBroken(reason);
    return storeReadOnly(reason);
  }
}

/** What to write for `records` at the end of `pack`: bodies as they are, headers and padding between them. */
function layOut(pack: OpenPack, records: readonly PendingRecord[], { nodeId, clock }: PackWriterParts) {
  const parts: Uint8Array[] = [];
  const entries: FooterEntry[] = [];
  let offset = pack.sizeBytes;
  if (offset === 0) {
    parts.push(encodePackHeader({ packId: pack.id, nodeId: fromHex(nodeId), createdAtMs: Math.max(0, clock.now()) }));
    offset = PACK_HEADER_BYTES;
  }
  // One buffer for all headers and paddings: the padding of a body and the next header lie side by side in it.
  const meta = Buffer.alloc(records.reduce((sum, r) => sum + RECORD_HEADER_BYTES + recordPaddingBytes(r.body.length), 0));
  let from = 0;
  let at = 0;
  for (const record of records) {
    const { type, keyBytes, repositoryId, id, version, body, digest } = record;
    const bodyBytes = body.length;
    writeRecordHeader(meta, at, {
      type,
      keyBytes,
      bodyBytes,
      repositoryId,
      id,
      version,
      offset,
      packId: pack.id,
      bodyDigest: digest,
    });
    at += RECORD_HEADER_BYTES;
    parts.push(meta.subarray(from, at), body);
    from = at;
    at += recordPaddingBytes(bodyBytes);
    entries.push({ type, bodyBytes, repositoryId, id: Buffer.from(id), version, offset });
    offset += recordBytes(bodyBytes);
  }
  if (at > from) parts.push(meta.subarray(from, at));
  return { parts, entries, endBytes: offset };
}

function countNew(records: readonly PendingRecord[], ofBlocks: boolean): number {
  const isNew = records.filter((one) => one.isNew && (one.type === RECORD_TYPE_BLOCK) === ofBlocks);
  return new Set(isNew.map((one) => one.indexKey.toString("latin1"))).size;
}

function indexOperation(packId: Uint8Array, entry: FooterEntry, record: PendingRecord): KvOperation {
  const { type, version, offset, bodyBytes } = entry;
  const location = { packId, offset, bodyBytes, damaged: false };
  const key = record.indexKey;
  const value =
    type === RECORD_TYPE_BLOCK ? encodeIndexBlock(key, location) : encodeIndexRecord(key, { ...location, version, type });
  return { type: "put", key, value };
}

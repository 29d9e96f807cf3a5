/**
 * Reads a pack without an index: its header, its footer, or record by record.
 *
 * A scan survives damage: after bytes that are no record it goes on at the next record that says it belongs exactly there
 * (headers bind pack id and offset), so one bad sector hides one record and not all that follow.
 */

import { blake3 } from "@permafrost/crypto";
import {
  decodePackFooter,
  decodePackHeader,
  decodeRecordHeader,
  FOOTER_TAIL_BYTES,
  type FooterEntry,
  footerLength,
  PACK_HEADER_BYTES,
  type PackHeader,
  RECORD_ALIGN_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_TYPE_BLOCK,
  recordBodyMatches,
  recordBytes,
} from "@permafrost/format";
import type { PackStore } from "@permafrost/packs";
import { CodedError, fromHex } from "@permafrost/std";

/** What one step of a scan found. */
export interface ScannedRecord extends FooterEntry {
  /** Whether the body matches its digest. */
  readonly intact: boolean;
  /** Of a record or tombstone whose body is intact. */
  readonly keyText: string | undefined;
}

const WINDOW_BYTES = 4 * 1024 * 1024;
const RECORD_MAGIC = Buffer.from("PFR1", "latin1");

/** The pack's header; undefined if it is damaged. FORMAT_UNKNOWN is thrown: such a pack must not be touched. */
export async function readPackHeader(packs: PackStore, name: string): Promise<PackHeader | undefined> {
  try {
    const header = decodePackHeader(await packs.read(name, 0, PACK_HEADER_BYTES));
    return Buffer.compare(header.packId, fromHex(name)) === 0 ? header : undefined;
  } catch (error) {
    if (CodedError.is(error, "PACK_DAMAGED") || CodedError.is(error, "PACK_IO")) return undefined;
    throw error;
  }
}

/** The entries of the pack's footer, if it has one that verifies, and where the footer starts. */
export async function readFooter(packs: PackStore, name: string, sizeBytes: number) {
  try {
    if (sizeBytes < PACK_HEADER_BYTES + FOOTER_TAIL_BYTES) return undefined;
    const length = footerLength(await packs.read(name, sizeBytes - FOOTER_TAIL_BYTES, FOOTER_TAIL_BYTES));
    if (length === undefined || length > sizeBytes - PACK_HEADER_BYTES) return undefined;
    const footerOffset = sizeBytes - length;
    const entries = decodePackFooter(await packs.read(name, footerOffset, length), footerOffset);
    return entries && { entries, footerOffset };
  } catch (error) {
    if (CodedError.is(error, "PACK_IO")) return undefined;
    throw error;
  }
}

/**
 * Every record of the pack up to `endBytes`, in order, with every body read and checked. The byte fields are copies.
 * `onUnreadable` is told when bytes cannot be read; the scan goes on behind them.
 */
export async function* scanRecords(
  packs: PackStore,
  name: string,
  endBytes: number,
  onUnreadable: () => void = () => undefined,
): AsyncGenerator<ScannedRecord> {
  const packId = fromHex(name);
  const window = new Window(packs, name, endBytes, onUnreadable);
  let offset = PACK_HEADER_BYTES;
  while (offset + RECORD_HEADER_BYTES <= endBytes) {
    const bytes = await window.at(offset, RECORD_HEADER_BYTES);
    const header = decodeRecordHeader(bytes, 0, packId, offset);
    if (!header) {
      offset = nextCandidate(await window.rest(offset), offset);
      continue;
    }
    const entry = { ...header, repositoryId: Buffer.from(header.repositoryId), id: Buffer.from(header.id) };
    const body = await window.at(offset + RECORD_HEADER_BYTES, header.bodyBytes);
    const intact = body.length === header.bodyBytes && recordBodyMatches(header, blake3(body));
    const keyText = intact && header.type !== RECORD_TYPE_BLOCK ? body.toString("latin1", 0, header.keyBytes) : undefined;
    const { type, bodyBytes, version, repositoryId, id } = entry;
    yield { type, bodyBytes, version, repositoryId, id, offset, intact, keyText };
    offset += recordBytes(header.bodyBytes);
  }
}

/** The first aligned place after `offset` where a header may start: at the next magic in `rest`, else behind it. */
function nextCandidate(rest: Buffer, offset: number): number {
  for (let at = 1; ; ) {
    const found = rest.indexOf(RECORD_MAGIC, at);
    if (found < 0) break;
    if (found % RECORD_ALIGN_BYTES === 0) return offset + found;
    at = found + 1;
  }
  // A magic may straddle the end of the window; aligned places before its last 8 bytes are done with.
  return offset + Math.max(RECORD_ALIGN_BYTES, rest.length - (rest.length % RECORD_ALIGN_BYTES));
}

/** A sliding view of a pack. Bytes that cannot be read count as zeros, one window at most. */
class Window {
  readonly #packs: PackStore;
  readonly #name: string;
  readonly #end: number;
  readonly #onUnreadable: () => void;
  #from = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(packs: PackStore, name: string, endBytes: number, onUnreadable: () => void) {
    this.#packs = packs;
    this.#name = name;
    this.#end = endBytes;
    this.#onUnreadable = onUnreadable;
  }

  /** `length` bytes at `offset`; fewer at the end of the pack. */
  async at(offset: number, length: number): Promise<Buffer> {
    const want = Math.max(0, Math.min(length, this.#end - offset));
    if (offset < this.#from || offset + want > this.#from + this.#bytes.length) await this.#load(offset, want);
    const start = offset - this.#from;
    return this.#bytes.subarray(start, start + want);
  }

  /** What is loaded from `offset` on: at least 8 bytes unless the pack ends. */
  async rest(offset: number): Promise<Buffer> {
    await this.at(offset, RECORD_ALIGN_BYTES);
    return this.#bytes.subarray(offset - this.#from);
  }

  async #load(offset: number, want: number): Promise<void> {
    this.#from = offset;
    const length = Math.min(Math.max(want, WINDOW_BYTES), this.#end - offset);
    try {
      this.#bytes = await this.#packs.read(this.#name, offset, length);
    } catch (error) {
      if (!CodedError.is(error, "PACK_IO")) throw error;
      this.#bytes = await this.#readSectors(offset, length);
    }
    if (this.#bytes.length < length) this.#bytes = Buffer.concat([this.#bytes], length);
  }

  /** Reads around bad sectors: what a 4 KiB read cannot give is left zero. */
  async #readSectors(offset: number, length: number): Promise<Buffer> {
    const out = Buffer.alloc(length);
    for (let at = 0; at < length; at += 4096) {
      const part = await this.#packs.read(this.#name, offset + at, Math.min(4096, length - at)).catch((error: unknown) => {
        if (!CodedError.is(error, "PACK_IO")) throw error;
        this.#onUnreadable();
        return undefined;
      });
      part?.copy(out, at);
    }
    return out;
  }
}

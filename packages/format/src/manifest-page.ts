/**
 * One page of a stream's manifest; FORMAT.md, B4. A leaf lists blocks and zero runs, an inner page its child pages.
 *
 * The same page always has the same bytes, so an unchanged page has an unchanged id. A reader trusts nothing: counts,
 * lengths, sums and sizes are checked, every byte of a page is accounted for, and adjacent zero runs (which no writer
 * leaves apart) are refused, so that a list of extents has one form only.
 */

import { BLOCK_BYTES_MAX, BLOCK_ID_BYTES } from "@permafrost/model";
import { assert, CodedError } from "@permafrost/std";

export const PAGE_ENTRIES_MAX = 1024;
/** Leaf pages of fixed chunking begin at multiples of this. */
export const FIXED_LEAF_BYTES = 64 * 1024 * 1024;
/** Far above what a stream of 2^53 bytes needs. */
export const PAGE_LEVEL_MAX = 5;

const MAGIC = Buffer.from("PFM1", "latin1");
const HEADER_BYTES = 24;
const BLOCK_ENTRY_BYTES = 8 + BLOCK_ID_BYTES;
const ZERO_ENTRY_BYTES = 12;
const CHILD_ENTRY_BYTES = BLOCK_ID_BYTES + 8;
const TYPE_BLOCK = 1;
const TYPE_ZERO = 2;

export type Chunking = "fixed" | "content";

export type LeafEntry =
  | { readonly kind: "block"; readonly length: number; readonly id: Uint8Array }
  | { readonly kind: "zero"; readonly length: number };

export interface ChildEntry {
  readonly id: Uint8Array;
  /** Bytes of the stream that the child page spans. */
  readonly length: number;
}

interface PageBase {
  readonly chunking: Chunking;
  /** The fixed size; 0 for content-defined blocks. */
  readonly blockBytes: number;
  /** Bytes of the stream that the page spans. */
  readonly totalBytes: number;
}

export interface LeafPage extends PageBase {
  readonly level: 0;
  readonly entries: readonly LeafEntry[];
}

export interface InnerPage extends PageBase {
  /** 1 and up: the level of the children plus one. */
  readonly level: number;
  readonly children: readonly ChildEntry[];
}

export type ManifestPage = LeafPage | InnerPage;

export function isLeaf(page: ManifestPage): page is LeafPage {
  return page.level === 0;
}

/** The bytes of a leaf. The entries must be what a reader accepts. */
export function encodeLeafPage(chunking: Chunking, blockBytes: number, entries: readonly LeafEntry[]): Buffer {
  let sizeBytes = HEADER_BYTES;
  for (const entry of entries) sizeBytes += entry.kind === "block" ? BLOCK_ENTRY_BYTES : ZERO_ENTRY_BYTES;
  const out = Buffer.alloc(sizeBytes);
  let at = HEADER_BYTES;
  let totalBytes = 0;
  for (const entry of entries) {
    totalBytes += entry.length;
    if (entry.kind === "block") {
      out[at] = TYPE_BLOCK;
      out.writeUInt32LE(entry.length, at + 4);
      out.set(entry.id, at + 8);
      at += BLOCK_ENTRY_BYTES;
    } else {
      out[at] = TYPE_ZERO;
      writeLength(out, entry.length, at + 4);
      at += ZERO_ENTRY_BYTES;
    }
  }
  writeHeader(out, 0, chunking, blockBytes, entries.length, totalBytes);
  return out;
}

/** The bytes of an inner page over pages of `level` - 1. */
export function encodeInnerPage(level: number, chunking: Chunking, blockBytes: number, children: readonly ChildEntry[]): Buffer {
  assert(level >= 1 && level <= PAGE_LEVEL_MAX, `no page has level ${level}`);
  const out = Buffer.alloc(HEADER_BYTES + children.length * CHILD_ENTRY_BYTES);
  let at = HEADER_BYTES;
  let totalBytes = 0;
  for (const child of children) {
    totalBytes += child.length;
    out.set(child.id, at);
    writeLength(out, child.length, at + BLOCK_ID_BYTES);
    at += CHILD_ENTRY_BYTES;
  }
  writeHeader(out, level, chunking, blockBytes, children.length, totalBytes);
  return out;
}

function writeHeader(
  out: Buffer,
  level: number,
  chunking: Chunking,
  blockBytes: number,
  count: number,
  totalBytes: number,
): void {
  assert(count >= 1 && count <= PAGE_ENTRIES_MAX, `a page has 1 to ${PAGE_ENTRIES_MAX} entries, not ${count}`);
  out.set(MAGIC, 0);
  out[4] = level;
  out[5] = chunking === "fixed" ? 1 : 2;
  out.writeUInt32LE(blockBytes, 8);
  out.writeUInt32LE(count, 12);
  writeLength(out, totalBytes, 16);
}

function writeLength(out: Buffer, length: number, at: number): void {
  assert(Number.isSafeInteger(length) && length > 0, `no run has ${length} bytes`);
  out.writeUInt32LE(length >>> 0, at);
  out.writeUInt32LE(Math.floor(length / 2 ** 32), at + 4);
}

/** Reads a page; its ids are views of `bytes`. FORMAT_UNKNOWN for another magic, MANIFEST_BROKEN for any rule of B4 not kept. */
export function decodeManifestPage(bytes: Uint8Array): ManifestPage {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (page.length < HEADER_BYTES) throw broken("it is shorter than its header");
  if (page.compare(MAGIC, 0, 4, 0, 4) !== 0) {
    throw new CodedError("FORMAT_UNKNOWN", "this is no manifest page that is known here", {
      facts: { magic: page.subarray(0, 4).toString("hex") },
      hint: "Run a release that knows this version.",
    });
  }
  const level = page[4] as number;
  const chunking = page[5] === 1 ? "fixed" : page[5] === 2 ? "content" : undefined;
  const blockBytes = page.readUInt32LE(8);
  const count = page.readUInt32LE(12);
  if (level > PAGE_LEVEL_MAX) throw broken(`level ${level} is too high`);
  if (chunking === undefined) throw broken(`chunking ${page[5]} is not known`);
  if (page.readUInt16LE(6) !== 0) throw broken("reserved bytes are not zero");
  if (chunking === "fixed" ? blockBytes < 1 || blockBytes > BLOCK_BYTES_MAX : blockBytes !== 0) {
    throw broken(`block size ${blockBytes} does not fit the chunking`);
  }
  if (count < 1 || count > PAGE_ENTRIES_MAX) throw broken(`it has ${count} entries`);
  const base = { chunking, blockBytes, totalBytes: readLength(page, 16) } as const;
  if (level > 0) return { ...base, level, children: readChildren(page, count, base.totalBytes) };
  return { ...base, level: 0, entries: readEntries(page, count, base) };
}

function readEntries(page: Buffer, count: number, { blockBytes, totalBytes, chunking }: PageBase): LeafEntry[] {
  const entries: LeafEntry[] = [];
  let at = HEADER_BYTES;
  let sumBytes = 0;
  for (let i = 0; i < count; i++) {
    if (at + ZERO_ENTRY_BYTES > page.length) throw broken("it ends within an entry");
    const type = page[at];
    if (page.readUIntLE(at + 1, 3) !== 0) throw broken("reserved bytes are not zero");
    let entry: LeafEntry;
    if (type === TYPE_BLOCK) {
      if (at + BLOCK_ENTRY_BYTES > page.length) throw broken("it ends within an entry");
      const length = page.readUInt32LE(at + 4);
      if (length < 1 || length > (chunking === "fixed" ? blockBytes : BLOCK_BYTES_MAX))
        throw broken(`a block has ${length} bytes`);
      entry = { kind: "block", length, id: page.subarray(at + 8, at + BLOCK_ENTRY_BYTES) };
      at += BLOCK_ENTRY_BYTES;
    } else if (type === TYPE_ZERO) {
      if (entries[i - 1]?.kind === "zero") throw broken("two zero runs follow each other");
      entry = { kind: "zero", length: readLength(page, at + 4) };
      at += ZERO_ENTRY_BYTES;
    } else throw broken(`an entry has type ${type}`);
    // Only the stream's last block may be short, and only a fixed block or run may lie before another entry.
    if (chunking === "fixed" && i < count - 1 && entry.length % blockBytes !== 0)
      throw broken("a block before the last is short");
    sumBytes += entry.length;
    entries.push(entry);
  }
  if (at !== page.length) throw broken("bytes follow the last entry");
  if (sumBytes !== totalBytes) throw broken("its entries do not add up to its span");
  if (chunking === "fixed" && sumBytes > blockBytes * PAGE_ENTRIES_MAX) throw broken("it spans more than a leaf may");
  return entries;
}

function readChildren(page: Buffer, count: number, totalBytes: number): ChildEntry[] {
  if (page.length !== HEADER_BYTES + count * CHILD_ENTRY_BYTES) throw broken("its length does not fit its children");
  const children: ChildEntry[] = [];
  let sumBytes = 0;
  for (let at = HEADER_BYTES; at < page.length; at += CHILD_ENTRY_BYTES) {
    const length = readLength(page, at + BLOCK_ID_BYTES);
    sumBytes += length;
    children.push({ id: page.subarray(at, at + BLOCK_ID_BYTES), length });
  }
  if (sumBytes !== totalBytes) throw broken("its children do not add up to its span");
  return children;
}

function readLength(page: Buffer, at: number): number {
  const length = page.readUInt32LE(at) + page.readUInt32LE(at + 4) * 2 ** 32;
  if (!Number.isSafeInteger(length) || length < 1) throw broken(`a run has ${length} bytes`);
  return length;
}

function broken(reason: string): CodedError {
  return new CodedError("MANIFEST_BROKEN", `a manifest page is broken: ${reason}`, { facts: { reason } });
}

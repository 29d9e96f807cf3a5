/**
 * The footer of a sealed pack: FORMAT.md A1. One entry per record, so that an index is rebuilt from the end of each
 * pack without reading the bodies.
 *
 * Invariant: a footer is used only when its digest matches and every entry lies between header and footer; otherwise
 * `decodePackFooter` answers undefined and the pack is read record by record.
 */

import { blake3 } from "@permafrost/crypto";
import { PACK_HEADER_BYTES } from "./pack-header.ts";
import {
  RECORD_ALIGN_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_TYPE_BLOCK,
  RECORD_TYPE_RECORD,
  RECORD_TYPE_TOMBSTONE,
  type RecordType,
  readOffset,
  recordBytes,
  writeOffset,
} from "./pack-record.ts";

export const FOOTER_ENTRY_BYTES = 72;
/** Digest, length and end magic: what a reader fetches first. */
export const FOOTER_TAIL_BYTES = 40;
const FOOTER_START_BYTES = 16;
const MAGIC = Buffer.from("PFFOOT01", "latin1");
const END_MAGIC = Buffer.from("PFE1", "latin1");

export interface FooterEntry {
  readonly type: RecordType;
  readonly bodyBytes: number;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  /** 32 bytes: block id or digest of the key text. */
  readonly id: Uint8Array;
  readonly version: bigint;
  readonly offset: number;
}

/** Length of a footer of `entries` entries. */
export function footerBytes(entries: number): number {
  return FOOTER_START_BYTES + entries * FOOTER_ENTRY_BYTES + FOOTER_TAIL_BYTES;
}

/** The footer's bytes. */
export function encodePackFooter(entries: readonly FooterEntry[]): Buffer {
  const out = Buffer.alloc(footerBytes(entries.length));
  MAGIC.copy(out, 0);
  out.writeUInt32LE(entries.length, 8);
  let at = FOOTER_START_BYTES;
  for (const entry of entries) {
    out[at] = entry.type;
    out.writeUInt32LE(entry.bodyBytes, at + 4);
    out.set(entry.repositoryId, at + 8);
    out.set(entry.id, at + 24);
    out.writeBigUInt64LE(entry.version, at + 56);
    writeOffset(out, entry.offset, at + 64);
    at += FOOTER_ENTRY_BYTES;
  }
  out.set(blake3(out.subarray(0, at)), at);
  out.writeUInt32LE(out.length, at + 32);
  END_MAGIC.copy(out, at + 36);
  return out;
}

/** From the last 40 bytes of a pack: the length of its footer, or undefined if these are not the end of one. */
export function footerLength(tail: Uint8Array): number | undefined {
  if (tail.length < FOOTER_TAIL_BYTES) return undefined;
  const view = Buffer.from(tail.buffer, tail.byteOffset + tail.length - FOOTER_TAIL_BYTES, FOOTER_TAIL_BYTES);
  if (view.compare(END_MAGIC, 0, 4, 36, 40) !== 0) return undefined;
  const length = view.readUInt32LE(32);
  const entriesBytes = length - FOOTER_START_BYTES - FOOTER_TAIL_BYTES;
  return entriesBytes >= 0 && entriesBytes % FOOTER_ENTRY_BYTES === 0 ? length : undefined;
}

/**
 * The entries of `footer` (all its bytes), which starts at `footerOffset` of its pack; undefined if it does not verify.
 * The byte fields are views of `footer`.
 */
export function decodePackFooter(footer: Buffer, footerOffset: number): FooterEntry[] | undefined {
  if (footer.length < footerBytes(0) || footerLength(footer) !== footer.length) return undefined;
  const tailAt = footer.length - FOOTER_TAIL_BYTES;
  if (footer.compare(blake3(footer.subarray(0, tailAt)), 0, 32, tailAt, tailAt + 32) !== 0) return undefined;
  const count = footer.readUInt32LE(8);
  if (footer.compare(MAGIC, 0, 8, 0, 8) !== 0 || footerBytes(count) !== footer.length) return undefined;
  const entries: FooterEntry[] = [];
  let end = PACK_HEADER_BYTES;
  for (let at = FOOTER_START_BYTES; at < tailAt; at += FOOTER_ENTRY_BYTES) {
    const type = footer[at] as RecordType;
    const bodyBytes = footer.readUInt32LE(at + 4);
    const offset = readOffset(footer, at + 64);
    const known = type === RECORD_TYPE_BLOCK || type === RECORD_TYPE_RECORD || type === RECORD_TYPE_TOMBSTONE;
    if (!known || offset < end || offset % RECORD_ALIGN_BYTES !== 0) return undefined;
    end = offset + recordBytes(bodyBytes);
    if (end > footerOffset || end < offset + RECORD_HEADER_BYTES) return undefined;
    entries.push({
      type,
      bodyBytes,
      repositoryId: footer.subarray(at + 8, at + 24),
      id: footer.subarray(at + 24, at + 56),
      version: footer.readBigUInt64LE(at + 56),
      offset,
    });
  }
  return entries;
}

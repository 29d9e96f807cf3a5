/**
 * The header of one record in a pack: FORMAT.md A1. It binds type, repository, id, version, length, digest, and the
 * record's own place (pack id and offset), so a record is found, checked and attributed without an index or a key.
 *
 * Invariant: `decodeRecordHeader` answers only for 128 bytes whose every bit is as written and which lie where they
 * were written. Whether the body matches is `recordBodyMatches`.
 */

import { crc32 } from "node:zlib";
import { assert } from "@permafrost/std";

export const RECORD_HEADER_BYTES = 128;
export const RECORD_ALIGN_BYTES = 8;
export const RECORD_KEY_BYTES_MAX = 512;
/** No body is longer, key text included: what a reader must be ready to hold. */
export const RECORD_BODY_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of the body's digest that a header keeps. */
export const BODY_DIGEST_BYTES = 28;

export const RECORD_TYPE_BLOCK = 1;
export const RECORD_TYPE_RECORD = 2;
export const RECORD_TYPE_TOMBSTONE = 3;
export type RecordType = typeof RECORD_TYPE_BLOCK | typeof RECORD_TYPE_RECORD | typeof RECORD_TYPE_TOMBSTONE;

const MAGIC = Buffer.from("PFR1", "latin1").readUInt32LE(0);

export interface RecordHeader {
  readonly type: RecordType;
  /** 32 for a block, else the length of the key text at the start of the body. */
  readonly keyBytes: number;
  readonly bodyBytes: number;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  /** 32 bytes: the block id, or the digest of the key text. */
  readonly id: Uint8Array;
  /** 0 for a block. */
  readonly version: bigint;
  /** Of this header in its pack. */
  readonly offset: number;
  /** 16 bytes. */
  readonly packId: Uint8Array;
  /** Digest of the body: at least the 28 bytes that are kept; decoding gives 28. */
  readonly bodyDigest: Uint8Array;
}

/** Zero bytes that follow a body of `bodyBytes`. */
export function recordPaddingBytes(bodyBytes: number): number {
  return -bodyBytes & (RECORD_ALIGN_BYTES - 1);
}

/** Bytes that a record takes in its pack: header, body, padding. */
export function recordBytes(bodyBytes: number): number {
  return RECORD_HEADER_BYTES + bodyBytes + recordPaddingBytes(bodyBytes);
}

/** Writes the header into `target` at `at`; every one of its 128 bytes is set. */
export function writeRecordHeader(target: Buffer, at: number, header: RecordHeader): void {
  assert(plausible(header.type, header.keyBytes, header.bodyBytes, header.version), "a record header out of its limits");
  target.writeUInt32LE(MAGIC, at);
  target[at + 4] = header.type;
  target[at + 5] = 0;
  target.writeUInt16LE(header.keyBytes, at + 6);
  target.writeUInt32LE(header.bodyBytes, at + 8);
  target.writeUInt32LE(0, at + 12);
  target.set(header.repositoryId, at + 16);
  target.set(header.id, at + 32);
  target.writeBigUInt64LE(header.version, at + 64);
  writeOffset(target, header.offset, at + 72);
  target.set(header.packId, at + 80);
  target.set(header.bodyDigest.subarray(0, BODY_DIGEST_BYTES), at + 96);
  target.writeUInt32LE(crc32(target.subarray(at, at + 124)), at + 124);
}

/** The header as a buffer of its own. */
export function encodeRecordHeader(header: RecordHeader): Buffer {
  const out = Buffer.alloc(RECORD_HEADER_BYTES);
  writeRecordHeader(out, 0, header);
  return out;
}

/**
 * The header at `at` of `bytes`, if it is one, whole, and belongs at `offset` of pack `packId`; else undefined.
 * The byte fields are views of `bytes`.
 */
export function decodeRecordHeader(bytes: Buffer, at: number, packId: Uint8Array, offset: number): RecordHeader | undefined {
  if (bytes.length - at < RECORD_HEADER_BYTES || bytes.readUInt32LE(at) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(at + 124) !== crc32(bytes.subarray(at, at + 124))) return undefined;
  const type = bytes[at + 4] as RecordType;
  const keyBytes = bytes.readUInt16LE(at + 6);
  const bodyBytes = bytes.readUInt32LE(at + 8);
  const version = bytes.readBigUInt64LE(at + 64);
  if (bytes[at + 5] !== 0 || bytes.readUInt32LE(at + 12) !== 0 || !plausible(type, keyBytes, bodyBytes, version))
    return undefined;
  const writtenAt = readOffset(bytes, at + 72);
  if (writtenAt !== offset || bytes.compare(packId, 0, 16, at + 80, at + 96) !== 0) return undefined;
  return {
    type,
    keyBytes,
    bodyBytes,
    repositoryId: bytes.subarray(at + 16, at + 32),
    id: bytes.subarray(at + 32, at + 64),
    version,
    offset,
    packId: bytes.subarray(at + 80, at + 96),
    bodyDigest: bytes.subarray(at + 96, at + 124),
  };
}

/** Whether `digest` (32 bytes, of the body as read) agrees with what the header kept. */
export function recordBodyMatches(header: RecordHeader, digest: Uint8Array): boolean {
  return Buffer.compare(header.bodyDigest.subarray(0, BODY_DIGEST_BYTES), digest.subarray(0, BODY_DIGEST_BYTES)) === 0;
}

/** Offsets are 8 bytes; a number holds 53 bits, which no pack reaches. */
export function writeOffset(target: Buffer, offset: number, at: number): void {
  target.writeUInt32LE(offset >>> 0, at);
  target.writeUInt32LE(Math.floor(offset / 2 ** 32), at + 4);
}

export function readOffset(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

function plausible(type: number, keyBytes: number, bodyBytes: number, version: bigint): boolean {
  if (bodyBytes > RECORD_BODY_BYTES_MAX) return false;
  if (type === RECORD_TYPE_BLOCK) return keyBytes === 32 && version === 0n;
  if (type !== RECORD_TYPE_RECORD && type !== RECORD_TYPE_TOMBSTONE) return false;
  return keyBytes >= 1 && keyBytes <= RECORD_KEY_BYTES_MAX && keyBytes <= bodyBytes;
}

/**
 * Keys and values of a node's index: FORMAT.md A2. The index is an accelerator; LevelDB detects neither a flipped bit
 * nor a lost entry, so each value ends in a CRC-32 over its key and itself.
 *
 * Invariant: a decoder answers only for a value that belongs to exactly this key; else undefined, and the caller
 * rebuilds.
 */

import { crc32 } from "node:zlib";
import { type RecordType, readOffset, writeOffset } from "./pack-record.ts";

/** Where a record lies, as the index says. */
export interface IndexLocation {
  /** 16 bytes. */
  readonly packId: Uint8Array;
  /** Of the record's header. */
  readonly offset: number;
  readonly bodyBytes: number;
  /** The copy there was found damaged: not to be counted as present. */
  readonly damaged: boolean;
}

export interface IndexRecord extends IndexLocation {
  readonly version: bigint;
  readonly type: RecordType;
}

export interface IndexPack {
  readonly state: "open" | "sealed";
  /** Bytes of the pack that are synced and indexed. */
  readonly sizeBytes: number;
}

const FLAG_DAMAGED = 1;
const LOCATION_BYTES = 32;
const BLOCK_PREFIX = 0x62;
const RECORD_PREFIX = 0x72;
const PACK_PREFIX = 0x70;
const MARK_PREFIX = 0x6d;

export function indexBlockKey(repositoryId: Uint8Array, blockId: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(49);
  key[0] = BLOCK_PREFIX;
  key.set(repositoryId, 1);
  key.set(blockId, 17);
  return key;
}

/** `prefix` of a key text, or all of it. With an empty prefix: the start of the repository's records. */
export function indexRecordKey(repositoryId: Uint8Array, keyText: string): Buffer {
  const key = Buffer.allocUnsafe(17 + keyText.length);
  key[0] = RECORD_PREFIX;
  key.set(repositoryId, 1);
  key.write(keyText, 17, "latin1");
  return key;
}

/** Repository and key text of a record's index key. */
export function decodeIndexRecordKey(key: Uint8Array): { readonly repositoryId: Uint8Array; readonly keyText: string } {
  const view = Buffer.from(key.buffer, key.byteOffset, key.length);
  return { repositoryId: view.subarray(1, 17), keyText: view.toString("latin1", 17) };
}

export function indexPackKey(packId: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(17);
  key[0] = PACK_PREFIX;
  key.set(packId, 1);
  return key;
}

export function indexMarkKey(name: string): Buffer {
  return Buffer.concat([Buffer.of(MARK_PREFIX), Buffer.from(name, "latin1")]);
}

/** `[from, to)` that holds every key of one kind. */
export function indexRange(kind: "block" | "record" | "pack"): { readonly from: Buffer; readonly to: Buffer } {
  const first = kind === "block" ? BLOCK_PREFIX : kind === "record" ? RECORD_PREFIX : PACK_PREFIX;
  return { from: Buffer.of(first), to: Buffer.of(first + 1) };
}

export function encodeIndexBlock(key: Uint8Array, location: IndexLocation): Buffer {
  const value = Buffer.allocUnsafe(LOCATION_BYTES + 4);
  writeLocation(value, 0, location);
  return sealValue(key, value);
}

export function decodeIndexBlock(key: Uint8Array, value: Uint8Array): IndexLocation | undefined {
  const view = openValue(key, value, LOCATION_BYTES);
  return view && readLocation(view, 0);
}

export function encodeIndexRecord(key: Uint8Array, record: IndexRecord): Buffer {
  const value = Buffer.allocUnsafe(9 + LOCATION_BYTES + 4);
  value.writeBigUInt64LE(record.version, 0);
  value[8] = record.type;
  writeLocation(value, 9, record);
  return sealValue(key, value);
}

export function decodeIndexRecord(key: Uint8Array, value: Uint8Array): IndexRecord | undefined {
  const view = openValue(key, value, 9 + LOCATION_BYTES);
  return view && { version: view.readBigUInt64LE(0), type: view[8] as RecordType, ...readLocation(view, 9) };
}

export function encodeIndexPack(key: Uint8Array, pack: IndexPack): Buffer {
  const value = Buffer.allocUnsafe(9 + 4);
  value[0] = pack.state === "open" ? 1 : 2;
  writeOffset(value, pack.sizeBytes, 1);
  return sealValue(key, value);
}

export function decodeIndexPack(key: Uint8Array, value: Uint8Array): IndexPack | undefined {
  const view = openValue(key, value, 9);
  return view && { state: view[0] === 1 ? "open" : "sealed", sizeBytes: readOffset(view, 1) };
}

/** A mark of the node's own: one number. */
export function encodeIndexMark(key: Uint8Array, number: number): Buffer {
  const value = Buffer.allocUnsafe(8 + 4);
  writeOffset(value, number, 0);
  return sealValue(key, value);
}

export function decodeIndexMark(key: Uint8Array, value: Uint8Array): number | undefined {
  const view = openValue(key, value, 8);
  return view && readOffset(view, 0);
}

function writeLocation(value: Buffer, at: number, location: IndexLocation): void {
  value.set(location.packId, at);
  writeOffset(value, location.offset, at + 16);
  value.writeUInt32LE(location.bodyBytes, at + 24);
  value.writeUInt32LE(location.damaged ? FLAG_DAMAGED : 0, at + 28);
}

function readLocation(value: Buffer, at: number): IndexLocation {
  return {
    packId: value.subarray(at, at + 16),
    offset: readOffset(value, at + 16),
    bodyBytes: value.readUInt32LE(at + 24),
    damaged: (value.readUInt32LE(at + 28) & FLAG_DAMAGED) !== 0,
  };
}

/** Fills the last four bytes with the CRC of key and value. */
function sealValue(key: Uint8Array, value: Buffer): Buffer {
  const end = value.length - 4;
  value.writeUInt32LE(crc32(value.subarray(0, end), crc32(key)), end);
  return value;
}

function openValue(key: Uint8Array, value: Uint8Array, payloadBytes: number): Buffer | undefined {
  if (value.length !== payloadBytes + 4) return undefined;
  const view = Buffer.from(value.buffer, value.byteOffset, value.length);
  return view.readUInt32LE(payloadBytes) === crc32(view.subarray(0, payloadBytes), crc32(key)) ? view : undefined;
}

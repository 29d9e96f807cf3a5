/**
 * The header of a pack file: FORMAT.md A1. 64 bytes that say which pack this is and which node made it, so that a
 * renamed file and a disk put into another node are known as such.
 *
 * Invariant: any changed bit is detected. A whole header of another version is `FORMAT_UNKNOWN`, never guessed at.
 */

import { crc32 } from "node:zlib";
import { assert, CodedError } from "@permafrost/std";

export const PACK_HEADER_BYTES = 64;
export const PACK_ID_BYTES = 16;
export const PACK_VERSION = 1;
const MAGIC = Buffer.from("PFPACK01", "latin1");

export interface PackHeader {
  /** 16 bytes. */
  readonly packId: Uint8Array;
  /** 16 bytes. */
  readonly nodeId: Uint8Array;
  readonly createdAtMs: number;
}

/** The 64 bytes of `header`. */
export function encodePackHeader(header: PackHeader): Buffer {
  assert(header.packId.length === PACK_ID_BYTES && header.nodeId.length === 16, "pack and node ids have 16 bytes");
  const out = Buffer.alloc(PACK_HEADER_BYTES);
  MAGIC.copy(out, 0);
  out.writeUInt16LE(PACK_VERSION, 8);
  out.set(header.packId, 16);
  out.set(header.nodeId, 32);
  out.writeBigUInt64LE(BigInt(header.createdAtMs), 48);
  out.writeUInt32LE(crc32(out.subarray(0, 60)), 60);
  return out;
}

/** Reads the first 64 bytes of `bytes`. Throws PACK_DAMAGED, or FORMAT_UNKNOWN for a whole header of another version. */
export function decodePackHeader(bytes: Uint8Array): PackHeader {
  const damaged = (reason: string) =>
    new CodedError("PACK_DAMAGED", `pack header: ${reason}`, { facts: { reason }, retry: "elsewhere" });
  if (bytes.length < PACK_HEADER_BYTES) throw damaged("shorter than 64 bytes");
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, PACK_HEADER_BYTES);
  if (view.readUInt32LE(60) !== crc32(view.subarray(0, 60))) throw damaged("checksum does not match");
  if (view.compare(MAGIC, 0, 8, 0, 8) !== 0) throw damaged("no magic");
  const version = view.readUInt16LE(8);
  if (version !== PACK_VERSION) {
    throw new CodedError("FORMAT_UNKNOWN", `pack format version ${version} is not known here`, {
      facts: { version, known: PACK_VERSION },
      hint: "Run a release that knows this version.",
    });
  }
  return {
    packId: Buffer.from(view.subarray(16, 32)),
    nodeId: Buffer.from(view.subarray(32, 48)),
    createdAtMs: Number(view.readBigUInt64LE(48)),
  };
}

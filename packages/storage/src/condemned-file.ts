/**
 * One file of condemned ids: FORMAT.md A4. The ids are written once, under a digest; whoever is spared later is appended, one
 * checksummed entry each. A file that is not whole counts as none: what is not known to be condemned is merely kept longer.
 */

import { crc32 } from "node:zlib";
import { blake3 } from "@permafrost/crypto";
import { BLOCK_ID_BYTES } from "@permafrost/model";
import type { PackStore } from "@permafrost/packs";
import { CodedError, equalBytes } from "@permafrost/std";
import { IdSet } from "./id-set.ts";

const MAGIC = Buffer.from("PFCOND1\n", "latin1");
const HEAD_BYTES = 16;
const DIGEST_BYTES = 32;
const SPARED_BYTES = BLOCK_ID_BYTES + 4;

/** The digest that makes a file whole: written last. */
export interface Unsealed {
  readonly sizeBytes: number;
  readonly digest: Uint8Array;
}

/** Writes all of a new file but the digest, durably. Ids ascend. Until it is sealed it counts as none. */
export async function writeUnsealed(files: PackStore, name: string, ids: Buffer): Promise<Unsealed> {
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt32LE(ids.length / BLOCK_ID_BYTES, MAGIC.length);
  await files.create(name);
  await files.append(name, 0, [head, ids]);
  await files.sync(name);
  await files.syncDirectory();
  return { sizeBytes: HEAD_BYTES + ids.length, digest: blake3(Buffer.concat([head, ids])) };
}

/** Makes the file whole, durably. Answers its size. */
export async function sealCondemned(files: PackStore, name: string, { sizeBytes, digest }: Unsealed): Promise<number> {
  await files.append(name, sizeBytes, [digest]);
  await files.sync(name);
  return sizeBytes + DIGEST_BYTES;
}

/** Adds ids to the spared of the file, which is `sizeBytes` long; durable when this resolves. Answers its new size. */
export async function appendSpared(
  files: PackStore,
  name: string,
  sizeBytes: number,
  ids: readonly Uint8Array[],
): Promise<number> {
  const entries = Buffer.alloc(ids.length * SPARED_BYTES);
  ids.forEach((id, i) => {
    entries.set(id, i * SPARED_BYTES);
    entries.writeUInt32LE(crc32(id), i * SPARED_BYTES + BLOCK_ID_BYTES);
  });
  await files.append(name, sizeBytes, [entries]);
  await files.sync(name);
  return sizeBytes + entries.length;
}

/** The ids that are still condemned, or undefined if the file is not whole. */
export async function readCondemned(files: PackStore, name: string, sizeBytes: number): Promise<IdSet | undefined> {
  let bytes: Buffer;
  try {
    bytes = await files.read(name, 0, sizeBytes);
  } catch (error) {
    if (CodedError.is(error, "PACK_IO") || CodedError.is(error, "PACK_MISSING")) return undefined;
    throw error;
  }
  if (bytes.length < HEAD_BYTES || !equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const end = HEAD_BYTES + bytes.readUInt32LE(MAGIC.length) * BLOCK_ID_BYTES;
  const digest = bytes.subarray(end, end + DIGEST_BYTES);
  if (digest.length < DIGEST_BYTES || !equalBytes(blake3(bytes.subarray(0, end)), digest)) return undefined;
  const ids = new IdSet(bytes.subarray(HEAD_BYTES, end));
  const spared = bytes.subarray(end + DIGEST_BYTES);
  if (spared.length % SPARED_BYTES !== 0) return undefined;
  for (let at = 0; at < spared.length; at += SPARED_BYTES) {
    const id = spared.subarray(at, at + BLOCK_ID_BYTES);
    if (spared.readUInt32LE(at + BLOCK_ID_BYTES) !== crc32(id)) return undefined;
    ids.delete(id);
  }
  return ids;
}

/**
 * Block ids: keyed digests, so that an id tells nobody without the key whether a known plaintext is stored.
 * The kind of the block is part of what is hashed: a data block can never pass for a manifest page.
 * It comes last: one byte before the plaintext would put BLAKE3 off its stride (half its speed). FORMAT.md, B2.
 */

import { createHmac } from "node:crypto";
import { blake3KeyedHasher } from "./blake3.ts";

export type IdHash = "blake3" | "hmac-sha256";
export type BlockKind = "data" | "page";

const KIND_BYTES = { data: Uint8Array.of(1), page: Uint8Array.of(2) } as const;

/** The id, 32 bytes, of a plaintext. Synchronous and not reentrant. */
export type IdFunction = (kind: BlockKind, plaintext: Uint8Array) => Uint8Array;

/** The id function of a repository: `key` is its 32-byte `id` subkey. */
export function blockIdFunction(hash: IdHash, key: Uint8Array): IdFunction {
  if (hash === "hmac-sha256") {
    return (kind, plaintext) => createHmac("sha256", key).update(plaintext).update(KIND_BYTES[kind]).digest();
  }
  const digest = blake3KeyedHasher(key);
  return (kind, plaintext) => digest(plaintext, KIND_BYTES[kind]);
}

/**
 * BLAKE3 with 32 bytes of output: the digest of everything stored.
 *
 * `blake3` is for bytes anyone may check (sealed bodies, packs); `blake3Keyed` is for names that must say
 * nothing without the key (block ids). `blake3KeyedHasher` keeps one native state for a key that names many
 * blocks: about a fifth less time per 64 KiB than making a state each time.
 */

import { Blake3Hasher, blake3 as nativeBlake3 } from "@napi-rs/blake-hash";

export const DIGEST_BYTES = 32;

/** The digest of `data`: 32 bytes. */
export function blake3(data: Uint8Array): Uint8Array {
  return nativeBlake3(data as Buffer);
}

/** The digest of `data` under a key of 32 bytes; RangeError for a key of another length. */
export function blake3Keyed(key: Uint8Array, data: Uint8Array): Uint8Array {
  return newKeyed(key)
    .update(data as Buffer)
    .digestBuffer();
}

/** A function that gives the keyed digest of its arguments, taken one after the other. Not reentrant, so only synchronous. */
export function blake3KeyedHasher(key: Uint8Array): (...parts: readonly Uint8Array[]) => Uint8Array {
  const state = newKeyed(key);
  return (...parts) => {
    state.reset(); // keeps the key
    for (const part of parts) state.update(part as Buffer);
    return state.digestBuffer();
  };
}

function newKeyed(key: Uint8Array): Blake3Hasher {
  if (key.length !== 32) throw new RangeError(`a BLAKE3 key has 32 bytes, not ${key.length}`);
  return Blake3Hasher.newKeyed(Buffer.from(key));
}

/**
 * zstd with bounds. What `compress` returns has been decompressed again and compared, because a compressor or a CPU that
 * errs must be found out before the source is gone, not at a restore. `decompress` gives exactly the length it was told
 * or an error, and never holds more than that.
 *
 * One-shot calls only: Node's streams ignore `maxOutputLength`.
 */

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { assert, CodedError, equalBytes } from "@permafrost/std";

/** Compressed data must be this much smaller, else it is stored raw and costs nothing to read. */
const WORTH_SAVING = 1 / 32;
/** Room for the frame's end, so that the output fits one buffer and no second call is needed. */
const SPARE_BYTES = 64;

const LEVEL = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_contentSizeFlag]: 1 };

/** The zstd frame of `plaintext`, or undefined if it would save less than a thirty-second. */
export function compress(plaintext: Uint8Array): Uint8Array | undefined {
  if (plaintext.length < SPARE_BYTES) return undefined;
  const bound = plaintext.length + (plaintext.length >> 8) + SPARE_BYTES;
  const frame = zstdCompressSync(plaintext, { chunkSize: bound, params: LEVEL });
  if (frame.length > plaintext.length * (1 - WORTH_SAVING)) return undefined;
  assert(equalBytes(decompress(frame, plaintext.length), plaintext), "a compressed block does not decompress to itself");
  return frame;
}

/** The plaintext of a frame, exactly `length` bytes; SEAL_BROKEN for anything else. `length` must be authenticated. */
export function decompress(frame: Uint8Array, length: number): Uint8Array {
  let plaintext: Uint8Array;
  try {
    plaintext = zstdDecompressSync(frame, { chunkSize: length + SPARE_BYTES, maxOutputLength: Math.max(length, 1) });
  } catch (error) {
    throw new CodedError("SEAL_BROKEN", "the body does not decompress", { facts: { length }, cause: error });
  }
  if (plaintext.length === length) return plaintext;
  throw new CodedError("SEAL_BROKEN", `the body decompresses to ${plaintext.length} bytes instead of ${length}`, {
    facts: { length, found: plaintext.length },
  });
}

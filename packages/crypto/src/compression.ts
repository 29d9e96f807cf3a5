/**
 * zstd with bounds. What `compress` returns has been decompressed again and compared, because a compressor or a CPU that
 * errs must be found out before the source is gone, not at a restore. `decompress` gives exactly the length it was told
 * or an error, and never holds more than that.
 *
 * One-shot calls only (Node's streams ignore `maxOutputLength`), through a context that is kept where Node lets us.
 */

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { assert, CodedError, equalBytes } from "@permafrost/std";
import { openCompressor, openDecompressor } from "./zstd-context.ts";

/** Compressed data must be this much smaller, else it is stored raw and costs nothing to read. */
const WORTH_SAVING = 1 / 32;
/** Below this, a frame's own header eats what is saved. */
const COMPRESSIBLE_BYTES_MIN = 64;
/** More than zstd adds to incompressible data, and room for one byte too many to be seen. */
const SPARE_BYTES = 1024;

const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
const compressor = openCompressor(OPTIONS);
const decompressor = openDecompressor();
let frameBuffer = Buffer.alloc(0);
let checkBuffer = Buffer.alloc(0);

/**
 * The zstd frame of `plaintext`, or undefined if it would save less than a thirty-second.
 * The frame is valid until the next call.
 */
export function compress(plaintext: Uint8Array): Uint8Array | undefined {
  const { length } = plaintext;
  if (length < COMPRESSIBLE_BYTES_MIN) return undefined;
  const roomBytes = length + (length >> 7) + SPARE_BYTES;
  if (frameBuffer.length < roomBytes) frameBuffer = Buffer.allocUnsafeSlow(roomBytes);
  const written = compressor(plaintext, frameBuffer);
  const frame = written === undefined ? zstdCompressSync(plaintext, OPTIONS) : frameBuffer.subarray(0, written);
  if (frame.length > length * (1 - WORTH_SAVING)) return undefined;
  if (checkBuffer.length <= length) checkBuffer = Buffer.allocUnsafeSlow(length + 1);
  const isSame =
    decompressor(frame, checkBuffer) === length
      ? equalBytes(checkBuffer.subarray(0, length), plaintext)
      : equalBytes(decompressOnce(frame, length), plaintext);
  assert(isSame, "a compressed block does not decompress to itself");
  return frame;
}

/** The plaintext of a frame, exactly `length` bytes; SEAL_BROKEN for anything else. `length` must be authenticated. */
export function decompress(frame: Uint8Array, length: number): Uint8Array {
  const plaintext = Buffer.allocUnsafeSlow(length + 1); // one more, to see a frame that holds more
  return decompressor(frame, plaintext) === length ? plaintext.subarray(0, length) : decompressOnce(frame, length);
}

function decompressOnce(frame: Uint8Array, length: number): Uint8Array {
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

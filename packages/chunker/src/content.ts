/**
 * Content-defined blocks, for objects and documents: an insertion moves only the boundaries near it.
 *
 * A gear hash over the last 32 bytes decides, with a harder condition before the average size and an easier one after
 * it (as in FastCDC, Xia et al. 2016), so that sizes stay near the average. The gear table comes from a 32-byte key: without
 * it, block sizes do not tell which known file was stored. Boundaries depend on the key and on the bytes since the
 * last boundary alone.
 */

import { hkdfSync } from "node:crypto";
import { type Cutter, grown } from "./cutter.ts";

export interface ContentSizes {
  readonly minBytes: number;
  /** A power of two. */
  readonly avgBytes: number;
  readonly maxBytes: number;
}

export const CONTENT_SIZES: ContentSizes = { minBytes: 16 * 1024, avgBytes: 64 * 1024, maxBytes: 256 * 1024 };

/** Bytes the 32-bit gear hash remembers. */
const WINDOW_BYTES = 32;
/** Bits by which the condition is harder before the average, easier after it. */
const NORMALISATION_BITS = 2;

/** The keyed table of a cutter: 256 words. Made once per key. */
export function gearTable(key: Uint8Array): Int32Array {
  if (key.length !== 32) throw new RangeError(`a cutter's key has 32 bytes, not ${key.length}`);
  const bytes = Buffer.from(hkdfSync("sha256", key, new Uint8Array(0), "permafrost/v1/gear", 1024));
  return Int32Array.from({ length: 256 }, (_, i) => bytes.readInt32LE(4 * i));
}

/** Cuts by content with a table from `gearTable`. */
export function contentCutter(gear: Int32Array, sizes: ContentSizes = CONTENT_SIZES): Cutter {
  const { minBytes, avgBytes, maxBytes } = sizes;
  const bits = Math.log2(avgBytes);
  if (!(WINDOW_BYTES <= minBytes && minBytes < avgBytes && avgBytes < maxBytes) || !Number.isInteger(bits) || bits > 29) {
    throw new RangeError(`not sizes of content-defined blocks: ${minBytes}, ${avgBytes}, ${maxBytes}`);
  }
  // The high bits of the hash depend on the whole window, the low ones on the last bytes only.
  const maskBefore = -1 << (32 - bits - NORMALISATION_BITS);
  const maskAfter = -1 << (32 - bits + NORMALISATION_BITS);
  let carry: Buffer = Buffer.alloc(0);
  let carried = 0;
  /** Bytes of the current block that the hash has seen (or skipped). */
  let seen = 0;
  let hash = 0;

  /** Length of the block that starts at `start` of `bytes` if its end is at or before `end`, else 0. Goes on where it stopped. */
  const scan = (bytes: Uint8Array, start: number, end: number): number => {
    const skip = minBytes - WINDOW_BYTES;
    let at = start + Math.max(seen, skip);
    let h = seen <= skip ? 0 : hash;
    const limit = Math.min(end, start + maxBytes);
    for (const [until, mask] of [
      [Math.min(limit, start + minBytes), 0],
      [Math.min(limit, start + avgBytes), maskBefore],
      [limit, maskAfter],
    ] as const) {
      if (mask === 0) {
        for (; at < until; at++) h = ((h << 1) + (gear[bytes[at] as number] as number)) | 0;
      } else {
        for (; at < until; at++) {
          h = ((h << 1) + (gear[bytes[at] as number] as number)) | 0;
          if ((h & mask) === 0) return at + 1 - start;
        }
      }
    }
    hash = h;
    seen = Math.min(at, end) - start;
    return limit - start === maxBytes ? maxBytes : 0;
  };

  const restart = () => {
    seen = 0;
    hash = 0;
  };

  return {
    *push(chunk) {
      let at = 0;
      if (carried > 0) {
        const room = Math.min(maxBytes - carried, chunk.length);
        carry = grown(carry, carried, carried + room, maxBytes);
        carry.set(chunk.subarray(0, room), carried);
        const length = scan(carry, 0, carried + room);
        if (length === 0) {
          carried += room;
          return;
        }
        at = length - carried;
        carried = 0;
        restart();
        yield carry.subarray(0, length);
      }
      while (at < chunk.length) {
        const length = scan(chunk, at, chunk.length);
        if (length === 0) break;
        restart();
        yield chunk.subarray(at, at + length);
        at += length;
      }
      carried = chunk.length - at;
      carry = grown(carry, 0, carried, maxBytes);
      carry.set(chunk.subarray(at), 0);
    },
    end: () => (carried > 0 ? carry.subarray(0, carried) : undefined),
  };
}

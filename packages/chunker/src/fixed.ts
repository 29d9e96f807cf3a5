/** Blocks of equal size, aligned to their offset in the stream: for disks and images. */

import { type Cutter, grown } from "./cutter.ts";

/** Cuts every `blockBytes`; only the last block may be shorter. */
export function fixedCutter(blockBytes: number): Cutter {
  if (!Number.isInteger(blockBytes) || blockBytes < 1) throw new RangeError(`not a block size: ${blockBytes}`);
  let carry: Buffer = Buffer.alloc(0);
  let carried = 0;
  return {
    *push(chunk) {
      let at = 0;
      if (carried > 0) {
        at = Math.min(blockBytes - carried, chunk.length);
        carry = grown(carry, carried, carried + at, blockBytes);
        carry.set(chunk.subarray(0, at), carried);
        carried += at;
        if (carried < blockBytes) return;
        carried = 0;
        yield carry.subarray(0, blockBytes);
      }
      for (; at + blockBytes <= chunk.length; at += blockBytes) yield chunk.subarray(at, at + blockBytes);
      carried = chunk.length - at;
      carry = grown(carry, 0, carried, blockBytes);
      carry.set(chunk.subarray(at), 0);
    },
    end: () => (carried > 0 ? carry.subarray(0, carried) : undefined),
  };
}

/**
 * Cutting a byte stream into blocks, one source chunk at a time.
 *
 * `push` yields the blocks that the bytes so far complete, `end` the last one. The blocks of one stream, joined, are the
 * stream; where they are cut depends on the bytes alone, never on how the source slices them. A block is a view that
 * is valid until the next one is asked for, and as long as the chunk is: who keeps a block copies it.
 * Nothing is copied where a block lies within one chunk.
 */

export interface Cutter {
  push(chunk: Uint8Array): Iterable<Uint8Array>;
  /** The rest, if there is any; afterwards the cutter is used up. */
  end(): Uint8Array | undefined;
}

/** Room for `neededBytes` with the first `keptBytes` of `carry` in it: a small stream holds little, a large one `maxBytes` once. */
export function grown(carry: Buffer, keptBytes: number, neededBytes: number, maxBytes: number): Buffer {
  if (neededBytes <= carry.length) return carry;
  const larger = Buffer.allocUnsafeSlow(Math.min(maxBytes, 2 * neededBytes));
  carry.copy(larger, 0, 0, keptBytes);
  return larger;
}

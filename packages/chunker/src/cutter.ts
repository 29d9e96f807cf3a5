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

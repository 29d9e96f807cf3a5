/** What a repair of blocks came to, and the answer of a store that has nowhere to copy from. */

import type { BlockId } from "@permafrost/model";

export interface RepairedBlocks {
  /** Ids of which every node that is to keep the block had it. */
  readonly wholeBlocks: number;
  /** Copies made on nodes that lacked one or had a damaged one. */
  readonly copies: number;
  /** Of their sealed bodies. */
  readonly copiedBytes: number;
  /** Which no node that answered has whole. */
  readonly lost: readonly BlockId[];
  /** Which some node that is to keep them has not: it did not answer, or did not take them. */
  readonly short: readonly BlockId[];
}

/** Of a single store: what it confirms is whole, the rest is lost as far as it knows. */
export function repairedAlone(ids: readonly BlockId[], confirmed: readonly boolean[]): RepairedBlocks {
  const lost = ids.filter((_, index) => !confirmed[index]);
  return { wholeBlocks: ids.length - lost.length, copies: 0, copiedBytes: 0, lost, short: [] };
}

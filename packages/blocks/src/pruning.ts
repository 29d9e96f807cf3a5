/**
 * How unused blocks leave a node: named, condemned, spared, swept. Each node by itself, because nodes differ in what they hold.
 *
 * A prune runs in cycles, numbered per repository. A cycle finds what no root leads to any more and condemns it: a condemned block is
 * still there and readable. Whoever reserves, puts or confirms it takes it out of the condemned at once and for good (it is *spared*).
 * A later cycle that again found no root leading to it may sweep it away. So nobody who asked for a block before he counted on it can lose it:
 * `reserve`, `put` and `confirm` on the one side and `sweep` on the other are one atomic step per block. What a node forgets of its
 * condemned (a crash, a lost disk) only delays the sweep.
 */

import type { BlockId, RepositoryId } from "@permafrost/model";
import { CodedError, compareBytes } from "@permafrost/std";
import { checkIds, checkRepositoryId } from "./checks.ts";

export interface ListedBlock {
  readonly id: BlockId;
  /** Of the sealed body. */
  readonly bodyBytes: number;
  /** The cycle that condemned it; 0: it is not condemned. */
  readonly condemnedIn: number;
}

/** What a sweep has done so far. */
export interface SweepProgress {
  readonly deletedBlocks: number;
  /** Of their sealed bodies. */
  readonly deletedBytes: number;
  /** Bytes of packs given back to the disk, less what was written to move their live blocks. */
  readonly freedBytes: number;
  /** Blocks that stay condemned because their packs hold too little else to clear, or could not be read whole. */
  readonly leftBlocks: number;
}

/** One node's side of a prune. All but `list` throw FENCED for a cycle lower than the highest that was begun. */
export interface NodePruning {
  readonly nodeId: string;

  /** Makes `cycle` the one whose orders the node takes; durable. Numbers start at 1; the same again is a repeat. */
  begin(repositoryId: RepositoryId, cycle: number): Promise<void>;

  /** Every block of the repository, in order of id, IDS_PER_REQUEST_MAX at a time. What comes or goes meanwhile may be in it or not. */
  list(repositoryId: RepositoryId): AsyncIterable<readonly ListedBlock[]>;

  /**
   * Condemns the blocks, in ascending order of id, all or (on an error) none, durably. Those that are not here or condemned already stay as they
   * are. Answers how many it condemned. STORE_READ_ONLY.
   */
  condemn(repositoryId: RepositoryId, cycle: number, ids: AsyncIterable<readonly BlockId[]>): Promise<number>;

  /** Takes the blocks, at most IDS_PER_REQUEST_MAX, out of the condemned. */
  spare(repositoryId: RepositoryId, cycle: number, ids: readonly BlockId[]): Promise<void>;

  /**
   * Deletes blocks condemned in `upToCycle` or before, which is lower than `cycle`. May leave some: see SweepProgress. To be
   * read to its end; left early, it stops after what it is doing. STORE_READ_ONLY.
   */
  sweep(repositoryId: RepositoryId, cycle: number, upToCycle: number): AsyncIterable<SweepProgress>;
}

/** REQUEST_INVALID unless it is a repository and a cycle from 1. */
export function checkCycle(repositoryId: RepositoryId, cycle: number): void {
  checkRepositoryId(repositoryId);
  if (!Number.isSafeInteger(cycle) || cycle < 1)
    throw new CodedError("REQUEST_INVALID", "a prune's cycles count from 1", { facts: { cycle } });
}

/** REQUEST_INVALID unless a cycle of before is to be swept: what is condemned is looked at once more before it goes. */
export function checkSweep(repositoryId: RepositoryId, cycle: number, upToCycle: number): void {
  checkCycle(repositoryId, cycle);
  checkCycle(repositoryId, upToCycle);
  if (upToCycle >= cycle)
    throw new CodedError("REQUEST_INVALID", "a cycle sweeps what an earlier one condemned", { facts: { cycle, upToCycle } });
}

/** Throws FENCED if a cycle above `cycle` was begun. */
export function checkNotFenced(cycle: number, begunCycle: number): void {
  if (cycle >= begunCycle) return;
  throw new CodedError("FENCED", "a newer prune of this repository has begun", {
    facts: { cycle, begunCycle },
    hint: "stop this one; the newer does the work",
  });
}

/** The pages as they come. REQUEST_INVALID when a page is too large, an id has another length, or the order does not ascend. */
export async function* ascending(pages: AsyncIterable<readonly BlockId[]>): AsyncGenerator<readonly BlockId[]> {
  let last: BlockId | undefined;
  for await (const page of pages) {
    checkIds(page);
    for (const id of page) {
      if (last && compareBytes(last, id) >= 0)
        throw new CodedError("REQUEST_INVALID", "the ids to condemn must ascend", { facts: {} });
      last = id;
    }
    yield page;
  }
}

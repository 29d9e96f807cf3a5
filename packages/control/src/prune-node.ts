/** A prune's work with one storage node: compare its blocks with the marks, sweep, condemn. */

import type { NodePruning, SweepProgress } from "@permafrost/blocks";
import { BLOCK_ID_BYTES, type BlockId, IDS_PER_REQUEST_MAX } from "@permafrost/model";
import type { Marks } from "./marks.ts";

export interface Findings {
  readonly storedBlocks: number;
  readonly storedBytes: number;
  /** Not marked; condemned or not. */
  readonly unusedBlocks: number;
  readonly unusedBytes: number;
  /** Not marked and not condemned so far. */
  readonly newlyUnusedBlocks: number;
  readonly newlyUnusedBytes: number;
  /** Marked and condemned: no longer condemned. */
  readonly sparedBlocks: number;
  /** Cycles that condemned blocks which are here. */
  readonly cycles: ReadonlySet<number>;
  /** Not marked and condemned, by cycle. */
  readonly condemned: ReadonlyMap<number, { readonly blocks: number; readonly bytes: number }>;
  /** Ids of the newly unused, ascending, one after another; at most as many as asked for. */
  readonly unused: Buffer;
  /** Of the bodies of these. */
  readonly rememberedBytes: number;
}

export function emptyFindings(): Findings {
  return {
    ...{ storedBlocks: 0, storedBytes: 0, unusedBlocks: 0, unusedBytes: 0 },
    ...{ newlyUnusedBlocks: 0, newlyUnusedBytes: 0, sparedBlocks: 0 },
    cycles: new Set(),
    condemned: new Map(),
    unused: Buffer.alloc(0),
    rememberedBytes: 0,
  };
}

export interface InspectOptions {
  readonly repositoryId: string;
  readonly cycle: number;
  readonly marks: Marks;
  /** Ids of unused blocks to remember. */
  readonly idsMax: number;
  readonly signal: AbortSignal;
  /** Spares nothing. */
  readonly dryRun: boolean;
}

/** Goes through all blocks of the node; takes what is marked out of the condemned. */
export async function inspectNode(node: NodePruning, options: InspectOptions): Promise<Findings> {
  const { repositoryId, cycle, marks, idsMax, signal, dryRun } = options;
  let [storedBlocks, storedBytes, unusedBlocks, unusedBytes, sparedBlocks] = [0, 0, 0, 0, 0];
  let [newlyUnusedBlocks, newlyUnusedBytes, remembered, rememberedBytes] = [0, 0, 0, 0];
  const condemned = new Map<number, { blocks: number; bytes: number }>();
  const cycles = new Set<number>();
  const unused: Buffer[] = [];
  for await (const page of node.list(repositoryId)) {
    signal.throwIfAborted();
    const spared: BlockId[] = [];
    const ids: BlockId[] = [];
    for (const { id, bodyBytes, condemnedIn } of page) {
      storedBlocks++;
      storedBytes += bodyBytes;
      if (condemnedIn > 0) cycles.add(condemnedIn);
      if (marks.has(id)) {
        if (condemnedIn > 0) spared.push(id);
        continue;
      }
      unusedBlocks++;
      unusedBytes += bodyBytes;
      if (condemnedIn > 0) {
        const known = condemned.get(condemnedIn) ?? { blocks: 0, bytes: 0 };
        condemned.set(condemnedIn, { blocks: known.blocks + 1, bytes: known.bytes + bodyBytes });
        continue;
      }
      newlyUnusedBlocks++;
      newlyUnusedBytes += bodyBytes;
      if (remembered >= idsMax) continue;
      remembered++;
      rememberedBytes += bodyBytes;
      ids.push(id);
    }
    unused.push(Buffer.concat(ids));
    sparedBlocks += spared.length;
    if (spared.length > 0 && !dryRun) await node.spare(repositoryId, cycle, spared);
  }
  return {
    ...{ storedBlocks, storedBytes, unusedBlocks, unusedBytes, newlyUnusedBlocks, newlyUnusedBytes, sparedBlocks },
    ...{ cycles, condemned, unused: Buffer.concat(unused), rememberedBytes },
  };
}

/** The node's progress, each time as what has come since the last. */
export async function* sweepNode(
  node: NodePruning,
  repositoryId: string,
  cycle: number,
  upToCycle: number,
  signal: AbortSignal,
): AsyncGenerator<SweepProgress> {
  let last: SweepProgress = { deletedBlocks: 0, deletedBytes: 0, freedBytes: 0, leftBlocks: 0 };
  for await (const now of node.sweep(repositoryId, cycle, upToCycle)) {
    yield {
      deletedBlocks: now.deletedBlocks - last.deletedBlocks,
      deletedBytes: now.deletedBytes - last.deletedBytes,
      freedBytes: now.freedBytes - last.freedBytes,
      leftBlocks: now.leftBlocks - last.leftBlocks,
    };
    last = now;
    signal.throwIfAborted();
  }
}

/** Condemns what `inspectNode` remembered; answers how many blocks. */
export function condemnUnused(node: NodePruning, repositoryId: string, cycle: number, unused: Buffer): Promise<number> {
  return unused.length === 0 ? Promise.resolve(0) : node.condemn(repositoryId, cycle, pagesOf(unused));
}

async function* pagesOf(ids: Buffer): AsyncGenerator<BlockId[]> {
  const pageBytes = IDS_PER_REQUEST_MAX * BLOCK_ID_BYTES;
  for (let at = 0; at < ids.length; at += pageBytes) {
    const page = ids.subarray(at, at + pageBytes);
    yield Array.from({ length: page.length / BLOCK_ID_BYTES }, (_, i) =>
      page.subarray(i * BLOCK_ID_BYTES, (i + 1) * BLOCK_ID_BYTES),
    );
  }
}

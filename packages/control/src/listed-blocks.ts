/** The blocks of a repository that any storage node has, each once, in order of id. */

import type { ListedBlock, NodePruning } from "@permafrost/blocks";
import { type BlockId, IDS_PER_REQUEST_MAX } from "@permafrost/model";
import { compareBytes } from "@permafrost/std";

/** Those that are condemned wherever they are, which the next prune deletes, are left out. IDS_PER_REQUEST_MAX at a time. */
export async function* listedBlocks(nodes: readonly NodePruning[], repositoryId: string): AsyncGenerator<BlockId[]> {
  const lists = nodes.map((node) => blocksOf(node, repositoryId));
  try {
    const heads = await Promise.all(lists.map((list) => list.next()));
    let batch: BlockId[] = [];
    for (;;) {
      const there = heads.flatMap((head) => (head.done ? [] : head.value));
      const first = there.reduce<ListedBlock | undefined>(
        (least, one) => (least === undefined || compareBytes(one.id, least.id) < 0 ? one : least),
        undefined,
      );
      if (first === undefined) break;
      let isWanted = false;
      for (const [at, list] of lists.entries()) {
        const head = heads[at];
        if (head === undefined || head.done || compareBytes(head.value.id, first.id) !== 0) continue;
        if (head.value.condemnedIn === 0) isWanted = true;
        heads[at] = await list.next();
      }
      if (isWanted) batch.push(first.id);
      if (batch.length < IDS_PER_REQUEST_MAX) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  } finally {
    await Promise.all(lists.map((list) => list.return(undefined)));
  }
}

async function* blocksOf(node: NodePruning, repositoryId: string): AsyncGenerator<ListedBlock> {
  for await (const page of node.list(repositoryId)) yield* page;
}

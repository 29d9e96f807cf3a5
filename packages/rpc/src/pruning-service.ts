/** The server's side of a prune: the part of BlockService that speaks to the one node behind it. */

import type { BlockStore, NodePruning } from "@permafrost/blocks";
import { CodedError } from "@permafrost/std";
import type { BlockServiceImplementation, CondemnRequest } from "./gen/permafrost/block/v1/block.ts";

export type PruningMethods = Pick<BlockServiceImplementation, "beginPrune" | "listBlocks" | "condemn" | "spare" | "sweep">;

export function pruningMethods(store: BlockStore): PruningMethods {
  const ofNode = async (): Promise<NodePruning> => {
    const [node] = await store.pruning();
    if (!node) throw new CodedError("STORE_CLOSED", "the store has no node to speak of", { retry: "later" });
    return node;
  };

  return {
    async beginPrune({ repositoryId, cycle }) {
      await (await ofNode()).begin(repositoryId, Number(cycle));
      return {};
    },

    async *listBlocks({ repositoryId }) {
      for await (const page of (await ofNode()).list(repositoryId)) {
        yield {
          ids: page.map(({ id }) => id),
          bodyBytes: page.map(({ bodyBytes }) => bodyBytes),
          condemnedIn: page.map(({ condemnedIn }) => BigInt(condemnedIn)),
        };
      }
    },

    async condemn(requests) {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done) throw new CodedError("REQUEST_INVALID", "a Condemn names its repository and cycle in its first message");
      const { repositoryId, cycle } = first.value;
      const condemned = await (await ofNode()).condemn(repositoryId, Number(cycle), idsOf(first.value, iterator));
      return { condemned: BigInt(condemned) };
    },

    async spare({ repositoryId, cycle, ids }) {
      await (await ofNode()).spare(repositoryId, Number(cycle), ids);
      return {};
    },

    async *sweep({ repositoryId, cycle, upToCycle }) {
      for await (const step of (await ofNode()).sweep(repositoryId, Number(cycle), Number(upToCycle))) {
        yield {
          deletedBlocks: BigInt(step.deletedBlocks),
          deletedBytes: BigInt(step.deletedBytes),
          freedBytes: BigInt(step.freedBytes),
          leftBlocks: BigInt(step.leftBlocks),
        };
      }
    },
  };
}

async function* idsOf(first: CondemnRequest, rest: AsyncIterator<CondemnRequest>): AsyncGenerator<Uint8Array[]> {
  yield first.ids;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value.ids;
}

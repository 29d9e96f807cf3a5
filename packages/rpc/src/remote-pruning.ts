/**
 * A node's side of a prune, on another machine. Orders that may be repeated are, a few times; a list or a sweep that breaks off ends in its
 * error; how long they may take nobody knows, and a peer that is gone is found out by the connection. What a node lists is checked for its form: ids that are none would be condemned for nothing.
 */

import type { ListedBlock, NodePruning, SweepProgress } from "@permafrost/blocks";
import { BLOCK_ID_BYTES, type BlockId } from "@permafrost/model";
import { CodedError, compareBytes } from "@permafrost/std";
import type { BlockServiceClient, ListBlocksResponse } from "./gen/permafrost/block/v1/block.ts";

export interface RemotePruningParts {
  readonly nodeId: string;
  readonly address: string;
  readonly client: Pick<BlockServiceClient, "beginPrune" | "listBlocks" | "condemn" | "spare" | "sweep">;
  /** Repeats what fails with `later`. */
  readonly call: <T>(work: () => Promise<T>) => Promise<T>;
}

export function remotePruning({ nodeId, address, client, call }: RemotePruningParts): NodePruning {
  return {
    nodeId,

    begin: (repositoryId, cycle) =>
      call(async () => {
        await client.beginPrune({ repositoryId, cycle: wireCycle(cycle) });
      }),

    async *list(repositoryId) {
      let last: BlockId | undefined;
      for await (const message of client.listBlocks({ repositoryId })) {
        const page = listedOf(message, address, last);
        last = page.at(-1)?.id ?? last;
        yield page;
      }
    },

    async condemn(repositoryId, cycle, ids) {
      async function* requests() {
        yield { repositoryId, cycle: wireCycle(cycle), ids: [] };
        for await (const page of ids) yield { repositoryId: "", cycle: 0n, ids: [...page] };
      }
      return Number((await client.condemn(requests())).condemned);
    },

    spare: (repositoryId, cycle, ids) =>
      call(async () => {
        await client.spare({ repositoryId, cycle: wireCycle(cycle), ids: [...ids] });
      }),

    async *sweep(repositoryId, cycle, upToCycle) {
      const request = { repositoryId, cycle: wireCycle(cycle), upToCycle: wireCycle(upToCycle) };
      for await (const step of client.sweep(request)) {
        const progress: SweepProgress = {
          deletedBlocks: Number(step.deletedBlocks),
          deletedBytes: Number(step.deletedBytes),
          freedBytes: Number(step.freedBytes),
          leftBlocks: Number(step.leftBlocks),
        };
        yield progress;
      }
    },
  };
}

/** What is no cycle is sent as 0, which a node refuses. */
function wireCycle(cycle: number): bigint {
  return Number.isSafeInteger(cycle) && cycle > 0 ? BigInt(cycle) : 0n;
}

function listedOf(
  { ids, bodyBytes, condemnedIn }: ListBlocksResponse,
  address: string,
  before: BlockId | undefined,
): ListedBlock[] {
  let last = before;
  const isWhole = ids.length === bodyBytes.length && ids.length === condemnedIn.length;
  return ids.map((id, i) => {
    const isNext = id.length === BLOCK_ID_BYTES && (last === undefined || compareBytes(last, id) < 0);
    if (!isWhole || !isNext)
      throw new CodedError("REMOTE_FAILED", `${address} answered with a list of blocks that is none`, {
        facts: { peer: address },
      });
    last = id;
    return { id, bodyBytes: bodyBytes[i] as number, condemnedIn: Number(condemnedIn[i]) };
  });
}

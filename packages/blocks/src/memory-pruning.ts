/** Pruning of a MemoryBlockStore: the shortest statement of what `pruning.ts` promises. */

import { IDS_PER_REQUEST_MAX, type RepositoryId } from "@permafrost/model";
import { fromHex, toHex } from "@permafrost/std";
import { checkIds, checkRepositoryId } from "./checks.ts";
import { ascending, checkCycle, checkNotFenced, checkSweep, type ListedBlock, type NodePruning } from "./pruning.ts";

/** What a memory store tells of a block. */
export interface PrunableBlock {
  readonly bodyBytes: number;
  /** 0: not condemned. */
  condemnedIn: number;
}

export interface MemoryPruningParts {
  readonly nodeId: string;
  /** By `<repository>/<hex id>`. */
  readonly blocks: ReadonlyMap<string, PrunableBlock>;
  readonly remove: (key: string) => void;
  /** Throws what the next call of the node is to throw. */
  readonly enter: () => void;
}

export function memoryPruning({ nodeId, blocks, remove, enter }: MemoryPruningParts): NodePruning {
  const begun = new Map<RepositoryId, number>();
  const check = (repositoryId: RepositoryId, cycle: number) => {
    enter();
    checkCycle(repositoryId, cycle);
    checkNotFenced(cycle, begun.get(repositoryId) ?? 0);
  };
  const of = (repositoryId: RepositoryId) => [...blocks].filter(([key]) => key.startsWith(`${repositoryId}/`)).sort();

  return {
    nodeId,

    async begin(repositoryId, cycle) {
      check(repositoryId, cycle);
      begun.set(repositoryId, cycle);
    },

    async *list(repositoryId) {
      enter();
      checkRepositoryId(repositoryId);
      const all = of(repositoryId).map(
        ([key, { bodyBytes, condemnedIn }]): ListedBlock => ({ id: fromHex(key.slice(33)), bodyBytes, condemnedIn }),
      );
      for (let at = 0; at < all.length; at += IDS_PER_REQUEST_MAX) yield all.slice(at, at + IDS_PER_REQUEST_MAX);
    },

    async condemn(repositoryId, cycle, ids) {
      check(repositoryId, cycle);
      const pages = await Array.fromAsync(ascending(ids));
      check(repositoryId, cycle);
      const found = pages.flat().flatMap((id) => blocks.get(`${repositoryId}/${toHex(id)}`) ?? []);
      const condemned = found.filter((block) => block.condemnedIn === 0);
      for (const block of condemned) block.condemnedIn = cycle;
      return condemned.length;
    },

    async spare(repositoryId, cycle, ids) {
      check(repositoryId, cycle);
      checkIds(ids);
      for (const id of ids) {
        const block = blocks.get(`${repositoryId}/${toHex(id)}`);
        if (block) block.condemnedIn = 0;
      }
    },

    async *sweep(repositoryId, cycle, upToCycle) {
      checkSweep(repositoryId, cycle, upToCycle);
      check(repositoryId, cycle);
      let [deletedBlocks, freedBytes] = [0, 0];
      for (const [key, { condemnedIn, bodyBytes }] of of(repositoryId)) {
        if (condemnedIn === 0 || condemnedIn > upToCycle) continue;
        remove(key);
        deletedBlocks++;
        freedBytes += bodyBytes;
      }
      yield { deletedBlocks, deletedBytes: freedBytes, freedBytes, leftBlocks: 0 };
    },
  };
}

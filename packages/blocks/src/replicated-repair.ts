/**
 * Repair of blocks over replicas: every node that is to keep a block has it again, copied from any node that has it whole.
 *
 * Each node is asked for its own blocks, and what it lacks or knows to be damaged is read from the others, verified, and put to it. A repair
 * only adds. It serves a node that lost its disk, one that came, one whose weight grew, and copies that scrubs found damaged.
 */

import type { BlockId, RepositoryId } from "@permafrost/model";
import { CodedError, mapPool } from "@permafrost/std";
import type { Scope, SealedBlock } from "./block-store.ts";
import { checkIds, checkScope, digestMatches } from "./checks.ts";
import { type Cluster, isRefusal, type StoreNode } from "./cluster.ts";
import type { RepairedBlocks } from "./repair.ts";
import type { ReplicatedReads } from "./replicated-reads.ts";

/** Blocks in memory at once: at most 32 MiB of bodies. */
const BLOCKS_AT_ONCE = 32;
const READS_AT_ONCE = 8;

export class ReplicatedRepair {
  readonly #cluster: Cluster;
  readonly #reads: ReplicatedReads;

  constructor(cluster: Cluster, reads: ReplicatedReads) {
    this.#cluster = cluster;
    this.#reads = reads;
  }

  async blocks(scope: Scope, ids: readonly BlockId[]): Promise<RepairedBlocks> {
    checkScope(scope);
    checkIds(ids);
    const short = new Set<number>();
    const lacking = new Map<number, StoreNode[]>();
    await Promise.all(
      [...this.#cluster.byNode(ids)].map(async ([node, indexes]) => {
        const some = indexes.flatMap((index) => ids[index] ?? []);
        const answer = await this.#cluster.call(node, "confirm", (store) => store.confirm(scope, some));
        if ("error" in answer && isRefusal(answer.error)) throw answer.error;
        indexes.forEach((index, at) => {
          if ("error" in answer) short.add(index);
          else if (!answer.value[at]) lacking.set(index, [...(lacking.get(index) ?? []), node]);
        });
      }),
    );
    const wholeBlocks = ids.filter((_, index) => !short.has(index) && !lacking.has(index)).length;
    const lost: BlockId[] = [];
    let [copies, copiedBytes] = [0, 0];
    const open = [...lacking.keys()];
    for (let from = 0; from < open.length; from += BLOCKS_AT_ONCE) {
      const slice = open.slice(from, from + BLOCKS_AT_ONCE);
      const found = await this.#find(
        scope.repositoryId,
        slice.flatMap((index) => ids[index] ?? []),
      );
      const wanted = new Map<StoreNode, { readonly index: number; readonly block: SealedBlock }[]>();
      slice.forEach((index, at) => {
        const block = found[at];
        if (block === undefined) lost.push(ids[index] as BlockId);
        else for (const node of lacking.get(index) ?? []) wanted.set(node, [...(wanted.get(node) ?? []), { index, block }]);
      });
      await Promise.all(
        [...wanted].map(async ([node, all]) => {
          const blocks = all.map(({ block }) => block);
          const answer = await this.#cluster.call(node, "repair", (store) => store.put(scope, blocks));
          if ("error" in answer) {
            if (isRefusal(answer.error)) throw answer.error;
            for (const { index } of all) short.add(index);
            return;
          }
          copies += blocks.length;
          copiedBytes += blocks.reduce((sum, { body }) => sum + body.length, 0);
        }),
      );
    }
    return { wholeBlocks, copies, copiedBytes, lost, short: [...short].flatMap((index) => ids[index] ?? []) };
  }

  /** Each block from whichever node has it whole; undefined: none that answers. */
  async #find(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<(SealedBlock | undefined)[]> {
    const whole = (block: SealedBlock | undefined) => (block !== undefined && digestMatches(block) ? block : undefined);
    try {
      return (await this.#reads.get(repositoryId, ids)).map(whole);
    } catch (error) {
      if (ids.length === 1) return [undefinedUnless(error)];
      // One of them cannot be had: the others can.
      return (await mapPool([...ids], READS_AT_ONCE, (id) => this.#find(repositoryId, [id]))).flat();
    }
  }
}

/** What is damaged everywhere, or with nodes that do not answer, is not found; anything else is a failure. */
function undefinedUnless(error: unknown): undefined {
  if (CodedError.is(error, "BLOCK_CORRUPT") || CodedError.is(error, "NODES_UNAVAILABLE")) return undefined;
  throw error;
}

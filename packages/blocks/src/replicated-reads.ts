/**
 * Get over replicas: each block from the node it belongs to first, from the next when that one lacks it, has it damaged or does not answer.
 *
 * A verified body that replaced a damaged one is put back to the node that had it damaged; that only ever adds, in the background, a bounded
 * number at a time: what is left out is found again by the next read. "Not here" is said only when the nodes that did not answer are
 * too few to hold a committed block between them.
 */

import type { BlockId, RepositoryId } from "@permafrost/model";
import { type CodedError, toHex } from "@permafrost/std";
import type { SealedBlock } from "./block-store.ts";
import { checkIds, checkRepositoryId, digestMatches } from "./checks.ts";
import { type Cluster, nodesUnavailable, READ_REPAIR_TASK, type StoreNode } from "./cluster.ts";

const REPAIRS_MAX = 16;

interface Wanted {
  readonly id: BlockId;
  readonly order: readonly StoreNode[];
  /** Where in `order` to ask next. */
  next: number;
  found: SealedBlock | undefined;
  readonly damagedOn: StoreNode[];
  readonly unreachable: Map<string, CodedError>;
  corrupt: CodedError | undefined;
}

export class ReplicatedReads {
  readonly #cluster: Cluster;
  readonly #writeQuorum: number;
  readonly #repairs = new Set<Promise<void>>();

  constructor(cluster: Cluster, writeQuorum: number) {
    this.#cluster = cluster;
    this.#writeQuorum = writeQuorum;
  }

  async get(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<(SealedBlock | undefined)[]> {
    checkRepositoryId(repositoryId);
    checkIds(ids);
    const wanted = ids.map(
      (id): Wanted => ({
        id,
        order: this.#cluster.searchOrder(id),
        next: 0,
        found: undefined,
        damagedOn: [],
        unreachable: new Map(),
        corrupt: undefined,
      }),
    );
    for (let open = wanted; open.length > 0; open = open.filter((one) => !one.found && one.next < one.order.length)) {
      const groups = new Map<StoreNode, Wanted[]>();
      for (const one of open) {
        const node = one.order[one.next++];
        if (node) groups.set(node, [...(groups.get(node) ?? []), one]);
      }
      await Promise.all([...groups].map(([node, group]) => this.#ask(node, repositoryId, group)));
    }
    for (const one of wanted) this.#repair(repositoryId, one);
    return wanted.map((one) => this.#verdict(one));
  }

  /** Resolves when no repair runs. */
  async settle(): Promise<void> {
    await Promise.all(this.#repairs);
  }

  /** Asks one node for its group; a damaged block is set aside and the rest asked again. */
  async #ask(node: StoreNode, repositoryId: RepositoryId, group: readonly Wanted[]): Promise<void> {
    let rest = group;
    while (rest.length > 0) {
      const asked = rest;
      const answer = await this.#cluster.call(node, "get", (store) =>
        store.get(
          repositoryId,
          asked.map((one) => one.id),
        ),
      );
      if (!("error" in answer)) {
        asked.forEach((one, index) => {
          one.found = answer.value[index];
          if (!one.found) this.#cluster.report({ kind: "read-failed", nodeId: node.id, block: toHex(one.id) });
        });
        return;
      }
      const { error } = answer;
      const damaged = error.code === "BLOCK_CORRUPT" ? asked.filter((one) => toHex(one.id) === error.facts.block) : [];
      for (const one of damaged) {
        one.corrupt = error;
        one.damagedOn.push(node);
        this.#cluster.report({ kind: "read-failed", nodeId: node.id, block: toHex(one.id), error });
      }
      if (damaged.length === 0) {
        for (const one of asked) {
          one.unreachable.set(node.id, error);
          this.#cluster.report({ kind: "read-failed", nodeId: node.id, block: toHex(one.id), error });
        }
        return;
      }
      rest = asked.filter((one) => !damaged.includes(one));
    }
  }

  #verdict(one: Wanted): SealedBlock | undefined {
    if (one.found) return one.found;
    if (one.corrupt) throw one.corrupt;
    if (one.unreachable.size >= this.#writeQuorum) throw nodesUnavailable(`get ${toHex(one.id)}`, one.unreachable);
    return undefined;
  }

  #repair(repositoryId: RepositoryId, { found, damagedOn }: Wanted): void {
    if (!found || !digestMatches(found)) return;
    for (const node of damagedOn) {
      if (this.#repairs.size >= REPAIRS_MAX) return;
      const block = toHex(found.id);
      const repair: Promise<void> = this.#cluster
        .call(node, "repair", (store) => store.put({ repositoryId, ...READ_REPAIR_TASK }, [found]))
        .then((answer) => {
          this.#repairs.delete(repair);
          this.#cluster.report(
            "error" in answer
              ? { kind: "repair-failed", nodeId: node.id, block, error: answer.error }
              : { kind: "repaired", nodeId: node.id, block },
          );
        });
      this.#repairs.add(repair);
    }
  }
}

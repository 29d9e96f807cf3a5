/**
 * Reserve, put and confirm over R replicas with a quorum of W.
 *
 * "Present" and "durable" mean on at least W nodes, whatever single nodes say; what is on fewer counts as missing, so that it is put
 * again where it is absent. A put resolves when each block is durable on W; the slower replicas finish behind it, and at most
 * `stragglerBytesMax` of bodies are kept for them: beyond that, new puts wait.
 *
 * A replica that does not answer or takes no writes is stood in for by the next node in the block's order, so that a dead node stops nobody while
 * W others live. The order is the same for all, so who asks later finds the stand-in; `repairBlocks` gives the replica its copy when it is back.
 */

import type { BlockId } from "@permafrost/model";
import type { CodedError } from "@permafrost/std";
import type { BlockStore, Scope, SealedBlock } from "./block-store.ts";
import { checkIds, checkScope } from "./checks.ts";
import { type Cluster, isRefusal, quorumLost, type StoreNode } from "./cluster.ts";

export interface WriteQuorum {
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly stragglerBytesMax: number;
}

export class ReplicatedWrites {
  readonly #cluster: Cluster;
  readonly #quorum: WriteQuorum;
  readonly #stragglers = new Map<Promise<void>, number>();

  constructor(cluster: Cluster, quorum: WriteQuorum) {
    this.#cluster = cluster;
    this.#quorum = quorum;
  }

  reserve(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]> {
    return this.#vote("reserve", scope, ids, (store, some) => store.reserve(scope, some));
  }

  confirm(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]> {
    return this.#vote("confirm", scope, ids, (store, some) => store.confirm(scope, some));
  }

  async put(scope: Scope, given: readonly SealedBlock[]): Promise<void> {
    checkScope(scope);
    await this.#roomForStragglers();
    // The caller may reuse its buffers when the quorum has the blocks; the replicas behind it still read them.
    const blocks = this.#quorum.replicas > this.#quorum.writeQuorum ? copyOf(given) : given;
    const ids = blocks.map((block) => block.id);
    const asked = blocks.map(() => new Set<StoreNode>());
    const acknowledged = new Array<number>(blocks.length).fill(0);
    let missing = blocks.length;
    const failures = new Map<string, CodedError>();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (missing === 0) resolve();

    const putTo = async (node: StoreNode, indexes: readonly number[]) => {
      const some = indexes.flatMap((index) => blocks[index] ?? []);
      const answer = await this.#cluster.call(node, "put", (store) => store.put(scope, some));
      if ("error" in answer) {
        failures.set(node.id, answer.error);
        if (answer.error.code === "FENCED") reject(answer.error);
        return;
      }
      for (const index of indexes) {
        acknowledged[index] = (acknowledged[index] ?? 0) + 1;
        if (acknowledged[index] === this.#quorum.writeQuorum) missing--;
      }
      if (missing === 0) resolve();
    };
    const rounds = async () => {
      for (let groups = this.#cluster.byNode(ids); groups.size > 0; groups = this.#standIns(ids, acknowledged, asked)) {
        for (const [node, indexes] of groups) for (const index of indexes) asked[index]?.add(node);
        await Promise.all([...groups].map(([node, indexes]) => putTo(node, indexes)));
        const wasRefused = [...failures.values()].some(isRefusal);
        if (missing === 0 || wasRefused) return;
      }
    };
    const all = rounds().then(() => {
      if (missing === 0) return;
      const short = blocks[acknowledged.findIndex((count) => count < this.#quorum.writeQuorum)];
      const refusal = [...failures.values()].find(isRefusal);
      reject(refusal ?? quorumLost("put", this.#quorum.writeQuorum, failures, short?.id));
    });
    this.#stragglers.set(
      all,
      blocks.reduce((sum, block) => sum + block.body.length, 0),
    );
    void all.then(() => this.#stragglers.delete(all));
    await promise;
  }

  /** Resolves when no replica has anything left to write. */
  async settle(): Promise<void> {
    await Promise.all(this.#stragglers.keys());
  }

  async #roomForStragglers(): Promise<void> {
    const bytes = () => [...this.#stragglers.values()].reduce((sum, size) => sum + size, 0);
    while (bytes() > this.#quorum.stragglerBytesMax) await Promise.race(this.#stragglers.keys());
  }

  async #vote(
    operation: "reserve" | "confirm",
    scope: Scope,
    ids: readonly BlockId[],
    ask: (store: BlockStore, some: readonly BlockId[]) => Promise<boolean[]>,
  ): Promise<boolean[]> {
    checkScope(scope);
    checkIds(ids);
    const votes = new Array<number>(ids.length).fill(0);
    const asked = ids.map(() => new Set<StoreNode>());
    const isSilent = new Array<boolean>(ids.length).fill(false);
    // New blocks are on no node: only where a replica is silent is it worth while to ask others. What was put must be found.
    const isOpen = (index: number) => operation === "confirm" || isSilent[index] === true;
    for (let groups = this.#cluster.byNode(ids); groups.size > 0; groups = this.#standIns(ids, votes, asked, isOpen)) {
      const answers = await Promise.all(
        [...groups].map(async ([node, indexes]) => {
          for (const index of indexes) asked[index]?.add(node);
          const some = indexes.flatMap((index) => ids[index] ?? []);
          return { indexes, answer: await this.#cluster.call(node, operation, (store) => ask(store, some)) };
        }),
      );
      for (const { indexes, answer } of answers) {
        if ("error" in answer && isRefusal(answer.error)) throw answer.error;
        indexes.forEach((index, at) => {
          if ("error" in answer) isSilent[index] = true;
          else if (answer.value[at]) votes[index] = (votes[index] ?? 0) + 1;
        });
      }
    }
    return votes.map((count) => count >= this.#quorum.writeQuorum);
  }

  /** The next nodes in the order of each id that fewer than W nodes have said yes to, by node. */
  #standIns(
    ids: readonly BlockId[],
    yes: readonly number[],
    asked: readonly ReadonlySet<StoreNode>[],
    isOpen: (index: number) => boolean = () => true,
  ): Map<StoreNode, number[]> {
    const groups = new Map<StoreNode, number[]>();
    ids.forEach((id, index) => {
      const lacking = this.#quorum.writeQuorum - (yes[index] ?? 0);
      if (lacking <= 0 || !isOpen(index)) return;
      const next = this.#cluster.searchOrder(id).filter((node) => node.weight > 0 && asked[index]?.has(node) !== true);
      for (const node of next.slice(0, lacking)) groups.set(node, [...(groups.get(node) ?? []), index]);
    });
    return groups;
  }
}

/** The same blocks in one new buffer. */
function copyOf(blocks: readonly SealedBlock[]): SealedBlock[] {
  const target = Buffer.allocUnsafeSlow(
    blocks.reduce((sum, { id, body, digest }) => sum + id.length + body.length + digest.length, 0),
  );
  let at = 0;
  const copy = (bytes: Uint8Array) => {
    target.set(bytes, at);
    at += bytes.length;
    return target.subarray(at - bytes.length, at);
  };
  return blocks.map(({ id, body, digest }) => ({ id: copy(id), body: copy(body), digest: copy(digest) }));
}

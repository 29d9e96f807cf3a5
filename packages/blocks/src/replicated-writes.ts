/**
 * Reserve, put and confirm over R replicas with a quorum of W.
 *
 * "Present" and "durable" mean on at least W replicas, whatever single nodes say; what is on fewer counts as missing, so that it is put
 * again where it is absent. A put resolves when each block is durable on W; the slower replicas finish behind it, and at most
 * `stragglerBytesMax` of bodies are kept for them: beyond that, new puts wait.
 */

import type { BlockId } from "@permafrost/model";
import type { CodedError } from "@permafrost/std";
import type { BlockStore, Scope, SealedBlock } from "./block-store.ts";
import { checkIds, checkScope } from "./checks.ts";
import { type Cluster, isRefusal, quorumLost } from "./cluster.ts";

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
    const groups = this.#cluster.byNode(blocks.map((block) => block.id));
    const acknowledged = new Array<number>(blocks.length).fill(0);
    let missing = blocks.length;
    const failures = new Map<string, CodedError>();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (missing === 0) resolve();

    const calls = [...groups].map(async ([node, indexes]) => {
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
    });
    const all = Promise.all(calls).then(() => {
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
    const groups = [...this.#cluster.byNode(ids)];
    const answers = await Promise.all(
      groups.map(async ([node, indexes]) => {
        const some = indexes.flatMap((index) => ids[index] ?? []);
        return { indexes, answer: await this.#cluster.call(node, operation, (store) => ask(store, some)) };
      }),
    );
    for (const { indexes, answer } of answers) {
      if ("error" in answer) {
        if (isRefusal(answer.error)) throw answer.error;
        continue; // a node that does not answer has no vote
      }
      indexes.forEach((index, at) => {
        if (answer.value[at]) votes[index] = (votes[index] ?? 0) + 1;
      });
    }
    return votes.map((count) => count >= this.#quorum.writeQuorum);
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

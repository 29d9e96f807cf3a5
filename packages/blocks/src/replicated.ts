/**
 * One BlockStore over many: R replicas by weighted rendezvous over zones, writes acknowledged by W of them.
 *
 * A put or a commit of blocks survives as long as W nodes answer, of a record as long as a quorum of its replicas does, or one of two and a
 * majority of all; else it fails with QUORUM_LOST and can be repeated.
 * Reads survive every node but one that has the block. Each part says its own rules: `replicated-writes.ts`, `replicated-reads.ts`,
 * `replicated-records.ts`, `replicated-repair.ts`.
 */

import { type Clock, CodedError, systemClock } from "@permafrost/std";
import type { BlockStore, StoreStatus } from "./block-store.ts";
import { Cluster, nodesUnavailable, type ReplicaEvent, type StoreNode } from "./cluster.ts";
import { ReplicatedReads } from "./replicated-reads.ts";
import { ReplicatedRecords } from "./replicated-records.ts";
import { ReplicatedRepair } from "./replicated-repair.ts";
import { ReplicatedWrites } from "./replicated-writes.ts";

export interface ReplicatedStoreOptions {
  readonly nodes: readonly StoreNode[];
  /** R: nodes that keep each block and record. */
  readonly replicas: number;
  /** W: nodes that must have it durable before it counts; 1 to R. */
  readonly writeQuorum: number;
  /** Told of each failure of a node and each repair. Must not throw. */
  readonly onEvent?: (event: ReplicaEvent) => void;
  /** A node that could not be reached is left alone so long; default 1,000. */
  readonly suspectMs?: number;
  /** Bodies kept for replicas that are slower than the quorum; default 64 MiB. */
  readonly stragglerBytesMax?: number;
  readonly clock?: Clock;
}

/** Throws CONFIG_INVALID unless 1 <= W <= R <= nodes that take writes. `close` waits for slow replicas and repairs, then closes the nodes' stores. */
export function replicatedStore(options: ReplicatedStoreOptions): BlockStore {
  const { nodes, replicas, writeQuorum, clock = systemClock, onEvent = () => undefined } = options;
  const taking = nodes.filter((node) => node.weight > 0).length;
  const isCount = Number.isInteger(replicas) && Number.isInteger(writeQuorum);
  if (!isCount || writeQuorum < 1 || writeQuorum > replicas || replicas > taking) {
    throw new CodedError(
      "CONFIG_INVALID",
      `${replicas} replicas with a quorum of ${writeQuorum} do not fit ${taking} nodes that take writes`,
      {
        facts: { replicas, writeQuorum, nodes: taking },
        hint: "choose 1 <= write quorum <= replicas <= nodes of weight above 0",
      },
    );
  }
  const cluster = new Cluster({ nodes, replicas, suspectMs: options.suspectMs ?? 1_000, clock, onEvent });
  const writes = new ReplicatedWrites(cluster, {
    replicas,
    writeQuorum,
    stragglerBytesMax: options.stragglerBytesMax ?? 64 * 1024 * 1024,
  });
  const reads = new ReplicatedReads(cluster, writeQuorum);
  const repair = new ReplicatedRepair(cluster, reads);
  const records = new ReplicatedRecords(cluster, { replicas, writeQuorum, clock });

  return {
    reserve: (scope, ids) => writes.reserve(scope, ids),
    put: (scope, blocks) => writes.put(scope, blocks),
    confirm: (scope, ids) => writes.confirm(scope, ids),
    get: (repositoryId, ids) => reads.get(repositoryId, ids),
    putRecord: (scope, record) => records.put(scope, record),
    getRecord: (repositoryId, key, options) => records.get(repositoryId, key, options),
    listRecords: (repositoryId, prefix, options) => records.list(repositoryId, prefix, options),
    deleteRecord: (scope, key, version) => records.delete(scope, key, version),
    repairBlocks: (scope, ids) => repair.blocks(scope, ids),
    repairRecords: (repositoryId) => records.repair(repositoryId),
    listRepositories: () => records.listRepositories(),

    async status(): Promise<StoreStatus[]> {
      const answers = await Promise.all(nodes.map((node) => cluster.call(node, "status", (store) => store.status())));
      const heard = answers.flatMap((answer) => ("error" in answer ? [] : answer.value));
      if (heard.length === 0) {
        throw nodesUnavailable(
          "status",
          new Map(answers.flatMap((answer) => ("error" in answer ? [[answer.node.id, answer.error] as const] : []))),
        );
      }
      return heard;
    },

    async pruning() {
      return (await Promise.all(nodes.map((node) => node.store.pruning()))).flat();
    },

    async close() {
      await writes.settle();
      await reads.settle();
      await records.settle();
      await Promise.all(nodes.map((node) => node.store.close()));
    },
  };
}

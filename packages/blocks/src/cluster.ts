/**
 * The nodes of a replicated store and how they are called: in parallel, with failures counted and told, never hidden.
 *
 * A node that could not be reached is left alone for a moment (`suspectMs`): its remembered error answers at once, so that one
 * dead node does not slow every call. What a node answers about the request itself (FENCED and the like) is not its failure.
 */

import type { RepositoryId } from "@permafrost/model";
import { type Placement, placementOver } from "@permafrost/placement";
import { type Clock, CodedError, toHex } from "@permafrost/std";
import type { BlockStore } from "./block-store.ts";

export interface StoreNode {
  readonly id: string;
  readonly weight: number;
  readonly zone: string;
  readonly store: BlockStore;
}

/** Repairs write on nobody's behalf: no task, and so no claim that could be lost. */
export const READ_REPAIR_TASK = { sessionId: "read-repair", taskId: "read-repair", fence: 0n };

/** What happened on one replica, for logs and metrics. `error` is absent when the block was just not there; `record` is its key. */
export type ReplicaEvent =
  | { readonly kind: "node-failed"; readonly nodeId: string; readonly operation: string; readonly error: CodedError }
  | { readonly kind: "read-failed"; readonly nodeId: string; readonly block: string; readonly error?: CodedError }
  | { readonly kind: "repaired"; readonly nodeId: string; readonly block: string }
  | { readonly kind: "repair-failed"; readonly nodeId: string; readonly block: string; readonly error: CodedError }
  | {
      readonly kind: "record-repaired";
      readonly nodeId: string;
      readonly repositoryId: RepositoryId;
      readonly record: string;
    }
  | {
      readonly kind: "record-repair-failed";
      readonly nodeId: string;
      readonly repositoryId: RepositoryId;
      readonly record: string;
      readonly error: CodedError;
    };

export type Answer<T> =
  | { readonly node: StoreNode; readonly value: T }
  | { readonly node: StoreNode; readonly error: CodedError };

/** Errors that are about the request, not the node: all replicas would say the same, sooner or later. */
const REFUSALS = new Set(["FENCED", "REQUEST_INVALID", "BLOCK_REFUSED", "RECORD_CONFLICT"]);

export function isRefusal(error: CodedError): boolean {
  return REFUSALS.has(error.code);
}

export interface ClusterOptions {
  readonly nodes: readonly StoreNode[];
  readonly replicas: number;
  readonly suspectMs: number;
  readonly clock: Clock;
  readonly onEvent: (event: ReplicaEvent) => void;
}

export class Cluster {
  readonly nodes: readonly StoreNode[];
  readonly #options: ClusterOptions;
  readonly #placement: Placement;
  readonly #byId: ReadonlyMap<string, StoreNode>;
  readonly #suspects = new Map<string, { readonly until: number; readonly error: CodedError }>();

  constructor(options: ClusterOptions) {
    this.nodes = options.nodes;
    this.#options = options;
    this.#placement = placementOver(options.nodes);
    this.#byId = new Map(options.nodes.map((node) => [node.id, node]));
  }

  /** The nodes that keep the key. */
  replicasOf(key: Uint8Array): StoreNode[] {
    return this.#named(this.#placement.place(key, this.#options.replicas));
  }

  /** All nodes, in the order to look for the key. */
  searchOrder(key: Uint8Array): StoreNode[] {
    return this.#named(this.#placement.rank(key));
  }

  report(event: ReplicaEvent): void {
    this.#options.onEvent(event);
  }

  /** Calls one node; its failure becomes an answer and an event. */
  async call<T>(node: StoreNode, operation: string, work: (store: BlockStore) => Promise<T>): Promise<Answer<T>> {
    const suspect = this.#suspects.get(node.id);
    if (suspect && suspect.until > this.#options.clock.monotonic()) return { node, error: suspect.error };
    try {
      const value = await work(node.store);
      this.#suspects.delete(node.id);
      return { node, value };
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === "NODE_UNREACHABLE" || error.code === "DEADLINE") {
        this.#suspects.set(node.id, { until: this.#options.clock.monotonic() + this.#options.suspectMs, error });
      }
      // A damaged block is the block's failure: who asked for it reports it.
      if (!isRefusal(error) && error.code !== "BLOCK_CORRUPT")
        this.report({ kind: "node-failed", nodeId: node.id, operation, error });
      return { node, error };
    }
  }

  /** Splits ids by the nodes that keep them; `indexes` point into `ids`. */
  byNode(ids: readonly Uint8Array[]): Map<StoreNode, number[]> {
    const groups = new Map<StoreNode, number[]>();
    ids.forEach((id, index) => {
      for (const node of this.replicasOf(id)) {
        const group = groups.get(node);
        if (group) group.push(index);
        else groups.set(node, [index]);
      }
    });
    return groups;
  }

  #named(ids: readonly string[]): StoreNode[] {
    return ids.flatMap((id) => this.#byId.get(id) ?? []);
  }
}

/** QUORUM_LOST, naming each node that failed and why. */
export function quorumLost(
  operation: string,
  quorum: number,
  failures: ReadonlyMap<string, CodedError>,
  key?: Uint8Array,
): CodedError {
  const causes = [...failures].map(([nodeId, error]) => `${nodeId}: ${error.code}`).join(", ");
  return new CodedError("QUORUM_LOST", `${operation} reached fewer than ${quorum} replicas (${causes})`, {
    facts: { operation, quorum, causes, ...(key && { block: toHex(key) }) },
    hint: "bring the named nodes back, or give the cluster more nodes",
    retry: "later",
    cause: failures.values().next().value,
  });
}

/** NODES_UNAVAILABLE: too many nodes do not answer to say what is there. */
export function nodesUnavailable(operation: string, failures: ReadonlyMap<string, CodedError>): CodedError {
  const causes = [...failures].map(([nodeId, error]) => `${nodeId}: ${error.code}`).join(", ");
  return new CodedError("NODES_UNAVAILABLE", `${operation}: too many nodes do not answer (${causes})`, {
    facts: { operation, causes },
    hint: "bring the named nodes back; nothing is lost by waiting",
    retry: "later",
    cause: failures.values().next().value,
  });
}

/** A replicated store over memory nodes, and what its tests ask of them. */

import { CodedError } from "@permafrost/std";
import type { BlockStore } from "../src/block-store.ts";
import type { ReplicaEvent } from "../src/cluster.ts";
import { type MemoryBlockStore, memoryBlockStore } from "../src/memory.ts";
import { type ReplicatedStoreOptions, replicatedStore } from "../src/replicated.ts";
import { testScope } from "./suite.ts";
export const scope = testScope();
export const down = new CodedError("NODE_UNREACHABLE", "connection refused", { retry: "later" });

export function cluster(count: number, options: Partial<ReplicatedStoreOptions> & { stores?: BlockStore[] } = {}) {
  const memories = Array.from({ length: count }, () => memoryBlockStore());
  const events: ReplicaEvent[] = [];
  const nodes = memories.map((memory, i) => ({ id: `n${i}`, weight: 1, zone: `z${i}`, store: options.stores?.[i] ?? memory }));
  const store = replicatedStore({
    nodes,
    replicas: Math.min(3, count),
    writeQuorum: Math.min(2, count),
    suspectMs: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { store, memories, nodes, events };
}

export const at = (memories: readonly MemoryBlockStore[], index: number): MemoryBlockStore => {
  const memory = memories[index];
  if (!memory) throw new Error(`no node ${index}`);
  return memory;
};
export const holders = async (memories: readonly MemoryBlockStore[], id: Uint8Array) =>
  (await Promise.all(memories.map((memory) => memory.confirm(testScope({ taskId: "look" }), [id])))).map(([is]) => is);

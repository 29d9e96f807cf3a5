export type { BlockStore, RecordsRead, Scope, SealedBlock, StoredRecord, StoreStatus } from "./block-store.ts";
export {
  checkBlock,
  checkIds,
  checkRecord,
  checkRecordKey,
  checkRepositoryId,
  checkScope,
  digestMatches,
  RECORD_BYTES_MAX,
  RECORD_KEY_BYTES_MAX,
  SEALED_BYTES_MAX,
} from "./checks.ts";
export type { ReplicaEvent, StoreNode } from "./cluster.ts";
export { Fences } from "./fences.ts";
export { type MemoryBlockStore, type MemoryBlockStoreOptions, memoryBlockStore, type StoreMethod } from "./memory.ts";
export {
  ascending,
  checkCycle,
  checkNotFenced,
  checkSweep,
  type ListedBlock,
  type NodePruning,
  type SweepProgress,
} from "./pruning.ts";
export { readOnlyStore } from "./read-only.ts";
export { type RepairedBlocks, repairedAlone } from "./repair.ts";
export { type ReplicatedStoreOptions, replicatedStore } from "./replicated.ts";

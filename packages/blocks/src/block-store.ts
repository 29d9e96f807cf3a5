/**
 * The seam the system turns on: where sealed blocks and small records are kept.
 *
 * Memory, one node's engine (`storage`), the remote node (`rpc`) and the replicated cluster
 * (`replicated.ts`) all pass `testing/suite.ts`. No store knows a key: to it a block is an opaque
 * sealed body under a 32-byte id, and a record is an opaque sealed body under a text key.
 */

import type { BlockId, RepositoryId } from "@permafrost/model";
import type { NodePruning } from "./pruning.ts";
import type { RepairedBlocks } from "./repair.ts";

/** On whose behalf a call is made. A store refuses a fence lower than the highest it saw for (session, task): `FENCED`. */
export interface Scope {
  readonly repositoryId: RepositoryId;
  readonly sessionId: string;
  readonly taskId: string;
  /** Grows with every claim of the task. */
  readonly fence: bigint;
}

export interface SealedBlock {
  readonly id: BlockId;
  /** The sealed body; see FORMAT.md. At most BLOCK_BYTES_MAX + SEAL_OVERHEAD_BYTES_MAX. */
  readonly body: Uint8Array;
  /** BLAKE3-256 of `body`, made where the body was made; a store checks it before it acknowledges. */
  readonly digest: Uint8Array;
}

export interface StoredRecord {
  /** `<kind>/<name>`: 1 to 512 bytes of printable ASCII. */
  readonly key: string;
  /** Grows with every change of the record; starts at 1. */
  readonly version: bigint;
  readonly body: Uint8Array;
  /** This version is a deletion; its body is empty. Only in what was read `withDeleted`. */
  readonly deleted?: boolean;
}

export interface RecordsRead {
  /** Deletions are answered, too: how replicas tell a record that was deleted from one that they never had. */
  readonly withDeleted?: boolean;
}

export interface StoreStatus {
  readonly nodeId: string;
  readonly blocks: number;
  /** Bytes of packs on disk. */
  readonly storedBytes: number;
  readonly freeBytes: number;
  /** Why the node takes no writes; absent when it does. */
  readonly readOnlyReason?: string;
}

export interface BlockStore {
  /**
   * One atomic step per id: present -> pinned for the scope's session, answer true; else false.
   * At most IDS_PER_REQUEST_MAX ids. A store that knows its copy to be damaged answers false. What is present is spared by a prune
   * (`pruning.ts`), durably, before this answers; so it is by `put` and `confirm`.
   */
  reserve(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]>;

  /**
   * Stores the blocks and resolves when all are durable (fsynced file, directory and index). A block already
   * present is kept as it is. Order, duplicates and repeats are harmless.
   * Throws BLOCK_REFUSED (digest or size wrong), STORE_FULL (`elsewhere`), FENCED, STORE_READ_ONLY (`elsewhere`).
   */
  put(scope: Scope, blocks: readonly SealedBlock[]): Promise<void>;

  /** The commit barrier: for each id, whether it is present and durable on enough replicas (W). */
  confirm(scope: Scope, ids: readonly BlockId[]): Promise<boolean[]>;

  /**
   * Bodies in the order of `ids`. A body whose digest does not match is never returned.
   * `undefined`: not here. Throws BLOCK_CORRUPT (`elsewhere`) for one that is here but damaged; its facts name
   * `block` (hex id: ask for the others without it), pack and offset.
   */
  get(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<(SealedBlock | undefined)[]>;

  /**
   * Stores a record durably. Versions only grow: a lower or equal version with other bytes is RECORD_CONFLICT;
   * the same version with the same bytes succeeds (a repeat), also in place of a damaged copy of itself.
   */
  putRecord(scope: Scope, record: StoredRecord): Promise<void>;

  /**
   * The record of the highest version, or undefined if there is none or it was deleted. Throws RECORD_CORRUPT (`elsewhere`) for one that is
   * here but damaged; its facts name `record` (the key, or its digest in hex) and `version`. So does `listRecords`, for one of them.
   */
  getRecord(repositoryId: RepositoryId, key: string, options?: RecordsRead): Promise<StoredRecord | undefined>;

  /** All records whose key starts with `prefix`, in key order. Deleted ones are left out. */
  listRecords(repositoryId: RepositoryId, prefix: string, options?: RecordsRead): Promise<StoredRecord[]>;

  /** Deletes the record by a tombstone of `version`, which must be higher than the record's. */
  deleteRecord(scope: Scope, key: string, version: bigint): Promise<void>;

  /**
   * Makes every node that is to keep these blocks have them, copying what one lacks or has damaged from another; at most
   * IDS_PER_REQUEST_MAX ids. What cannot be done is told in the answer. Like `confirm` it keeps the blocks from a prune.
   */
  repairBlocks(scope: Scope, ids: readonly BlockId[]): Promise<RepairedBlocks>;

  /** The same for all records of the repository and their deletions; how many copies it made. */
  repairRecords(repositoryId: RepositoryId): Promise<number>;

  /** The ids of all repositories with at least one record here. */
  listRepositories(): Promise<RepositoryId[]>;

  status(): Promise<StoreStatus[]>;

  /** Each node's side of a prune. Throws when one of the nodes does not answer: a prune knows all of them, or does nothing. */
  pruning(): Promise<NodePruning[]>;

  close(): Promise<void>;
}

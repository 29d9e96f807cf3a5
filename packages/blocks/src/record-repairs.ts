/**
 * Read repair of records: what a quorum of a record's replicas have is put to the others that were read and miss it, have an older version or
 * have it damaged.
 *
 * Only what a quorum of the replicas have is spread; a damaged copy of that version is one that they have. Every deletion that was acknowledged is a tombstone on a quorum of them, so it meets
 * a copy that is newer than itself: a deleted record never comes back this way, nor does a write that a quorum never took. Tombstones
 * are not spread, for a read does not show them; a replica that has a newer one refuses the older version. Repairs run in the
 * background, a bounded number at a time: what is left out is found again by the next read.
 */

import type { RepositoryId } from "@permafrost/model";
import { compareBytes } from "@permafrost/std";
import type { StoredRecord } from "./block-store.ts";
import { type Cluster, READ_REPAIR_TASK, type StoreNode } from "./cluster.ts";

const REPAIRS_MAX = 64;

/** What one replica answered; no record if it has none, or a tombstone, or a damaged one. */
export interface ReplicaCopy {
  readonly node: StoreNode;
  readonly record: StoredRecord | undefined;
  /** Of the damaged record. */
  readonly damagedVersion: bigint | undefined;
}

export class RecordRepairs {
  readonly #cluster: Cluster;
  readonly #quorum: number;
  readonly #running = new Map<string, Promise<void>>();

  constructor(cluster: Cluster, quorum: number) {
    this.#cluster = cluster;
    this.#quorum = quorum;
  }

  /** Starts what `newest` needs. `copies`: of the replicas of its key that answered, and of no other node. Never throws. */
  start(repositoryId: RepositoryId, newest: StoredRecord, copies: readonly ReplicaCopy[]): void {
    const having = copies.filter(({ record, damagedVersion }) => isSame(record, newest) || damagedVersion === newest.version);
    if (having.length < this.#quorum) return;
    for (const { node, record, damagedVersion } of copies) {
      // Another body of the same version stays until the next version: no store replaces it.
      if ((record && record.version >= newest.version) || (damagedVersion ?? 0n) > newest.version) continue;
      const name = `${node.id} ${repositoryId} ${newest.key}`;
      if (this.#running.size >= REPAIRS_MAX) return;
      if (!this.#running.has(name)) this.#running.set(name, this.#repair(name, node, repositoryId, newest));
    }
  }

  /** Resolves when no repair runs. */
  async settle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #repair(name: string, node: StoreNode, repositoryId: RepositoryId, newest: StoredRecord): Promise<void> {
    // The reader has the record too, and may do with its body what it likes.
    const record = { ...newest, body: Uint8Array.from(newest.body) };
    const scope = { repositoryId, ...READ_REPAIR_TASK };
    const answer = await this.#cluster.call(node, "repair", (store) => store.putRecord(scope, record));
    this.#running.delete(name);
    const at = { nodeId: node.id, repositoryId, record: record.key };
    if ("error" in answer) this.#cluster.report({ kind: "record-repair-failed", ...at, error: answer.error });
    else this.#cluster.report({ kind: "record-repaired", ...at });
  }
}

function isSame(record: StoredRecord | undefined, other: StoredRecord): boolean {
  return record !== undefined && record.version === other.version && compareBytes(record.body, other.body) === 0;
}

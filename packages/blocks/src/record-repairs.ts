/**
 * Read repair of records: the newest version that a read found is put to the replicas that it asked and that miss it or have it
 * damaged, be it a record or a deletion. So what lost its copies with a node has them again, and a deletion that one replica missed reaches it.
 *
 * Whoever starts a repair has heard of every deletion that was acknowledged: too few nodes were silent to hide one. A version that no
 * quorum took may be spread, too: nobody was told that it failed for good, and once it was read it stays. Repairs run in the background,
 * a bounded number at a time: what is left out is found again by the next read.
 */

import type { RepositoryId } from "@permafrost/model";
import type { StoredRecord } from "./block-store.ts";
import { type Cluster, READ_REPAIR_TASK, type StoreNode } from "./cluster.ts";

const REPAIRS_MAX = 64;

/** What one replica answered; no record if it has neither one nor its deletion, or one that is damaged. */
export interface ReplicaCopy {
  readonly node: StoreNode;
  readonly record: StoredRecord | undefined;
  /** Of the damaged one. */
  readonly damagedVersion?: bigint;
}

export class RecordRepairs {
  readonly #cluster: Cluster;
  readonly #running = new Map<string, Promise<void>>();
  #done = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Copies made so far. */
  get done(): number {
    return this.#done;
  }

  /** Starts what `newest` needs. `copies`: of the replicas of its key that answered, and of no other node. Never throws. */
  start(repositoryId: RepositoryId, newest: StoredRecord, copies: readonly ReplicaCopy[]): void {
    for (const { node, record, damagedVersion = 0n } of copies) {
      // Another body of the same version stays until the next version: no store replaces it.
      if ((record && record.version >= newest.version) || damagedVersion > newest.version) continue;
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
    const answer = await this.#cluster.call(node, "repair", (store) =>
      record.deleted ? store.deleteRecord(scope, record.key, record.version) : store.putRecord(scope, record),
    );
    this.#running.delete(name);
    const at = { nodeId: node.id, repositoryId, record: record.key };
    if ("error" in answer) this.#cluster.report({ kind: "record-repair-failed", ...at, error: answer.error });
    else {
      this.#done++;
      this.#cluster.report({ kind: "record-repaired", ...at });
    }
  }
}

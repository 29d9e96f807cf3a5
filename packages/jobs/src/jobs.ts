/**
 * The cluster's bus: a work queue of tasks, a small key-value table with compare-and-set, and leases.
 * JetStream and memory implement it and pass `testing/suite.ts`. Never bytes of data, never secrets, never the
 * only copy of a restore point: wiping it may lose running sessions' progress and nothing else.
 * Only features of nats-server 2.9 are used.
 */

/** Delivered at least once; whoever works on it must be able to repeat. */
export interface ClaimedJob {
  readonly id: string;
  readonly body: Uint8Array;
  /** 1 for the first delivery. */
  readonly deliveries: number;
  /** Extends the claim by the queue's acknowledgement wait; call it at least every third of that. */
  working(): Promise<void>;
  /** Removes the job from the queue. Idempotent. */
  done(): Promise<void>;
  /** Gives the job back, to be delivered again after `delayMs`. */
  giveBack(delayMs: number): Promise<void>;
}

export interface JobQueue {
  /** Durable when it resolves. A job whose `id` was published within the last two minutes is not added twice. */
  publish(id: string, body: Uint8Array): Promise<void>;
  /** Waits up to `waitMs` for one job. */
  claim(waitMs: number, signal?: AbortSignal): Promise<ClaimedJob | undefined>;
  /** Jobs not yet done. */
  pending(): Promise<number>;
  /** Removes every job; for a cancelled cluster and for tests. */
  purge(): Promise<void>;
}

export interface TableEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Grows with every change in the table. */
  readonly revision: bigint;
}

export interface Table {
  get(key: string): Promise<TableEntry | undefined>;
  put(key: string, value: Uint8Array): Promise<bigint>;
  /** Fails with REVISION_CONFLICT if the key exists. */
  create(key: string, value: Uint8Array): Promise<bigint>;
  /** Fails with REVISION_CONFLICT unless the key's revision is `revision`. */
  update(key: string, value: Uint8Array, revision: bigint): Promise<bigint>;
  delete(key: string): Promise<void>;
  /** Entries whose key starts with `prefix`. Keys are of `[A-Za-z0-9_.=/-]`, never starting or ending with `.`. */
  list(prefix: string): Promise<TableEntry[]>;
  /** Current entries under `prefix`, then every change (`value` undefined: deleted), until the signal aborts. */
  watch(
    prefix: string,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly key: string; readonly value: Uint8Array | undefined; readonly revision: bigint }>;
}

export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Grows with every new holder: the fence. */
  readonly fence: bigint;
  /** False when another has taken it. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

export interface Bus {
  /** A work queue; created when absent. `ackWaitMs`: after this long without `working()` a job is delivered again. */
  queue(name: string, options: { readonly ackWaitMs: number }): Promise<JobQueue>;
  /** `ttlMs`: entries vanish when not changed for so long. */
  table(name: string, options?: { readonly ttlMs?: number }): Promise<Table>;
  /** Takes the lease if it is free or expired; undefined if another holds it. */
  lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined>;
  /** Throws BUS_UNREACHABLE when the server does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

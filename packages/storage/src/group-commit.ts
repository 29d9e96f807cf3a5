/**
 * Collects concurrent puts and makes them durable together: one write, one sync, one index batch for all that came
 * within a few milliseconds or a few MiB, and one promise per batch rather than per block.
 *
 * While a batch is being written the next one fills. Bounded: `add` waits while too many bytes are queued.
 * A batch fails as a whole, and then nobody in it is told that it is stored. Once drained it takes nothing more: a put
 * that was still looking at the index must not write to a pack that is being sealed.
 */

import type { Clock } from "@permafrost/std";
import { storeClosed } from "./errors.ts";
import type { PendingRecord } from "./pack-writer.ts";

export interface GroupCommitOptions {
  readonly write: (records: readonly PendingRecord[]) => Promise<void>;
  readonly clock: Clock;
  /** How long a batch waits for company. */
  readonly windowMs: number;
  /** A batch of this size waits no longer. */
  readonly batchBytes: number;
  /** Bytes queued before `admit` makes callers wait. */
  readonly queueBytesMax: number;
}

interface Batch {
  readonly records: PendingRecord[];
  bytes: number;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Ends the wait for company. */
  readonly full: AbortController;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #queue: Batch[] = [];
  /** Batch of each block on its way, by repository and id. */
  readonly #inFlight = new Map<string, Batch>();
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #ended = false;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Resolves when there is room in the queue. */
  async admit(): Promise<void> {
    while (this.#queuedBytes >= this.#options.queueBytesMax) await this.#queue[0]?.done.catch(() => undefined);
  }

  /** Queues the records; settles when all are durable. A block whose key is on its way already joins that one. STORE_CLOSED. */
  async add(records: readonly PendingRecord[]): Promise<unknown> {
    if (this.#ended) throw storeClosed();
    const joined = new Set<Promise<void>>();
    for (const record of records) {
      const name = record.indexKey.toString("latin1");
      const earlier = record.type === 1 ? this.#inFlight.get(name) : undefined;
      const batch = earlier ?? this.#fillingBatch();
      joined.add(batch.done);
      if (earlier) continue;
      batch.records.push(record);
      batch.bytes += record.body.length;
      this.#queuedBytes += record.body.length;
      this.#inFlight.set(name, batch);
      if (batch.bytes >= this.#options.batchBytes) batch.full.abort();
    }
    this.#running ??= this.#run();
    return joined.size === 1 ? ([...joined][0] as Promise<void>) : Promise.all(joined);
  }

  /** Takes nothing more; resolves when everything queued is settled. */
  async drain(): Promise<void> {
    this.#ended = true;
    for (const batch of this.#queue) batch.full.abort();
    await this.#running;
  }

  #fillingBatch(): Batch {
    const last = this.#queue.at(-1);
    if (last && !last.full.signal.aborted) return last;
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    done.catch(() => undefined); // each put that waits for it sees the failure
    const batch = { records: [], bytes: 0, done, resolve, reject, full: new AbortController() };
    this.#queue.push(batch);
    return batch;
  }

  async #run(): Promise<void> {
    let windowMs = this.#options.windowMs;
    for (let batch = this.#queue[0]; batch; batch = this.#queue[0]) {
      if (windowMs > 0) await this.#options.clock.sleep(windowMs, batch.full.signal).catch(() => undefined);
      windowMs = 0; // the next batch has company already: it filled while this one was written
      batch.full.abort(); // nothing joins from here on
      try {
        await this.#options.write(batch.records);
        this.#leave(batch);
        batch.resolve();
      } catch (error) {
        this.#leave(batch);
        batch.reject(error);
      }
    }
    this.#running = undefined;
  }

  #leave(batch: Batch): void {
    this.#queue.shift();
    this.#queuedBytes -= batch.bytes;
    for (const record of batch.records) {
      const name = record.indexKey.toString("latin1");
      if (this.#inFlight.get(name) === batch) this.#inFlight.delete(name);
    }
  }
}

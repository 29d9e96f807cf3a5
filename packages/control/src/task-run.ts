/**
 * Tasks of one session under way: published, watched and, when the bus or a worker lost them, published again, until each has an
 * outcome. More can be added while others run, at the cost of their own rows only.
 *
 * A row that is done is not run again, so adding the same tasks after a coordinator's death is free. Interleavings it must survive: two
 * coordinators running the same session (rows are made by compare-and-set, results are taken from rows), and a worker finishing while a
 * task is published again (the job finds its row done and ends).
 */

import type { JobQueue, Table } from "@permafrost/jobs";
import type { Failure, StreamRoot, Task, TaskKind, TaskResults } from "@permafrost/model";
import type { Repository, Writer } from "@permafrost/repository";
import { type Clock, CodedError, type Json, retry } from "@permafrost/std";
import { CLAIM_TIMEOUT_MS, decodeEntry, encodeEntry, encodeReference, entryKey, hasEnded, type TaskEntry } from "./task-entry.ts";

export type TaskOutcome<R> = { readonly ok: true; readonly result: R } | { readonly ok: false; readonly failure: Failure };

export type TaskOf<K extends TaskKind> = Extract<Task, { readonly kind: K }>;

export interface RunOptions<K extends TaskKind> {
  readonly signal: AbortSignal;
  /** Called whenever a task's row changes. */
  readonly onUpdate?: (task: TaskOf<K>, entry: TaskEntry) => void;
  /** Called once per task as its outcome is known. */
  readonly onOutcome?: (task: TaskOf<K>, outcome: TaskOutcome<TaskResults[K]>) => void;
  /** False: rows are made but no job is published; the worker that gets the client's bytes claims the row itself. */
  readonly queued?: boolean;
  /** A row that stands still for this long is published again, or failed with UPLOAD_ABANDONED when not queued. */
  readonly staleMs?: number;
}

interface Waiting<K extends TaskKind> {
  readonly task: TaskOf<K>;
  readonly resolve: (outcome: TaskOutcome<TaskResults[K]>) => void;
  readonly reject: (error: unknown) => void;
}

export interface TaskRunParts {
  readonly queue: JobQueue;
  readonly table: Table;
  readonly clock: Clock;
  readonly repository: Repository;
  readonly newWriter: () => Writer;
  readonly sessionId: string;
}

const SWEEP_MS = 5_000;

export class TaskRun<K extends TaskKind> {
  readonly #parts: TaskRunParts;
  readonly #options: RunOptions<K>;
  readonly #prefix: string;
  readonly #queued: boolean;
  readonly #staleMs: number;
  readonly #pending = new Map<string, Waiting<K>>();
  readonly #changedAt = new Map<string, { readonly revision: bigint; readonly at: number }>();
  readonly #done = new AbortController();
  readonly #loops: Promise<unknown>;

  constructor(parts: TaskRunParts, options: RunOptions<K>) {
    this.#parts = parts;
    this.#options = options;
    this.#prefix = `${parts.sessionId}.`;
    this.#queued = options.queued ?? true;
    this.#staleMs = options.staleMs ?? 4 * CLAIM_TIMEOUT_MS;
    const stop = AbortSignal.any([options.signal, this.#done.signal]);
    const fail = (error: unknown) => this.#failAll(options.signal.aborted ? options.signal.reason : error);
    options.signal.addEventListener("abort", fail, { once: true });
    this.#loops = Promise.allSettled([this.#watch(stop).catch(fail), this.#sweep(stop).catch(fail)]);
  }

  /** Publishes the tasks that have no row yet and waits for the outcome of each, in order. Rejects when the signal aborts. */
  async add(tasks: readonly TaskOf<K>[]): Promise<TaskOutcome<TaskResults[K]>[]> {
    const waits = this.addEach(tasks);
    return await Promise.all(waits);
  }

  /** The same, one promise per task. */
  addEach(tasks: readonly TaskOf<K>[]): Promise<TaskOutcome<TaskResults[K]>>[] {
    const fresh = new Map<string, Waiting<K>>();
    const waits = tasks.map((task) => {
      const { promise, resolve, reject } = Promise.withResolvers<TaskOutcome<TaskResults[K]>>();
      fresh.set(entryKey({ sessionId: task.sessionId, taskId: task.id }), { task, resolve, reject });
      return promise;
    });
    for (const wait of waits) wait.catch(() => undefined);
    for (const [key, wait] of fresh) this.#pending.set(key, wait);
    if (this.#options.signal.aborted) this.#failAll(this.#options.signal.reason);
    else void this.#publish(fresh).catch((error: unknown) => this.#failAll(error));
    return waits;
  }

  /** Ends watching. Tasks without an outcome are cancelled if the session was. */
  async close(): Promise<void> {
    this.#done.abort();
    await this.#loops;
  }

  /** Keys of tasks that have no outcome yet. */
  get open(): readonly string[] {
    return [...this.#pending.keys()];
  }

  /** Nodes may be restarting: what went well so far is not to be lost for that. */
  async #publish(fresh: ReadonlyMap<string, Waiting<K>>): Promise<void> {
    const { clock } = this.#parts;
    await retry(() => this.#publishMissing(fresh), {
      attemptsMax: 8,
      delayMs: 1_000,
      delayMsMax: 8_000,
      clock,
      signal: this.#options.signal,
    });
  }

  async #watch(stop: AbortSignal): Promise<void> {
    for await (const change of this.#parts.table.watch(this.#prefix, stop)) {
      const wait = this.#pending.get(change.key);
      if (wait === undefined || change.value === undefined) continue;
      this.#changedAt.set(change.key, { revision: change.revision, at: this.#parts.clock.monotonic() });
      const entry = decodeEntry(change.value);
      this.#options.onUpdate?.(wait.task, entry);
      // A result that cannot be read at the moment is read by the next round of the sweep.
      if (hasEnded(entry)) await this.#settle(change.key, entry).catch(unlessLater);
    }
  }

  async #sweep(stop: AbortSignal): Promise<void> {
    for (let round = 1; ; round++) {
      await this.#parts.clock.sleep(SWEEP_MS, stop);
      try {
        if (this.#pending.size > 0) await this.#sweepOnce(round);
      } catch (error) {
        // The bus or a node restarts: the next round sees what this one did not.
        unlessLater(error);
      }
    }
  }

  async #sweepOnce(round: number): Promise<void> {
    const { table, queue, clock } = this.#parts;
    const pending = new Map(this.#pending);
    const entries = new Map((await table.list(this.#prefix)).map((e) => [e.key, e]));
    await this.#publishMissing(new Map([...pending].filter(([key]) => !entries.has(key))));
    // A row that waits is normal while the queue has jobs; only when it has none has its own been lost.
    const drained = this.#queued && (await queue.pending()) === 0;
    for (const [key, { task }] of pending) {
      const row = entries.get(key);
      if (row === undefined) continue;
      const entry = decodeEntry(row.value);
      if (hasEnded(entry)) {
        await this.#settle(key, entry);
        continue;
      }
      const seen = this.#changedAt.get(key);
      const now = clock.monotonic();
      if (seen === undefined || seen.revision !== row.revision) {
        this.#changedAt.set(key, { revision: row.revision, at: now });
        continue;
      }
      if (now - seen.at <= this.#staleMs) continue;
      if (!this.#queued) await this.#abandon(key, entry, row.revision);
      else if (drained || entry.state === "running") {
        this.#changedAt.set(key, { revision: row.revision, at: now });
        await queue.publish(`${key}.${row.revision}.${round}`, encodeReference({ sessionId: task.sessionId, taskId: task.id }));
      }
    }
  }

  async #settle(key: string, entry: TaskEntry): Promise<void> {
    const outcome = await this.#outcome(entry);
    const wait = this.#pending.get(key);
    if (outcome === undefined || wait === undefined) return;
    this.#pending.delete(key);
    this.#options.onOutcome?.(wait.task, outcome);
    wait.resolve(outcome);
  }

  #failAll(error: unknown): void {
    for (const wait of this.#pending.values()) wait.reject(error);
  }

  async #publishMissing(tasks: ReadonlyMap<string, Waiting<K>>): Promise<void> {
    const { table, queue, newWriter } = this.#parts;
    const missing: { readonly key: string; readonly task: Task; readonly spec: StreamRoot }[] = [];
    const writer = newWriter();
    for (const [key, { task }] of tasks) {
      if (!this.#pending.has(key)) continue;
      const row = await table.get(key);
      if (row === undefined) {
        missing.push({ key, task, spec: (await writer.writeDocument(task as unknown as Json)).root });
        continue;
      }
      const entry = decodeEntry(row.value);
      // Ended before it was added here: the watch has gone past it.
      if (hasEnded(entry)) await this.#settle(key, entry);
      else if (this.#queued && entry.state === "queued")
        await queue.publish(key, encodeReference({ sessionId: task.sessionId, taskId: task.id }));
    }
    if (missing.length === 0) return;
    await writer.finish();
    for (const { key, task, spec } of missing) {
      const entry: TaskEntry = { state: "queued", repositoryId: task.repositoryId, spec, attempt: 0, worker: "", bytesDone: 0 };
      try {
        await table.create(key, encodeEntry(entry));
      } catch (error) {
        if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
      }
      if (this.#queued) await queue.publish(key, encodeReference({ sessionId: task.sessionId, taskId: task.id }));
    }
  }

  async #outcome(entry: TaskEntry): Promise<TaskOutcome<TaskResults[K]> | undefined> {
    if (entry.state === "cancelled") return { ok: false, failure: { code: "CANCELLED", message: "The session was cancelled" } };
    if (entry.lockedCode !== undefined) {
      const message = `No worker could open the repository: ${entry.lockedCode}`;
      const hint = "Put the repository's key into the keyring of every worker; the workers' logs name the place.";
      return { ok: false, failure: { code: entry.lockedCode, message, hint } };
    }
    if (entry.result === undefined) return undefined;
    const document: unknown = await this.#parts.repository.reader().readDocument(entry.result);
    if (entry.state === "failed") return { ok: false, failure: document as Failure };
    return { ok: true, result: document as TaskResults[K] };
  }

  async #abandon(key: string, entry: TaskEntry, revision: bigint): Promise<void> {
    const failure: Failure = {
      code: "UPLOAD_ABANDONED",
      message: "The client stopped sending",
      hint: "Start the backup again; what was stored already is not sent twice.",
    };
    const writer = this.#parts.newWriter();
    const { root } = await writer.writeDocument(failure as unknown as Json);
    await writer.finish();
    try {
      await this.#parts.table.update(key, encodeEntry({ ...entry, state: "failed", result: root }), revision);
    } catch (error) {
      if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
    }
  }
}

function unlessLater(error: unknown): void {
  if (!CodedError.is(error) || error.retry === "never") throw error;
}

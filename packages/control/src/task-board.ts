/**
 * The coordinator's end of the task protocol: publish tasks, wait for their results.
 *
 * Running the same tasks again is free: a row that is done is not run again, so a coordinator that died resumes a session by
 * running it from the start. A row or job that the bus lost is published again; a worker that died without a word is
 * noticed by its row standing still. Interleavings it must survive: two coordinators running the same session
 * (rows are created by compare-and-set, results are taken from rows), a worker finishing while we republish (the job
 * finds its row done and ends).
 */

import type { Bus, JobQueue, Table } from "@permafrost/jobs";
import type { Failure, StreamRoot, Task, TaskKind, TaskResults } from "@permafrost/model";
import type { Repository, Writer } from "@permafrost/repository";
import { type Clock, CodedError, type Json, retry } from "@permafrost/std";
import {
  CLAIM_TIMEOUT_MS,
  decodeEntry,
  encodeEntry,
  encodeReference,
  entryKey,
  HEARTBEAT_MS,
  hasEnded,
  SWEEP_TASK_ID,
  TASK_QUEUE,
  TASK_TABLE,
  type TaskEntry,
} from "./task-entry.ts";

export type TaskOutcome<R> = { readonly ok: true; readonly result: R } | { readonly ok: false; readonly failure: Failure };

type TaskOf<K extends TaskKind> = Extract<Task, { readonly kind: K }>;

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

const SWEEP_MS = 5_000;

export class TaskBoard {
  readonly #queue: JobQueue;
  readonly #table: Table;
  readonly #clock: Clock;

  private constructor(queue: JobQueue, table: Table, clock: Clock) {
    this.#queue = queue;
    this.#table = table;
    this.#clock = clock;
  }

  static async open(bus: Bus, clock: Clock): Promise<TaskBoard> {
    return new TaskBoard(await bus.queue(TASK_QUEUE, { ackWaitMs: CLAIM_TIMEOUT_MS }), await bus.table(TASK_TABLE), clock);
  }

  /** Runs tasks of one session to their end and returns an outcome for each, in order. Aborting stops the wait and cancels them. */
  async run<K extends TaskKind>(
    repository: Repository,
    newWriter: () => Writer,
    tasks: readonly TaskOf<K>[],
    options: RunOptions<K>,
  ): Promise<TaskOutcome<TaskResults[K]>[]> {
    if (tasks.length === 0) return [];
    const outcomes = new Map<string, TaskOutcome<TaskResults[K]>>();
    const pending = new Map(tasks.map((task) => [entryKey({ sessionId: task.sessionId, taskId: task.id }), task]));
    const changedAt = new Map<string, { revision: bigint; at: number }>();
    const queued = options.queued ?? true;
    const staleMs = options.staleMs ?? 4 * CLAIM_TIMEOUT_MS;
    const first = tasks[0];
    if (first === undefined) return [];
    const prefix = `${first.sessionId}.`;

    // Nodes may be restarting: what went well so far is not to be lost for that.
    await retry(() => this.#publishMissing(newWriter, pending, queued), {
      attemptsMax: 8,
      delayMs: 1_000,
      delayMsMax: 8_000,
      clock: this.#clock,
      signal: options.signal,
    });

    const settle = async (key: string, task: TaskOf<K>, entry: TaskEntry): Promise<void> => {
      const outcome = await this.#outcome<K>(repository, entry);
      if (outcome === undefined || outcomes.has(key)) return;
      outcomes.set(key, outcome);
      pending.delete(key);
      options.onOutcome?.(task, outcome);
    };

    const done = new AbortController();
    const stop = AbortSignal.any([options.signal, done.signal]);
    const watching = (async () => {
      for await (const change of this.#table.watch(prefix, stop)) {
        const task = pending.get(change.key);
        if (task === undefined || change.value === undefined) continue;
        changedAt.set(change.key, { revision: change.revision, at: this.#clock.monotonic() });
        const entry = decodeEntry(change.value);
        options.onUpdate?.(task, entry);
        // A result that cannot be read at the moment is read by the next round of the sweep.
        if (hasEnded(entry)) await settle(change.key, task, entry).catch(unlessLater);
        if (pending.size === 0) return;
      }
    })();
    const sweepOnce = async (round: number): Promise<void> => {
      const entries = new Map((await this.#table.list(prefix)).map((e) => [e.key, e]));
      const lost = new Map([...pending].filter(([key]) => !entries.has(key)));
      await this.#publishMissing(newWriter, lost, queued);
      // A row that waits is normal while the queue has jobs; only when it has none has its own been lost.
      const drained = queued && (await this.#queue.pending()) === 0;
      for (const [key, task] of pending) {
        const row = entries.get(key);
        if (row === undefined) continue;
        const entry = decodeEntry(row.value);
        if (hasEnded(entry)) {
          await settle(key, task, entry);
          continue;
        }
        const seen = changedAt.get(key);
        const now = this.#clock.monotonic();
        if (seen === undefined || seen.revision !== row.revision) {
          changedAt.set(key, { revision: row.revision, at: now });
          continue;
        }
        if (now - seen.at <= staleMs) continue;
        if (!queued) await this.#abandon(newWriter, key, entry, row.revision);
        else if (drained || entry.state === "running") {
          changedAt.set(key, { revision: row.revision, at: now });
          const reference = { sessionId: task.sessionId, taskId: task.id };
          await this.#queue.publish(`${key}.${row.revision}.${round}`, encodeReference(reference));
        }
      }
    };
    const sweeping = (async () => {
      for (let round = 1; pending.size > 0; round++) {
        await this.#clock.sleep(SWEEP_MS, stop);
        try {
          await sweepOnce(round);
        } catch (error) {
          // The bus or a node restarts: the next round sees what this one did not.
          unlessLater(error);
        }
      }
    })();
    try {
      await Promise.race([watching, sweeping]);
      if (pending.size > 0) options.signal.throwIfAborted();
    } finally {
      done.abort();
      await Promise.allSettled([watching, sweeping]);
      if (CodedError.is(options.signal.reason, "CANCELLED")) await this.#cancel([...pending.keys()]);
    }
    return tasks.map((task) => {
      const outcome = outcomes.get(entryKey({ sessionId: task.sessionId, taskId: task.id }));
      if (outcome === undefined) throw new CodedError("TASK_LOST", `Task ${task.id} has no outcome`);
      return outcome;
    });
  }

  /**
   * Cancels all of a session's tasks that have not ended, whichever coordinator published them, except its sweep; and gives workers
   * time to learn it, so that a sweep does not overtake them. Returns the ids of all the session's tasks.
   */
  async cancelAll(sessionId: string, signal: AbortSignal): Promise<string[]> {
    const prefix = `${sessionId}.`;
    const keys = (await this.#table.list(prefix)).map((row) => row.key);
    await this.#cancel(keys.filter((key) => key !== prefix + SWEEP_TASK_ID));
    const rows = await this.#table.list(prefix);
    const mayBeAtWork = rows.map((row) => decodeEntry(row.value)).some((e) => e.state === "cancelled" && e.attempt > 0);
    if (mayBeAtWork) await this.#clock.sleep(2 * HEARTBEAT_MS, signal);
    return keys.map((key) => key.slice(prefix.length));
  }

  /** Forgets the rows of an ended session. */
  async clear(sessionId: string): Promise<void> {
    for (const row of await this.#table.list(`${sessionId}.`)) await this.#table.delete(row.key);
  }

  async #publishMissing(newWriter: () => Writer, tasks: ReadonlyMap<string, Task>, queued: boolean): Promise<void> {
    const writer = newWriter();
    const missing: { key: string; task: Task; spec: StreamRoot }[] = [];
    for (const [key, task] of tasks) {
      const row = await this.#table.get(key);
      if (row === undefined) missing.push({ key, task, spec: (await writer.writeDocument(task as unknown as Json)).root });
      else if (queued && decodeEntry(row.value).state === "queued")
        await this.#queue.publish(key, encodeReference({ sessionId: task.sessionId, taskId: task.id }));
    }
    if (missing.length === 0) return;
    await writer.finish();
    for (const { key, task, spec } of missing) {
      const entry: TaskEntry = { state: "queued", repositoryId: task.repositoryId, spec, attempt: 0, worker: "", bytesDone: 0 };
      try {
        await this.#table.create(key, encodeEntry(entry));
      } catch (error) {
        if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
      }
      if (queued) await this.#queue.publish(key, encodeReference({ sessionId: task.sessionId, taskId: task.id }));
    }
  }

  async #outcome<K extends TaskKind>(repository: Repository, entry: TaskEntry): Promise<TaskOutcome<TaskResults[K]> | undefined> {
    if (entry.state === "cancelled") return { ok: false, failure: { code: "CANCELLED", message: "The session was cancelled" } };
    if (entry.lockedCode !== undefined) {
      const message = `No worker could open the repository: ${entry.lockedCode}`;
      const hint = "Put the repository's key into the keyring of every worker; the workers' logs name the place.";
      return { ok: false, failure: { code: entry.lockedCode, message, hint } };
    }
    if (entry.result === undefined) return undefined;
    const document: unknown = await repository.reader().readDocument(entry.result);
    if (entry.state === "failed") return { ok: false, failure: document as Failure };
    return { ok: true, result: document as TaskResults[K] };
  }

  async #abandon(newWriter: () => Writer, key: string, entry: TaskEntry, revision: bigint): Promise<void> {
    const failure: Failure = {
      code: "UPLOAD_ABANDONED",
      message: "The client stopped sending",
      hint: "Start the backup again; what was stored already is not sent twice.",
    };
    const writer = newWriter();
    const { root } = await writer.writeDocument(failure as unknown as Json);
    await writer.finish();
    try {
      await this.#table.update(key, encodeEntry({ ...entry, state: "failed", result: root }), revision);
    } catch (error) {
      if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
    }
  }

  async #cancel(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      for (;;) {
        const row = await this.#table.get(key);
        if (row === undefined) break;
        const entry = decodeEntry(row.value);
        if (hasEnded(entry)) break;
        try {
          await this.#table.update(key, encodeEntry({ ...entry, state: "cancelled" }), row.revision);
          break;
        } catch (error) {
          if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
        }
      }
    }
  }
}

function unlessLater(error: unknown): void {
  if (!CodedError.is(error) || error.retry === "never") throw error;
}

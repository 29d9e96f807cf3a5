/** The coordinator's end of the task protocol: runs of tasks, their cancellation, and forgetting them. */

import type { Bus, JobQueue, Table } from "@permafrost/jobs";
import type { TaskKind, TaskResults } from "@permafrost/model";
import type { Repository, Writer } from "@permafrost/repository";
import { type Clock, CodedError } from "@permafrost/std";
import {
  CLAIM_TIMEOUT_MS,
  decodeEntry,
  encodeEntry,
  HEARTBEAT_MS,
  hasEnded,
  SWEEP_TASK_ID,
  TASK_QUEUE,
  TASK_TABLE,
} from "./task-entry.ts";
import { type RunOptions, type TaskOf, type TaskOutcome, TaskRun } from "./task-run.ts";

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
    const [first] = tasks;
    if (first === undefined) return [];
    return await this.feed(repository, newWriter, first.sessionId, options, (run) => run.add(tasks));
  }

  /** A run that `work` adds tasks to. Aborting rejects what `work` waits for and cancels the tasks. */
  async feed<K extends TaskKind, R>(
    repository: Repository,
    newWriter: () => Writer,
    sessionId: string,
    options: RunOptions<K>,
    work: (run: TaskRun<K>) => Promise<R>,
  ): Promise<R> {
    const parts = { queue: this.#queue, table: this.#table, clock: this.#clock, repository, newWriter, sessionId };
    const run = new TaskRun<K>(parts, options);
    try {
      return await work(run);
    } finally {
      await run.close();
      if (CodedError.is(options.signal.reason, "CANCELLED")) await this.#cancel(run.open);
    }
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

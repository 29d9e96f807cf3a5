/**
 * The worker's end of the task protocol: claim a row, run it, report once.
 *
 * The attempt number is the fence. It is raised by compare-and-set on claiming, goes with every call to a storage node, and
 * each heartbeat and the report itself are compare-and-sets on the same row; a worker that was taken for dead loses
 * at its next heartbeat (`FENCED`), its signal aborts, and nothing it does afterwards counts.
 */

import type { Bus, ClaimedJob, JobQueue, Table, TableEntry } from "@permafrost/jobs";
import type { StreamRoot, Task } from "@permafrost/model";
import type { Repository, Writer } from "@permafrost/repository";
import { type Clock, CodedError, type Json, retry } from "@permafrost/std";
import {
  CLAIM_TIMEOUT_MS,
  decodeEntry,
  decodeReference,
  encodeEntry,
  entryKey,
  HEARTBEAT_MS,
  hasEnded,
  TASK_QUEUE,
  TASK_TABLE,
  type TaskEntry,
  type TaskReference,
  toFailure,
} from "./task-entry.ts";

/** Attempts of a task before it counts as failed, whether by error or by death of its worker. */
export const ATTEMPTS_MAX = 5;
/** Claims of a task by workers that have no key for it; more than ATTEMPTS_MAX, for others may have the key. */
const LOCKED_ATTEMPTS_MAX = 10;
/** About as long as a claim lasts without a sign of life. */
const REPORT_ATTEMPTS_MAX = 8;

export interface TaskContext {
  readonly repository: Repository;
  /** Of this attempt; `finish` is called for you before the result is reported. */
  readonly writer: Writer;
  readonly scope: { readonly repositoryId: string; readonly sessionId: string; readonly taskId: string; readonly fence: bigint };
  /** Aborts when the claim is lost, the session is cancelled or the worker stops. */
  readonly signal: AbortSignal;
  /** Adds to the bytes done of this task. */
  readonly progress: (bytes: number) => void;
}

export interface TaskHostOptions {
  readonly worker: string;
  readonly clock: Clock;
  readonly openRepository: (repositoryId: string) => Promise<Repository>;
  readonly execute: (task: Task, context: TaskContext) => Promise<unknown>;
  readonly onEvent?: (event: {
    readonly message: string;
    readonly sessionId: string;
    readonly taskId: string;
    readonly code?: string;
    readonly attempt: number;
  }) => void;
}

export class TaskHost {
  readonly #queue: JobQueue;
  readonly #table: Table;
  readonly #options: TaskHostOptions;

  private constructor(queue: JobQueue, table: Table, options: TaskHostOptions) {
    this.#queue = queue;
    this.#table = table;
    this.#options = options;
  }

  static async open(bus: Bus, options: TaskHostOptions): Promise<TaskHost> {
    return new TaskHost(await bus.queue(TASK_QUEUE, { ackWaitMs: CLAIM_TIMEOUT_MS }), await bus.table(TASK_TABLE), options);
  }

  /** Claims and runs one task after the other until the signal aborts. */
  async loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let job: ClaimedJob | undefined;
      try {
        job = await this.#queue.claim(5_000, signal);
        if (job !== undefined) await this.#runJob(job, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#event({ sessionId: "", taskId: "" }, "The bus failed; trying again", 0, CodedError.from(error).code);
        await this.#options.clock.sleep(1_000, signal).catch(() => undefined);
      }
    }
  }

  /**
   * Waits until the row exists and answers its repository's id; a session that was just started may not have come so far.
   * Throws UPLOAD_NOT_EXPECTED.
   */
  async waitFor(reference: TaskReference, waitMs: number, signal: AbortSignal): Promise<string> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + waitMs;
    for (;;) {
      const row = await this.#table.get(entryKey(reference));
      if (row !== undefined) return decodeEntry(row.value).repositoryId;
      if (clock.monotonic() > deadline) {
        throw new CodedError("UPLOAD_NOT_EXPECTED", `Session ${reference.sessionId} does not wait for bytes`, {
          facts: { session: reference.sessionId },
        });
      }
      await clock.sleep(200, signal);
    }
  }

  async #runJob(job: ClaimedJob, signal: AbortSignal): Promise<void> {
    let reference: TaskReference;
    try {
      reference = decodeReference(job.body);
    } catch (error) {
      // It would come again for ever.
      const { message, code } = CodedError.from(error);
      this.#event({ sessionId: "", taskId: "" }, message, 0, code);
      return await job.done();
    }
    const outcome = await this.run(reference, this.#options.execute, signal, () => job.working());
    if (outcome === "retry") await job.giveBack(1_000);
    else await job.done();
  }

  /**
   * Claims the row and runs `execute`. `ended`: the row has its result, by us or another. `retry`: run it again later.
   * `lost`: another worker has it, or its session was cancelled.
   */
  async run(
    reference: TaskReference,
    execute: (task: Task, context: TaskContext) => Promise<unknown>,
    signal: AbortSignal,
    working: () => Promise<void> = async () => undefined,
  ): Promise<"ended" | "retry" | "lost"> {
    const key = entryKey(reference);
    const row = await this.#idleRow(key, signal);
    if (row === undefined) return "lost";
    const before = decodeEntry(row.value);
    if (hasEnded(before)) return "ended";
    let entry: TaskEntry = {
      ...before,
      state: "running",
      attempt: before.attempt + 1,
      worker: this.#options.worker,
      bytesDone: 0,
      // A worker that ends a claim by itself leaves another state.
      deaths: (before.deaths ?? 0) + (before.state === "running" ? 1 : 0),
    };
    let revision: bigint;
    try {
      revision = await this.#table.update(key, encodeEntry(entry), row.revision);
    } catch (error) {
      if (CodedError.is(error, "REVISION_CONFLICT")) return "lost";
      throw error;
    }
    this.#event(reference, "Claimed", entry.attempt);
    const claim = new AbortController();
    const both = AbortSignal.any([signal, claim.signal]);
    let bytesDone = 0;
    let writing: Promise<void> = Promise.resolve();
    /** Serialised: two updates with one revision would fence ourselves. */
    const update = (change: Partial<TaskEntry>): Promise<void> => {
      writing = writing
        .catch(() => undefined)
        .then(async () => {
          entry = { ...entry, bytesDone, ...change };
          revision = await this.#write(key, entry, revision);
        });
      return writing;
    };
    const beating = this.#heartbeat(both, () => Promise.all([update({}), working()]), claim);
    try {
      let repository: Repository;
      try {
        repository = await this.#options.openRepository(entry.repositoryId);
      } catch (error) {
        const { code, message, retry } = CodedError.from(error);
        this.#event(reference, `Attempt failed: ${message}`, entry.attempt, code);
        claim.abort();
        await beating;
        const again = retry !== "never" || entry.attempt < LOCKED_ATTEMPTS_MAX;
        await update(again ? { state: "queued" } : { state: "failed", lockedCode: code });
        return again ? "retry" : "ended";
      }
      const scope = {
        repositoryId: entry.repositoryId,
        sessionId: reference.sessionId,
        taskId: reference.taskId,
        fence: BigInt(entry.attempt),
      };
      const writer = repository.writer(scope);
      let result: { state: "done" | "failed"; result: StreamRoot };
      try {
        if ((entry.deaths ?? 0) >= ATTEMPTS_MAX) throw diedTooOften(reference, ATTEMPTS_MAX);
        const task = (await repository.reader().readDocument(entry.spec)) as unknown as Task;
        const context: TaskContext = {
          repository,
          writer,
          scope,
          signal: both,
          progress: (bytes) => {
            bytesDone += bytes;
          },
        };
        const value = await execute(task, context);
        both.throwIfAborted();
        const { root } = await writer.writeDocument(value as Json);
        await writer.finish();
        result = { state: "done", result: root };
      } catch (error) {
        if (claim.signal.aborted) return "lost";
        const coded = CodedError.from(error);
        this.#event(reference, `Attempt failed: ${coded.message}`, entry.attempt, coded.code);
        const again = signal.aborted || (coded.retry !== "never" && entry.attempt < ATTEMPTS_MAX);
        if (again) {
          claim.abort();
          await beating;
          await update({ state: "queued" });
          return "retry";
        }
        result = { state: "failed", result: await this.#storeFailure(repository, scope, error) };
      }
      claim.abort();
      await beating;
      // The work is done: a bus that is away for a moment is not to cost it.
      await retry(() => update(result), {
        attemptsMax: REPORT_ATTEMPTS_MAX,
        delayMs: 1_000,
        delayMsMax: 4_000,
        clock: this.#options.clock,
      });
      this.#event(reference, result.state === "done" ? "Done" : "Failed", entry.attempt);
      return "ended";
    } catch (error) {
      if (CodedError.is(error, "REVISION_CONFLICT")) return "lost";
      throw error;
    } finally {
      claim.abort();
      await beating;
    }
  }

  /**
   * Writes the row over `revision`, or over a write of ours that took effect though its answer was lost: nobody else writes a row that
   * runs under our attempt. Throws REVISION_CONFLICT.
   */
  async #write(key: string, entry: TaskEntry, revision: bigint): Promise<bigint> {
    try {
      return await this.#table.update(key, encodeEntry(entry), revision);
    } catch (error) {
      if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
      const row = await this.#table.get(key);
      if (row === undefined) throw error;
      const there = decodeEntry(row.value);
      if (there.attempt !== entry.attempt || there.worker !== entry.worker) throw error;
      if (there.state === entry.state && there.result?.id === entry.result?.id && there.state !== "running") return row.revision;
      if (there.state !== "running") throw error;
      return await this.#table.update(key, encodeEntry(entry), row.revision);
    }
  }

  /** The row, unless another worker is at it: a job may come twice, and a healthy claim is not to be fenced by its duplicate. */
  async #idleRow(key: string, signal: AbortSignal): Promise<TableEntry | undefined> {
    const row = await this.#table.get(key);
    if (row === undefined || decodeEntry(row.value).state !== "running") return row;
    await this.#options.clock.sleep(3 * HEARTBEAT_MS, signal);
    const again = await this.#table.get(key);
    return again?.revision === row.revision ? again : undefined;
  }

  async #storeFailure(repository: Repository, scope: TaskContext["scope"], error: unknown): Promise<StreamRoot> {
    const writer = repository.writer(scope);
    const { root } = await writer.writeDocument(toFailure(error) as unknown as Json);
    await writer.finish();
    return root;
  }

  /** Beats until the signal aborts; a beat that finds the row taken aborts the claim. Never rejects. */
  async #heartbeat(signal: AbortSignal, beat: () => Promise<unknown>, claim: AbortController): Promise<void> {
    let lastBeatAt = this.#options.clock.monotonic();
    while (!signal.aborted) {
      try {
        await this.#options.clock.sleep(HEARTBEAT_MS, signal);
        await beat();
        lastBeatAt = this.#options.clock.monotonic();
      } catch (error) {
        if (signal.aborted) return;
        const silentMs = this.#options.clock.monotonic() - lastBeatAt;
        if (CodedError.is(error, "REVISION_CONFLICT") || silentMs > CLAIM_TIMEOUT_MS) {
          claim.abort(new CodedError("FENCED", "Another worker has this task, or its session was cancelled"));
          return;
        }
      }
    }
  }

  #event(reference: TaskReference, message: string, attempt: number, code?: string): void {
    this.#options.onEvent?.({ message, ...reference, attempt, ...(code === undefined ? {} : { code }) });
  }
}

function diedTooOften({ sessionId, taskId }: TaskReference, deaths: number): CodedError {
  return new CodedError("TASK_LOST", `${deaths} workers died or lost the bus while they ran this task`, {
    facts: { session: sessionId, task: taskId, deaths },
    hint: "The workers' logs and the kernel's say why; too little memory is a usual cause.",
  });
}

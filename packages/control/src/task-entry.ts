/**
 * A task as the bus sees it: a row in the `tasks` table, under `<session id>.<task id>`, and a job in the `tasks` queue.
 *
 * The row holds states, counts and references only. What a task says and what came of it are documents in the
 * repository, sealed like everything else, so that the bus learns no name of any resource (invariant I9). Every change of
 * a row is a compare-and-set on its revision: whoever lost the row finds out at the next heartbeat (invariant I7).
 */

import type { Failure, SessionId, StreamRoot, TaskId } from "@permafrost/model";
import { CodedError, fromUtf8, utf8 } from "@permafrost/std";

export const TASK_QUEUE = "tasks";
export const TASK_TABLE = "tasks";
/** A claim without a sign of life for this long is given to another worker. */
export const CLAIM_TIMEOUT_MS = 20_000;
export const HEARTBEAT_MS = 2_000;
/** Of the task that cleans up after a session, also a cancelled one. */
export const SWEEP_TASK_ID = "sweep-1";

export interface TaskEntry {
  readonly state: "queued" | "running" | "done" | "failed" | "cancelled";
  readonly repositoryId: string;
  /** The Task, as a document. */
  readonly spec: StreamRoot;
  /** Claims so far: the fence of the running one. */
  readonly attempt: number;
  readonly worker: string;
  /** How many claims ended without a word: by the death of the worker, or its loss of the bus. */
  readonly deaths?: number;
  readonly bytesDone: number;
  /** `done`: the task's result; `failed`: a Failure; as a document. */
  readonly result?: StreamRoot;
  /** Instead of a result, when no worker could open the repository to write one: the code of the error. */
  readonly lockedCode?: string;
}

/** Whether nobody is to run it any more. */
export function hasEnded(entry: TaskEntry): boolean {
  return entry.result !== undefined || entry.lockedCode !== undefined || entry.state === "cancelled";
}

/** The body of a job: where to find the row. */
export interface TaskReference {
  readonly sessionId: SessionId;
  readonly taskId: TaskId;
}

export function entryKey(reference: TaskReference): string {
  return `${reference.sessionId}.${reference.taskId}`;
}

export function encodeEntry(entry: TaskEntry): Uint8Array {
  return utf8(JSON.stringify(entry));
}

export function decodeEntry(bytes: Uint8Array): TaskEntry {
  return JSON.parse(fromUtf8(bytes)) as TaskEntry;
}

export function encodeReference(reference: TaskReference): Uint8Array {
  return utf8(JSON.stringify({ sessionId: reference.sessionId, taskId: reference.taskId }));
}

/** Throws TASK_MALFORMED for a job that is not ours. */
export function decodeReference(bytes: Uint8Array): TaskReference {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    if (typeof value === "object" && value !== null && "sessionId" in value && "taskId" in value) {
      const { sessionId, taskId } = value;
      if (typeof sessionId === "string" && typeof taskId === "string") return { sessionId, taskId };
    }
  } catch (error) {
    throw new CodedError("TASK_MALFORMED", "A job on the queue is not a task", { cause: error });
  }
  throw new CodedError("TASK_MALFORMED", "A job on the queue is not a task");
}

/** What a CodedError says, for storing; an unknown error keeps its message only. */
export function toFailure(error: unknown): Failure {
  const coded = CodedError.from(error);
  const facts = Object.fromEntries(
    Object.entries(coded.facts).filter((e): e is [string, string | number | boolean] => e[1] !== undefined),
  );
  return {
    code: coded.code,
    message: coded.message,
    ...(coded.hint === undefined ? {} : { hint: coded.hint }),
    ...(Object.keys(facts).length === 0 ? {} : { facts }),
  };
}

/** The reverse of `toFailure`. */
export function fromFailure(failure: Failure): CodedError {
  return new CodedError(failure.code, failure.message, {
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(failure.facts === undefined ? {} : { facts: failure.facts }),
  });
}

/** What every kind of session needs to run, and how each ends. */

import type { ResourceResult, SessionRecord, SessionSource } from "@permafrost/model";
import type { Repository, Writer } from "@permafrost/repository";
import { type Clock, CodedError, isoTime } from "@permafrost/std";
import type { SessionSpec } from "./session-spec.ts";
import type { SessionStore } from "./session-store.ts";
import type { SessionView } from "./session-view.ts";
import type { TaskBoard } from "./task-board.ts";

export interface RunContext {
  readonly repository: Repository;
  readonly store: SessionStore;
  readonly writer: Writer;
  readonly board: TaskBoard;
  readonly view: SessionView;
  readonly clock: Clock;
  /** Aborts with `CANCELLED` on cancel, with another reason when this coordinator stops or no longer leads. */
  readonly signal: AbortSignal;
  /** Aborts only when this coordinator stops or no longer leads: for the clean-up of a cancelled session. */
  readonly stopped: AbortSignal;
}

/** True after a cancel. Throws `error` when the coordinator stops: then the session is not ours to end, the next leader goes on with it. */
export function cancelledOrThrow(context: RunContext, error: unknown): boolean {
  if (!context.signal.aborted) return false;
  if (CodedError.is(context.signal.reason, "CANCELLED")) return true;
  throw error;
}

/** The record a session starts with. */
export function firstRecord(spec: SessionSpec, source: SessionSource): SessionRecord {
  return {
    version: 1,
    id: spec.sessionId,
    kind: spec.kind,
    state: "running",
    phase: spec.kind === "backup" ? "prepare" : spec.kind === "restore" ? "plan" : "check",
    repositoryId: spec.repositoryId,
    source,
    startedAt: spec.startedAt,
    counts: { resources: 0, succeeded: 0, failed: 0, skipped: 0 },
    stats: {
      logicalBytes: 0,
      readBytes: 0,
      zeroBytes: 0,
      newBytes: 0,
      storedBytes: 0,
      newBlocks: 0,
      parentBlocks: 0,
      reservedBlocks: 0,
    },
    warnings: [],
  };
}

/** Moves to the next phase, durably. */
export async function enterPhase(
  context: RunContext,
  phase: SessionRecord["phase"],
  change: Partial<SessionRecord> = {},
): Promise<void> {
  await context.store.save(context.view.update({ phase, ...change }));
}

/** The last write of a session: the results first, durable, then the record that names them. */
export async function endSession(
  context: RunContext,
  state: SessionRecord["state"],
  change: Partial<SessionRecord> = {},
): Promise<void> {
  const results: readonly ResourceResult[] = context.view.results();
  const { root, stats } = await context.store.writeResults(context.writer, results);
  await context.writer.finish();
  const counted = context.view.update({});
  const record = context.view.update({
    state,
    phase: "ended",
    endedAt: isoTime(context.clock.now()),
    results: root,
    stats: { ...counted.stats, storedBytes: counted.stats.storedBytes + stats.storedBytes },
    ...change,
  });
  await context.store.save(record);
}

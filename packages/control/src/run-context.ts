/** What every kind of session needs to run, and how each ends. */

import type { Failure, ResourceResult, SessionId, SessionRecord, SessionSource } from "@permafrost/model";
import type { Repository, Writer } from "@permafrost/repository";
import { type Clock, CodedError, isoTime, retry } from "@permafrost/std";
import type { SessionSpec } from "./session-spec.ts";
import type { SessionStore } from "./session-store.ts";
import type { SessionView } from "./session-view.ts";
import type { TaskBoard } from "./task-board.ts";

export interface RunContext {
  readonly repository: Repository;
  readonly store: SessionStore;
  /** A new writer each time: one that failed once stays failed. */
  readonly newWriter: () => Writer;
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

const FIRST_PHASE = {
  backup: "prepare",
  group: "prepare",
  restore: "plan",
  verify: "verify",
  undo: "undo",
  check: "check",
  prune: "mark",
  repair: "repair",
} as const;

/** The restore that a session goes on with, looks at or takes back. */
function appliedBy(spec: SessionSpec): { readonly appliesId?: SessionId } {
  if (spec.kind === "verify" || spec.kind === "undo") return { appliesId: spec.restoreId };
  return spec.kind === "restore" && spec.applies !== undefined ? { appliesId: spec.applies.sessionId } : {};
}

/** The record a session starts with. */
export function firstRecord(spec: SessionSpec, source: SessionSource): SessionRecord {
  return {
    version: 1,
    id: spec.sessionId,
    kind: spec.kind,
    state: "running",
    phase: FIRST_PHASE[spec.kind],
    repositoryId: spec.repositoryId,
    source,
    startedAt: spec.startedAt,
    ...("groupId" in spec && spec.groupId !== undefined ? { groupId: spec.groupId } : {}),
    ...("origin" in spec ? { origin: spec.origin } : {}),
    ...("policy" in spec && spec.policy !== undefined ? { policy: spec.policy } : {}),
    ...appliedBy(spec),
    ...("dryRun" in spec && spec.dryRun ? { dryRun: true } : {}),
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
  const record = context.view.update({ phase, ...change });
  await patiently(context, () => context.store.save(record));
}

/**
 * The last write of a session: the results first, durable, then the record that names them. When the nodes take no blocks (full, or too
 * few of them), the session ends as `failed` with a record alone, which nodes take to the last.
 */
export async function endSession(
  context: RunContext,
  state: SessionRecord["state"],
  change: Partial<SessionRecord> = {},
): Promise<void> {
  if (change.failure !== undefined) endUndone(context, change.failure);
  const results: readonly ResourceResult[] = context.view.results();
  const ended = { phase: "ended" as const, endedAt: isoTime(context.clock.now()) };
  try {
    const { root, stats } = await patiently(context, async () => {
      const writer = context.newWriter();
      const written = await context.store.writeResults(writer, results);
      await writer.finish();
      return written;
    });
    const { stats: counted } = context.view.update({});
    const record = {
      ...context.view.record,
      ...ended,
      state,
      results: root,
      stats: { ...counted, storedBytes: counted.storedBytes + stats.storedBytes },
      ...change,
    };
    await patiently(context, () => context.store.save(record));
    context.view.update({
      ...ended,
      state,
      results: root,
      stats: { ...counted, storedBytes: counted.storedBytes + stats.storedBytes },
      ...change,
    });
  } catch (error) {
    if (context.stopped.aborted) throw error;
    const { code, message, hint } = CodedError.from(error);
    const failure = change.failure ?? {
      code,
      message: `The results cannot be stored: ${message}`,
      ...(hint === undefined ? {} : { hint }),
    };
    const record = {
      ...context.view.update({}),
      ...ended,
      ...change,
      state: state === "cancelled" ? state : ("failed" as const),
      failure,
    };
    await patiently(context, () => context.store.save(record));
    context.view.update(record);
  }
}

/** A session that ended before its time says so of every resource that was not done: none is left as if somebody worked on it. */
function endUndone({ view }: RunContext, { code, message }: Failure): void {
  for (const resource of view.resources()) {
    if (resource.state !== "pending" && resource.state !== "running") continue;
    const how = resource.state === "running" ? "It was broken off" : "It was not begun";
    view.patchResource(resource, { state: "failed", failure: { code, message: `${how}: ${message}` } });
  }
}

/** Nodes may be restarting: an error that says `later` is tried again for about half a minute. */
export async function patiently<T>(context: Pick<RunContext, "clock" | "stopped">, work: () => Promise<T>): Promise<T> {
  return await retry(work, { attemptsMax: 8, delayMs: 1_000, delayMsMax: 8_000, clock: context.clock, signal: context.stopped });
}

/**
 * A restore: plan → apply → verify. The plan names what is done to each resource and what must be there before it, and is saved before the
 * first change; apply does exactly that; verify compares what stands there with what was asked. A plan made earlier is applied
 * as it was saved. Run again after a crash it finds the finished tasks and goes on.
 */

import {
  EMPTY_STATS,
  type PlanResult,
  type ResourceResult,
  type SavedPlan,
  type SessionRecord,
  type StreamRoot,
  selects,
  sessionOutcome,
} from "@permafrost/model";
import { CodedError, type Json } from "@permafrost/std";
import { applyPlan } from "./restore-apply.ts";
import { verifyPlan } from "./restore-verify.ts";
import { cancelledOrThrow, endSession, enterPhase, patiently, type RunContext } from "./run-context.ts";
import type { RestoreSpec } from "./session-spec.ts";
import { sweepCloud } from "./sweep.ts";
import { fromFailure, toFailure } from "./task-entry.ts";

export async function runRestore(context: RunContext, spec: RestoreSpec): Promise<void> {
  try {
    const point = await context.store.get(spec.pointId);
    if (point === undefined)
      throw new CodedError("SESSION_UNKNOWN", `There is no session ${spec.pointId}`, { facts: { session: spec.pointId } });
    const { saved, root } = spec.applies === undefined ? await makePlan(context, spec, point) : await readPlan(context, spec);
    showPlan(context, saved.plan);
    const source = {
      input: "tenant" as const,
      cloud: saved.options.target.cloud,
      projectId: saved.plan.projectId,
      projectName: saved.plan.projectName,
    };
    if (spec.dryRun) {
      const conflicts = context.view.resources().some((r) => r.state === "failed");
      const warnings = await sweepCloud(context, spec, saved.options.target);
      await endSession(context, conflicts ? "partial" : "succeeded", { source, plan: root, warnings });
      return;
    }
    await enterPhase(context, "apply", { source, plan: root });
    await applyPlan(context, spec, saved);
    if (spec.verify !== undefined) await verifyPlan(context, spec, saved, spec.verify);
    const warnings = await sweepCloud(context, spec, saved.options.target);
    await endSession(context, sessionOutcome(context.view.resources().map((r) => r.state)), { warnings });
  } catch (error) {
    const cancelled = cancelledOrThrow(context, error);
    await context.board.cancelAll(spec.sessionId, context.stopped);
    const warnings = await sweepCloud(context, spec, spec.options.target);
    await endSession(context, cancelled ? "cancelled" : "failed", { failure: toFailure(error), warnings });
  }
}

async function makePlan(
  context: RunContext,
  spec: RestoreSpec,
  point: SessionRecord,
): Promise<{ readonly saved: SavedPlan; readonly root: StreamRoot }> {
  const all = await context.store.allResults(point);
  const captured = all.filter((r) => selects(spec.selection, r));
  if (captured.length === 0)
    throw new CodedError("NOTHING_SELECTED", "The restore point has no resource that the selection names", {
      hint: "`permafrost resources SESSION` lists them.",
    });
  // What was left out by name is not pulled in again.
  const others = all.filter((r) => !captured.includes(r) && selects({ include: [], exclude: spec.selection.exclude }, r));
  const isUsable = (r: ResourceResult) => r.state === "succeeded";
  for (const r of captured) context.view.setResource(isUsable(r) ? pending(r) : notInBackup(r), { total: r.stats.logicalBytes });
  await enterPhase(context, "plan", { parentId: point.id, dryRun: spec.dryRun });
  const task = {
    id: "plan-1",
    sessionId: spec.sessionId,
    repositoryId: spec.repositoryId,
    kind: "plan" as const,
    options: spec.options,
    resources: captured.filter(isUsable),
    others: others.filter(isUsable),
  };
  const [planned] = await context.board.run<"plan">(context.repository, context.newWriter, [task], { signal: context.signal });
  if (planned === undefined || !planned.ok)
    throw fromFailure(planned?.failure ?? { code: "TASK_LOST", message: "The plan has no outcome" });
  const saved: SavedPlan = {
    version: 1,
    pointId: point.id,
    journalId: spec.sessionId,
    options: spec.options,
    plan: planned.result,
  };
  const root = await patiently(context, async () => {
    const writer = context.newWriter();
    const written = await writer.writeDocument(saved as unknown as Json);
    await writer.finish();
    return written.root;
  });
  return { saved, root };
}

async function readPlan(
  context: RunContext,
  { applies, pointId }: RestoreSpec,
): Promise<{ readonly saved: SavedPlan; readonly root: StreamRoot }> {
  if (applies === undefined) throw new CodedError("ASSERTION", "The session applies no plan");
  const saved = await patiently(context, () => savedPlan(context, applies.plan));
  await enterPhase(context, "plan", { parentId: pointId });
  return { saved, root: applies.plan };
}

export async function savedPlan(context: Pick<RunContext, "repository">, root: StreamRoot): Promise<SavedPlan> {
  return (await context.repository.reader().readDocument(root)) as unknown as SavedPlan;
}

/** The plan's resources as the session shows them, also those that were pulled in. */
export function showPlan(context: RunContext, plan: PlanResult): void {
  for (const r of plan.resources) {
    const {
      stats,
      document: _,
      streams: _streams,
      tags: _tags,
      finishAfter: _finish,
      finishWaitsFor: _for,
      around: _around,
      ...shown
    } = r;
    const conflict = r.action === "conflict";
    context.view.setResource(
      {
        ...shown,
        streams: {},
        stats: EMPTY_STATS,
        state: conflict ? "failed" : r.action === "skip" ? "skipped" : "pending",
        ...(conflict
          ? { failure: { code: "RESTORE_CONFLICT", message: r.actionReason ?? "Conflicts with what is in the target" } }
          : {}),
      },
      { total: stats.logicalBytes },
    );
  }
}

function pending(r: ResourceResult): ResourceResult {
  const { type, id, name } = r;
  return { type, id, name, state: "pending", streams: {}, stats: EMPTY_STATS, warnings: [] };
}

function notInBackup(r: ResourceResult): ResourceResult {
  const message = `The backup of ${r.type} ${r.name} failed: ${r.failure?.message ?? "no reason stored"}`;
  return { ...pending(r), state: "failed", failure: { code: "NOT_IN_BACKUP", message } };
}

/**
 * A restore: plan → apply → verify. The plan names what is done to each resource and what must be there before it; apply works
 * through the dependency graph level by level, each level's resources at once; verify compares what stands there with
 * what was asked. A resource whose dependency failed is not tried and says so.
 */

import { EMPTY_STATS, type PlanResult, type ResourceResult, resourceKeyText, selects, sessionOutcome } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { cancelledOrThrow, endSession, enterPhase, type RunContext } from "./run-context.ts";
import type { RestoreSpec } from "./session-spec.ts";
import { sweepCloud } from "./sweep.ts";
import { fromFailure, toFailure } from "./task-entry.ts";

type Planned = PlanResult["resources"][number];

export async function runRestore(context: RunContext, spec: RestoreSpec): Promise<void> {
  const base = { sessionId: spec.sessionId, repositoryId: spec.repositoryId };
  try {
    const point = await context.store.get(spec.pointId);
    if (point === undefined)
      throw new CodedError("SESSION_UNKNOWN", `There is no session ${spec.pointId}`, { facts: { session: spec.pointId } });
    const captured = (await context.store.allResults(point)).filter((r) => selects(spec.selection, r));
    const usable = captured.filter((r) => r.state === "succeeded");
    if (captured.length === 0)
      throw new CodedError("NOTHING_SELECTED", "The restore point has no resource that the selection names", {
        hint: "`permafrost resources SESSION` lists them.",
      });
    for (const r of captured) {
      context.view.setResource(
        r.state === "succeeded"
          ? pending(r)
          : {
              ...pending(r),
              state: "failed",
              failure: {
                code: "NOT_IN_BACKUP",
                message: `The backup of ${r.type} ${r.name} failed: ${r.failure?.message ?? "no reason stored"}`,
              },
            },
        { total: r.stats.logicalBytes },
      );
    }
    await enterPhase(context, "plan", { parentId: point.id, dryRun: spec.dryRun });
    const [planned] = await context.board.run<"plan">(
      context.repository,
      context.newWriter,
      [{ ...base, id: "plan-1", kind: "plan", options: spec.options, resources: usable }],
      {
        signal: context.signal,
      },
    );
    if (planned === undefined || !planned.ok)
      throw fromFailure(planned?.failure ?? { code: "TASK_LOST", message: "The plan has no outcome" });
    const plan = planned.result;
    for (const r of plan.resources) {
      const conflict = r.action === "conflict";
      context.view.patchResource(r, {
        ...(r.action === undefined ? {} : { action: r.action }),
        ...(r.actionReason === undefined ? {} : { actionReason: r.actionReason }),
        warnings: r.warnings,
        ...(r.targetId === undefined ? {} : { targetId: r.targetId }),
        state: conflict ? "failed" : r.action === "skip" ? "skipped" : "pending",
        ...(conflict
          ? { failure: { code: "RESTORE_CONFLICT", message: r.actionReason ?? "Conflicts with what is in the target" } }
          : {}),
      });
    }
    const source = {
      input: "tenant" as const,
      cloud: spec.options.target.cloud,
      projectId: plan.projectId,
      projectName: plan.projectName,
    };
    if (spec.dryRun) {
      await endSession(context, context.view.resources().some((r) => r.state === "failed") ? "partial" : "succeeded", { source });
      return;
    }
    await enterPhase(context, "apply", { source });
    const targets: Record<string, string> = {};
    let number = 0;
    for (const level of levels(plan.resources)) {
      const tasks = [];
      for (const r of level) {
        const now = context.view.resource(resourceKeyText(r));
        if (now === undefined || now.state === "failed") continue;
        if (r.targetId !== undefined) targets[resourceKeyText(r)] = r.targetId;
        if (r.action === "skip") continue;
        const broken = r.dependsOn.find((d) => context.view.resource(d)?.state === "failed");
        if (broken !== undefined) {
          context.view.patchResource(r, {
            state: "failed",
            failure: { code: "DEPENDENCY_FAILED", message: `${broken} was not restored`, facts: { dependency: broken } },
          });
          continue;
        }
        const original = usable.find((u) => resourceKeyText(u) === resourceKeyText(r));
        if (original === undefined) continue;
        tasks.push({
          ...base,
          id: `apply-${++number}`,
          kind: "apply" as const,
          step: "create" as const,
          options: spec.options,
          resource: { ...original, ...actionOf(r) },
          targets: { ...targets },
        });
      }
      await context.board.run<"apply">(context.repository, context.newWriter, tasks, {
        signal: context.signal,
        onUpdate: (task, entry) => {
          if (entry.result === undefined)
            context.view.patchResource(task.resource, {
              state: entry.state === "running" ? "running" : "pending",
              bytesDone: entry.bytesDone,
            });
        },
        onOutcome: (task, outcome) => {
          if (!outcome.ok) context.view.patchResource(task.resource, { state: "failed", failure: outcome.failure });
          else {
            context.view.patchResource(task.resource, restored(outcome.result));
            if (outcome.result.targetId !== undefined) targets[resourceKeyText(task.resource)] = outcome.result.targetId;
          }
        },
      });
    }
    if (spec.verify !== undefined) await verify(context, spec, usable, targets);
    const warnings = await sweepCloud(context, spec, spec.options.target);
    await endSession(context, sessionOutcome(context.view.resources().map((r) => r.state)), { warnings });
  } catch (error) {
    const cancelled = cancelledOrThrow(context, error);
    // Not by the phase: a session that was taken over begins at its plan again, with the tasks of its former leader still about.
    const tasks = await context.board.cancelAll(spec.sessionId, context.stopped);
    const touched = tasks.some((id) => id.startsWith("apply-"));
    const warnings = touched ? await sweepCloud(context, spec, spec.options.target) : [];
    await endSession(context, cancelled ? "cancelled" : "failed", { failure: toFailure(error), warnings });
  }
}

async function verify(
  context: RunContext,
  spec: RestoreSpec,
  originals: readonly ResourceResult[],
  targets: Readonly<Record<string, string>>,
): Promise<void> {
  const level = spec.verify;
  if (level === undefined) return;
  await enterPhase(context, "verify");
  const tasks = originals
    .filter((r) => context.view.resource(resourceKeyText(r))?.state === "succeeded")
    .map((original, index) => {
      const now = context.view.resource(resourceKeyText(original));
      const resource = { ...original, ...(now?.targetId === undefined ? {} : { targetId: now.targetId }) };
      return {
        sessionId: spec.sessionId,
        repositoryId: spec.repositoryId,
        id: `verify-${index + 1}`,
        kind: "verify" as const,
        options: spec.options,
        resource,
        level,
        targets,
      };
    });
  for (const task of tasks) context.view.patchResource(task.resource, { state: "running", bytesDone: 0 });
  await context.board.run<"verify">(context.repository, context.newWriter, tasks, {
    signal: context.signal,
    onUpdate: (task, entry) => context.view.patchResource(task.resource, { bytesDone: entry.bytesDone }),
    onOutcome: (task, outcome) => {
      if (!outcome.ok) return context.view.patchResource(task.resource, { state: "failed", failure: outcome.failure });
      const { verified, mismatches = [] } = outcome.result;
      context.view.patchResource(task.resource, {
        state: mismatches.length === 0 ? "succeeded" : "failed",
        mismatches,
        ...(verified === undefined ? {} : { verified }),
        ...(mismatches.length === 0
          ? {}
          : {
              failure: {
                code: "VERIFY_MISMATCH",
                message: `${mismatches.length} differences, the first: ${mismatches[0] ?? ""}`,
              },
            }),
      });
    },
  });
}

function pending(r: ResourceResult): ResourceResult {
  return {
    type: r.type,
    id: r.id,
    name: r.name,
    state: "pending",
    ...(r.document ? { document: r.document } : {}),
    streams: {},
    stats: EMPTY_STATS,
    warnings: [],
  };
}

function actionOf(r: Planned): Partial<ResourceResult> {
  return {
    ...(r.action === undefined ? {} : { action: r.action }),
    ...(r.targetId === undefined ? {} : { targetId: r.targetId }),
  };
}

function restored(r: ResourceResult): Partial<ResourceResult> {
  return {
    state: r.state,
    stats: r.stats,
    warnings: r.warnings,
    ...(r.failure === undefined ? {} : { failure: r.failure }),
    ...(r.targetId === undefined ? {} : { targetId: r.targetId }),
    ...(r.startedAt === undefined ? {} : { startedAt: r.startedAt }),
    ...(r.endedAt === undefined ? {} : { endedAt: r.endedAt }),
  };
}

/** The plan's resources in waves: each after all it depends on. Throws PLAN_CYCLE. A dependency outside the plan is met. */
export function levels(resources: readonly Planned[]): Planned[][] {
  const waiting = new Map(resources.map((r) => [resourceKeyText(r), r]));
  const waves: Planned[][] = [];
  while (waiting.size > 0) {
    const wave = [...waiting.values()].filter((r) => r.dependsOn.every((d) => !waiting.has(d)));
    if (wave.length === 0)
      throw new CodedError("PLAN_CYCLE", `Resources depend on each other: ${[...waiting.keys()].slice(0, 5).join(", ")}`);
    for (const r of wave) waiting.delete(resourceKeyText(r));
    waves.push(wave);
  }
  return waves;
}

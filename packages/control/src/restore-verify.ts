/**
 * Verification of what a restore made, as the last phase of it or as a session of its own. What the restore only uses may differ from
 * the backup: that is said and is no failure.
 */

import {
  type CloudTarget,
  EMPTY_STATS,
  type PlannedResource,
  type ResourceResult,
  resourceKeyText,
  type SavedPlan,
  type SessionId,
  sessionOutcome,
  type VerifyLevel,
  withoutOrder,
} from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { savedPlan } from "./restore.ts";
import { targetsOf } from "./restore-apply.ts";
import { resourceOfStep } from "./restore-graph.ts";
import { cancelledOrThrow, endSession, enterPhase, type RunContext } from "./run-context.ts";
import type { VerifySpec } from "./session-spec.ts";
import { sweepCloud } from "./sweep.ts";
import { toFailure } from "./task-entry.ts";

/** Of a restore that has ended. */
export async function runVerify(context: RunContext, spec: VerifySpec): Promise<void> {
  let target: CloudTarget | undefined;
  const sweep = async () => (target === undefined ? [] : await sweepCloud(context, spec, target));
  try {
    const restore = await context.store.get(spec.restoreId);
    if (restore === undefined)
      throw new CodedError("SESSION_UNKNOWN", `There is no session ${spec.restoreId}`, { facts: { session: spec.restoreId } });
    const saved = await savedPlan(context, spec.plan);
    target = saved.options.target;
    for (const result of await context.store.allResults(restore)) {
      if (result.state !== "succeeded" && !isMade(result)) continue;
      const { failure: _, mismatches: _found, verified: _level, ...rest } = result;
      context.view.setResource({ ...rest, state: "succeeded", stats: EMPTY_STATS }, { total: result.stats.logicalBytes });
    }
    await enterPhase(context, "verify", { source: restore.source });
    await verifyPlan(context, spec, saved, spec.level);
    const warnings = await sweep();
    await endSession(context, sessionOutcome(context.view.resources().map((r) => r.state)), { warnings });
  } catch (error) {
    const cancelled = cancelledOrThrow(context, error);
    await context.board.cancelAll(spec.sessionId, context.stopped);
    await endSession(context, cancelled ? "cancelled" : "failed", { failure: toFailure(error), warnings: await sweep() });
  }
}

/** A verification that failed says nothing of the object's being there. */
function isMade(result: ResourceResult): boolean {
  return result.state === "failed" && result.failure?.code === "VERIFY_MISMATCH" && result.targetId !== undefined;
}

export async function verifyPlan(
  context: RunContext,
  base: { readonly sessionId: SessionId; readonly repositoryId: string },
  saved: SavedPlan,
  level: VerifyLevel,
): Promise<void> {
  const { view } = context;
  if (view.record.phase !== "verify") await enterPhase(context, "verify");
  const all = targetsOf(saved, view.resources());
  const references = saved.plan.references.map(({ kind, id }) => `${kind}/${id}`);
  const tasks = saved.plan.resources
    .filter((r) => view.resource(resourceKeyText(r))?.state === "succeeded")
    .map((planned, index) => {
      const resource = withoutOrder(planned);
      const targetId = view.resource(resourceKeyText(planned))?.targetId;
      return {
        sessionId: base.sessionId,
        repositoryId: base.repositoryId,
        id: `verify-${index + 1}`,
        kind: "verify" as const,
        options: saved.options,
        resource: { ...resource, ...(targetId === undefined ? {} : { targetId }) },
        level,
        targets: Object.fromEntries(
          [...references, ...keysOf(planned)].flatMap((key) => (all[key] === undefined ? [] : [[key, all[key]]])),
        ),
      };
    });
  for (const task of tasks) view.patchResource(task.resource, { state: "running", bytesDone: 0 });
  await context.board.run<"verify">(context.repository, context.newWriter, tasks, {
    signal: context.signal,
    onUpdate: (task, entry) => view.patchResource(task.resource, { bytesDone: entry.bytesDone }),
    onOutcome: (task, outcome) => {
      if (!outcome.ok) view.patchResource(task.resource, { state: "failed", failure: outcome.failure });
      else view.patchResource(task.resource, judged(view.resource(resourceKeyText(task.resource)), outcome.result));
    },
  });
}

function keysOf(planned: PlannedResource): string[] {
  return [resourceKeyText(planned), ...planned.dependsOn, ...(planned.finishAfter ?? [])].map(resourceOfStep);
}

function judged(known: ResourceResult | undefined, { verified, mismatches = [] }: ResourceResult): Partial<ResourceResult> {
  const result = { mismatches, ...(verified === undefined ? {} : { verified }) };
  const count = `${mismatches.length} ${mismatches.length === 1 ? "difference" : "differences"}`;
  const first = `the first: ${mismatches[0] ?? ""}`;
  if (mismatches.length === 0) return { ...result, state: "succeeded" };
  if (known?.action === "reuse") {
    const warning = `It was there before and is used as it is: ${count} from the backup, ${first}`;
    return { ...result, state: "succeeded", warnings: [...(known.warnings ?? []), warning] };
  }
  return { ...result, state: "failed", failure: { code: "VERIFY_MISMATCH", message: `${count}, ${first}` } };
}

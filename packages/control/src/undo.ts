/**
 * Taking a restore back: exactly what its journal says it made, users before what they use, and what it changed as it was before. What it
 * found there and used is not touched. Run again it goes on where it stopped; a second undo finds nothing to do.
 */

import { type CloudTarget, EMPTY_STATS, type SavedPlan, sessionOutcome, withoutOrder } from "@permafrost/model";
import { savedPlan } from "./restore.ts";
import { undoOrder } from "./restore-graph.ts";
import { cancelledOrThrow, endSession, enterPhase, type RunContext } from "./run-context.ts";
import type { UndoSpec } from "./session-spec.ts";
import { sweepCloud } from "./sweep.ts";
import { toFailure } from "./task-entry.ts";

export async function runUndo(context: RunContext, spec: UndoSpec): Promise<void> {
  const { view, board } = context;
  let target: CloudTarget | undefined;
  const sweep = async () => (target === undefined ? [] : await sweepCloud(context, spec, target));
  try {
    const saved = await savedPlan(context, spec.plan);
    target = saved.options.target;
    const levels = undoOrder(saved.plan.resources);
    for (const { type, id, name } of levels.flat())
      view.setResource({ type, id, name, state: "pending", streams: {}, stats: EMPTY_STATS, warnings: [] });
    await enterPhase(context, "undo", { source: sourceOf(saved) });
    let number = 0;
    for (const level of levels) {
      const tasks = level.map((planned) => ({
        sessionId: spec.sessionId,
        repositoryId: spec.repositoryId,
        id: `undo-${++number}`,
        kind: "undo" as const,
        target: saved.options.target,
        journalId: saved.journalId,
        resource: withoutOrder(planned),
      }));
      await board.run<"undo">(context.repository, context.newWriter, tasks, {
        signal: context.signal,
        onUpdate: (task, entry) => {
          if (entry.result === undefined && entry.state === "running") view.patchResource(task.resource, { state: "running" });
        },
        onOutcome: (task, outcome) => {
          if (!outcome.ok) return view.patchResource(task.resource, { state: "failed", failure: outcome.failure });
          const { state, targetId, warnings } = outcome.result;
          view.patchResource(task.resource, { state, warnings, ...(targetId === undefined ? {} : { targetId }) });
        },
      });
    }
    const warnings = await sweep();
    const touched = view.resources().filter((r) => r.state !== "skipped");
    await endSession(context, touched.length === 0 ? "succeeded" : sessionOutcome(touched.map((r) => r.state)), { warnings });
  } catch (error) {
    const cancelled = cancelledOrThrow(context, error);
    await board.cancelAll(spec.sessionId, context.stopped);
    await endSession(context, cancelled ? "cancelled" : "failed", { failure: toFailure(error), warnings: await sweep() });
  }
}

function sourceOf({ options, plan }: SavedPlan) {
  return {
    input: "tenant" as const,
    cloud: options.target.cloud,
    projectId: plan.projectId,
    projectName: plan.projectName,
  };
}

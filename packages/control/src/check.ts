/**
 * A check: for each restore point, every page and block it names is present and durable; with `readData` every block is read,
 * authenticated and its id recomputed. Streams that several restore points share are checked once.
 */

import { EMPTY_STATS, type ResourceResult, sessionOutcome } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { cancelledOrThrow, endSession, enterPhase, type RunContext } from "./run-context.ts";
import type { CheckSpec } from "./session-spec.ts";
import { toFailure } from "./task-entry.ts";

export async function runCheck(context: RunContext, spec: CheckSpec): Promise<void> {
  try {
    await enterPhase(context, "check");
    const seen = new Set<string>();
    const tasks = [];
    for (const pointId of spec.pointIds) {
      const point = await context.store.get(pointId);
      if (point === undefined)
        throw new CodedError("SESSION_UNKNOWN", `There is no session ${pointId}`, { facts: { session: pointId } });
      for (const captured of await context.store.allResults(point)) {
        const roots = [...Object.values(captured.streams), ...(captured.document ? [captured.document] : [])]
          .map((r) => r.id)
          .filter((id) => id !== "");
        if (roots.length === 0 || roots.every((id) => seen.has(id))) continue;
        for (const id of roots) seen.add(id);
        // One row per resource and restore point: a disk damaged in the older point only must be seen as such.
        const resource: ResourceResult = { ...captured, id: `${pointId}/${captured.id}` };
        context.view.setResource(
          {
            type: resource.type,
            id: resource.id,
            name: resource.name,
            state: "pending",
            streams: {},
            stats: EMPTY_STATS,
            warnings: [],
          },
          { total: captured.stats.logicalBytes },
        );
        tasks.push({
          sessionId: spec.sessionId,
          repositoryId: spec.repositoryId,
          id: `check-${tasks.length + 1}`,
          kind: "check" as const,
          resource,
          readData: spec.readData,
        });
      }
    }
    await context.board.run<"check">(context.repository, context.newWriter, tasks, {
      signal: context.signal,
      onUpdate: (task, entry) => {
        if (entry.result === undefined)
          context.view.patchResource(task.resource, { state: "running", bytesDone: entry.bytesDone });
      },
      onOutcome: (task, outcome) => {
        if (!outcome.ok) return context.view.patchResource(task.resource, { state: "failed", failure: outcome.failure });
        const { damaged, bytes } = outcome.result;
        const first = damaged[0];
        context.view.patchResource(task.resource, {
          state: first === undefined ? "succeeded" : "failed",
          stats: { ...EMPTY_STATS, logicalBytes: bytes, readBytes: spec.readData ? bytes : 0 },
          mismatches: damaged.map((d) => `${d.message} (${d.code})`),
          ...(first === undefined ? {} : { failure: { ...first, message: `${damaged.length} damaged: ${first.message}` } }),
        });
      },
    });
    const states = context.view.resources().map((r) => r.state);
    // Any damage at all fails a check: "partial" would read as good news.
    await endSession(context, states.length === 0 || sessionOutcome(states) === "succeeded" ? "succeeded" : "failed");
  } catch (error) {
    await endSession(context, cancelledOrThrow(context, error) ? "cancelled" : "failed", { failure: toFailure(error) });
  }
}

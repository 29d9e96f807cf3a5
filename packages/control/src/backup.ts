/**
 * A tenant's backup: prepare → freeze → stream → commit → clean, each phase fanned out as tasks.
 *
 * All metadata is stored before any data moves. The point in time of all volumes is requested by one task, at once. A
 * resource that fails does not stop the others; the session then ends `partial` and says what is missing. Run again after
 * a crash it finds the finished tasks and goes on. Whatever happens, the sweep runs last.
 */

import {
  type ConsistencyWindow,
  type DiscoveredResource,
  EMPTY_STATS,
  type FreezeResult,
  type FrozenResource,
  type ResourceResult,
  resourceKeyText,
  type SessionRecord,
  type SessionSource,
  type StreamStats,
  sessionOutcome,
  type WindowLimit,
} from "@permafrost/model";
import { CodedError, isoTime } from "@permafrost/std";
import { cancelledOrThrow, endSession, enterPhase, patiently, type RunContext } from "./run-context.ts";
import { type InputBackupSpec, sourceOf, type TenantBackupSpec } from "./session-spec.ts";
import { sweepCloud } from "./sweep.ts";
import { fromFailure, toFailure } from "./task-entry.ts";

export async function runTenantBackup(context: RunContext, spec: TenantBackupSpec): Promise<void> {
  const base = { sessionId: spec.sessionId, repositoryId: spec.repositoryId };
  try {
    await enterPhase(context, "prepare");
    const [found] = await context.board.run<"discover">(
      context.repository,
      context.newWriter,
      [{ ...base, id: "discover-1", kind: "discover", source: spec.target, selection: spec.selection }],
      { signal: context.signal },
    );
    if (found === undefined || !found.ok)
      throw fromFailure(found?.failure ?? { code: "TASK_LOST", message: "Discovery has no outcome" });
    const { resources, projectId, projectName, stats, warnings, unlisted } = found.result;
    const source: SessionSource = { ...sourceOf(spec), projectId, projectName };
    const parent = await patiently(context, () => context.store.parentOf(source));
    const before = new Map((await resultsOf(context, parent)).map((r) => [resourceKeyText(r), r]));
    for (const [index, r] of resources.entries()) {
      context.view.setResource(discovered(r, index === 0 ? stats : EMPTY_STATS), { total: r.logicalBytes });
    }
    for (const { type, failure } of unlisted) {
      context.view.setResource({
        type,
        id: "*",
        name: "*",
        state: "failed",
        streams: {},
        stats: EMPTY_STATS,
        warnings: [],
        failure,
      });
    }
    await enterPhase(context, "freeze", { source, warnings, ...(parent === undefined ? {} : { parentId: parent.id }) });

    const { frozen, window } = await freeze(
      context,
      spec,
      resources.filter((r) => r.freezes),
    );
    for (const f of frozen.values()) {
      if (f.failure !== undefined) context.view.patchResource(f, { state: "failed", failure: f.failure });
    }
    const beyond = window === undefined ? undefined : beyondLimit(window, spec.maxWindow);
    if (beyond !== undefined && spec.maxWindow?.action === "fail") throw beyond;
    const said = beyond === undefined ? warnings : [...warnings, beyond.message];
    await enterPhase(context, "stream", { warnings: said, ...(window === undefined ? {} : { consistencyWindow: window }) });

    const captures = resources
      .filter((r) => r.captures && context.view.resource(resourceKeyText(r))?.state !== "failed")
      .map((resource, index) => {
        const key = resourceKeyText(resource);
        const [point, old] = [frozen.get(key), before.get(key)];
        return {
          ...base,
          id: `capture-${index + 1}`,
          kind: "capture" as const,
          source: spec.target,
          resource,
          ...(point ? { frozen: point } : {}),
          ...(old ? { parent: old } : {}),
        };
      });
    await context.board.run<"capture">(context.repository, context.newWriter, captures, {
      signal: context.signal,
      onUpdate: (task, entry) => {
        if (entry.result === undefined)
          context.view.patchResource(task.resource, {
            state: entry.state === "running" ? "running" : "pending",
            bytesDone: entry.bytesDone,
          });
      },
      onOutcome: (task, outcome) => {
        const known = context.view.resource(resourceKeyText(task.resource));
        if (outcome.ok) context.view.setResource(merge(known, outcome.result));
        else context.view.patchResource(task.resource, { state: "failed", failure: outcome.failure });
      },
    });
    for (const r of resources)
      if (!r.captures) context.view.patchResource(r, { state: "succeeded", endedAt: isoTime(context.clock.now()) });

    await enterPhase(context, "clean");
    const left = await sweepCloud(context, spec, spec.target);
    await enterPhase(context, "commit");
    await endSession(
      context,
      context.view.resources().length === 0 ? "succeeded" : sessionOutcome(context.view.resources().map((r) => r.state)),
      { warnings: [...said, ...left] },
    );
  } catch (error) {
    const cancelled = cancelledOrThrow(context, error);
    await context.board.cancelAll(spec.sessionId, context.stopped);
    const left = await sweepCloud(context, spec, spec.target);
    await endSession(context, cancelled ? "cancelled" : "failed", {
      failure: toFailure(error),
      warnings: [...context.view.record.warnings, ...left],
    });
  }
}

/** A stream or tree of files that a client sends to a worker. */
export async function runInputBackup(context: RunContext, spec: InputBackupSpec): Promise<void> {
  const source: SessionSource = { input: spec.input, name: spec.name };
  try {
    const parent = await patiently(context, () => context.store.parentOf(source));
    const [old] = await resultsOf(context, parent);
    await enterPhase(context, "stream", { source, ...(parent === undefined ? {} : { parentId: parent.id }) });
    const type = spec.input === "stream" ? "input.stream" : "input.tree";
    context.view.setResource({
      type,
      id: spec.name,
      name: spec.name,
      state: "pending",
      streams: {},
      stats: EMPTY_STATS,
      warnings: [],
    });
    const [outcome] = await context.board.run<"upload">(
      context.repository,
      context.newWriter,
      [
        {
          sessionId: spec.sessionId,
          repositoryId: spec.repositoryId,
          id: "upload-1",
          kind: "upload",
          input: spec.input,
          name: spec.name,
          ...(old ? { parent: old } : {}),
        },
      ],
      {
        signal: context.signal,
        queued: false,
        onUpdate: (_task, entry) =>
          context.view.patchResource({ type, id: spec.name }, { state: "running", bytesDone: entry.bytesDone }),
      },
    );
    if (outcome === undefined || !outcome.ok)
      throw fromFailure(outcome?.failure ?? { code: "TASK_LOST", message: "The upload has no outcome" });
    context.view.setResource(outcome.result);
    await endSession(context, outcome.result.warnings.length > 0 ? "partial" : "succeeded");
  } catch (error) {
    const cancelled = cancelledOrThrow(context, error);
    for (const r of context.view.resources()) context.view.patchResource(r, { state: "failed", failure: toFailure(error) });
    await endSession(context, cancelled ? "cancelled" : "failed", { failure: toFailure(error) });
  }
}

function discovered(r: DiscoveredResource, stats: StreamStats): ResourceResult {
  return {
    type: r.type,
    id: r.id,
    name: r.name,
    ...(r.tags === undefined ? {} : { tags: r.tags }),
    state: "pending",
    document: r.document,
    streams: {},
    stats,
    warnings: r.warnings,
  };
}

/** What to compare with. A parent that is damaged is no parent: everything is read again, and nothing is lost but time. */
async function resultsOf(context: RunContext, parent: SessionRecord | undefined): Promise<ResourceResult[]> {
  if (parent === undefined) return [];
  try {
    return await patiently(context, () => context.store.allResults(parent));
  } catch (error) {
    context.stopped.throwIfAborted();
    if (!CodedError.is(error) || error.retry === "later") throw error;
    return [];
  }
}

/** A capture's result beside what discovery knew. */
function merge(known: ResourceResult | undefined, result: ResourceResult): ResourceResult {
  if (known === undefined) return result;
  return {
    ...known,
    ...result,
    document: result.document ?? known.document,
    warnings: [...known.warnings, ...result.warnings],
  } as ResourceResult;
}

/** WINDOW_EXCEEDED; undefined: it is within the limit, or there is none. */
function beyondLimit({ windowMs }: ConsistencyWindow, limit: WindowLimit | undefined): CodedError | undefined {
  if (limit === undefined || windowMs <= limit.ms) return undefined;
  const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;
  return new CodedError(
    "WINDOW_EXCEEDED",
    `The volumes were frozen within ${seconds(windowMs)}, not within the ${seconds(limit.ms)} asked for`,
    {
      facts: { windowMs, maxWindowMs: limit.ms },
      hint: "Back up fewer volumes at once, or when the cloud is less busy; volumes of one server or volume group are frozen together.",
    },
  );
}

async function freeze(
  context: RunContext,
  spec: TenantBackupSpec,
  resources: readonly DiscoveredResource[],
): Promise<{ frozen: ReadonlyMap<string, FrozenResource>; window: FreezeResult["window"] }> {
  if (resources.length === 0) return { frozen: new Map(), window: undefined };
  const [outcome] = await context.board.run<"freeze">(
    context.repository,
    context.newWriter,
    [
      {
        sessionId: spec.sessionId,
        repositoryId: spec.repositoryId,
        id: "freeze-1",
        kind: "freeze",
        source: spec.target,
        resources,
      },
    ],
    { signal: context.signal },
  );
  if (outcome?.ok !== true) {
    const failure = outcome?.failure ?? { code: "TASK_LOST", message: "The freeze has no outcome" };
    const at = { requestedAt: "", acknowledgedAt: "", createdAt: "", detail: {}, failure };
    return { frozen: new Map(resources.map((r) => [resourceKeyText(r), { type: r.type, id: r.id, ...at }])), window: undefined };
  }
  return { frozen: new Map(outcome.result.frozen.map((f) => [resourceKeyText(f), f])), window: outcome.result.window };
}

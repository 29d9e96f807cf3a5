/** The tasks of a backup: discover, freeze, capture, sweep. */

import {
  addStats,
  type DiscoveredResource,
  type DiscoverResult,
  EMPTY_STATS,
  type FreezeResult,
  type FrozenResource,
  maySelect,
  type ResourceResult,
  resourceKeyText,
  type SweepResult,
  selects,
  type Task,
} from "@permafrost/model";
import { CodedError, isoTime, type Json } from "@permafrost/std";
import { consistencyWindow } from "./consistency-window.ts";
import { toFailureOf } from "./failure.ts";
import { resourceType, resourceTypes } from "./resource-types.ts";
import { contextOf, type TaskEnvironment } from "./task-environment.ts";

type BackupTask = Extract<Task, { readonly kind: "discover" | "freeze" | "capture" | "sweep" }>;

export async function runBackupTask(
  task: BackupTask,
  environment: TaskEnvironment,
): Promise<DiscoverResult | FreezeResult | ResourceResult | SweepResult> {
  switch (task.kind) {
    case "discover":
      return await discover(task, environment);
    case "freeze":
      return await freeze(task, environment);
    case "capture":
      return await capture(task, environment);
    case "sweep":
      return await sweep(task, environment);
  }
}

/** A session that made nothing needs no cloud to clean: its cloud may be the very thing that could not be reached. */
async function sweep(task: Extract<Task, { kind: "sweep" }>, environment: TaskEnvironment): Promise<SweepResult> {
  const entries = await environment.repository.records(environment.scope).list(`ledger/${task.sessionId}/`);
  if (entries.length === 0) return { removed: 0, left: [] };
  return await (await contextOf(environment, task.source)).ledger.sweep();
}

async function discover(task: Extract<Task, { kind: "discover" }>, environment: TaskEnvironment): Promise<DiscoverResult> {
  const context = await contextOf(environment, task.source);
  const resources: DiscoveredResource[] = [];
  const warnings: string[] = [];
  const unlisted: DiscoverResult["unlisted"][number][] = [];
  let stats = EMPTY_STATS;
  for (const type of resourceTypes.filter((t) => maySelect(task.selection, t.type))) {
    try {
      for await (const found of type.discover(context)) {
        const key = { type: type.type, id: found.id, name: found.name, ...(found.tags?.length ? { tags: found.tags } : {}) };
        if (!selects(task.selection, key)) continue;
        const written = await environment.writer.writeDocument(found.document as Json);
        stats = addStats(stats, { ...written.stats, logicalBytes: 0, readBytes: 0 });
        resources.push({
          ...key,
          document: written.root,
          logicalBytes: found.logicalBytes,
          captures: found.captures,
          freezes: found.freezes,
          warnings: found.warnings ?? [],
        });
      }
    } catch (error) {
      const failure = toFailureOf(error);
      if (failure.code === "SERVICE_MISSING") warnings.push(`${type.type}: ${failure.message}`);
      else if (failure.code === "FORBIDDEN") unlisted.push({ type: type.type, failure });
      else throw error;
    }
  }
  if (resources.length === 0 && unlisted.length === 0 && task.selection.include.length > 0) {
    throw new CodedError("NOTHING_SELECTED", `The project has no resource that ${task.selection.include.join(", ")} selects`, {
      facts: { project: context.cloud.projectName },
      hint: `Types are ${resourceTypes.map((t) => t.type).join(", ")}.`,
    });
  }
  await environment.writer.finish();
  return { projectId: context.cloud.projectId, projectName: context.cloud.projectName, resources, stats, warnings, unlisted };
}

async function freeze(task: Extract<Task, { kind: "freeze" }>, environment: TaskEnvironment): Promise<FreezeResult> {
  const context = await contextOf(environment, task.source);
  const known = new Map<string, FrozenResource>();
  const first = resourceTypes.filter((type) => type.freezesOthers === true);
  for (const type of [...first, ...resourceTypes.filter((t) => !first.includes(t))]) {
    const mine = task.resources.filter((r) => r.type === type.type && !known.has(resourceKeyText(r)));
    if (mine.length === 0 || type.freeze === undefined) continue;
    for (const f of await type.freeze(context, mine, { resources: task.resources, frozen: known }))
      known.set(resourceKeyText(f), f);
  }
  const frozen = [...known.values()];
  const window = consistencyWindow(frozen);
  return window === undefined ? { frozen } : { frozen, window };
}

async function capture(task: Extract<Task, { kind: "capture" }>, environment: TaskEnvironment): Promise<ResourceResult> {
  const startedAt = isoTime(environment.clock.now());
  const context = await contextOf(environment, task.source);
  const type = resourceType(task.resource.type);
  const { resource } = task;
  const document = await context.reader.readDocument(resource.document);
  const captured = await type.capture?.(context, {
    resource,
    document,
    ...(task.frozen === undefined ? {} : { frozen: task.frozen }),
    ...(task.parent === undefined ? {} : { parent: task.parent }),
  });
  await environment.writer.finish();
  return {
    type: resource.type,
    id: resource.id,
    name: resource.name,
    ...(resource.tags === undefined ? {} : { tags: resource.tags }),
    state: "succeeded",
    document: captured?.document ?? resource.document,
    streams: captured?.streams ?? {},
    stats: captured?.stats ?? EMPTY_STATS,
    ...(captured === undefined ? {} : { consistency: captured.consistency, sourceHash: captured.sourceHash }),
    warnings: captured?.warnings ?? [],
    startedAt,
    endedAt: isoTime(environment.clock.now()),
  };
}

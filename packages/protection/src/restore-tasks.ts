/** The tasks of a restore: plan, apply, verify, and undo. */

import {
  EMPTY_STATS,
  type PlannedResource,
  type PlanResult,
  type ResourceResult,
  resourceKeyText,
  type Task,
} from "@permafrost/model";
import { CodedError, isoTime, type Json } from "@permafrost/std";
import { withoutCycles } from "./dependency-cycles.ts";
import { References } from "./resolve-reference.ts";
import type { Context, PlanScope } from "./resource-type.ts";
import { resourceType, resourceTypes } from "./resource-types.ts";
import { RestoreJournal } from "./restore-journal.ts";
import { contextOf, type TaskEnvironment } from "./task-environment.ts";

type RestoreTask = Extract<Task, { readonly kind: "plan" | "apply" | "verify" | "undo" }>;

export async function runRestoreTask(task: RestoreTask, environment: TaskEnvironment): Promise<PlanResult | ResourceResult> {
  const context = await contextOf(environment, task.kind === "undo" ? task.target : task.options.target);
  switch (task.kind) {
    case "plan":
      return await plan(task, context);
    case "apply":
      return await apply(task, context);
    case "verify":
      return await verify(task, context);
    case "undo":
      return await undo(task, context, new RestoreJournal(environment.repository.records(environment.scope), task.restoreId));
  }
}

async function documentOf(context: Context, resource: ResourceResult): Promise<Json> {
  if (resource.document === undefined)
    throw new CodedError("NOT_IN_BACKUP", `The restore point has no metadata of ${resource.type} ${resource.name}`);
  return await context.reader.readDocument(resource.document);
}

async function plan(task: Extract<Task, { kind: "plan" }>, context: Context): Promise<PlanResult> {
  const order = new Map(resourceTypes.map((t, index) => [t.type, index]));
  const resources: PlannedResource[] = [];
  const holds = new Map<string, string[]>();
  const included = new Set(task.resources.map(resourceKeyText));
  const references = new References(context.cloud, task.options.maps);
  const scope: PlanScope = {
    includes: (key) => included.has(key),
    planned: (key) => resources.find((r) => resourceKeyText(r) === key),
    resolve: (wanted) => references.resolve(wanted),
  };
  const sorted = [...task.resources].sort((a, b) => (order.get(a.type) ?? 0) - (order.get(b.type) ?? 0));
  for (const resource of sorted) {
    if (!order.has(resource.type)) {
      resources.push({
        ...resource,
        action: "conflict",
        actionReason: `This version of Permafrost cannot restore a ${resource.type} into a cloud`,
        dependsOn: [],
      });
      continue;
    }
    const document = await documentOf(context, resource);
    const planned = await resourceType(resource.type).plan(context, { resource, document, options: task.options }, scope);
    for (const held of planned.holdsFinishOf ?? []) holds.set(held, [...(holds.get(held) ?? []), resourceKeyText(resource)]);
    resources.push({
      ...resource,
      action: planned.action,
      actionReason: planned.reason,
      dependsOn: planned.dependsOn,
      ...(planned.finishAfter === undefined ? {} : { finishAfter: planned.finishAfter }),
      ...(planned.targetName === undefined ? {} : { targetName: planned.targetName }),
      warnings: planned.warnings ?? [],
      ...(planned.targetId === undefined ? {} : { targetId: planned.targetId }),
    });
  }
  return {
    projectId: context.cloud.projectId,
    projectName: context.cloud.projectName,
    resources: withoutCycles(resources.map((r) => held(r, holds.get(resourceKeyText(r)) ?? []))),
    references: await references.all(),
    problems: [],
  };
}

/** A resource that has a finish step, and those that it waits for without knowing them. */
function held(resource: PlannedResource, by: readonly string[]): PlannedResource {
  if (resource.finishAfter === undefined || by.length === 0) return resource;
  return { ...resource, finishAfter: [...new Set([...resource.finishAfter, ...by])] };
}

async function apply(task: Extract<Task, { kind: "apply" }>, context: Context): Promise<ResourceResult> {
  const startedAt = isoTime(context.clock.now());
  const { resource, options, targets } = task;
  const document = await documentOf(context, resource);
  const type = resourceType(resource.type);
  if (task.step === "finish") {
    const { targetId } = resource;
    if (targetId === undefined)
      throw new CodedError("ASSERTION", `Nothing to finish: ${resource.type} ${resource.name} has no target`);
    const warnings = (await type.finish?.(context, { resource, document, options, targets, targetId })) ?? [];
    return { ...resource, state: "succeeded", warnings, endedAt: isoTime(context.clock.now()) };
  }
  const restored = await type.restore(context, { resource, document, options, targets });
  return {
    ...resource,
    state: "succeeded",
    targetId: restored.targetId,
    stats: restored.stats,
    warnings: restored.warnings ?? [],
    startedAt,
    endedAt: isoTime(context.clock.now()),
  };
}

async function verify(task: Extract<Task, { kind: "verify" }>, context: Context): Promise<ResourceResult> {
  const { resource, options, targets, level } = task;
  if (resource.targetId === undefined)
    throw new CodedError("ASSERTION", `Nothing to verify: ${resource.type} ${resource.name} has no target`);
  const document = await documentOf(context, resource);
  const verified = await resourceType(resource.type).verify(context, {
    resource,
    document,
    options,
    targets,
    level,
    targetId: resource.targetId,
  });
  return { ...resource, state: "succeeded", stats: EMPTY_STATS, verified: verified.level, mismatches: verified.mismatches };
}

/** What the journal does not have was not made by that restore, or is taken back already. */
async function undo(task: Extract<Task, { kind: "undo" }>, context: Context, journal: RestoreJournal): Promise<ResourceResult> {
  const { resource } = task;
  const noted = await journal.entry(resource.type, resource.id);
  if (noted === undefined) return { ...resource, state: "skipped" };
  const { targetId } = noted;
  const document = await documentOf(context, resource);
  await resourceType(resource.type).undo(context, { resource, document, ...noted });
  await journal.strike(resource.type, resource.id);
  return { ...resource, state: "succeeded", targetId, endedAt: isoTime(context.clock.now()) };
}

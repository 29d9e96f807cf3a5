/** The tasks of a restore: plan, apply, verify. */

import { EMPTY_STATS, type PlanResult, type ResourceResult, type Task } from "@permafrost/model";
import { CodedError, isoTime, type Json } from "@permafrost/std";
import { withoutCycles } from "./dependency-cycles.ts";
import type { Context } from "./resource-type.ts";
import { resourceType, resourceTypes } from "./resource-types.ts";
import { contextOf, type TaskEnvironment } from "./task-environment.ts";

type RestoreTask = Extract<Task, { readonly kind: "plan" | "apply" | "verify" }>;

export async function runRestoreTask(task: RestoreTask, environment: TaskEnvironment): Promise<PlanResult | ResourceResult> {
  const context = await contextOf(environment, task.options.target);
  switch (task.kind) {
    case "plan":
      return await plan(task, context);
    case "apply":
      return await apply(task, context);
    case "verify":
      return await verify(task, context);
  }
}

async function documentOf(context: Context, resource: ResourceResult): Promise<Json> {
  if (resource.document === undefined)
    throw new CodedError("NOT_IN_BACKUP", `The restore point has no metadata of ${resource.type} ${resource.name}`);
  return await context.reader.readDocument(resource.document);
}

async function plan(task: Extract<Task, { kind: "plan" }>, context: Context): Promise<PlanResult> {
  const order = new Map(resourceTypes.map((t, index) => [t.type, index]));
  const resources: PlanResult["resources"][number][] = [];
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
    const planned = await resourceType(resource.type).plan(context, { resource, document, options: task.options });
    resources.push({
      ...resource,
      action: planned.action,
      actionReason: planned.reason,
      dependsOn: planned.dependsOn,
      warnings: planned.warnings ?? [],
      ...(planned.targetId === undefined ? {} : { targetId: planned.targetId }),
    });
  }
  return { projectId: context.cloud.projectId, projectName: context.cloud.projectName, resources: withoutCycles(resources) };
}

async function apply(task: Extract<Task, { kind: "apply" }>, context: Context): Promise<ResourceResult> {
  const startedAt = isoTime(context.clock.now());
  const { resource, options, targets } = task;
  const document = await documentOf(context, resource);
  const restored = await resourceType(resource.type).restore(context, { resource, document, options, targets });
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

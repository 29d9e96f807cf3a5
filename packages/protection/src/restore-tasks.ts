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
import { quotaProblems } from "./plan-quotas.ts";
import { pullIn } from "./pull-in.ts";
import { raisedBy } from "./quotas.ts";
import { checkMapKinds } from "./reference-kinds.ts";
import { References } from "./resolve-reference.ts";
import type { Context, PlanScope } from "./resource-type.ts";
import { resourceType, resourceTypes } from "./resource-types.ts";
import { contextOf, type TaskEnvironment } from "./task-environment.ts";

type RestoreTask = Extract<Task, { readonly kind: "plan" | "apply" | "verify" | "undo" }>;

export async function runRestoreTask(task: RestoreTask, environment: TaskEnvironment): Promise<PlanResult | ResourceResult> {
  const journalId = "journalId" in task ? task.journalId : task.sessionId;
  const context = await contextOf(environment, task.kind === "undo" ? task.target : task.options.target, journalId);
  switch (task.kind) {
    case "plan":
      return await plan(task, context);
    case "apply":
      return await apply(task, context);
    case "verify":
      return await verify(task, context);
    case "undo":
      return await undo(task, context);
  }
}

async function documentOf(context: Context, resource: ResourceResult): Promise<Json> {
  if (resource.document === undefined)
    throw new CodedError("NOT_IN_BACKUP", `The restore point has no metadata of ${resource.type} ${resource.name}`);
  return await context.reader.readDocument(resource.document);
}

async function plan(task: Extract<Task, { kind: "plan" }>, context: Context): Promise<PlanResult> {
  checkMapKinds(task.options.maps);
  const order = new Map(resourceTypes.map((t, index) => [t.type, index]));
  const planned = new Map<string, PlannedResource>();
  const holds = new Map<string, string[]>();
  const documents = new Map<string, Json>();
  const read = async (resource: ResourceResult): Promise<Json> => {
    const key = resourceKeyText(resource);
    const document = documents.get(key) ?? (await documentOf(context, resource));
    documents.set(key, document);
    return document;
  };
  const all = await pullIn(task.resources, task.others, read);
  const included = new Set(all.map(resourceKeyText));
  const references = new References(context.cloud, task.options.maps);
  const scope: PlanScope = {
    includes: (key) => included.has(key),
    planned: (key) => planned.get(key),
    resolve: (wanted) => references.resolve(wanted),
  };
  const sorted = [...all].sort((a, b) => (order.get(a.type) ?? 0) - (order.get(b.type) ?? 0));
  for (const resource of sorted) {
    const key = resourceKeyText(resource);
    if (!order.has(resource.type)) {
      planned.set(key, {
        ...resource,
        action: "conflict",
        actionReason: `This version of Permafrost cannot restore a ${resource.type} into a cloud`,
        dependsOn: [],
      });
      continue;
    }
    const document = await read(resource);
    const decided = await resourceType(resource.type).plan(context, { resource, document, options: task.options }, scope);
    const isMade = decided.action !== "conflict" && decided.action !== "skip";
    for (const held of isMade ? (decided.holdsFinishOf ?? []) : []) holds.set(held, [...(holds.get(held) ?? []), key]);
    planned.set(key, {
      ...resource,
      action: decided.action,
      actionReason: decided.reason,
      dependsOn: decided.dependsOn,
      ...(decided.finishAfter === undefined ? {} : { finishAfter: decided.finishAfter }),
      ...(decided.around === undefined ? {} : { around: decided.around }),
      ...(decided.targetName === undefined ? {} : { targetName: decided.targetName }),
      warnings: decided.warnings ?? [],
      ...(decided.targetId === undefined ? {} : { targetId: decided.targetId }),
    });
  }
  const resources = withoutConflicts([...planned.values()]);
  const uses = resources
    .filter((r) => r.action === "create")
    .flatMap((r) => resourceType(r.type).quota?.(documents.get(resourceKeyText(r)) ?? null) ?? []);
  return {
    projectId: context.cloud.projectId,
    projectName: context.cloud.projectName,
    resources: withoutCycles(resources.map((r) => held(r, holds.get(resourceKeyText(r)) ?? []))),
    references: await references.all(),
    problems: await quotaProblems(context.cloud, uses, raisedBy(resources, documents)),
  };
}

/** What a finish step names may turn out to be a conflict later in the plan: it is left out there, as what the target does not have. */
function withoutConflicts(resources: readonly PlannedResource[]): PlannedResource[] {
  const inConflict = new Map(resources.filter((r) => r.action === "conflict").map((r) => [resourceKeyText(r), r]));
  return resources.map((resource) => {
    const lost = (resource.finishAfter ?? []).filter((name) => inConflict.has(name.replace(/#.*/, "")));
    if (lost.length === 0 || resource.action === "conflict") return resource;
    const named = lost.map((name) => inConflict.get(name.replace(/#.*/, ""))).map((r) => `${r?.type} ${r?.name}`);
    return {
      ...resource,
      finishAfter: (resource.finishAfter ?? []).filter((name) => !lost.includes(name)),
      warnings: [...resource.warnings, ...named.map((one) => `${one} cannot be restored: what names it is left out`)],
    };
  });
}

/** A resource, and those that its finish step waits for without knowing them; who needs it finished then waits for them, too. */
function held(resource: PlannedResource, by: readonly string[]): PlannedResource {
  if (by.length === 0) return resource;
  return { ...resource, finishAfter: resource.finishAfter ?? [], finishWaitsFor: by };
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
    ...(restored.oneTimePassword === undefined ? {} : { oneTimePassword: restored.oneTimePassword }),
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
async function undo(task: Extract<Task, { kind: "undo" }>, context: Context): Promise<ResourceResult> {
  const { resource } = task;
  const { journal } = context;
  const noted = await journal.entry(resource.type, resource.id);
  if (noted === undefined) return { ...resource, state: "skipped" };
  const { targetId } = noted;
  const document = await documentOf(context, resource);
  await resourceType(resource.type).undo(context, { resource, document, ...noted });
  await journal.strike(resource.type, resource.id);
  return { ...resource, state: "succeeded", targetId, endedAt: isoTime(context.clock.now()) };
}

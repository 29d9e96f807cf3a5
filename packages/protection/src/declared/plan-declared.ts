/** The plan of one declared object: what it depends on, what the target has of it already, what will be lost. */

import type { Cloud, Query } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { ifThere } from "../if-there.ts";
import { decideByName, restoredName } from "../name-conflict.ts";
import type { Context, PlanInput, Planned, PlanScope } from "../resource-type.ts";
import type { Declaration, DeclaredDocument } from "./declaration.ts";
import { referencesIn } from "./references.ts";
import { lostAttributes, unmetNeed } from "./request-body.ts";

type Decision = Pick<Planned, "action" | "reason" | "targetId" | "targetName">;

export async function planDeclared(
  declaration: Declaration,
  context: Context,
  input: PlanInput<DeclaredDocument>,
  scope: PlanScope,
): Promise<Planned> {
  const { cloud } = context;
  const { document } = input;
  const { noun } = declaration;
  const nothing = { dependsOn: [] };
  const service = declaration.collection.service;
  if (!(await cloud.hasService(service)))
    return { action: "conflict", reason: `the target has no service ${service}`, ...nothing };
  const extension = declaration.collection.extension;
  if (extension !== undefined && !(await cloud.networkExtensions()).has(extension))
    return { action: "conflict", reason: `the target has no extension ${extension}`, ...nothing };

  const needed = declaration.roles?.restore;
  const role = needed === "manager" || needed === "admin" ? await unmetNeed({ role: needed }, cloud) : undefined;
  const dependsOn = new Set<string>();
  const holdsFinishOf = new Set<string>();
  const finishAfter = new Set<string>();
  const warnings: string[] = [];
  const missing: string[] = [];
  for (const { path, id, reference } of referencesIn(document.object, declaration.references ?? {})) {
    const { kind, finish, finished, optional, holdsFinish } = reference;
    const key = `${kind}/${id}`;
    // What cannot be made is no reason to leave out what can do without.
    const lost = optional === true && scope.planned(key)?.action === "conflict";
    if (lost) {
      warnings.push(`${path}: ${kind} ${document.names[key] || id} cannot be restored; left out`);
      continue;
    }
    if (scope.includes(key)) {
      if (holdsFinish === true) holdsFinishOf.add(key);
      if (id !== input.resource.id || kind !== declaration.type)
        (finish === true ? finishAfter : dependsOn).add(finished === true ? `${key}#finished` : key);
      continue;
    }
    const found = await scope.resolve({ kind, id, name: document.names[key] ?? "" });
    if (found.targetId !== undefined) continue;
    const what = `${path}: the target has no ${kind} ${found.name || id}`;
    if (optional === true) warnings.push(`${what}; left out`);
    else missing.push(`${what}: map it with --map ${kind}:${found.name || id}=NEW`);
  }
  const finishes = declaration.finish !== undefined || declaration.hooks?.finish !== undefined || finishAfter.size > 0;
  const rest = {
    dependsOn: [...dependsOn],
    ...(finishes ? { finishAfter: [...finishAfter] } : {}),
    ...(holdsFinishOf.size > 0 ? { holdsFinishOf: [...holdsFinishOf] } : {}),
  };
  const decided = await decide(declaration, context, input, scope).catch((error: unknown) => mayNotLook(noun, error));
  const decision =
    role !== undefined && decided.action === "create"
      ? { action: "conflict" as const, reason: `a ${noun} cannot be made: ${role}` }
      : decided;
  const lost =
    decision.action === "create" || decision.action === "update" ? await lostAttributes(declaration, cloud, document) : [];
  const planned: Planned =
    missing.length > 0 && decision.action === "create"
      ? { action: "conflict", reason: missing.join("; "), ...rest, warnings }
      : { ...decision, ...rest, warnings: [...warnings, ...lost] };
  return (await declaration.hooks?.plan?.(context, input, scope, planned)) ?? planned;
}

/** What may not be looked for in the target cannot be restored there: the rest of the plan can. */
function mayNotLook(noun: string, error: unknown): Decision {
  if (!CodedError.is(error, "FORBIDDEN")) throw error;
  return { action: "conflict", reason: `the credentials may not look for a ${noun} in the target: ${error.message}` };
}

/** Some services tell of another project's object that it is there, but not ours to see. */
function notOurs(error: unknown): undefined {
  if (!CodedError.is(error, "FORBIDDEN")) throw error;
}

async function decide(
  declaration: Declaration,
  context: Context,
  input: PlanInput<DeclaredDocument>,
  scope: PlanScope,
): Promise<Decision> {
  const { cloud } = context;
  const { document, options, resource } = input;
  const { noun } = declaration;
  const standing = await declaration.hooks?.standing?.(context, document);
  if (standing !== undefined) {
    if (options.onConflict === "skip") return { action: "skip", reason: `the target has its own ${noun}`, targetId: standing };
    return { action: "update", reason: `the target has its own ${noun}: changed to what was captured`, targetId: standing };
  }
  const there = await ifThere(cloud.collection(declaration.collection).get(resource.id)).catch(notOurs);
  const isOurs = there !== undefined && isOwned(declaration, there, cloud);
  if (isOurs && (await declaration.hooks?.owned?.(context, there)) !== false) {
    const reason = `${noun} ${resource.id} is still there`;
    if (options.onConflict === "skip") return { action: "skip", reason, targetId: resource.id };
    if (options.onConflict === "fail") return { action: "conflict", reason };
    if (options.onConflict !== "rename") return { action: "reuse", reason, targetId: resource.id };
  }
  const same = await declaration.hooks?.same?.(context, input, scope);
  if (same !== undefined) {
    // Known by something else than a name: another name makes no other thing of it.
    const rule = options.onConflict === "rename" ? "create" : options.onConflict;
    return once(declaration, resource.name, same, decideByName(noun, resource.name, same, rule, context.sessionId));
  }
  const captured = document.object.name;
  const name = typeof captured === "string" ? restoredName(captured, resource, options) : "";
  if (name === "") return { action: "create", reason: `no ${noun} to find it by a name` };
  const existing: string[] = [];
  for await (const object of cloud.collection(declaration.collection).list({ ...listQuery(declaration, cloud), name }))
    if (object.name === name && isOwned(declaration, object, cloud)) existing.push(String(object[keyOf(declaration)]));
  return once(declaration, name, existing, decideByName(noun, name, existing, options.onConflict, context.sessionId));
}

/** What cannot be there twice. */
function once(declaration: Declaration, name: string, existing: readonly string[], decision: Decision): Decision {
  const renamed = decision.targetName !== undefined;
  if (declaration.unique !== true || decision.action !== "create" || existing.length === 0 || renamed) return decision;
  const rename = declaration.hooks?.same === undefined ? "reuse, rename" : "reuse";
  return {
    action: "conflict",
    reason: `there can be only one ${declaration.noun} ${name}, and ${existing[0]} is it; use --on-conflict ${rename} or skip`,
  };
}

export function listQuery(declaration: Declaration, cloud: Cloud): Query {
  return declaration.listQuery?.(cloud) ?? { project_id: cloud.projectId };
}

export function isOwned(declaration: Declaration, object: DeclaredDocument["object"], cloud: Cloud): boolean {
  if (declaration.isOwned !== undefined) return declaration.isOwned(object, cloud);
  return object.project_id === cloud.projectId || object.tenant_id === cloud.projectId;
}

export function keyOf(declaration: Declaration): string {
  return declaration.collection.key ?? "id";
}

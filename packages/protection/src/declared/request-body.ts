/** What a restore sends for a declared object: its attributes, with references replaced and without what the target cannot take. */

import type { Cloud } from "@permafrost/openstack";
import type { Json, JsonObject } from "@permafrost/std";
import { restoredName } from "../name-conflict.ts";
import type { RestoreInput } from "../resource-type.ts";
import type { AttributeNeeds, Declaration, DeclaredDocument } from "./declaration.ts";
import { withTargets } from "./references.ts";

/** The attributes of `names` that the captured object has, as the target is to have them. `dropped`: paths of references without a target. */
export async function requestBody(
  declaration: Declaration,
  cloud: Cloud,
  { resource, document, options, targets }: RestoreInput<DeclaredDocument>,
  names: readonly string[],
): Promise<{ readonly body: JsonObject; readonly dropped: readonly string[] }> {
  const { object, dropped } = withTargets(document.object, declaration.references ?? {}, (kind, id) => targets[`${kind}/${id}`]);
  const body: Record<string, Json> = {};
  for (const name of names) {
    const value = object[name];
    if (value === undefined || (value === null && declaration.nulls?.includes(name) !== true)) continue;
    if ((await unmetNeed(declaration.needs?.[name], cloud)) !== undefined) continue;
    body[name] = name === "name" && typeof value === "string" ? restoredName(value, resource, options) : value;
  }
  return { body, dropped };
}

/** Why the target does not take the attribute, or undefined if it does. */
export async function unmetNeed(needs: AttributeNeeds | undefined, cloud: Cloud): Promise<string | undefined> {
  if (needs === undefined) return undefined;
  if (needs.extension !== undefined && !(await cloud.networkExtensions()).has(needs.extension))
    return `the target has no extension ${needs.extension}`;
  const mayAll = cloud.roles.has("admin");
  if (needs.role === "admin" && !mayAll) return "it needs the role admin";
  if (needs.role === "manager" && !mayAll && !cloud.roles.has("manager")) return "it needs the role manager or admin";
  return undefined;
}

/** Attributes that say something and that the target will not take, with the reason. */
export async function lostAttributes(declaration: Declaration, cloud: Cloud, document: DeclaredDocument): Promise<string[]> {
  const lost: string[] = [];
  for (const [name, needs] of Object.entries(declaration.needs ?? {})) {
    const value = document.object[name];
    if (isNothing(value)) continue;
    const why = await unmetNeed(needs, cloud);
    if (why !== undefined) lost.push(`${name} (${JSON.stringify(value)}) is not restored: ${why}`);
  }
  return lost;
}

function isNothing(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === false || value === "") return true;
  return Array.isArray(value) && value.length === 0;
}

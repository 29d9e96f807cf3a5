/**
 * The resource type of a declaration: discover, plan, restore, finish, verify, undo for a plain object of a REST collection.
 * Every step may run again after a death at any point of it.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError, canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import { fieldDifferences } from "../compare.ts";
import { ifThere } from "../if-there.ts";
import type { Context, FinishInput, Found, ResourceType, Restored, RestoreInput } from "../resource-type.ts";
import { comparable } from "./comparable.ts";
import type { Declaration, DeclaredDocument } from "./declaration.ts";
import { declaredTemporary, makeDeclared, removeDeclared } from "./make-declared.ts";
import { isOwned, keyOf, listQuery, planDeclared } from "./plan-declared.ts";
import { referencesIn } from "./references.ts";
import { requestBody } from "./request-body.ts";

export function declaredType(declaration: Declaration): ResourceType<DeclaredDocument> {
  const { type, hooks } = declaration;
  const captured = ["*", ...(hooks?.describe === undefined ? [] : ["what belongs to it"])];
  return {
    type,
    discover: (context) => discover(declaration, context),
    quota: () =>
      declaration.quota === undefined ? [] : [{ service: declaration.collection.service, limit: declaration.quota, amount: 1 }],
    needs: ({ object }) =>
      referencesIn(object, declaration.references ?? {})
        .filter(({ reference }) => reference.optional !== true)
        .map(({ id, reference }) => `${reference.kind}/${id}`),
    plan: (context, input, scope) => planDeclared(declaration, context, input, scope),
    restore: (context, input) => restore(declaration, context, input),
    finish: (context, input) => finish(declaration, context, input),
    verify: async (context, input) => ({ level: "metadata", mismatches: await differences(declaration, context, input) }),
    undo: (context, { targetId, before }) =>
      before === undefined
        ? removeDeclared(declaration, context, targetId)
        : (hooks?.undoUpdate?.(context, targetId, before) ?? Promise.resolve()),
    temporaries: (context) => [declaredTemporary(declaration, context)],
    find: (cloud, nameOrId) => find(declaration, cloud, nameOrId),
    coverage: {
      captured,
      restored: [
        ...new Set([
          ...declaration.create,
          ...(declaration.update ?? []),
          ...(declaration.finish ?? []),
          ...(declaration.byHooks ?? []),
        ]),
        ...(declaration.tags === true ? ["tags"] : []),
      ],
      roles: declaration.roles ?? { capture: "reader", restore: "member" },
      reported: { ...needsOf(declaration), ...declaration.reported },
    },
  };
}

async function* discover(declaration: Declaration, context: Context): AsyncIterable<Found> {
  const { cloud } = context;
  const { collection: spec, hooks } = declaration;
  if (!(await cloud.hasService(spec.service))) return;
  if (spec.extension !== undefined && !(await cloud.networkExtensions()).has(spec.extension)) return;
  const derived = await declaration.derivedIds?.(cloud);
  for await (const listed of cloud.collection(spec).list(listQuery(declaration, cloud), context.signal)) {
    if (!isOwned(declaration, listed, cloud) || declaration.isDerived?.(listed, cloud) === true) continue;
    if (derived?.has(String(listed[keyOf(declaration)])) === true) continue;
    // One that vanishes while it is read is not there any more.
    const more = hooks?.describe === undefined ? {} : await ifThere(hooks.describe(context, listed));
    if (more === undefined) continue;
    const object = { ...listed, ...more };
    const names: Record<string, string> = {};
    for (const { id, reference } of referencesIn(object, declaration.references ?? {})) {
      const name = await context.nameOf(reference.kind, id);
      if (name !== "") names[`${reference.kind}/${id}`] = name;
    }
    yield {
      id: String(listed[keyOf(declaration)]),
      name: nameOf(declaration, object),
      tags: tagsOf(object),
      document: { version: 1, object, names } satisfies DeclaredDocument,
      logicalBytes: 0,
      captures: false,
      freezes: false,
      warnings: hooks?.warnings?.(object) ?? [],
    };
  }
}

async function restore(declaration: Declaration, context: Context, input: RestoreInput<DeclaredDocument>): Promise<Restored> {
  const { cloud } = context;
  const { resource, document } = input;
  const collection = cloud.collection(declaration.collection);
  if (resource.action === "reuse" || resource.action === "update") {
    const targetId = resource.targetId ?? "";
    const there = await ifThere(collection.get(targetId));
    if (there === undefined)
      throw new CodedError("PLAN_STALE", `${declaration.noun} ${targetId}, which the plan reuses, is gone`, {
        facts: { type: declaration.type, target: targetId },
        hint: "Make a new plan.",
      });
    if (resource.action === "reuse") return { targetId, stats: EMPTY_STATS };
    if (declaration.hooks?.undoUpdate !== undefined) {
      const more = (await declaration.hooks.describe?.(context, there)) ?? {};
      await context.journal.noteChanged(declaration.type, resource.id, targetId, { ...there, ...more });
    }
    const warnings = await complete(declaration, context, { ...input, targetId }, there);
    return { targetId, stats: EMPTY_STATS, warnings };
  }
  const { id, dropped } = await makeDeclared(declaration, context, input);
  const warnings = dropped
    .filter((path) => declaration.references?.[path]?.finish !== true)
    .map((path) => `${path} is left out: what it names is not in the target`);
  const made = await collection.get(id);
  const more = await complete(declaration, context, { ...input, targetId: id }, made);
  // An attribute that creation does not take, set by an update.
  const { body } = await requestBody(declaration, cloud, input, declaration.update ?? []);
  await change(declaration, context, id, made, body);
  if (declaration.tags === true) await setTags(collection, made, document.object);
  return { targetId: id, stats: EMPTY_STATS, warnings: [...warnings, ...more] };
}

async function complete(
  declaration: Declaration,
  context: Context,
  input: FinishInput<DeclaredDocument>,
  object: ApiObject,
): Promise<readonly string[]> {
  return (await declaration.hooks?.made?.(context, input, object)) ?? [];
}

async function finish(
  declaration: Declaration,
  context: Context,
  input: FinishInput<DeclaredDocument>,
): Promise<readonly string[]> {
  if (input.resource.action === "reuse") return [];
  const collection = context.cloud.collection(declaration.collection);
  const object = await collection.get(input.targetId);
  const warnings = (await declaration.hooks?.finish?.(context, input, object)) ?? [];
  const { body } = await requestBody(declaration, context.cloud, input, declaration.finish ?? []);
  await change(declaration, context, input.targetId, await collection.get(input.targetId), body);
  return warnings;
}

/** Sends only what differs: an update that changes nothing may still be refused. */
async function change(
  declaration: Declaration,
  context: Context,
  id: string,
  object: ApiObject,
  wanted: JsonObject,
): Promise<void> {
  const changes: Record<string, Json> = {};
  for (const [name, value] of Object.entries(wanted))
    if (canonicalJson(object[name] ?? null) !== canonicalJson(value)) changes[name] = value;
  if (Object.keys(changes).length === 0) return;
  await context.cloud.collection(declaration.collection).update(id, changes);
  await declaration.hooks?.settled?.(context, id);
}

async function setTags(collection: ReturnType<Cloud["collection"]>, object: ApiObject, captured: ApiObject): Promise<void> {
  const [have, want] = [tagsOf(object), tagsOf(captured)];
  if (have.join("\n") !== want.join("\n")) await collection.setTags(String(object.id), want);
}

async function differences(declaration: Declaration, context: Context, input: FinishInput<DeclaredDocument>): Promise<string[]> {
  const { cloud } = context;
  const found = await cloud.collection(declaration.collection).get(input.targetId);
  const names = [...declaration.create, ...(declaration.update ?? []), ...(declaration.finish ?? [])];
  const { body } = await requestBody(declaration, cloud, input, names);
  const sent = (await declaration.hooks?.body?.(context, input, body)) ?? body;
  // The finish step has the last word over what creation was told, such as a subnet's enable_dhcp.
  const last = await requestBody(declaration, cloud, input, declaration.finish ?? []);
  const expected: Record<string, Json> = { ...sent, ...last.body };
  for (const name of Object.keys(declaration.uncompared ?? {})) delete expected[name];
  const [want, have] = [comparable(declaration, expected), comparable(declaration, found)];
  const tags =
    declaration.tags === true && tagsOf(found).join("\n") !== tagsOf(input.document.object).join("\n")
      ? [`tags: expected ${JSON.stringify(tagsOf(input.document.object))}, found ${JSON.stringify(tagsOf(found))}`]
      : [];
  const more = (await declaration.hooks?.differences?.(context, input, found)) ?? [];
  const hidden = (declaration.secrets ?? []).filter(
    (name) => canonicalJson(want[name] ?? null) !== canonicalJson(have[name] ?? null),
  );
  const plain = fieldDifferences(without(want, declaration.secrets), have);
  return [...plain, ...hidden.map((name) => `${name}: expected the captured, found another`), ...tags, ...more];
}

function without(object: JsonObject, names: readonly string[] | undefined): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => names?.includes(name) !== true));
}

/** In the target: by name among all that the credentials see, or by id. */
async function find(declaration: Declaration, cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
  const collection = cloud.collection(declaration.collection);
  const { service, extension } = declaration.collection;
  if (!(await cloud.hasService(service))) return [];
  if (extension !== undefined && !(await cloud.networkExtensions()).has(extension)) return [];
  const byId = nameOrId === "" ? undefined : await ifThere(collection.get(nameOrId)).catch(noSuchId);
  if (byId !== undefined) return [{ id: nameOrId, name: nameOf(declaration, byId) }];
  const found: { id: string; name: string }[] = [];
  for await (const object of collection.list({ name: nameOrId }))
    if (object.name === nameOrId) found.push({ id: String(object[keyOf(declaration)]), name: nameOrId });
  return found;
}

/** Some services answer 400 for an id that is not in the form of theirs. */
function noSuchId(error: unknown): undefined {
  if (CodedError.is(error, "FORBIDDEN") || (CodedError.is(error) && error.facts.status === 400)) return undefined;
  throw error;
}

function nameOf(declaration: Declaration, object: ApiObject): string {
  if (declaration.nameOf !== undefined) return declaration.nameOf(object);
  return typeof object.name === "string" && object.name !== "" ? object.name : String(object[keyOf(declaration)]);
}

function tagsOf(object: ApiObject): string[] {
  return Array.isArray(object.tags) ? object.tags.map(String).sort() : [];
}

function needsOf(declaration: Declaration): Record<string, string> {
  const needs: Record<string, string> = {};
  for (const [name, { role, extension }] of Object.entries(declaration.needs ?? {}))
    needs[name] = [role === undefined ? "" : `needs role ${role}`, extension === undefined ? "" : `needs extension ${extension}`]
      .filter((t) => t !== "")
      .join(", ");
  return needs;
}

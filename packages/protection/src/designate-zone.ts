/**
 * designate.zone with its record sets, without the SOA and the NS at its apex, which the service makes of the zone and its name servers.
 * A zone's name is unique in the whole cloud, and a zone inside another goes before it can go. A secondary zone has no record sets of its own: it takes them from its masters.
 */

import { type ApiObject, type Cloud, RECORD_SETS, ZONES } from "@permafrost/openstack";
import { CodedError, canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { restoredName } from "./name-conflict.ts";
import type { PlanInput } from "./resource-type.ts";

export const designateZone = declaredType({
  type: "designate.zone",
  noun: "DNS zone",
  collection: ZONES,
  create: ["name", "type", "email", "ttl", "description", "attributes", "masters"],
  nulls: ["description"],
  // Not the parent's id, which the API does not tell, but the project's zone around it.
  references: { parent_zone_id: { kind: "designate.zone", optional: true } },
  mark: "description",
  unique: true,
  reported: {
    serial: "the service counts anew",
    "SOA and NS at the apex": "the service makes them of the zone and the target's name servers",
    shares: "with which other projects it is shared; only they know what for",
  },
  isDerived: ({ action }) => action === "DELETE",
  listQuery: () => ({}),
  hooks: {
    describe: async ({ cloud }, zone) => ({
      parent_zone_id: await parentOf(cloud, zone),
      ...(zone.type === "PRIMARY" ? { recordsets: await recordsOf(cloud, zone) } : {}),
    }),
    warnings: ({ status, shared }) => [
      ...(status === "ERROR" ? ["it is in ERROR: what the service says of it may not be what it serves"] : []),
      ...(shared === true ? ["it is shared with other projects, and a restored one is not"] : []),
    ],
    same: async ({ cloud }, input) => {
      const found = await Array.fromAsync(cloud.collection(ZONES).list({ name: nameIn(input) }));
      return found.map((zone) => String(zone.id));
    },
    // What is empty and what the other kind of zone has is refused, even empty.
    body: (_context, { document }, { attributes, masters, email, ttl, ...body }) => ({
      ...body,
      ...(document.object.type === "PRIMARY" ? { email: email ?? "", ttl: ttl ?? null } : { masters: masters ?? [] }),
      ...(Object.keys((attributes ?? {}) as JsonObject).length === 0 ? {} : { attributes: attributes as Json }),
    }),
    made: async ({ cloud }, input, zone) => {
      const have = new Set((await recordsOf(cloud, zone)).map(keyOf));
      for (const set of wanted(input)) if (!have.has(keyOf(set))) await makeRecords(cloud, zone, set);
      return [];
    },
    differences: async ({ cloud }, input, zone) => {
      const have = new Map((await recordsOf(cloud, zone)).map((set) => [keyOf(set), canonicalJson(set)]));
      return wanted(input)
        .filter((set) => have.get(keyOf(set)) !== canonicalJson(set))
        .map((set) => `record set: expected ${canonicalJson(set)}, found ${have.get(keyOf(set)) ?? "none"}`);
    },
  },
});

function nameIn({ document, resource, options }: PlanInput<DeclaredDocument>): string {
  return restoredName(String(document.object.name), resource, options);
}

/** A zombie's request may arrive first: then it is there already. */
async function makeRecords(cloud: Cloud, zone: ApiObject, set: JsonObject): Promise<void> {
  try {
    await cloud.collection(RECORD_SETS, String(zone.id)).create(set);
  } catch (error) {
    if (!CodedError.is(error, "CONFLICT")) throw error;
    if (!(await recordsOf(cloud, zone)).some((other) => keyOf(other) === keyOf(set))) throw error;
  }
}

/** The innermost of the project's zones around this one. */
async function parentOf(cloud: Cloud, { name }: ApiObject): Promise<string | null> {
  const zones = await Array.fromAsync(cloud.collection(ZONES).list());
  const around = zones.filter((zone) => String(name).endsWith(`.${String(zone.name)}`));
  around.sort((a, b) => String(b.name).length - String(a.name).length);
  return around[0] === undefined ? null : String(around[0].id);
}

function keyOf({ name, type }: JsonObject): string {
  return `${String(name)} ${String(type)}`;
}

/** The captured record sets, under the zone's name in the target. */
function wanted(input: PlanInput<DeclaredDocument>): JsonObject[] {
  const zone = String(input.document.object.name);
  const sets = (input.document.object.recordsets ?? []) as unknown as JsonObject[];
  return sets.map((set) => ({ ...set, name: `${String(set.name).slice(0, -zone.length)}${nameIn(input)}` }));
}

async function recordsOf(cloud: Cloud, zone: ApiObject): Promise<JsonObject[]> {
  const sets = await Array.fromAsync(cloud.collection(RECORD_SETS, String(zone.id)).list());
  return sets
    .filter(({ name, type }) => type !== "SOA" && !(type === "NS" && name === zone.name))
    .map(({ name, type, records, ttl, description }) => ({
      name: name ?? "",
      type: type ?? "",
      records: [...((records ?? []) as Json[])].sort(),
      ...(ttl === null || ttl === undefined ? {} : { ttl }),
      ...(typeof description === "string" ? { description } : {}),
    }));
}

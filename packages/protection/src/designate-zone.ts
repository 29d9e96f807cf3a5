/**
 * designate.zone with its record sets, without the SOA and the NS at its apex, which the service makes of the zone and its name servers.
 * A zone's name is unique in the whole cloud. A secondary zone has no record sets of its own: it takes them from its masters.
 */

import { type ApiObject, type Cloud, RECORD_SETS, ZONES } from "@permafrost/openstack";
import { canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";

export const designateZone = declaredType({
  type: "designate.zone",
  noun: "DNS zone",
  collection: ZONES,
  create: ["name", "type", "email", "ttl", "description", "attributes", "masters"],
  nulls: ["description"],
  mark: "description",
  unique: true,
  reported: {
    serial: "the service counts anew",
    "SOA and NS at the apex": "the service makes them of the zone and the target's name servers",
  },
  listQuery: () => ({}),
  hooks: {
    describe: async ({ cloud }, zone) => (zone.type === "PRIMARY" ? { recordsets: await recordsOf(cloud, zone) } : {}),
    same: async ({ cloud }, { document: { object } }) => {
      const found = await Array.fromAsync(cloud.collection(ZONES).list({ name: String(object.name) }));
      return found.map((zone) => String(zone.id));
    },
    // What is empty and what the other kind of zone has is refused, even empty.
    body: (_context, { document }, { attributes, masters, email, ttl, ...body }) => ({
      ...body,
      ...(document.object.type === "PRIMARY" ? { email: email ?? "", ttl: ttl ?? null } : { masters: masters ?? [] }),
      ...(Object.keys((attributes ?? {}) as JsonObject).length === 0 ? {} : { attributes: attributes as Json }),
    }),
    made: async ({ cloud }, { document, targetId }, zone) => {
      const have = new Set((await recordsOf(cloud, zone)).map(keyOf));
      for (const set of wanted(document.object))
        if (!have.has(keyOf(set))) await cloud.collection(RECORD_SETS, targetId).create(set);
      return [];
    },
    differences: async ({ cloud }, { document }, zone) => {
      const have = new Map((await recordsOf(cloud, zone)).map((set) => [keyOf(set), canonicalJson(set)]));
      return wanted(document.object)
        .filter((set) => have.get(keyOf(set)) !== canonicalJson(set))
        .map((set) => `record set: expected ${canonicalJson(set)}, found ${have.get(keyOf(set)) ?? "none"}`);
    },
  },
});

function keyOf({ name, type }: JsonObject): string {
  return `${String(name)} ${String(type)}`;
}

function wanted(zone: ApiObject): JsonObject[] {
  return (zone.recordsets ?? []) as unknown as JsonObject[];
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

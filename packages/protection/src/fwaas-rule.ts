/** fwaas.rule: what a firewall lets through or stops. The rules of the project's default policies are there already and are changed. */

import { type ApiObject, FIREWALL_RULES } from "@permafrost/openstack";
import { canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { policyOfDefaultRule, rulesOf } from "./fwaas-default.ts";
import { whenSettled } from "./fwaas-pending.ts";
import { ifThere } from "./if-there.ts";
import type { Context } from "./resource-type.ts";

/** Null says "any". */
const PLACES = ["protocol", "source_ip_address", "destination_ip_address", "source_port", "destination_port"];
const FIELDS = ["name", "description", "ip_version", "action", "enabled", ...PLACES];

export const fwaasRule = declaredType({
  type: "fwaas.rule",
  noun: "firewall rule",
  collection: FIREWALL_RULES,
  create: [...FIELDS, "shared"],
  nulls: PLACES,
  needs: { shared: { role: "admin" } },
  quota: "firewall_rule",
  mark: "description",
  reported: { tags: "Neutron does not take them for FWaaS in 2025.1" },
  hooks: {
    describe: async ({ cloud }, { id, name }) => {
      const policy = await policyOfDefaultRule(cloud, String(name));
      return { is_default: rulesOf(policy).includes(String(id)) };
    },
    standing: async (context, document) => await standingRule(context, document),
    body: (_context, { resource, document }, body) =>
      resource.action === "update" ? { ...body, name: document.object.name ?? "" } : body,
    made: async (context, { resource, document, targetId }, rule) => {
      if (resource.action === "update") await change(context, targetId, rule, wanted(context, document.object));
      return [];
    },
    undoUpdate: async (context, targetId, before) => {
      const rule = await ifThere(context.cloud.collection(FIREWALL_RULES).get(targetId));
      if (rule !== undefined) await change(context, targetId, rule, wanted(context, before));
    },
  },
});

/** The target's rule of the service that has this name. */
async function standingRule({ cloud }: Context, { object }: DeclaredDocument): Promise<string | undefined> {
  if (object.is_default !== true) return undefined;
  for (const id of rulesOf(await policyOfDefaultRule(cloud, String(object.name)))) {
    const rule = await ifThere(cloud.collection(FIREWALL_RULES).get(id));
    if (rule?.name === object.name) return id;
  }
  return undefined;
}

function wanted({ cloud }: Context, object: ApiObject): JsonObject {
  const names = cloud.roles.has("admin") ? [...FIELDS, "shared"] : FIELDS;
  return Object.fromEntries(names.map((name) => [name, object[name] ?? null]));
}

async function change(context: Context, id: string, rule: ApiObject, want: JsonObject): Promise<void> {
  const changes: Record<string, Json> = {};
  for (const [name, value] of Object.entries(want))
    if (canonicalJson(rule[name] ?? null) !== canonicalJson(value)) changes[name] = value;
  if (Object.keys(changes).length > 0)
    await whenSettled(context, () => context.cloud.collection(FIREWALL_RULES).update(id, changes));
}

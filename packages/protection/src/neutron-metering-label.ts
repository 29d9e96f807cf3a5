/** neutron.metering-label with its rules: which traffic of the project's routers is counted. Neither can be changed, so a label is known by what it says. */

import { type ApiObject, type Cloud, METERING_LABEL_RULES, METERING_LABELS } from "@permafrost/openstack";
import { canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";

const RULE_FIELDS = ["direction", "remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix", "excluded"] as const;
const TWO_SIDES = "metering_source_and_destination_fields";

export const neutronMeteringLabel = declaredType({
  type: "neutron.metering-label",
  noun: "metering label",
  collection: METERING_LABELS,
  create: ["name", "description", "shared"],
  needs: { shared: { role: "admin" } },
  mark: "content",
  roles: { capture: "reader", restore: "manager" },
  byHooks: ["rules"],
  reported: { counters: "what was counted is not Neutron's to give" },
  hooks: {
    describe: async ({ cloud }, label) => ({ rules: await rulesOf(cloud, label) }),
    plan: async ({ cloud }, { document }, _scope, planned) => {
      if (planned.action !== "create" || (await cloud.networkExtensions()).has(TWO_SIDES)) return planned;
      const lost = captured(document.object).filter(hasTwoSides);
      if (lost.length === 0) return planned;
      const warning = `${lost.length} rules with a source or destination are not restored: the target has no extension ${TWO_SIDES}`;
      return { ...planned, warnings: [...(planned.warnings ?? []), warning] };
    },
    made: async ({ cloud }, { document }, label) => {
      const have = new Set((await rulesOf(cloud, label)).map(textOf));
      for (const rule of await possible(cloud, document.object))
        if (!have.has(textOf(rule)))
          await cloud.collection(METERING_LABEL_RULES).create({ ...bare(rule), metering_label_id: label.id ?? "" });
      return [];
    },
    differences: async ({ cloud }, { document }, label) => {
      const [want, have] = [(await possible(cloud, document.object)).map(textOf), (await rulesOf(cloud, label)).map(textOf)];
      return [
        ...want.filter((w) => !have.includes(w)).map((w) => `rules: expected ${w}, found none`),
        ...have.filter((h) => !want.includes(h)).map((h) => `rules: expected none, found ${h}`),
      ];
    },
  },
});

async function rulesOf(cloud: Cloud, label: ApiObject): Promise<ApiObject[]> {
  const rules = await Array.fromAsync(cloud.collection(METERING_LABEL_RULES).list({ metering_label_id: String(label.id) }));
  return rules.filter((r) => r.metering_label_id === label.id);
}

function captured(label: ApiObject): readonly JsonObject[] {
  return Array.isArray(label.rules) ? (label.rules as JsonObject[]) : [];
}

function hasTwoSides({ source_ip_prefix, destination_ip_prefix }: JsonObject): boolean {
  return typeof source_ip_prefix === "string" || typeof destination_ip_prefix === "string";
}

async function possible(cloud: Cloud, label: ApiObject): Promise<readonly JsonObject[]> {
  const knows = (await cloud.networkExtensions()).has(TWO_SIDES);
  return captured(label).filter((rule) => knows || !hasTwoSides(rule));
}

function bare(rule: JsonObject): JsonObject {
  const result: Record<string, Json> = {};
  for (const field of RULE_FIELDS) if (rule[field] !== undefined && rule[field] !== null) result[field] = rule[field];
  return result;
}

function textOf(rule: JsonObject): string {
  return canonicalJson(bare(rule));
}

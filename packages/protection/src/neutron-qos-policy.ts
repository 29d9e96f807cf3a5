/**
 * neutron.qos-policy with its rules of every kind. A project has one default policy: a second one is made without being it. Rules of a
 * kind that the target's Neutron does not know are left out; the plan says so.
 */

import { type ApiObject, type Cloud, type Collection, QOS_POLICIES, QOS_RULES } from "@permafrost/openstack";
import { CodedError, canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";

/** What a rule says; the rest is where it belongs and when it was made. */
const RULE_FIELDS = [
  "max_kbps",
  "max_burst_kbps",
  "max_kpps",
  "max_burst_kpps",
  "min_kbps",
  "min_kpps",
  "dscp_mark",
  "direction",
];

export const neutronQosPolicy = declaredType({
  type: "neutron.qos-policy",
  noun: "QoS policy",
  collection: QOS_POLICIES,
  create: ["name", "description", "shared", "is_default"],
  needs: { shared: { role: "admin" }, is_default: { extension: "qos-default" } },
  tags: true,
  mark: "description",
  roles: { capture: "reader", restore: "manager" },
  byHooks: ["rules"],
  reported: { is_default: "a project has one default policy: not where the target's project has one already" },
  hooks: {
    warnings: (policy) =>
      rulesOf(policy).flatMap((r) => (kindOf(r) in QOS_RULES ? [] : [`its ${kindOf(r)} rules are of a kind not known`])),
    plan: async ({ cloud }, { document }, _scope, planned) => {
      if (planned.action !== "create") return planned;
      const warnings = [...(planned.warnings ?? [])];
      for (const kind of new Set(rulesOf(document.object).map(kindOf))) {
        const extension = QOS_RULES[kind]?.extension;
        if (extension !== undefined && !(await cloud.networkExtensions()).has(extension))
          warnings.push(`its ${kind} rules are not restored: the target has no extension ${extension}`);
      }
      if (document.object.is_default === true) {
        const other = await defaultPolicy(cloud);
        if (other !== undefined)
          warnings.push(
            `it does not become the project's default policy: ${String(other.name) || String(other.id)} is that already`,
          );
      }
      return { ...planned, warnings };
    },
    body: async ({ cloud }, { targetId }, body) => {
      const { is_default, ...rest } = body;
      const other = is_default === true ? await defaultPolicy(cloud) : undefined;
      return other === undefined || other.id === targetId ? body : rest;
    },
    create: createAsFarAsPossible,
    made: async ({ cloud }, { document }, policy) => {
      const extensions = await cloud.networkExtensions();
      const have = new Set(rulesOf(policy).map(textOf));
      for (const rule of rulesOf(document.object)) {
        const spec = QOS_RULES[kindOf(rule)];
        if (spec === undefined || !extensions.has(spec.extension ?? "") || have.has(textOf(rule))) continue;
        await cloud.collection(spec, String(policy.id)).create(bare(rule));
      }
      return [];
    },
    differences: async ({ cloud }, { document }, found) => {
      const extensions = await cloud.networkExtensions();
      const possible = (rule: JsonObject) => extensions.has(QOS_RULES[kindOf(rule)]?.extension ?? "");
      const [want, have] = [rulesOf(document.object).filter(possible).map(textOf), rulesOf(found).map(textOf)];
      return [
        ...want.filter((w) => !have.includes(w)).map((w) => `rules: expected ${w}, found none`),
        ...have.filter((h) => !want.includes(h)).map((h) => `rules: expected none, found ${h}`),
      ];
    },
  },
});

async function defaultPolicy(cloud: Cloud): Promise<ApiObject | undefined> {
  if (!(await cloud.networkExtensions()).has("qos-default")) return undefined;
  const policies = await Array.fromAsync(cloud.collection(QOS_POLICIES).list({ project_id: cloud.projectId }));
  return policies.find((p) => p.is_default === true && p.project_id === cloud.projectId);
}

/** Another became the default since the plan was made. */
async function createAsFarAsPossible(collection: Collection, body: JsonObject): Promise<ApiObject> {
  try {
    return await collection.create(body);
  } catch (error) {
    if (!CodedError.is(error, "CONFLICT") || body.is_default !== true) throw error;
    const { is_default: _, ...rest } = body;
    return await collection.create(rest);
  }
}

function rulesOf(policy: ApiObject): JsonObject[] {
  return Array.isArray(policy.rules) ? (policy.rules as JsonObject[]) : [];
}

function kindOf(rule: JsonObject): string {
  return String(rule.type);
}

function bare(rule: JsonObject): JsonObject {
  const result: Record<string, Json> = {};
  for (const field of RULE_FIELDS) if (rule[field] !== undefined && rule[field] !== null) result[field] = rule[field];
  return result;
}

function textOf(rule: JsonObject): string {
  return `${kindOf(rule)} ${canonicalJson(bare(rule))}`;
}

/**
 * neutron.security-group with its rules, which are made in the finish step: groups may allow each other. Neutron gives a new group rules
 * of its own; those that were not captured are removed. The project's group `default` is always there: its rules become the captured
 * ones, and undo gives it back those it had.
 */

import { type ApiObject, type Cloud, SECURITY_GROUP_RULES, SECURITY_GROUPS } from "@permafrost/openstack";
import { CodedError, canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";
import type { FinishInput } from "./resource-type.ts";

const RULE_FIELDS = [
  "direction",
  "ethertype",
  "protocol",
  "port_range_min",
  "port_range_max",
  "remote_ip_prefix",
  "remote_group_id",
  "remote_address_group_id",
  "description",
] as const;

const REMOTES = {
  "security_group_rules[].remote_group_id": { kind: "neutron.security-group", finish: true, optional: true },
  "security_group_rules[].remote_address_group_id": { kind: "neutron.address-group", finish: true, optional: true },
} as const;

export const neutronSecurityGroup = declaredType({
  type: "neutron.security-group",
  noun: "security group",
  collection: SECURITY_GROUPS,
  create: ["name", "description", "stateful"],
  needs: { stateful: { extension: "stateful-security-group" } },
  references: REMOTES,
  tags: true,
  quota: "security_group",
  mark: "description",
  reported: { security_group_rules: "one whose remote group the target does not have is left out" },
  hooks: {
    standing: async ({ cloud }, { object }) => (object.name === "default" ? await defaultGroup(cloud) : undefined),
    finish: async ({ cloud }, input, group) => {
      const { document, targetId, resource } = input;
      const collection = cloud.collection(SECURITY_GROUPS);
      const { description } = document.object;
      if (resource.action === "update" && typeof description === "string" && description !== group.description)
        await collection.update(targetId, { description });
      const { rules, left } = wantedRules(input);
      await reconcileRules(cloud, targetId, rulesOf(group), rules);
      return left.map((rule) => `a rule is left out, its remote is not in the target: ${describeRule(rule)}`);
    },
    differences: async (_context, input, found) => {
      const [want, have] = [wantedRules(input).rules, rulesOf(found)];
      return [
        ...missing(want, have).map((rule) => `security_group_rules: expected ${describeRule(rule)}, found none`),
        ...missing(have, want).map((rule) => `security_group_rules: expected none, found ${describeRule(rule)}`),
      ];
    },
    undoUpdate: async ({ cloud }, targetId, before) => {
      const group = await cloud.collection(SECURITY_GROUPS).get(targetId);
      if (group.description !== before.description)
        await cloud.collection(SECURITY_GROUPS).update(targetId, { description: before.description ?? "" });
      await reconcileRules(cloud, targetId, rulesOf(group), rulesOf(before).map(bare));
    },
  },
});

/** Neutron makes it when it is asked for the first time. */
async function defaultGroup(cloud: Cloud): Promise<string | undefined> {
  const query = { name: "default", project_id: cloud.projectId };
  for await (const group of cloud.collection(SECURITY_GROUPS).list(query)) if (group.name === "default") return String(group.id);
  return undefined;
}

function rulesOf(group: ApiObject): ApiObject[] {
  return Array.isArray(group.security_group_rules) ? (group.security_group_rules as ApiObject[]) : [];
}

/** The captured rules as the target is to have them, and those whose remote it has not. */
function wantedRules({ resource, document, targets, targetId }: FinishInput<DeclaredDocument>): {
  readonly rules: JsonObject[];
  readonly left: ApiObject[];
} {
  // A group often allows its own members.
  const all = { ...targets, [`neutron.security-group/${resource.id}`]: targetId };
  const rules: JsonObject[] = [];
  const left: ApiObject[] = [];
  for (const rule of rulesOf(document.object)) {
    const { object } = withTargets({ security_group_rules: [rule] }, REMOTES, (kind, id) => all[`${kind}/${id}`]);
    const [mapped] = rulesOf(object);
    if (mapped === undefined) left.push(rule);
    else rules.push(bare(mapped));
  }
  return { rules, left };
}

/**
 * What is not wanted goes first: Neutron takes a rule that differs only in its description, or in the spelling of its prefix or
 * protocol, for the same one and refuses it.
 */
async function reconcileRules(
  cloud: Cloud,
  groupId: string,
  have: readonly ApiObject[],
  want: readonly JsonObject[],
): Promise<void> {
  const collection = cloud.collection(SECURITY_GROUP_RULES);
  for (const rule of missing(have, want)) await collection.delete(String(rule.id));
  for (const rule of missing(want, have)) {
    try {
      await collection.create({ ...rule, security_group_id: groupId });
    } catch (error) {
      // SecurityGroupRuleExists: an earlier attempt made it, or an equal one in another spelling was captured, too.
      if (!CodedError.is(error, "CONFLICT")) throw error;
    }
  }
}

function missing<R extends JsonObject>(of: readonly R[], among: readonly JsonObject[]): R[] {
  const known = new Set(among.map((rule) => canonicalJson(bare(rule))));
  return of.filter((rule) => !known.has(canonicalJson(bare(rule))));
}

function bare(rule: JsonObject): JsonObject {
  const result: Record<string, Json> = {};
  for (const field of RULE_FIELDS)
    if (rule[field] !== undefined && rule[field] !== null && rule[field] !== "") result[field] = rule[field];
  return result;
}

function describeRule(rule: JsonObject): string {
  return canonicalJson(bare(rule));
}

/**
 * fwaas.policy: firewall rules in the order in which they are asked. The project's two default policies cannot be changed as others, but rules
 * can be put in and taken out: so they get the captured ones.
 */

import { type ApiObject, FIREWALL_POLICIES } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";
import { defaultPolicy, isDefaultPolicy, rulesOf } from "./fwaas-default.ts";
import { whenSettled } from "./fwaas-pending.ts";
import { ifThere } from "./if-there.ts";
import type { Context } from "./resource-type.ts";

const REFERENCES = { "firewall_rules[]": { kind: "fwaas.rule" } } as const;

export const fwaasPolicy = declaredType({
  type: "fwaas.policy",
  noun: "firewall policy",
  collection: FIREWALL_POLICIES,
  create: ["name", "description", "firewall_rules", "shared"],
  // Every other change of a policy says that nobody has looked at it, also the one that takes our mark off; and while a group with ports
  // uses it, it may refuse: so this comes when the rest of it is done, and no group has it yet.
  update: ["audited"],
  needs: { shared: { role: "admin" } },
  references: REFERENCES,
  quota: "firewall_policy",
  mark: "description",
  reported: {
    "default ingress, default egress": "the service makes them; their rules become the captured ones",
    tags: "Neutron does not take them for FWaaS in 2025.1",
  },
  hooks: {
    standing: async ({ cloud }, { object }) => {
      const there = isDefaultPolicy(object) ? await defaultPolicy(cloud, String(object.name)) : undefined;
      return there === undefined ? undefined : String(there.id);
    },
    plan: async (_context, { document }, _scope, planned) =>
      isDefaultPolicy(document.object) && planned.action === "create"
        ? { ...planned, action: "conflict", reason: "the service keeps this name for itself, and the target has no such policy" }
        : planned,
    body: (_context, { resource, document }, body) =>
      resource.action === "update" ? { ...body, name: document.object.name ?? "" } : body,
    made: async (context, { resource, document, targets, targetId }, policy) => {
      if (resource.action !== "update") return [];
      const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
      await setRules(context, targetId, policy, rulesOf(object));
      return [];
    },
    undoUpdate: async (context, targetId, before) => {
      const policy = await ifThere(context.cloud.collection(FIREWALL_POLICIES).get(targetId));
      if (policy !== undefined) await setRules(context, targetId, policy, rulesOf(before));
    },
  },
});

/** One rule at a time: what is not wanted goes, then each comes to its place. A death in between leaves a state from which this ends well. */
async function setRules(context: Context, id: string, policy: ApiObject, want: readonly string[]): Promise<void> {
  const policies = context.cloud.collection(FIREWALL_POLICIES);
  const act = (action: string, body: Record<string, string>) => whenSettled(context, () => policies.act(id, "PUT", action, body));
  const have = rulesOf(policy);
  for (const rule of have.filter((each) => !want.includes(each))) {
    await act("remove_rule", { firewall_rule_id: rule });
    have.splice(have.indexOf(rule), 1);
  }
  for (const [at, rule] of want.entries()) {
    if (have[at] === rule) continue;
    if (have.includes(rule)) {
      await act("remove_rule", { firewall_rule_id: rule });
      have.splice(have.indexOf(rule), 1);
    }
    const before = want[at - 1];
    await act("insert_rule", { firewall_rule_id: rule, ...(before === undefined ? {} : { insert_after: before }) });
    have.splice(at, 0, rule);
  }
}

/** fwaas.policy: firewall rules in the order in which they are asked. Those of the project's default group belong to the service. */

import { type ApiObject, FIREWALL_POLICIES } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const fwaasPolicy = declaredType({
  type: "fwaas.policy",
  noun: "firewall policy",
  collection: FIREWALL_POLICIES,
  create: ["name", "description", "firewall_rules", "audited", "shared"],
  // Changing the rules says that nobody has looked at them: what was audited is said so last.
  finish: ["audited"],
  needs: { shared: { role: "admin" } },
  references: { "firewall_rules[]": { kind: "fwaas.rule" } },
  mark: "description",
  isDerived: isDefaultPolicy,
});

export function isDefaultPolicy(policy: ApiObject): boolean {
  return /^default (ingress|egress)$/.test(String(policy.name));
}

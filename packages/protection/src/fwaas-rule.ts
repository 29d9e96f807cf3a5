/** fwaas.rule: what a firewall lets through or stops. Those of the project's default group belong to the service. */

import { type ApiObject, FIREWALL_RULES } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const fwaasRule = declaredType({
  type: "fwaas.rule",
  noun: "firewall rule",
  collection: FIREWALL_RULES,
  create: [
    "name",
    "description",
    "protocol",
    "ip_version",
    "source_ip_address",
    "destination_ip_address",
    "source_port",
    "destination_port",
    "action",
    "enabled",
    "shared",
  ],
  // A group names policies, which name rules: the way back is closed last.
  finish: ["source_firewall_group_id", "destination_firewall_group_id"],
  needs: { shared: { role: "admin" } },
  references: {
    source_firewall_group_id: { kind: "fwaas.group", finish: true, optional: true },
    destination_firewall_group_id: { kind: "fwaas.group", finish: true, optional: true },
  },
  mark: "description",
  isDerived: isDefaultRule,
});

/** `default ingress ipv4` … are made with a project's first firewall group, and only an administrator changes them. */
export function isDefaultRule(rule: ApiObject): boolean {
  return /^default (ingress|egress) ipv[46]$/.test(String(rule.name));
}

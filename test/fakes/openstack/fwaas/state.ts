/**
 * What the kinds of FWaaS v2 ask of each other: who uses a rule or a policy, which groups are busy, what a driver makes of a change.
 *
 * `agents`: a group whose ports or rules change is PENDING until an agent has told of it, here until it was looked at twice. `ovn`: the
 * driver is done when it answers.
 */

import type { Fields } from "../neutron/attributes.ts";
import { refuse } from "../neutron/error.ts";
import type { Networking, Row } from "../neutron/networking.ts";

const LOOKS_PENDING = 2;

export function rulesOf(policy: Row): string[] {
  return policy.fields.firewall_rules as string[];
}

export function policiesWith(net: Networking, ruleId: string): Row[] {
  return net.all("firewall_policy").filter((policy) => rulesOf(policy).includes(ruleId));
}

export function policyIdsOf({ fields }: Pick<Row, "fields">): string[] {
  return [fields.ingress_firewall_policy_id, fields.egress_firewall_policy_id].filter((id) => id !== null).map(String);
}

export function groupsWith(net: Networking, policyId: string): Row[] {
  return net.all("firewall_group").filter((group) => policyIdsOf(group).includes(policyId));
}

/** Of the ports that are still there: one that goes leaves its group. */
export function portsOf(net: Networking, { fields }: Pick<Row, "fields">): string[] {
  return (fields.ports as string[]).filter((id) => net.find("port", id) !== undefined);
}

export function refuseIfPending(group: Row): void {
  const { status } = group.fields;
  if (String(status).startsWith("PENDING"))
    refuse(
      409,
      "FirewallGroupInPendingState",
      `Operation cannot be performed since associated firewall group ${group.id} is in ${status}.`,
    );
}

/** A policy in a group that is busy cannot be changed, nor can its rules. */
export function refuseIfGroupsPending(net: Networking, policyId: string): void {
  for (const group of groupsWith(net, policyId)) refuseIfPending(group);
}

/** Rules of the policy, or the policy itself, have changed: agents are told, if a port is concerned. */
export function tellOf(net: Networking, policyId: string): void {
  if (net.firewall !== "agents") return;
  for (const group of groupsWith(net, policyId))
    if (portsOf(net, group).length > 0) Object.assign(group.fields, pending("PENDING_UPDATE"));
}

/** The status of a group that was made; `before`: that was changed. */
export function statusAfter(net: Networking, group: Row, before?: Fields): Fields {
  const { fields } = group;
  const ports = portsOf(net, group);
  const hasPolicy = policyIdsOf(group).length > 0;
  if (before === undefined) {
    if (net.firewall === "ovn") return { status: ports.length > 0 ? "ACTIVE" : "INACTIVE" };
    return ports.length > 0 && hasPolicy ? pending("PENDING_CREATE") : { status: "INACTIVE" };
  }
  const isOther = (name: string) => JSON.stringify(fields[name]) !== JSON.stringify(before[name]);
  const [newPorts, newPolicies] = [
    [...ports].sort().join() !== [...(before.ports as string[])].sort().join(),
    isOther("ingress_firewall_policy_id") || isOther("egress_firewall_policy_id"),
  ];
  if (net.firewall === "ovn") return newPorts || newPolicies ? { status: ports.length > 0 ? "ACTIVE" : "INACTIVE" } : {};
  return (newPorts && hasPolicy) || (newPolicies && ports.length > 0) ? pending("PENDING_UPDATE") : {};
}

/** What is shown of the status now. */
export function look(net: Networking, group: Row): Fields {
  const { fields } = group;
  const { status } = fields;
  if (String(status).startsWith("PENDING")) {
    fields.looks = Number(fields.looks) - 1;
    const isOn = fields.admin_state_up === true ? "ACTIVE" : "DOWN";
    if (Number(fields.looks) <= 0) fields.status = portsOf(net, group).length > 0 ? isOn : "INACTIVE";
  }
  return { status };
}

function pending(status: string): Fields {
  return { status, looks: LOOKS_PENDING };
}

/**
 * Firewall groups of the fake FWaaS v2: policies on ports. A port is in one group of its project only. The group `default` cannot be made,
 * renamed or, but by an administrator, deleted; a member changes its ports only. A port that a server gets goes into it by itself where the
 * driver supports it, once the group is there.
 */

import { attribute, type Fields, maxText } from "../neutron/attributes.ts";
import { refuse } from "../neutron/error.ts";
import { type Ask, type Kind, missing } from "../neutron/kind.ts";
import type { Networking, Row } from "../neutron/networking.ts";
import { listOf, orNone, toBoolean, toList, uuid } from "../neutron/validators.ts";
import { DEFAULT_GROUP, defaultGroup, ensureDefault, prepareDefault } from "./defaults.ts";
import { FIREWALL_POLICY } from "./policies.ts";
import { FIREWALL_RULE } from "./rules.ts";
import { groupsWith, look, policyIdsOf, portsOf, refuseIfPending, statusAfter } from "./state.ts";

const ROUTER_OWNERS = ["router_interface", "router_interface_distributed", "ha_router_replicated_interface"];
const ADMIN_ONLY = ["description", "admin_state_up", "ingress_firewall_policy_id", "egress_firewall_policy_id"];
const POLICY = { default: null, validate: orNone(uuid) };

const FIREWALL_GROUP: Kind = {
  name: "firewall_group",
  collection: "firewall_groups",
  path: "fwaas/firewall_groups",
  extension: "fwaas_v2",
  journal: "firewall-group",
  standard: true,
  quota: "firewall_group",
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    admin_state_up: attribute("cufs", { default: true, convert: toBoolean }),
    status: attribute("fs"),
    shared: attribute("cufs", { default: false, convert: toBoolean }),
    ports: attribute("cuf", { default: null, convert: toList, validate: listOf(uuid) }),
    ingress_firewall_policy_id: attribute("cufs", POLICY),
    egress_firewall_policy_id: attribute("cufs", POLICY),
  },
  missing: missing("FirewallGroupNotFound", "Firewall group %s could not be found."),
  target: (_net, { fields }) => ({ isShared: fields.shared === true }),
  prepare: prepareDefault,
  preparesUnseen: true,
  checkOwner: ({ net }, _fields, projectId) => ensureDefault(net, projectId),
  matches: (net, row, name, values) => (name === "ports" ? portsOf(net, row).some((id) => values.includes(id)) : undefined),
  create: (ask, fields, projectId) => {
    checkPolicies(ask, projectId, fields);
    checkPorts(ask, projectId, fields, undefined);
    refuseReserved(fields);
    const row = ask.net.add("firewall_group", projectId, fields);
    Object.assign(row.fields, statusAfter(ask.net, row));
    ask.created(row);
    return row;
  },
  update: (ask, row, changes) => {
    const { net, isAdmin } = ask;
    refuseIfPending(row);
    checkPolicies(ask, row.projectId, changes);
    checkPorts(ask, row.projectId, changes, row);
    refuseReserved(changes);
    const fixed = ["name", ...(isAdmin ? [] : ADMIN_ONLY)];
    if (row.fields.name === DEFAULT_GROUP && fixed.some((name) => name in changes))
      refuse(
        409,
        "FirewallDefaultObjectUpdateRestricted",
        `Operation cannot be performed on default object '${row.id}' of type Firewall Group.`,
      );
    change(net, row, changes);
  },
  remove: ({ net, deleted, isAdmin }, row) => {
    if (portsOf(net, row).length > 0) refuse(409, "FirewallGroupInUse", `Firewall group ${row.id} is still active.`);
    const isDefault = row.fields.name === DEFAULT_GROUP;
    if (isDefault && !isAdmin) refuse(409, "FirewallGroupCannotRemoveDefault", "Deleting default firewall group not allowed.");
    net.remove(row);
    deleted(row);
    // Its rules stay, of whose policies they were.
    if (isDefault)
      for (const id of policyIdsOf(row)) {
        const policy = net.find("firewall_policy", id);
        if (policy !== undefined && groupsWith(net, id).length === 0) net.remove(policy);
      }
  },
  view: (net, row) => ({ ports: portsOf(net, row), ...look(net, row) }),
};

export const FIREWALL_KINDS: readonly Kind[] = [FIREWALL_RULE, FIREWALL_POLICY, FIREWALL_GROUP];

/** A server has the port now: what the plugin does when Nova has bound it (`handle_update_port`). */
export function guardPort(net: Networking, port: Row): void {
  if (net.firewall !== "agents" || !net.hasExtension("fwaas_v2")) return;
  const group = defaultGroup(net, port.projectId);
  const isTaken = net.all("firewall_group").some((each) => portsOf(net, each).includes(port.id));
  // What is pending refuses, and the plugin leaves it at that.
  if (group === undefined || isTaken || String(group.fields.status).startsWith("PENDING")) return;
  change(net, group, { ports: [...portsOf(net, group), port.id] });
}

function change(net: Networking, row: Row, changes: Fields): void {
  const before = { ...row.fields, ports: portsOf(net, row) };
  Object.assign(row.fields, changes);
  Object.assign(row.fields, statusAfter(net, row, before));
}

function refuseReserved({ name }: Fields): void {
  if (name === DEFAULT_GROUP)
    refuse(
      409,
      "FirewallDefaultParameterExists",
      "Operation cannot be performed since 'default' is a reserved name for Firewall Group.",
    );
}

function checkPolicies({ net, asker, isAdmin }: Ask, projectId: string, fields: Fields): void {
  for (const id of [fields.ingress_firewall_policy_id, fields.egress_firewall_policy_id]) {
    if (id === undefined || id === null) continue;
    const policy = net.need("firewall_policy", id);
    if (policy.fields.shared === true || policy.projectId === projectId) continue;
    if (policy.projectId !== asker.projectId && !isAdmin) net.kind("firewall_policy").missing(policy.id);
    refuse(
      404,
      "FirewallPolicyConflict",
      `Operation cannot be performed since firewall policy ${id} for your project could not be found. Please confirm if the firewall policy exists and is shared.`,
    );
  }
}

function checkPorts({ net, asker, isAdmin }: Ask, projectId: string, fields: Fields, group: Row | undefined): void {
  const ids = (fields.ports ?? []) as string[];
  for (const id of ids) {
    const port = net.need("port", id);
    if (port.projectId !== asker.projectId && !isAdmin) net.kind("port").missing(id);
    const owner = String(port.fields.device_owner);
    const isRouters = ROUTER_OWNERS.some((each) => owner === `network:${each}`);
    if (!isRouters && !owner.startsWith("compute:"))
      refuse(409, "FirewallGroupPortInvalid", `Port ${id} of firewall group is invalid.`);
    const isSupported = isRouters || (net.firewall === "agents" && port.fields["binding:host_id"] !== "");
    if (!isSupported) refuse(409, "FirewallGroupPortNotSupported", `Port ${id} is not supported by firewall driver 'fwaas_db'.`);
  }
  const others = net.all("firewall_group").filter((each) => each.projectId === projectId && each.id !== group?.id);
  const used = ids.filter((id) => others.some((each) => portsOf(net, each).includes(id)));
  if (used.length > 0)
    refuse(
      409,
      "FirewallGroupPortInUse",
      `Port(s) [${used.map((id) => `'${id}'`).join(", ")}] provided already associated with other firewall group(s).`,
    );
}

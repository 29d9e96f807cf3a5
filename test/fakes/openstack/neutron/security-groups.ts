/** Security groups: every project has one named `default`; a new one lets everything out; rules live in `security-group-rules.ts`. */

import { attribute, type Fields, maxText, pythonText } from "./attributes.ts";
import { refuse } from "./error.ts";
import { type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { isShared, removeEntries } from "./rbac.ts";
import { ruleView } from "./security-group-rules.ts";
import { toBoolean } from "./validators.ts";

export const SECURITY_GROUP: Kind = {
  name: "security_group",
  collection: "security_groups",
  path: "security-groups",
  extension: "security-group",
  journal: "security_group",
  quota: "security_group",
  standard: true,
  tagged: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: nameNotDefault }),
    security_group_rules: attribute(""),
    stateful: attribute("cufs", { default: true, convert: toBoolean, extension: "stateful-security-group" }),
    shared: attribute("f", { extension: "security-groups-shared-filtering" }),
  },
  missing: missing("SecurityGroupNotFound", "Security group %s does not exist"),
  target: (net, { id }, { projectId }) => ({ isShared: id !== undefined && isShared(net, id, projectId) }),
  prepare: ({ net, asker, call }) => {
    const project = call.query.get("project_id") ?? call.query.get("tenant_id") ?? asker.projectId;
    if (project !== "") ensureDefaultGroup(net, project);
  },
  create: (ask, fields, projectId) => {
    const { net } = ask;
    ensureDefaultGroup(net, projectId);
    const used = net.all("security_group_rule").filter((rule) => rule.projectId === projectId).length;
    const limit = net.limit(projectId, "security_group_rule");
    if (limit >= 0 && used + 2 > limit) refuse(409, "OverQuota", "Quota exceeded for resources: ['security_group_rule'].");
    const row = net.add("security_group", projectId, fields);
    addEgress(net, row);
    ask.created(row);
    return row;
  },
  update: ({ net }, row, changes) => {
    if (changes.stateful !== undefined && changes.stateful !== row.fields.stateful && portsOf(net, row.id).length > 0)
      refuseInUse(row.id);
    if (row.fields.name === "default" && changes.name !== undefined)
      refuse(409, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.");
    Object.assign(row.fields, changes);
  },
  remove: ({ net, isAdmin, deleted }, row) => {
    if (portsOf(net, row.id).length > 0) refuseInUse(row.id);
    if (row.fields.name === "default" && !isAdmin)
      refuse(409, "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.");
    for (const rule of net.all("security_group_rule"))
      if (rule.parentId === row.id || rule.fields.remote_group_id === row.id) {
        net.remove(rule);
        deleted(rule);
      }
    removeEntries(net, row.id);
    net.remove(row);
    deleted(row);
  },
  view: (net, row, { projectId }) => ({
    security_group_rules: net
      .all("security_group_rule")
      .filter((rule) => rule.parentId === row.id)
      .map((rule) => ruleView(net, rule)),
    shared: isShared(net, row.id, projectId),
  }),
};

function nameNotDefault(value: unknown): string | undefined {
  const problem = maxText(255)(value);
  if (problem === undefined && String(value).toLowerCase() === "default")
    refuse(409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.");
  return problem === undefined ? undefined : pythonText(problem);
}

/** The project's group `default`, made when it is needed for the first time. */
export function ensureDefaultGroup(net: Networking, projectId: string): Row {
  const there = net.all("security_group").find((row) => row.projectId === projectId && row.fields.name === "default");
  if (there !== undefined) return there;
  const row = net.add("security_group", projectId, { name: "default", description: "Default security group", stateful: true });
  addEgress(net, row);
  for (const ethertype of ["IPv4", "IPv6"]) addRule(net, row, { direction: "ingress", ethertype, remote_group_id: row.id });
  return row;
}

function addEgress(net: Networking, row: Row): void {
  for (const ethertype of ["IPv4", "IPv6"]) addRule(net, row, { direction: "egress", ethertype });
}

export function addRule(net: Networking, group: Row, fields: Fields): Row {
  const blank = {
    description: "",
    protocol: null,
    port_range_min: null,
    port_range_max: null,
    remote_ip_prefix: null,
    remote_group_id: null,
    remote_address_group_id: null,
  };
  return net.add(
    "security_group_rule",
    group.projectId,
    { ...blank, ...fields, security_group_id: group.id },
    { parentId: group.id },
  );
}

/** A port's groups must be the project's or shared with it, and all stateful or none. */
export function needGroups(net: Networking, ids: readonly string[], projectId: string): void {
  const groups = ids.map((id) => {
    const group = net.find("security_group", id);
    const isVisible =
      group !== undefined && (group.projectId === projectId || projectId === "" || isShared(net, group.id, projectId));
    return isVisible ? group : net.kind("security_group").missing(id);
  });
  if (groups.some((group) => group.fields.stateful === true) && groups.some((group) => group.fields.stateful === false))
    refuse(
      409,
      "SecurityGroupConflict",
      "Error Cannot apply both stateful and stateless security groups on the same port at the same time while attempting the operation.",
    );
}

function portsOf(net: Networking, groupId: string): Row[] {
  return net.all("port").filter((port) => (port.fields.security_groups as string[]).includes(groupId));
}

function refuseInUse(id: string): never {
  refuse(409, "SecurityGroupInUse", `Security Group ${id} in use.`);
}

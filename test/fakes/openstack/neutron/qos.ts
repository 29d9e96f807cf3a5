/** QoS policies and their rules of five kinds, each a collection below its policy. */

import { type Attributes, attribute, maxText } from "./attributes.ts";
import { refuse } from "./error.ts";
import { type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { isShared, removeEntries, shareWithAll } from "./rbac.ts";
import { oneOf, toBoolean, toInteger, within } from "./validators.ts";

const USERS = ["network", "port", "floatingip", "router"];
const RATE_MAX = 2_147_483_647;
const MARKS = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56];

export const POLICY: Kind = {
  name: "policy",
  collection: "policies",
  path: "qos/policies",
  extension: "qos",
  journal: "qos_policy",
  standard: true,
  tagged: true,
  tagsPath: "policies",
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    shared: attribute("cufs", { default: false, convert: toBoolean }),
    is_default: attribute("cufs", { default: false, convert: toBoolean, extension: "qos-default" }),
    rules: attribute(""),
  },
  missing: missing("QosPolicyNotFound", "QoS policy %s could not be found."),
  target: (net, { id }, { projectId }) => ({ isShared: id !== undefined && isShared(net, id, projectId) }),
  create: (ask, { shared, ...fields }, projectId) => {
    if (fields.is_default === true) refuseSecondDefault(ask.net, projectId);
    const row = ask.net.add("policy", projectId, fields);
    shareWithAll(ask.net, row, "qos_policy", "access_as_shared", shared);
    ask.created(row);
    return row;
  },
  update: ({ net }, row, { shared, ...changes }) => {
    if (changes.is_default === true && row.fields.is_default !== true) refuseSecondDefault(net, row.projectId);
    shareWithAll(net, row, "qos_policy", "access_as_shared", shared);
    Object.assign(row.fields, changes);
  },
  remove: ({ net, deleted }, row) => {
    for (const kind of USERS) {
      const user = net.all(kind).find(({ fields }) => fields.qos_policy_id === row.id || fields.gateway_qos === row.id);
      if (user !== undefined) refuse(409, "QosPolicyInUse", `QoS Policy ${row.id} is used by ${kind} ${user.id}.`);
    }
    for (const rule of rulesOf(net, row)) {
      net.remove(rule);
      deleted(rule);
    }
    removeEntries(net, row.id);
    net.remove(row);
    deleted(row);
  },
  view: (net, row, { projectId }) => ({
    shared: isShared(net, row.id, projectId),
    rules: rulesOf(net, row).map((rule) => ({
      id: rule.id,
      type: rule.kind.replace(/_rule$/, ""),
      qos_policy_id: row.id,
      ...rule.fields,
    })),
  }),
};

const rate = { convert: toInteger, validate: within(0, RATE_MAX) };
const direction = (...values: string[]) => attribute("cufs", { default: "egress", validate: oneOf(...values) });

export const QOS_RULES: readonly Kind[] = [
  rules("bandwidth_limit", "qos", {
    max_kbps: attribute("cufs", rate),
    max_burst_kbps: attribute("cufs", { ...rate, default: 0 }),
    direction: direction("ingress", "egress"),
  }),
  rules("dscp_marking", "qos", { dscp_mark: attribute("cufs", { convert: toInteger, validate: oneOf(...MARKS) }) }),
  rules("minimum_bandwidth", "qos", { min_kbps: attribute("cufs", rate), direction: direction("ingress", "egress") }),
  rules("packet_rate_limit", "qos-pps", {
    max_kpps: attribute("cufs", rate),
    max_burst_kpps: attribute("cufs", { ...rate, default: 0 }),
    direction: direction("ingress", "egress"),
  }),
  rules("minimum_packet_rate", "qos-pps-minimum", {
    min_kpps: attribute("cufs", rate),
    direction: direction("any", "ingress", "egress"),
  }),
];

function rules(type: string, extension: string, attributes: Attributes): Kind {
  const name = `${type}_rule`;
  return {
    name,
    rule: `policy_${name}`,
    collection: `${name}s`,
    path: `${name}s`,
    parent: "policy",
    extension,
    journal: "qos_rule",
    attributes,
    missing: missing("QosRuleNotFound", "QoS rule %s for policy could not be found."),
    create: (ask, fields, projectId, parent) => {
      const { net } = ask;
      const same = net.all(name).find((rule) => rule.parentId === parent?.id && rule.fields.direction === fields.direction);
      if (same !== undefined)
        refuse(
          409,
          "QoSRulesConflict",
          `Rule ${type} conflicts with rule ${same.id} which already exists in QoS Policy ${parent?.id}.`,
        );
      const row = net.add(name, parent?.projectId ?? projectId, fields, parent === undefined ? {} : { parentId: parent.id });
      ask.created(row);
      return row;
    },
    view: (_net, row) => ({ qos_policy_id: row.parentId }),
  };
}

function rulesOf(net: Networking, policy: Row): Row[] {
  return QOS_RULES.flatMap(({ name }) => net.all(name)).filter((rule) => rule.parentId === policy.id);
}

function refuseSecondDefault(net: Networking, projectId: string): void {
  if (net.all("policy").some((row) => row.projectId === projectId && row.fields.is_default === true))
    refuse(409, "QoSPolicyDefaultAlreadyExists", `A default QoS policy exists for project ${projectId}.`);
}

/** Security group rules: what Neutron makes of protocol and ports, and which rule it takes for the same as another. */

import { formatNetwork, parseAddress, parseNetwork } from "./addresses.ts";
import { attribute, type Fields, pythonText } from "./attributes.ts";
import { refuse } from "./error.ts";
import { type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { isShared } from "./rbac.ts";
import { addRule } from "./security-groups.ts";
import { maxText, oneOf } from "./validators.ts";

const NUMBERS: Readonly<Record<string, number>> = {
  hopopt: 0,
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  egp: 8,
  udp: 17,
  dccp: 33,
  "ipv6-encap": 41,
  "ipv6-route": 43,
  "ipv6-frag": 44,
  rsvp: 46,
  gre: 47,
  esp: 50,
  ah: 51,
  "ipv6-icmp": 58,
  icmpv6: 58,
  "ipv6-nonxt": 59,
  "ipv6-opts": 60,
  ospf: 89,
  pim: 103,
  vrrp: 112,
  pgm: 113,
  sctp: 132,
  udplite: 136,
};
const WITH_PORTS = new Set([6, 17, 33, 132, 136]);
const OF_IPV6 = new Set([41, 43, 44, 58, 59, 60]);

export const SECURITY_GROUP_RULE: Kind = {
  name: "security_group_rule",
  collection: "security_group_rules",
  path: "security-group-rules",
  extension: "security-group",
  journal: "security_group_rule",
  quota: "security_group_rule",
  standard: true,
  without: ["PUT"],
  attributes: {
    security_group_id: attribute("cfs", { validate: maxText(36) }),
    remote_group_id: attribute("cfs", { default: null }),
    remote_address_group_id: attribute("cfs", { default: null, extension: "security-groups-remote-address-group" }),
    direction: attribute("cfs", { validate: oneOf("ingress", "egress") }),
    protocol: attribute("cfs", { default: null, convert: toProtocol }),
    port_range_min: attribute("cfs", { default: null, convert: toPort }),
    port_range_max: attribute("cfs", { default: null, convert: toPort }),
    ethertype: attribute("cfs", { default: "IPv4", convert: toEthertype }),
    remote_ip_prefix: attribute("cfs", { default: null, convert: toPrefix }),
    normalized_cidr: attribute("", { extension: "security-groups-normalized-cidr" }),
    belongs_to_default_sg: attribute("f", { extension: "security-groups-rules-belongs-to-default-sg" }),
  },
  missing: missing("SecurityGroupRuleNotFound", "Security group rule %s does not exist"),
  target: (net, { fields }) => {
    const group = net.find("security_group", fields.security_group_id);
    return group === undefined ? {} : { parentProjectId: group.projectId };
  },
  checkOwner: ({ net, asker, isAdmin }, { security_group_id: id }) => {
    const group = net.find("security_group", id);
    if (group === undefined || (!isAdmin && group.projectId !== asker.projectId && !isShared(net, group.id, asker.projectId)))
      net.kind("security_group").missing(String(id));
  },
  create: (ask, fields) => {
    const { net } = ask;
    const group = net.need("security_group", fields.security_group_id);
    const rule = checked(net, group, fields);
    const same = net
      .all("security_group_rule")
      .find((other) => other.parentId === group.id && keyOf(other.fields) === keyOf(rule));
    if (same !== undefined) refuse(409, "SecurityGroupRuleExists", `Security group rule already exists. Rule id is ${same.id}.`);
    const row = addRule(net, group, rule);
    net.touch(group);
    ask.created(row);
    return row;
  },
  remove: ({ net, deleted }, row) => {
    net.remove(row);
    const group = net.find("security_group", row.parentId);
    if (group !== undefined) net.touch(group);
    deleted(row);
  },
  view: (net, row) => derived(net, row),
};

/** As it stands inside its group. */
export function ruleView(net: Networking, row: Row): Fields {
  const times = { created_at: net.time(row.createdMs), updated_at: net.time(row.updatedMs), revision_number: row.revision };
  return { id: row.id, project_id: row.projectId, tenant_id: row.projectId, ...row.fields, ...derived(net, row), ...times };
}

function derived(net: Networking, { fields, parentId }: Row): Fields {
  const network = parseNetwork(fields.remote_ip_prefix);
  return {
    normalized_cidr: network === undefined ? null : formatNetwork(network),
    belongs_to_default_sg: net.find("security_group", parentId)?.fields.name === "default",
  };
}

function checked(net: Networking, group: Row, fields: Fields): Fields {
  const rule = { ...fields };
  if (rule.ethertype === "IPv6" && ["icmp", "icmpv6"].includes(String(rule.protocol))) rule.protocol = "ipv6-icmp";
  if (rule.ethertype === "IPv6" && rule.protocol === "1") rule.protocol = "58";
  if (rule.port_range_min === 1 && rule.port_range_max === 65_535)
    Object.assign(rule, { port_range_min: null, port_range_max: null });
  checkPorts(rule);
  const network = parseNetwork(rule.remote_ip_prefix);
  if (network !== undefined && rule.ethertype !== `IPv${network.version}`)
    refuse(
      400,
      "SecurityGroupRuleParameterConflict",
      `Conflicting value ethertype ${rule.ethertype} for CIDR ${rule.remote_ip_prefix}`,
    );
  const number = numberOf(rule.protocol);
  if (number !== undefined && OF_IPV6.has(number) && rule.ethertype === "IPv4")
    refuse(400, "SecurityGroupEthertypeConflictWithProtocol", `Invalid ethertype IPv4 for protocol ${rule.protocol}.`);
  const remotes = ["remote_ip_prefix", "remote_group_id", "remote_address_group_id"].filter((name) => Boolean(rule[name]));
  if (remotes.length > 1)
    refuse(
      400,
      "SecurityGroupMultipleRemoteEntites",
      "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
    );
  const see = (kind: string, id: unknown) => {
    const found = net.find(kind, id);
    if (found === undefined || (found.projectId !== group.projectId && !isShared(net, found.id, group.projectId)))
      net.kind(kind).missing(String(id));
  };
  if (rule.remote_group_id) see("security_group", rule.remote_group_id);
  if (rule.remote_address_group_id) see("address_group", rule.remote_address_group_id);
  return rule;
}

function checkPorts({ port_range_min: min, port_range_max: max, protocol }: Fields): void {
  if (min === null && max === null) return;
  if (protocol === null)
    refuse(400, "SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.");
  const number = numberOf(protocol) ?? -1;
  if (WITH_PORTS.has(number)) {
    if (min === 0 || max === 0) refuse(400, "SecurityGroupInvalidPortValue", "Invalid value for port 0");
    if (min === null || max === null || Number(min) > Number(max))
      refuse(400, "SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max");
  } else if (number === 1 || number === 58) {
    for (const [attr, field, value] of [
      ["port_range_min", "type", min],
      ["port_range_max", "code", max],
    ])
      if (value !== null && Number(value) > 255)
        refuse(400, "SecurityGroupInvalidIcmpValue", `Invalid value for ICMP ${field} (${attr}) ${value}. It must be 0 to 255.`);
    if (min === null)
      refuse(
        400,
        "SecurityGroupMissingIcmpType",
        `ICMP code (port-range-max) ${max} is provided but ICMP type (port-range-min) is missing.`,
      );
  } else
    refuse(
      400,
      "SecurityGroupInvalidProtocolForPort",
      `Ports cannot be specified for protocol ${number}. Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE.`,
    );
}

/** Two rules with one key are the same to Neutron: the description does not count, nor how the protocol is written. */
function keyOf(rule: Fields): string {
  const prefix = ["0.0.0.0/0", "::/0", null].includes(rule.remote_ip_prefix as null) ? "+" : rule.remote_ip_prefix;
  const protocol = rule.protocol === null ? "+" : (numberOf(rule.protocol) ?? rule.protocol);
  return [
    rule.direction,
    rule.ethertype,
    rule.port_range_max,
    rule.port_range_min,
    protocol,
    rule.remote_group_id,
    rule.remote_address_group_id,
    prefix,
  ].join("_");
}

function numberOf(protocol: unknown): number | undefined {
  if (protocol === null || protocol === undefined) return undefined;
  return NUMBERS[String(protocol)] ?? (/^\d+$/.test(String(protocol)) ? Number(protocol) : undefined);
}

function toProtocol(value: unknown): unknown {
  if (value === null || value === "any" || value === -1 || value === "-1" || value === 0 || value === "0") return null;
  const text = String(value).toLowerCase();
  if (text in NUMBERS) return text;
  if (/^\d+$/.test(text) && Number(text) <= 255) return text;
  const values = ["None", "'any'", "-1", "'-1'", "0", "'0'", ...Object.keys(NUMBERS).map((name) => `'${name}'`)];
  return refuse(
    400,
    "SecurityGroupRuleInvalidProtocol",
    `Security group rule protocol ${pythonText(value)} not supported. Only protocol values [${values.join(", ")}] and integer representations [0 to 255] are supported.`,
  );
}

function toPort(value: unknown): unknown {
  if (value === null) return null;
  const port = Number(value);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  return refuse(400, "SecurityGroupInvalidPortValue", `Invalid value for port ${pythonText(value)}`);
}

function toEthertype(value: unknown): unknown {
  const found = ["IPv4", "IPv6"].find((each) => each.toLowerCase() === String(value).toLowerCase());
  return (
    found ??
    refuse(
      400,
      "SecurityGroupRuleInvalidEtherType",
      `Security group rule for ethertype '${pythonText(value)}' not supported. Allowed values are ['IPv4', 'IPv6'].`,
    )
  );
}

/** An address becomes a prefix of its full length; host bits stay as they were said. */
function toPrefix(value: unknown): unknown {
  if (value === null || value === "") return null;
  const address = parseAddress(value);
  if (address !== undefined) return `${value}/${address.version === 4 ? 32 : 128}`;
  return parseNetwork(value) === undefined
    ? refuse(400, "InvalidCIDR", `Invalid CIDR ${pythonText(value)} given as IP prefix.`)
    : value;
}

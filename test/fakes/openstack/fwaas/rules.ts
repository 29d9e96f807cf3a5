/** Firewall rules of the fake FWaaS v2, with the checks of neutron-fwaas 26 (2025.1). Only one that no policy has can go. */

import { parseAddress, parseNetwork } from "../neutron/addresses.ts";
import { attribute, type Fields, maxText } from "../neutron/attributes.ts";
import { invalidInput, refuse } from "../neutron/error.ts";
import { type Kind, missing } from "../neutron/kind.ts";
import { address, oneOf, orNone, subnet, toBoolean, toInteger, toLowerCase } from "../neutron/validators.ts";
import { ensureDefault, prepareDefault } from "./defaults.ts";
import { policiesWith, refuseIfGroupsPending, tellOf } from "./state.ts";

const PROTOCOLS = ["dccp", "icmp", "ipv6-icmp", "sctp", "tcp", "udp"];

const place = orNone((value) =>
  address(value) === undefined || subnet(value) === undefined
    ? undefined
    : `'${value}' is neither a valid IP address, nor is it a valid IP subnet`,
);
const ports = orNone((value) => {
  const ends = String(value).split(":");
  if (ends.length > 2 || ends.includes("")) return "Port range must be two integers separated by a colon";
  const wrong = ends.find((end) => !/^\d+$/.test(end) || Number(end) > 65_535);
  if (wrong !== undefined) return `Invalid port: ${wrong}`;
  return Number(ends[0]) > Number(ends[1] ?? ends[0])
    ? "First port in a port range must be lower than the second port"
    : undefined;
});
const toText = (value: unknown) => (value === null ? null : String(value));
const PLACE = { default: null, validate: place };
const PORTS = { default: null, convert: toText, validate: ports };

function toProtocol(value: unknown): unknown {
  if (value === null || PROTOCOLS.includes(String(value).toLowerCase()) || /^\d+$/.test(String(value))) return value;
  return invalidInput(
    `IP protocol '${value}' is not supported. Only protocol names and their integer representation (0 to 255) are supported`,
  );
}

export const FIREWALL_RULE: Kind = {
  name: "firewall_rule",
  collection: "firewall_rules",
  path: "fwaas/firewall_rules",
  extension: "fwaas_v2",
  journal: "firewall-rule",
  standard: true,
  quota: "firewall_rule",
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    firewall_policy_id: attribute("fs"),
    shared: attribute("cufs", { default: false, convert: toBoolean }),
    protocol: attribute("cufs", { default: null, convert: toProtocol, validate: orNone(oneOf(...PROTOCOLS)) }),
    ip_version: attribute("cufs", { default: 4, convert: toInteger, validate: oneOf(4, 6) }),
    source_ip_address: attribute("cufs", PLACE),
    destination_ip_address: attribute("cufs", PLACE),
    source_port: attribute("cufs", PORTS),
    destination_port: attribute("cufs", PORTS),
    action: attribute("cufs", { default: "deny", convert: toLowerCase, validate: oneOf("allow", "deny", "reject") }),
    enabled: attribute("cufs", { default: true, convert: toBoolean }),
  },
  missing: missing("FirewallRuleNotFound", "Firewall rule %s could not be found."),
  target: (_net, { fields }) => ({ isShared: fields.shared === true }),
  prepare: prepareDefault,
  preparesUnseen: true,
  checkOwner: ({ net }, _fields, projectId) => ensureDefault(net, projectId),
  create: (ask, fields, projectId) => {
    check(fields);
    const row = ask.net.add("firewall_rule", projectId, stored(fields));
    ask.created(row);
    return row;
  },
  update: ({ net }, row, changes) => {
    const policies = policiesWith(net, row.id);
    for (const { id } of policies) refuseIfGroupsPending(net, id);
    check({ ...row.fields, ...changes });
    Object.assign(row.fields, stored(changes));
    for (const policy of policies) {
      policy.fields.audited = false;
      tellOf(net, policy.id);
    }
  },
  remove: ({ net, deleted }, row) => {
    if (policiesWith(net, row.id).length > 0) refuse(409, "FirewallRuleInUse", `Firewall rule ${row.id} is being used.`);
    net.remove(row);
    deleted(row);
  },
  // A listing says none of the policies; who relies on them has to ask for the rule itself.
  view: (net, row) => {
    const policies = policiesWith(net, row.id).map(({ id }) => id);
    return { firewall_policy_id: policies.length > 0 ? policies : null };
  },
};

function check({ protocol, source_port, destination_port, source_ip_address, destination_ip_address, ip_version }: Fields): void {
  const hasPorts = source_port !== null || destination_port !== null;
  if (hasPorts && protocol !== null && protocol !== "tcp" && protocol !== "udp")
    refuse(400, "FirewallRuleInvalidICMPParameter", "Source, destination port are not allowed when protocol is set to ICMP.");
  if (hasPorts && protocol === null)
    refuse(400, "FirewallRuleWithPortWithoutProtocolInvalid", "Source/destination port requires a protocol.");
  for (const value of [source_ip_address, destination_ip_address]) {
    const version = (parseAddress(value) ?? parseNetwork(value))?.version;
    if (value !== null && version !== ip_version)
      refuse(400, "FirewallIpAddressConflict", "Invalid input - IP addresses do not agree with IP Version.");
  }
}

/** `80:80` is kept as `80`, and port 0 as none. */
function stored(fields: Fields): Fields {
  const range = (value: unknown) => {
    const [low, high = low] = String(value).split(":");
    if (value === null || Number(low) === 0) return null;
    return low === high ? low : `${low}:${high}`;
  };
  const named = ["source_port", "destination_port"].filter((name) => fields[name] !== undefined);
  return { ...fields, ...Object.fromEntries(named.map((name) => [name, range(fields[name])])) };
}

/** Networks: the default group and segment that come with one, provider attributes, sharing, and what keeps one from going. */

import { attribute, type Fields, UNSET } from "./attributes.ts";
import { dnsDomain } from "./dns-names.ts";
import { badRequest, invalidInput, refuse } from "./error.ts";
import { type Ask, type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { removePort } from "./ports.ts";
import { isShared, removeEntries, shareWithAll } from "./rbac.ts";
import { ensureDefaultGroup } from "./security-groups.ts";
import { listOf, maxText, nonNegative, orNone, toBoolean, toInteger, toIntegerOrNone, toLowerCase, uuid } from "./validators.ts";

/** Ports that go with their network. */
export const GOES_WITH_NETWORK = new Set(["network:dhcp", "network:distributed"]);
const TUNNELS = new Set(["geneve", "vxlan", "gre"]);

const yes = { default: false, convert: toBoolean };

export const NETWORK: Kind = {
  name: "network",
  collection: "networks",
  path: "networks",
  journal: "network",
  quota: "network",
  standard: true,
  tagged: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    subnets: attribute(""),
    admin_state_up: attribute("cufs", { default: true, convert: toBoolean }),
    status: attribute("fs"),
    shared: attribute("cuf", yes),
    "router:external": attribute("cuf", { ...yes, extension: "external-net" }),
    is_default: attribute("cuf", { ...yes, extension: "auto-allocated-topology" }),
    mtu: attribute("cufs", { default: 0, convert: toInteger, validate: nonNegative, extension: "net-mtu" }),
    port_security_enabled: attribute("cu", { default: true, convert: toBoolean, extension: "port-security" }),
    dns_domain: attribute("cu", { default: "", convert: toLowerCase, validate: dnsDomain, extension: "dns-integration" }),
    qos_policy_id: attribute("cu", { default: null, validate: orNone(uuid), extension: "qos" }),
    availability_zone_hints: attribute("cs", {
      default: [],
      validate: listOf(maxText(255)),
      extension: "network_availability_zone",
    }),
    availability_zones: attribute("", { extension: "network_availability_zone" }),
    ipv4_address_scope: attribute("", { extension: "address-scope" }),
    ipv6_address_scope: attribute("", { extension: "address-scope" }),
    vlan_transparent: attribute("cf", { default: UNSET, convert: toBoolean, extension: "vlan-transparent" }),
    qinq: attribute("cf", { default: UNSET, convert: toBoolean, extension: "qinq" }),
    "provider:network_type": attribute("cuf", { default: UNSET, validate: maxText(32), extension: "provider" }),
    "provider:physical_network": attribute("cuf", { default: UNSET, validate: orNone(maxText(64)), extension: "provider" }),
    "provider:segmentation_id": attribute("cuf", { default: UNSET, convert: toIntegerOrNone, extension: "provider" }),
    segments: attribute("cu", { default: UNSET, extension: "multi-provider" }),
  },
  missing: missing("NetworkNotFound", "Network %s could not be found."),
  target: (net, { id, fields }, { projectId }) => ({
    isShared: id === undefined ? false : isShared(net, id, projectId),
    isExternal: fields["router:external"] === true || (id !== undefined && isShared(net, id, projectId, "access_as_external")),
  }),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const { shared, segments: _segments, ...plain } = fields;
    ensureDefaultGroup(net, projectId);
    checkPolicy(net, fields.qos_policy_id, projectId);
    checkZones(net, fields.availability_zone_hints as string[]);
    const segment = segmentOf(net, fields);
    const mtu = mtuOf(net, Number(fields.mtu ?? 0), String(segment["provider:network_type"]));
    const blank = (name: string) => (plain[name] === UNSET ? null : plain[name]);
    const row = net.add("network", projectId, {
      ...plain,
      ...segment,
      mtu,
      status: "ACTIVE",
      vlan_transparent: blank("vlan_transparent"),
      qinq: blank("qinq"),
    });
    shareWithAll(net, row, "network", "access_as_shared", shared);
    shareWithAll(net, row, "network", "access_as_external", fields["router:external"]);
    ask.created(row);
    return row;
  },
  update: (ask, row, changes) => {
    const { net } = ask;
    const { shared, ...plain } = changes;
    if (plain.mtu !== undefined) plain.mtu = mtuOf(net, Number(plain.mtu), String(row.fields["provider:network_type"]));
    if (plain.qos_policy_id !== undefined) checkPolicy(net, plain.qos_policy_id, row.projectId);
    if (plain["router:external"] === false && row.fields["router:external"] === true) refuseExternalInUse(net, row);
    shareWithAll(net, row, "network", "access_as_shared", shared);
    shareWithAll(net, row, "network", "access_as_external", plain["router:external"]);
    Object.assign(row.fields, plain);
  },
  remove: (ask, row) => {
    const { net } = ask;
    const ports = net.all("port").filter((port) => port.fields.network_id === row.id);
    const holding = ports.filter((port) => !GOES_WITH_NETWORK.has(String(port.fields.device_owner)));
    if (holding.length > 0) {
      const ids = holding.map((port) => port.id).join(",");
      const reason = `There are one or more ports still in use on the network, id for these ports is: ${ids}`;
      refuse(409, "NetworkInUse", `Unable to complete operation on network ${row.id}. ${reason}.`);
    }
    for (const port of ports) removePort(net, port);
    for (const subnet of subnetsOf(net, row.id)) {
      net.remove(subnet);
      ask.deleted(subnet);
    }
    removeEntries(net, row.id);
    net.remove(row);
    ask.deleted(row);
  },
  view: (net, row, { projectId }) => {
    const subnets = subnetsOf(net, row.id);
    const scope = (version: number) => {
      const pools = subnets
        .filter((s) => s.fields.ip_version === version)
        .map((s) => net.find("subnetpool", s.fields.subnetpool_id));
      return pools.map((pool) => pool?.fields.address_scope_id).find((id) => typeof id === "string") ?? null;
    };
    return {
      subnets: subnets.map((s) => s.id),
      shared: isShared(net, row.id, projectId),
      is_default: row.fields["router:external"] === true ? (row.fields.is_default ?? false) : undefined,
      availability_zones: [],
      ipv4_address_scope: scope(4),
      ipv6_address_scope: scope(6),
    };
  },
};

export function subnetsOf(net: Networking, networkId: unknown): Row[] {
  return net.all("subnet").filter((row) => row.fields.network_id === networkId);
}

/** Of anything that may have one. */
export function checkPolicy(net: Networking, id: unknown, projectId: string): void {
  if (id === null || id === undefined || id === UNSET) return;
  const policy = net.find("policy", id);
  if (policy === undefined || (policy.projectId !== projectId && !isShared(net, policy.id, projectId)))
    refuse(404, "QosPolicyNotFound", `QoS policy ${String(id)} could not be found.`);
}

export function checkZones(net: Networking, hints: readonly string[]): void {
  for (const hint of hints)
    if (!net.zones.includes(hint)) refuse(404, "AvailabilityZoneNotFound", `AvailabilityZone ${hint} could not be found.`);
}

function mtuOf(net: Networking, asked: number, type: string): number {
  const max = TUNNELS.has(type) ? Math.min(net.mtu, net.mtuMax) : net.mtuMax;
  if (asked > max) invalidInput(`Requested MTU is too big, maximum is ${max}`);
  return asked === 0 ? max : asked;
}

/** The segment that was asked for, checked, or a tunnel's that is free. */
function segmentOf(net: Networking, fields: Fields): Fields {
  const said = (name: string) => (fields[`provider:${name}`] === UNSET ? undefined : (fields[`provider:${name}`] ?? undefined));
  const [type, physical, id] = [said("network_type"), said("physical_network"), said("segmentation_id")];
  if (type === undefined) {
    if (physical !== undefined || id !== undefined) badRequest("network_type required");
    return segment("geneve", null, free(net, "geneve", 1));
  }
  if (type === "local") return segment("local", null, null);
  if (TUNNELS.has(String(type))) {
    if (physical !== undefined) invalidInput(`provider:physical_network specified for ${type} network`);
    if (id !== undefined && isTaken(net, String(type), null, id))
      refuse(409, "TunnelIdInUse", `Unable to create the network. The tunnel ID ${id} is in use.`);
    return segment(String(type), null, id ?? free(net, String(type), 1));
  }
  if (type !== "flat" && type !== "vlan") invalidInput(`network_type value '${type}' not supported`);
  if (physical === undefined) invalidInput(`physical_network required for ${type} provider network`);
  const range = net.physicalNetworks.get(String(physical));
  if (range === undefined || (type === "vlan") !== (range !== "flat"))
    invalidInput(`physical_network '${physical}' unknown for ${type === "vlan" ? "VLAN" : "flat"} provider network`);
  if (type === "flat") {
    if (id !== undefined) invalidInput("segmentation_id prohibited for flat provider network");
    if (isTaken(net, "flat", physical, null))
      refuse(409, "FlatNetworkInUse", `Unable to create the flat network. Physical network ${physical} is in use.`);
    return segment("flat", physical, null);
  }
  if (id !== undefined && isTaken(net, "vlan", physical, id))
    refuse(409, "VlanIdInUse", `Unable to create the network. The VLAN ${id} on physical network ${physical} is in use.`);
  return segment("vlan", physical, id ?? free(net, "vlan", Number(range[0]), physical));
}

function segment(type: string, physical: unknown, id: unknown): Fields {
  return { "provider:network_type": type, "provider:physical_network": physical, "provider:segmentation_id": id };
}

function isTaken(net: Networking, type: string, physical: unknown, id: unknown): boolean {
  return net
    .all("network")
    .some(
      ({ fields }) =>
        fields["provider:network_type"] === type &&
        fields["provider:physical_network"] === physical &&
        fields["provider:segmentation_id"] === id,
    );
}

function free(net: Networking, type: string, first: number, physical: unknown = null): number {
  let id = first;
  while (isTaken(net, type, physical, id)) id++;
  return id;
}

function refuseExternalInUse(net: Networking, row: Row): void {
  const used = net
    .all("port")
    .some(
      (port) =>
        port.fields.network_id === row.id &&
        ["network:router_gateway", "network:floatingip"].includes(String(port.fields.device_owner)),
    );
  if (used)
    refuse(
      409,
      "ExternalNetworkInUse",
      `External network ${row.id} cannot be updated to be made non-external, since it has existing gateway ports.`,
    );
}

/** For a kind whose policy asks who owns the network. */
export function networkTarget(net: Networking, networkId: unknown, asker: Ask["asker"]) {
  const network = net.find("network", networkId);
  return {
    ...(network === undefined ? {} : { networkProjectId: network.projectId }),
    isShared: network !== undefined && isShared(net, network.id, asker.projectId),
    isExternal: network?.fields["router:external"] === true,
  };
}

/** A subnet or port on a network: whoever makes it must see the network and own it, or it must be shared. */
export function checkNetworkOwner(ask: Ask, kind: string, networkId: unknown, projectId: string): void {
  const { net, asker, isAdmin } = ask;
  const network = net.need("network", networkId);
  if (isAdmin) return;
  const target = { projectId: network.projectId, fields: network.fields, ...networkTarget(net, networkId, asker) };
  if (!net.policy.allows("get_network", asker, target)) net.kind("network").missing(network.id);
  if (!isShared(net, network.id, asker.projectId) && network.projectId !== projectId)
    refuse(403, "HTTPForbidden", `Tenant ${projectId} not allowed to create ${kind} on this network`);
}

/** Subnets: CIDR, gateway, pools, IPv6 modes; allocation from a subnet pool; the DHCP port that comes with one. */

import {
  contains,
  formatAddress,
  formatNetwork,
  type Network,
  overlaps,
  type Pool,
  parseAddress,
  parseNetwork,
  poolsWithout,
} from "./addresses.ts";
import { attribute, type Fields, pythonText, UNSET } from "./attributes.ts";
import { badResource, invalidInput, refuse } from "./error.ts";
import { allocate, cidrOf, fixedIpsOf, isAutomatic } from "./ipam.ts";
import { type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { checkNetworkOwner, GOES_WITH_NETWORK, networkTarget, subnetsOf } from "./networks.ts";
import { addPort, removePort } from "./ports.ts";
import { allocateFromPool } from "./subnet-pools.ts";
import {
  address,
  listOf,
  maxText,
  nameservers,
  nonNegative,
  oneOf,
  orNone,
  pools,
  routes,
  subnet,
  toBoolean,
  toCanonicalAddress,
  toCanonicalNetwork,
  toCanonicalPools,
  toInteger,
  toList,
  uuid,
} from "./validators.ts";

const MODES = oneOf("dhcpv6-stateful", "dhcpv6-stateless", "slaac");

export const SUBNET: Kind = {
  name: "subnet",
  collection: "subnets",
  path: "subnets",
  journal: "subnet",
  quota: "subnet",
  standard: true,
  tagged: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    ip_version: attribute("cfs", { convert: toInteger, validate: oneOf(4, 6) }),
    network_id: attribute("cfs", { validate: uuid }),
    subnetpool_id: attribute("cfs", { default: UNSET, validate: orNone(uuid), extension: "subnet_allocation" }),
    use_default_subnetpool: attribute("ch", { default: false, convert: toBoolean, extension: "default-subnetpools" }),
    prefixlen: attribute("ch", { default: UNSET, convert: toInteger, validate: nonNegative }),
    cidr: attribute("cfs", { default: UNSET, convert: toCanonicalNetwork, validate: orNone(subnet) }),
    gateway_ip: attribute("cufs", { default: UNSET, convert: toCanonicalAddress, validate: orNone(address) }),
    allocation_pools: attribute("cu", { default: UNSET, convert: toCanonicalPools, validate: pools }),
    dns_nameservers: attribute("cu", { default: UNSET, convert: toList, validate: nameservers }),
    host_routes: attribute("cu", { default: UNSET, convert: toList, validate: routes }),
    enable_dhcp: attribute("cufs", { default: true, convert: toBoolean }),
    ipv6_ra_mode: attribute("cfs", { default: UNSET, validate: MODES }),
    ipv6_address_mode: attribute("cfs", { default: UNSET, validate: MODES }),
    segment_id: attribute("cufs", { default: null, validate: orNone(uuid), extension: "segment" }),
    dns_publish_fixed_ip: attribute("cu", { default: false, convert: toBoolean, extension: "subnet-dns-publish-fixed-ip" }),
    service_types: attribute("cu", { default: UNSET, validate: listOf(serviceType), extension: "subnet-service-types" }),
    "router:external": attribute("f", { extension: "subnet-external-network" }),
  },
  missing: missing("SubnetNotFound", "Subnet %s could not be found."),
  target: (net, { fields }, asker) => networkTarget(net, fields.network_id, asker),
  checkOwner: (ask, fields, projectId) => checkNetworkOwner(ask, "subnet", fields.network_id, projectId),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const network = net.need("network", fields.network_id);
    const { use_default_subnetpool: useDefault, prefixlen, ...plain } = fields;
    const [hasCidr, hasLength] = [isSet(fields.cidr), isSet(prefixlen)];
    if (hasCidr && hasLength) badResource("subnets", "cidr and prefixlen must not be supplied together");
    let poolId = isSet(fields.subnetpool_id) ? String(fields.subnetpool_id) : undefined;
    if (useDefault === true && poolId !== undefined)
      badResource("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified");
    if (useDefault === true)
      poolId =
        net.all("subnetpool").find((pool) => pool.fields.is_default === true && pool.fields.ip_version === fields.ip_version)
          ?.id ?? badResource("subnets", `No default subnetpool found for IPv${fields.ip_version}`);
    if (poolId === undefined && !hasCidr) badResource("subnets", "a subnetpool must be specified in the absence of a cidr");
    if (poolId !== undefined && !hasCidr && isSet(fields.allocation_pools))
      badResource("subnets", "allocation_pools allowed only for specific subnet requests.");
    checkSubnet(net, plain, undefined);
    const cidr =
      poolId === undefined ? (parseNetwork(fields.cidr) as Network) : allocateFromPool(net, poolId, projectId, fields, prefixlen);
    checkOverlap(net, network, cidr, String(hasCidr ? fields.cidr : formatNetwork(cidr)));
    const gateway = gatewayOf(fields.gateway_ip, cidr);
    const given = isSet(fields.allocation_pools) ? (fields.allocation_pools as Pool[]) : undefined;
    if (given !== undefined) checkPools(given, cidr, gateway);
    const row = net.add("subnet", projectId, {
      ...plain,
      cidr: formatNetwork(cidr),
      subnetpool_id: poolId ?? null,
      gateway_ip: gateway,
      allocation_pools: given ?? poolsWithout(cidr, gateway),
      dns_nameservers: isSet(fields.dns_nameservers) ? fields.dns_nameservers : [],
      host_routes: isSet(fields.host_routes) ? fields.host_routes : [],
      service_types: isSet(fields.service_types) ? fields.service_types : [],
      ipv6_ra_mode: isSet(fields.ipv6_ra_mode) ? fields.ipv6_ra_mode : null,
      ipv6_address_mode: isSet(fields.ipv6_address_mode) ? fields.ipv6_address_mode : null,
    });
    ask.created(row);
    if (isAutomatic(row)) addToPorts(net, row);
    if (fields.enable_dhcp === true) serveDhcp(net, row);
    return row;
  },
  update: ({ net }, row, changes) => {
    checkSubnet(net, { ...row.fields, ...changes }, row);
    const cidr = cidrOf(row);
    const gateway =
      changes.gateway_ip === undefined ? (row.fields.gateway_ip as string | null) : (changes.gateway_ip as string | null);
    if (changes.gateway_ip !== undefined || changes.allocation_pools !== undefined) {
      const all = (changes.allocation_pools ?? row.fields.allocation_pools) as Pool[];
      checkPools(all, cidr, gateway);
    }
    Object.assign(row.fields, changes);
    if (changes.enable_dhcp === true) serveDhcp(net, row);
    if (changes.enable_dhcp === false) stopDhcp(net, row);
  },
  remove: (ask, row) => {
    const { net } = ask;
    const users = net.all("port").filter((port) => fixedIpsOf(port).some((ip) => ip.subnet_id === row.id));
    const holding = users.filter((port) => {
      const owner = String(port.fields.device_owner);
      return !GOES_WITH_NETWORK.has(owner) && (!isAutomatic(row) || owner.startsWith("network:router_interface"));
    });
    if (holding.length > 0)
      refuse(
        409,
        "SubnetInUse",
        `Unable to complete operation on subnet ${row.id}: One or more ports have an IP allocation from this subnet.`,
      );
    const group = net.all("endpoint_group").find((each) => (each.fields.endpoints as unknown[]).includes(row.id));
    if (group !== undefined)
      refuse(
        409,
        "SubnetInUse",
        `Unable to complete operation on subnet ${row.id}: Subnet ${row.id} is used by endpoint group ${group.id}`,
      );
    for (const port of users) {
      const left = fixedIpsOf(port).filter((ip) => ip.subnet_id !== row.id);
      port.fields.fixed_ips = left;
      if (left.length === 0 && GOES_WITH_NETWORK.has(String(port.fields.device_owner))) removePort(net, port);
    }
    net.remove(row);
    ask.deleted(row);
  },
  view: (net, row) => ({
    "router:external": net.find("network", row.fields.network_id)?.fields["router:external"] === true,
    segment_id: row.fields.segment_id ?? null,
  }),
};

const isSet = (value: unknown) => value !== UNSET && value !== null && value !== undefined;

function serviceType(value: unknown): string | undefined {
  const owners = /^(network|compute|neutron|baremetal|Octavia|trunk):/;
  return typeof value === "string" && owners.test(value)
    ? undefined
    : `Service type ${pythonText(value)} is not a valid device owner`;
}

function gatewayOf(asked: unknown, cidr: Network): string | null {
  if (asked === null) return null;
  if (typeof asked === "string") return asked;
  // Of IPv6 the network address itself: the routers' anycast address.
  const value = cidr.version === 6 ? cidr.first : cidr.first + 1n;
  return formatAddress({ version: cidr.version, value });
}

function checkSubnet(net: Networking, fields: Fields, current: Row | undefined): void {
  const version = fields.ip_version as 4 | 6;
  const sameVersion = (text: unknown, name: string) => {
    const found = parseNetwork(text)?.version ?? parseAddress(text)?.version;
    if (found !== version) invalidInput(`${name} '${text}' does not match the ip_version '${version}'`);
  };
  const cidr = isSet(fields.cidr) ? parseNetwork(fields.cidr) : undefined;
  if (cidr !== undefined) sameVersion(fields.cidr, "cidr");
  const startsDhcp = fields.enable_dhcp === true && current?.fields.enable_dhcp !== true;
  if (cidr !== undefined && startsDhcp && cidr.length > (version === 4 ? 30 : 126))
    invalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled");
  if (isSet(fields.gateway_ip)) {
    sameVersion(fields.gateway_ip, "gateway_ip");
    const gateway = parseAddress(fields.gateway_ip);
    const isEdge =
      version === 4 &&
      cidr !== undefined &&
      cidr.length < 31 &&
      gateway !== undefined &&
      (gateway.value === cidr.first || gateway.value === cidr.last);
    if (isEdge) invalidInput("Gateway is not valid on subnet");
  }
  if (current !== undefined && fields.gateway_ip !== current.fields.gateway_ip) refuseGatewayInUse(net, current);
  for (const host of isSet(fields.dns_nameservers) ? (fields.dns_nameservers as string[]) : [])
    sameVersion(host, "dns_nameserver");
  if (isSet(fields.dns_nameservers) && (fields.dns_nameservers as string[]).length > 5)
    refuse(
      400,
      "DNSNameServersExhausted",
      `Unable to complete operation for ${current?.id ?? "new subnet"}. The number of DNS nameservers exceeds the limit 5.`,
    );
  for (const route of isSet(fields.host_routes) ? (fields.host_routes as Fields[]) : []) {
    sameVersion(route.nexthop, "nexthop");
    sameVersion(route.destination, "destination");
  }
  const [ra, mode] = [fields.ipv6_ra_mode, fields.ipv6_address_mode].map((each) => (isSet(each) ? each : undefined));
  if (version === 4) {
    if (ra !== undefined) invalidInput("ipv6_ra_mode is not valid when ip_version is 4");
    if (mode !== undefined) invalidInput("ipv6_address_mode is not valid when ip_version is 4");
    return;
  }
  if (ra === undefined && mode === undefined) return;
  if (fields.enable_dhcp !== true && current === undefined)
    invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False");
  if (ra !== undefined && mode !== undefined && ra !== mode)
    invalidInput(
      `ipv6_ra_mode set to '${ra}' with ipv6_address_mode set to '${mode}' is not valid. If both attributes are set, they must be the same value`,
    );
  if (cidr !== undefined && mode !== undefined && mode !== "dhcpv6-stateful" && cidr.length !== 64)
    invalidInput(
      `Invalid CIDR ${fields.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64`,
    );
}

function refuseGatewayInUse(net: Networking, row: Row): void {
  const user = net
    .all("port")
    .find(
      (port) =>
        String(port.fields.device_owner).startsWith("network:router_interface") &&
        fixedIpsOf(port).some((ip) => ip.subnet_id === row.id && ip.ip_address === row.fields.gateway_ip),
    );
  if (user !== undefined)
    refuse(
      409,
      "GatewayIpInUse",
      `Current gateway ip ${row.fields.gateway_ip} already in use by port ${user.id}. Unable to update.`,
    );
}

function checkOverlap(net: Networking, network: Row, cidr: Network, text: string): void {
  if (cidr.length === 0) invalidInput("0 is not allowed as CIDR prefix length");
  if (subnetsOf(net, network.id).some((other) => overlaps(cidrOf(other), cidr)))
    invalidInput(`Requested subnet with cidr: ${text} for network: ${network.id} overlaps with another subnet`);
}

function checkPools(asked: readonly Pool[], cidr: Network, gateway: string | null): void {
  const isSmall = cidr.version === 4 && cidr.length > 30;
  const first = isSmall ? cidr.first : cidr.first + 1n;
  const last = cidr.version === 4 && !isSmall ? cidr.last - 1n : cidr.last;
  const ranges = asked.map(({ start, end }) => {
    const [from, to] = [parseAddress(start), parseAddress(end)];
    if (
      from === undefined ||
      to === undefined ||
      from.version !== cidr.version ||
      to.version !== cidr.version ||
      from.value > to.value
    )
      return refuse(400, "InvalidAllocationPool", `The allocation pool ${start}-${end} is not valid.`);
    if (from.value < first || to.value > last)
      refuse(
        400,
        "OutOfBoundsAllocationPool",
        `The allocation pool ${start}-${end} spans beyond the subnet cidr ${formatNetwork(cidr)}.`,
      );
    return { start, end, from: from.value, to: to.value };
  });
  for (const [i, a] of ranges.entries())
    for (const b of ranges.slice(i + 1))
      if (a.from <= b.to && b.from <= a.to)
        refuse(
          409,
          "OverlappingAllocationPools",
          `Found overlapping allocation pools: ${a.start}-${a.end} ${b.start}-${b.end} for subnet ${formatNetwork(cidr)}.`,
        );
  const hole = gateway === null ? undefined : parseAddress(gateway);
  const clash =
    hole === undefined || !contains(cidr, hole) ? undefined : ranges.find((r) => hole.value >= r.from && hole.value <= r.to);
  if (clash !== undefined)
    refuse(
      409,
      "GatewayConflictWithAllocationPools",
      `Gateway ip ${gateway} conflicts with allocation pool ${clash.start}-${clash.end}.`,
    );
}

/** Ports that were there before get the address that the new subnet's hosts give themselves. */
function addToPorts(net: Networking, row: Row): void {
  for (const port of net.all("port")) {
    if (port.fields.network_id !== row.fields.network_id || String(port.fields.device_owner).startsWith("network:router"))
      continue;
    const mac = String(port.fields.mac_address);
    port.fields.fixed_ips = allocate(net, fixedIpsOf(port), {
      networkId: row.fields.network_id,
      owner: String(port.fields.device_owner),
      mac,
      portId: port.id,
    });
  }
}

/** What the DHCP agent does: one port on the network with an address of each subnet that it serves. */
function serveDhcp(net: Networking, row: Row): void {
  if (!net.dhcpPorts) return;
  const networkId = row.fields.network_id;
  const there = dhcpPort(net, networkId);
  const mac = there === undefined ? net.newMac() : String(there.fields.mac_address);
  const wanted = [...(there === undefined ? [] : fixedIpsOf(there)), { subnet_id: row.id }];
  try {
    const ips = allocate(net, wanted, {
      networkId,
      owner: "network:dhcp",
      mac,
      ...(there === undefined ? {} : { portId: there.id }),
    });
    if (there !== undefined) there.fields.fixed_ips = ips;
    else
      addPort(net, {
        networkId: String(networkId),
        projectId: row.projectId,
        owner: "network:dhcp",
        deviceId: "dhcp-lab",
        mac,
        fixedIps: ips,
      });
  } catch {
    // The agent logs it and tries again: nobody who makes a subnet is told.
  }
}

function stopDhcp(net: Networking, row: Row): void {
  const port = dhcpPort(net, row.fields.network_id);
  if (port === undefined) return;
  port.fields.fixed_ips = fixedIpsOf(port).filter((ip) => ip.subnet_id !== row.id);
  if (fixedIpsOf(port).length === 0) removePort(net, port);
}

function dhcpPort(net: Networking, networkId: unknown): Row | undefined {
  return net.all("port").find((port) => port.fields.network_id === networkId && port.fields.device_owner === "network:dhcp");
}

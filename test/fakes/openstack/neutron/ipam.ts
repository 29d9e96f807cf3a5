/**
 * Addresses of ports: which subnets serve a port, which address it gets, what cannot be had. After Neutron's pluggable IPAM with its
 * internal driver, but for one thing: the lowest free address is taken, not a random one of the first free ones.
 */

import { contains, eui64, formatAddress, type Network, type Pool, parseAddress, parseNetwork } from "./addresses.ts";
import type { Fields } from "./attributes.ts";
import { invalidInput, refuse } from "./error.ts";
import type { Networking, Row } from "./networking.ts";
import { subnetsOf } from "./networks.ts";

export interface FixedIp {
  readonly subnet_id: string;
  readonly ip_address: string;
}

interface Wanted {
  readonly subnet_id?: string;
  readonly ip_address?: string;
}

export interface ForPort {
  readonly networkId: unknown;
  readonly owner: string;
  readonly mac: string;
  /** Addresses of this port are free to itself. */
  readonly portId?: string;
}

const ROUTER_INTERFACES = new Set([
  "network:router_interface",
  "network:router_interface_distributed",
  "network:ha_router_replicated_interface",
  "network:router_gateway",
  "network:router_centralized_snat",
]);

export function isAutomatic(subnet: Row): boolean {
  return subnet.fields.ipv6_address_mode === "slaac" || subnet.fields.ipv6_address_mode === "dhcpv6-stateless";
}

export function fixedIpsOf(port: { readonly fields: Fields }): readonly FixedIp[] {
  return (port.fields.fixed_ips ?? []) as FixedIp[];
}

/** `wanted` undefined: not specified, one address of each version. */
export function allocate(net: Networking, wanted: readonly Wanted[] | undefined, port: ForPort): FixedIp[] {
  const subnets = subnetsOf(net, port.networkId).filter(({ fields }) => {
    const types = (fields.service_types ?? []) as string[];
    return types.length === 0 || types.includes(port.owner);
  });
  const taken = takenOf(net, port);
  const result: FixedIp[] = [];
  const give = (subnet: Row, address: string) => {
    taken.add(`${subnet.id} ${address}`);
    result.push({ subnet_id: subnet.id, ip_address: address });
  };
  const isRouter = ROUTER_INTERFACES.has(port.owner);
  if (wanted === undefined) {
    for (const group of [subnets.filter(isV4), subnets.filter((s) => !isV4(s) && !isAutomatic(s))]) {
      if (group.length === 0) continue;
      const [subnet, address] = firstFree(group, taken) ?? exhausted(port.networkId);
      give(subnet, address);
    }
  } else {
    for (const one of wanted) {
      const subnet = subnetFor(net, subnets, one, port);
      if (one.ip_address !== undefined) {
        give(subnet, specific(subnet, formatted(one.ip_address), port, taken));
      } else if (isRouter || !isAutomatic(subnet)) {
        const [, address] = firstFree([subnet], taken) ?? exhausted(port.networkId);
        give(subnet, address);
      }
    }
  }
  if (isRouter) return result;
  // The addresses that a host gives itself are there whether asked for or not.
  for (const subnet of subnets.filter(isAutomatic))
    if (!result.some((ip) => ip.subnet_id === subnet.id)) give(subnet, eui64(cidrOf(subnet), port.mac));
  return result;
}

/** The addresses after an update: those that stay are kept, new ones are allocated. */
export function reallocate(net: Networking, wanted: readonly Wanted[], row: Row, port: ForPort): FixedIp[] {
  const old = [...fixedIpsOf(row)];
  const kept = wanted.map((one) => {
    if (one.ip_address !== undefined) return one;
    const i = old.findIndex((ip) => ip.subnet_id === one.subnet_id && !wanted.some((w) => w.ip_address === ip.ip_address));
    return i < 0 ? one : (old.splice(i, 1)[0] ?? one);
  });
  return allocate(net, kept, { ...port, portId: row.id });
}

function takenOf(net: Networking, { portId }: ForPort): Set<string> {
  const ports = net.all("port").filter((port) => port.id !== portId);
  return new Set(ports.flatMap((port) => fixedIpsOf(port).map((ip) => `${ip.subnet_id} ${ip.ip_address}`)));
}

function subnetFor(net: Networking, subnets: readonly Row[], { subnet_id: id, ip_address: address }: Wanted, port: ForPort): Row {
  if (subnets.length === 0) invalidInput("IP allocation requires subnets for network");
  if (id !== undefined) {
    const subnet = subnets.find((each) => each.id === id);
    if (subnet === undefined) {
      net.need("subnet", id);
      invalidInput(`Failed to create port on network ${port.networkId}, because fixed_ips included invalid subnet ${id}`);
    }
    if (address !== undefined && !isValidOn(subnet, address, port.owner))
      refuse(400, "InvalidIpForSubnet", `IP address ${address} is not a valid IP for the specified subnet.`);
    return subnet;
  }
  if (address === undefined) return invalidInput("IP allocation requires subnet_id or ip_address");
  const found = subnets.find((each) => isValidOn(each, address, port.owner));
  return (
    found ??
    refuse(400, "InvalidIpForNetwork", `IP address ${address} is not a valid IP for any of the subnets on the specified network.`)
  );
}

function specific(subnet: Row, address: string, port: ForPort, taken: ReadonlySet<string>): string {
  if (isAutomatic(subnet) && !ROUTER_INTERFACES.has(port.owner) && eui64(cidrOf(subnet), port.mac) !== address)
    refuse(
      400,
      "AllocationOnAutoAddressSubnet",
      `IPv6 address ${address} cannot be directly assigned to a port on subnet ${subnet.id} as the subnet is configured for automatic addresses`,
    );
  if (taken.has(`${subnet.id} ${address}`))
    refuse(409, "IpAddressAlreadyAllocated", `IP address ${address} already allocated in subnet ${subnet.id}`);
  return address;
}

/** Network and broadcast addresses are none for a host; the last of IPv6 is one. */
function isValidOn(subnet: Row, text: string, owner: string): boolean {
  const [network, address] = [cidrOf(subnet), parseAddress(text)];
  if (address === undefined || !contains(network, address)) return false;
  if (network.version === 4) {
    const isPointToPoint = network.length >= 31;
    return isPointToPoint || (address.value !== network.first && address.value !== network.last);
  }
  return ROUTER_INTERFACES.has(owner) || address.value !== network.first;
}

function firstFree(subnets: readonly Row[], taken: ReadonlySet<string>): [Row, string] | undefined {
  for (const subnet of subnets) {
    for (const { start, end } of subnet.fields.allocation_pools as Pool[]) {
      const [first, last] = [parseAddress(start), parseAddress(end)];
      if (first === undefined || last === undefined) continue;
      for (let value = first.value; value <= last.value; value++) {
        const address = formatAddress({ version: first.version, value });
        if (!taken.has(`${subnet.id} ${address}`)) return [subnet, address];
      }
    }
  }
  return undefined;
}

function exhausted(networkId: unknown): never {
  refuse(409, "IpAddressGenerationFailure", `No more IP addresses available on network ${networkId}.`);
}

export function cidrOf(subnet: Row): Network {
  const network = parseNetwork(subnet.fields.cidr);
  if (network === undefined) throw new RangeError(`subnet ${subnet.id} has no CIDR`);
  return network;
}

function isV4({ fields }: Row): boolean {
  return fields.ip_version === 4;
}

function formatted(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}

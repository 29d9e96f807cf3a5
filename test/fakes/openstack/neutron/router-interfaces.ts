/** The interfaces of a router: ports that become or are made its own, and go with the interface. */

import { contains, overlaps, parseAddress } from "./addresses.ts";
import type { Fields } from "./attributes.ts";
import { badResource, refuse } from "./error.ts";
import { cidrOf, fixedIpsOf } from "./ipam.ts";
import type { Action, Ask } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { networkTarget } from "./networks.ts";
import { addPort, removePort } from "./ports.ts";
import { gatewaysOf, INTERFACE_OWNER, interfacesOf } from "./router-ports.ts";
import { uuid } from "./validators.ts";

export const ADD_INTERFACE: Action = {
  method: "PUT",
  run: (ask, router, body) => {
    const { net } = ask;
    const { portId, subnetId } = asked(body);
    if (portId !== undefined && subnetId !== undefined) badResource("router", "Cannot specify both subnet-id and port-id");
    const port = portId === undefined ? bySubnet(ask, router, String(subnetId)) : byPort(ask, router, portId);
    net.touch(router);
    const ids = subnetId === undefined ? fixedIpsOf(port).map((ip) => ip.subnet_id) : [subnetId];
    return answer(router, port, ids);
  },
};

export const REMOVE_INTERFACE: Action = {
  method: "PUT",
  run: (ask, router, body) => {
    const { net, deleted } = ask;
    const { portId, subnetId } = asked(body);
    const interfaces = interfacesOf(net, router.id);
    if (portId !== undefined) {
      const port = interfaces.find((each) => each.id === portId);
      if (port === undefined)
        return refuse(404, "RouterInterfaceNotFound", `Router ${router.id} does not have an interface with id ${portId}`);
      const ids = fixedIpsOf(port).map((ip) => ip.subnet_id);
      if (subnetId !== undefined && !ids.includes(subnetId))
        refuse(400, "SubnetMismatchForPort", `Subnet on port ${portId} does not match the requested subnet ${subnetId}.`);
      for (const id of ids) refuseInUse(net, router, net.need("subnet", id));
      removePort(net, port);
      deleted(port);
      net.touch(router);
      return answer(router, port, ids);
    }
    const subnet = see(ask, "subnet", String(subnetId));
    const port = interfaces.find((each) => fixedIpsOf(each).some((ip) => ip.subnet_id === subnet.id));
    if (port === undefined)
      return refuse(404, "RouterInterfaceNotFoundForSubnet", `Router ${router.id} has no interface on subnet ${subnet.id}`);
    refuseInUse(net, router, subnet);
    const left = fixedIpsOf(port).filter((ip) => ip.subnet_id !== subnet.id);
    if (left.length > 0) port.fields.fixed_ips = left;
    else {
      removePort(net, port);
      deleted(port);
    }
    net.touch(router);
    return answer(router, port, [subnet.id]);
  },
};

function asked(body: Fields): { portId: string | undefined; subnetId: string | undefined } {
  const { port_id: portId, subnet_id: subnetId } = body;
  if (portId === undefined && subnetId === undefined) badResource("router", "Either subnet_id or port_id must be specified");
  for (const id of [portId, subnetId]) {
    const problem = id === undefined ? undefined : uuid(id);
    if (problem !== undefined) badResource("router", problem);
  }
  return { portId: portId as string | undefined, subnetId: subnetId as string | undefined };
}

function answer(router: Row, port: Row, subnetIds: readonly string[]): Fields {
  return {
    id: router.id,
    tenant_id: port.projectId,
    port_id: port.id,
    network_id: port.fields.network_id,
    subnet_id: subnetIds.at(-1),
    subnet_ids: subnetIds,
  };
}

function see(ask: Ask, kind: "subnet" | "port", id: string): Row {
  const { net, asker } = ask;
  const row = net.need(kind, id);
  const target = { projectId: row.projectId, fields: row.fields, ...networkTarget(net, row.fields.network_id, asker) };
  if (!net.policy.allows(`get_${kind}`, asker, target)) net.kind(kind).missing(id);
  return row;
}

function bySubnet(ask: Ask, router: Row, subnetId: string): Row {
  const { net, asker, isAdmin, created } = ask;
  const subnet = see(ask, "subnet", subnetId);
  const gateway = subnet.fields.gateway_ip;
  if (gateway === null) badResource("router", "Subnet for router interface must have a gateway IP");
  if (
    subnet.projectId !== asker.projectId &&
    !isAdmin &&
    net.find("network", subnet.fields.network_id)?.projectId !== asker.projectId
  ) {
    const inPool = (subnet.fields.allocation_pools as { start: string; end: string }[]).some(({ start, end }) =>
      isWithin(String(gateway), start, end),
    );
    if (!inPool)
      badResource(
        "router",
        `Cannot add interface to router because subnet ${subnetId} is not owned by project making the request`,
      );
  }
  checkMode(subnet);
  checkSubnets(net, router, [subnet]);
  const fixedIp = { subnet_id: subnet.id, ip_address: String(gateway) };
  // Prefixes of IPv6 share one port of a network.
  const shared = subnet.fields.ip_version === 6 ? ipv6Port(net, router, subnet.fields.network_id) : undefined;
  if (shared !== undefined) {
    shared.fields.fixed_ips = [...fixedIpsOf(shared), fixedIp];
    return shared;
  }
  const port = addPort(net, {
    networkId: String(subnet.fields.network_id),
    projectId: router.projectId,
    owner: INTERFACE_OWNER,
    deviceId: router.id,
    fixedIps: [fixedIp],
    securityGroups: [],
  });
  created(port);
  return port;
}

function byPort(ask: Ask, router: Row, portId: string): Row {
  const { net } = ask;
  const port = see(ask, "port", portId);
  if (port.fields.device_id !== "")
    refuse(
      409,
      "PortInUse",
      `Unable to complete operation on port ${port.id} for network ${port.fields.network_id}. Port already has an attached device ${port.fields.device_id}.`,
    );
  const ips = fixedIpsOf(port);
  if (ips.length === 0) badResource("router", "Router port must have at least one fixed IP");
  const subnets = ips.map((ip) => net.need("subnet", ip.subnet_id));
  for (const subnet of subnets) checkMode(subnet);
  if (subnets.filter((subnet) => subnet.fields.ip_version === 4).length > 1)
    badResource("router", "Cannot have multiple IPv4 subnets on router port");
  const other = ips.some((ip) => ip.ip_address.includes(":")) ? ipv6Port(net, router, port.fields.network_id) : undefined;
  if (other !== undefined)
    badResource(
      "router",
      `Router already contains IPv6 port ${other.id} belonging to network id ${port.fields.network_id}. Only one IPv6 port from the same network subnet can be connected to a router.`,
    );
  checkSubnets(net, router, subnets);
  Object.assign(port.fields, {
    device_id: router.id,
    device_owner: INTERFACE_OWNER,
    status: "ACTIVE",
    security_groups: [],
    port_security_enabled: false,
  });
  net.touch(port);
  return port;
}

function checkMode({ fields }: Row): void {
  const { ipv6_address_mode: mode, ipv6_ra_mode: ra } = fields;
  if (fields.ip_version === 6 && ra === null && mode !== null)
    badResource(
      "router",
      `IPv6 subnet ${fields.name} configured to receive RAs from an external router cannot be added to Neutron Router.`,
    );
}

function checkSubnets(net: Networking, router: Row, subnets: readonly Row[]): void {
  const there = [...interfacesOf(net, router.id), ...gatewaysOf(net, router)].flatMap(fixedIpsOf);
  for (const { subnet_id: id } of there)
    if (subnets.some((subnet) => subnet.id === id)) badResource("router", `Router already has a port on subnet ${id}`);
  for (const { subnet_id: id } of there) {
    const own = net.find("subnet", id);
    for (const subnet of subnets)
      if (own !== undefined && overlaps(cidrOf(own), cidrOf(subnet)))
        badResource(
          "router",
          `Cidr ${subnet.fields.cidr} of subnet ${subnet.id} overlaps with cidr ${own.fields.cidr} of subnet ${own.id}`,
        );
  }
}

function ipv6Port(net: Networking, router: Row, networkId: unknown): Row | undefined {
  return interfacesOf(net, router.id).find(
    (port) => port.fields.network_id === networkId && fixedIpsOf(port).some((ip) => ip.ip_address.includes(":")),
  );
}

function isWithin(text: string, start: string, end: string): boolean {
  const [address, from, to] = [text, start, end].map((each) => parseAddress(each)?.value);
  return address !== undefined && from !== undefined && to !== undefined && address >= from && address <= to;
}

function refuseInUse(net: Networking, router: Row, subnet: Row): void {
  const cidr = cidrOf(subnet);
  const isIn = (text: unknown) => {
    const address = parseAddress(text);
    return address !== undefined && contains(cidr, address);
  };
  const floating = net.all("floatingip").filter((ip) => ip.fields.router_id === router.id);
  const forwarded = net.all("port_forwarding").filter((each) => floating.some((ip) => ip.id === each.parentId));
  if (floating.some((ip) => isIn(ip.fields.fixed_ip_address)) || forwarded.some((each) => isIn(each.fields.internal_ip_address)))
    refuse(
      409,
      "RouterInterfaceInUseByFloatingIP",
      `Router interface for subnet ${subnet.id} on router ${router.id} cannot be deleted, as it is required by one or more floating IPs.`,
    );
  if ((router.fields.routes as Fields[]).some((route) => isIn(route.nexthop)))
    refuse(
      409,
      "RouterInterfaceInUseByRoute",
      `Router interface for subnet ${subnet.id} on router ${router.id} cannot be deleted, as it is required by one or more routes.`,
    );
  const service = net
    .all("vpnservice")
    .find((each) => each.fields.router_id === router.id && each.fields.subnet_id === subnet.id);
  if (service !== undefined) refuse(409, "SubnetInUseByVPNService", `Subnet ${subnet.id} is used by VPNService ${service.id}`);
  const connection = net.all("ipsec_site_connection").find(({ fields }) => {
    const local = net.find("endpoint_group", fields.local_ep_group_id)?.fields.endpoints as unknown[] | undefined;
    const isOfRouter = net.find("vpnservice", fields.vpnservice_id)?.fields.router_id === router.id;
    return isOfRouter && local?.includes(subnet.id) === true;
  });
  if (connection !== undefined)
    refuse(409, "SubnetInUseByIPsecSiteConnection", `Subnet ${subnet.id} is used by ipsec site connection ${connection.id}`);
}

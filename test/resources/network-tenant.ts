/** A project with one of every core Neutron type, every field that its role may set being set; and how it looks, without ids and times. */

import type { Fields } from "../fakes/openstack/neutron/attributes.ts";
import type { Row } from "../fakes/openstack/neutron/networking.ts";
import { asAdmin, seedRow } from "../fakes/openstack/neutron/seed-networks.ts";
import type { TwoProjects } from "./two-projects.ts";

export const CORE_TYPES = [
  "neutron.address-scope",
  "neutron.subnet-pool",
  "neutron.address-group",
  "neutron.security-group",
  "neutron.network",
  "neutron.subnet",
  "neutron.router",
  "neutron.port",
];

export interface Tenant {
  readonly network: Row;
  readonly subnet: Row;
  readonly router: Row;
  readonly port: Row;
  readonly group: Row;
}

/** Seeds the source project. */
export function seedTenant(projects: TwoProjects): Tenant {
  const net = projects.fake.network;
  const own = projects.sourceId;
  const seed = (kind: string, fields: Fields) => seedRow(net, kind, own, fields);
  const external = net.all("network").find((row) => row.fields.name === "public")?.id;
  const scope = seed("address_scope", { name: "scope", ip_version: 4 });
  const pool = seed("subnetpool", {
    name: "pool",
    description: "to cut from",
    prefixes: ["10.64.0.0/16", "10.66.0.0/16"],
    default_prefixlen: 26,
    min_prefixlen: 20,
    max_prefixlen: 28,
    default_quota: 4096,
    address_scope_id: scope.id,
    tags: ["p1"],
  });
  const addresses = seed("address_group", {
    name: "offices",
    description: "of ours",
    addresses: ["192.0.2.0/24", "198.51.100.7/32"],
  });
  const group = seed("security_group", { name: "web", description: "lets the web in", stateful: false, tags: ["sg", "a"] });
  const other = seed("security_group", { name: "db", description: "", stateful: false });
  const rule = (row: Row, fields: Fields) =>
    seed("security_group_rule", { security_group_id: row.id, direction: "ingress", ...fields });
  rule(group, { protocol: "tcp", port_range_min: 80, port_range_max: 443, remote_ip_prefix: "0.0.0.0/0", description: "web" });
  rule(group, { protocol: "icmp", port_range_min: 8, port_range_max: 0, remote_group_id: other.id });
  rule(group, { ethertype: "IPv6", protocol: "58", remote_ip_prefix: "2001:db8::/32" });
  rule(other, { protocol: "tcp", port_range_min: 5432, port_range_max: 5432, remote_group_id: group.id });
  rule(other, { protocol: "udp", port_range_min: 53, port_range_max: 53, remote_address_group_id: addresses.id });
  const [standing] = net.all("security_group").filter((row) => row.projectId === own && row.fields.name === "default");
  if (standing !== undefined)
    rule(standing, { protocol: "tcp", port_range_min: 22, port_range_max: 22, remote_ip_prefix: "203.0.113.0/24" });
  const network = seed("network", {
    name: "inside",
    description: "a network",
    admin_state_up: true,
    mtu: 1400,
    dns_domain: "inside.example.",
    port_security_enabled: true,
    availability_zone_hints: ["nova"],
    tags: ["n2", "n1"],
  });
  const subnet = seed("subnet", {
    network_id: network.id,
    name: "v4",
    description: "first",
    ip_version: 4,
    cidr: "10.1.0.0/24",
    gateway_ip: "10.1.0.254",
    allocation_pools: [
      { start: "10.1.0.100", end: "10.1.0.120" },
      { start: "10.1.0.20", end: "10.1.0.90" },
    ],
    dns_nameservers: ["9.9.9.9", "1.1.1.1"],
    host_routes: [{ destination: "10.9.0.0/16", nexthop: "10.1.0.9" }],
    enable_dhcp: true,
    dns_publish_fixed_ip: true,
    tags: ["s"],
  });
  const pooled = seed("subnet", {
    network_id: seed("network", { name: "pooled" }).id,
    name: "cut",
    ip_version: 4,
    subnetpool_id: pool.id,
    prefixlen: 27,
  });
  const modes = { ipv6_ra_mode: "slaac", ipv6_address_mode: "slaac" };
  seed("subnet", { network_id: network.id, name: "v6", ip_version: 6, cidr: "fd00:1::/64", gateway_ip: "fd00:1::1", ...modes });
  seed("subnet", {
    network_id: network.id,
    name: "closed",
    ip_version: 4,
    cidr: "10.2.0.0/28",
    gateway_ip: null,
    enable_dhcp: false,
  });
  const router = seed("router", {
    name: "gate",
    description: "to the world",
    external_gateway_info: { network_id: external },
    availability_zone_hints: ["nova"],
    tags: ["r"],
  });
  const act = (fields: Fields) => {
    const add = net.kind("router").actions?.add_router_interface;
    return add?.run(asAdmin(net, own), router, fields);
  };
  act({ subnet_id: subnet.id });
  const second = seed("port", {
    network_id: pooled.fields.network_id,
    name: "leg",
    fixed_ips: [{ subnet_id: pooled.id, ip_address: "10.64.0.9" }],
  });
  act({ port_id: second.id });
  router.fields.routes = [{ destination: "10.50.0.0/16", nexthop: "10.1.0.77" }];
  const port = seed("port", {
    network_id: network.id,
    name: "front",
    description: "of the web server",
    admin_state_up: false,
    mac_address: "fa:16:3e:aa:bb:cc",
    fixed_ips: [{ subnet_id: subnet.id, ip_address: "10.1.0.21" }],
    security_groups: [group.id, other.id],
    allowed_address_pairs: [{ ip_address: "10.1.0.200" }, { ip_address: "10.1.0.201", mac_address: "fa:16:3e:00:00:01" }],
    extra_dhcp_opts: [{ opt_name: "mtu", opt_value: "1300", ip_version: 4 }],
    dns_name: "front",
    dns_domain: "web.example.",
    "binding:vnic_type": "direct",
    propagate_uplink_status: false,
    numa_affinity_policy: "preferred",
    device_profile: "fpga",
    hardware_offload_type: "switchdev",
    tags: ["x"],
  });
  seed("port", {
    network_id: network.id,
    name: "open",
    port_security_enabled: false,
    security_groups: [],
    fixed_ips: [{ subnet_id: subnet.id, ip_address: "10.1.0.22" }],
  });
  return { network, subnet, router, port, group };
}

/** A small one, for what is done many times over. */
export function seedSmallTenant(projects: TwoProjects): void {
  const net = projects.fake.network;
  const seed = (kind: string, fields: Fields) => seedRow(net, kind, projects.sourceId, fields);
  const group = seed("security_group", { name: "small" });
  seed("security_group_rule", { security_group_id: group.id, direction: "ingress", protocol: "tcp", remote_group_id: group.id });
  const network = seed("network", { name: "small", tags: ["t"] });
  const subnet = seed("subnet", { network_id: network.id, name: "small", ip_version: 4, cidr: "10.3.0.0/24" });
  const router = seed("router", { name: "small" });
  net.kind("router").actions?.add_router_interface?.run(asAdmin(net, projects.sourceId), router, { subnet_id: subnet.id });
  const fixed_ips = [{ subnet_id: subnet.id, ip_address: "10.3.0.50" }];
  seed("port", { network_id: network.id, name: "small", security_groups: [group.id], fixed_ips });
}

const HIDDEN = new Set(["security_group_id", "gateways", "status", "gateway_qos", "provider:segmentation_id"]);
/** Owners of ports that the service makes, with a MAC address of its own choice. */
const GIVEN_MAC = new Set(["network:router_interface", "network:local_ip"]);

/**
 * Everything that a project has, one text a thing: ids are replaced by the names of what they stand for, lists are sorted, and what a service
 * makes for itself is left out.
 */
export function picture(projects: TwoProjects, projectId: string): string[] {
  const net = projects.fake.network;
  const nameOf = (row: Row): string => {
    const parent = row.parentId === undefined ? undefined : net.rows.get(row.parentId);
    return parent === undefined ? `${row.kind} ${String(row.fields.name ?? "")}` : `${row.kind} of ${nameOf(parent)}`;
  };
  const plain = (value: unknown): unknown => {
    if (typeof value === "string") {
      const row = net.rows.get(value);
      return row === undefined ? value : nameOf(row);
    }
    if (Array.isArray(value)) return value.map((each) => JSON.stringify(plain(each))).sort();
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => !HIDDEN.has(name))
        .map(([name, each]) => [name, plain(each)])
        .sort(),
    );
  };
  return [...net.rows.values()]
    .filter((row) => row.projectId === projectId && row.fields.device_owner !== "network:dhcp")
    .map((row) => {
      const { mac_address: mac, ...rest } = row.fields;
      const fields = GIVEN_MAC.has(String(row.fields.device_owner)) ? rest : { ...rest, mac_address: mac };
      return `${nameOf(row)}: ${JSON.stringify(plain({ ...fields, tags: row.tags }))}`;
    })
    .sort();
}

/**
 * What hangs on a project's networks, routers and ports, one of every type and every field set: QoS policies, trunks, local IPs, NDP proxies,
 * sharing, metering, logs, floating IPs with port forwardings, conntrack helpers.
 */

import type { Fields } from "../fakes/openstack/neutron/attributes.ts";
import type { Row } from "../fakes/openstack/neutron/networking.ts";
import { asAdmin, seedRow } from "../fakes/openstack/neutron/seed-networks.ts";
import { CORE_TYPES } from "./network-tenant.ts";
import type { TwoProjects } from "./two-projects.ts";

const SERVICE_TYPES = [
  "neutron.qos-policy",
  "neutron.trunk",
  "neutron.local-ip",
  "neutron.ndp-proxy",
  "neutron.rbac-policy",
  "neutron.metering-label",
  "neutron.log",
  "neutron.floating-ip",
];
export const ALL_TYPES = [...CORE_TYPES, ...SERVICE_TYPES];

/** Seeds the source project; `otherId` is the project that it shares things with. */
export function seedServices(projects: TwoProjects, otherId: string): void {
  const net = projects.fake.network;
  const seed = (kind: string, fields: Fields, parent?: Row) => seedRow(net, kind, projects.sourceId, fields, parent?.id);
  const external = net.all("network").find((row) => row.fields.name === "public")?.id;
  const qos = seed("policy", { name: "all", description: "every kind of rule", tags: ["q1", "q2"] });
  seed("bandwidth_limit_rule", { max_kbps: 10_000, max_burst_kbps: 1000, direction: "egress" }, qos);
  seed("bandwidth_limit_rule", { max_kbps: 20_000, max_burst_kbps: 0, direction: "ingress" }, qos);
  seed("dscp_marking_rule", { dscp_mark: 26 }, qos);
  seed("minimum_bandwidth_rule", { min_kbps: 500, direction: "egress" }, qos);
  seed("packet_rate_limit_rule", { max_kpps: 100, max_burst_kpps: 10, direction: "egress" }, qos);
  seed("minimum_packet_rate_rule", { min_kpps: 5, direction: "any" }, qos);
  const limit = seed("policy", { name: "limit", is_default: true });
  seed("bandwidth_limit_rule", { max_kbps: 999, max_burst_kbps: 99 }, limit);
  const scope = seed("address_scope", { name: "scope", ip_version: 4 });
  const pool = seed("subnetpool", { name: "pool", prefixes: ["10.140.0.0/16"], address_scope_id: scope.id });
  const offices = seed("address_group", { name: "offices", addresses: ["192.0.2.0/24"] });
  const group = seed("security_group", { name: "web" });

  const network = seed("network", { name: "front", qos_policy_id: limit.id });
  const v4 = seed("subnet", { name: "front-v4", network_id: network.id, ip_version: 4, cidr: "10.141.1.0/24" });
  const v6 = seed("subnet", { name: "front-v6", network_id: network.id, ip_version: 6, cidr: "fd00:141::/64" });
  const router = seed("router", { name: "edge", external_gateway_info: { network_id: external }, enable_ndp_proxy: true });
  const add = net.kind("router").actions?.add_router_interface;
  for (const subnet of [v4, v6]) add?.run(asAdmin(net, projects.sourceId), router, { subnet_id: subnet.id });
  seed("conntrack_helper", { protocol: "udp", port: 69, helper: "tftp" }, router);
  seed("conntrack_helper", { protocol: "tcp", port: 21, helper: "ftp" }, router);
  const port = (name: string, ...addresses: string[]) =>
    seed("port", {
      name,
      network_id: network.id,
      security_groups: [group.id],
      fixed_ips: addresses.map((ip_address) => ({ subnet_id: ip_address.includes(":") ? v6.id : v4.id, ip_address })),
    });
  const web = port("web", "10.141.1.10");
  const two = port("two", "10.141.1.20", "10.141.1.21");
  const db = port("db", "10.141.1.30", "fd00:141::30");
  const [parent, first, second] = [port("parent", "10.141.1.40"), port("sub-a", "10.141.1.41"), port("sub-b", "10.141.1.42")];

  seed("trunk", {
    name: "trunk",
    description: "two VLANs",
    port_id: parent.id,
    admin_state_up: false,
    tags: ["t"],
    sub_ports: [
      { port_id: first.id, segmentation_type: "vlan", segmentation_id: 42 },
      { port_id: second.id, segmentation_type: "vlan", segmentation_id: 43 },
    ],
  });
  const local = seed("local_ip", { name: "made", description: "l", network_id: network.id, local_ip_address: "10.141.1.50" });
  seed("port_association", { fixed_port_id: two.id, fixed_ip: "10.141.1.21" }, local);
  seed("port_association", { fixed_port_id: web.id, fixed_ip: "10.141.1.10" }, local);
  const given = port("given", "10.141.1.60");
  seed("local_ip", { name: "given", local_port_id: given.id, local_ip_address: "10.141.1.60", ip_mode: "passthrough" });
  seed("ndp_proxy", { name: "seen", description: "n", router_id: router.id, port_id: db.id, ip_address: "fd00:141::30" });

  const share = (object_type: string, { id }: Row, target_tenant = otherId) =>
    seed("rbac_policy", { object_type, object_id: id, action: "access_as_shared", target_tenant });
  share("network", network);
  share("qos_policy", limit);
  share("security_group", group);
  share("address_scope", scope);
  share("subnetpool", pool);
  share("address_group", offices);
  share("security_group", group, "*");

  const label = seed("metering_label", { name: "traffic", description: "billing" });
  const count = (fields: Fields) => seed("metering_label_rule", { metering_label_id: label.id, ...fields });
  count({ direction: "ingress", remote_ip_prefix: "192.0.2.0/24", excluded: true });
  count({ direction: "egress", source_ip_prefix: "10.141.1.0/24", destination_ip_prefix: "198.51.100.0/24" });
  const drops = { name: "drops", description: "of web", resource_id: group.id, target_id: web.id, event: "DROP" };
  seed("log", { resource_type: "security_group", ...drops });
  seed("log", { resource_type: "security_group", name: "all", enabled: false });

  const float = (description: string, fields: Fields = {}) =>
    seed("floatingip", { floating_network_id: external, description, ...fields });
  float("www", { port_id: web.id, dns_name: "www", dns_domain: "example.", qos_policy_id: limit.id, tags: ["f"] });
  float("second of two", { port_id: two.id, fixed_ip_address: "10.141.1.21" });
  float("free");
  const forwarded = float("forwarded");
  const forward = (fields: Fields) =>
    seed("port_forwarding", { internal_port_id: db.id, internal_ip_address: "10.141.1.30", ...fields }, forwarded);
  forward({ protocol: "tcp", internal_port: 22, external_port: 10_022, description: "ssh" });
  forward({ protocol: "udp", internal_port_range: "5000:5009", external_port_range: "6000:6009" });
}

/** One of most types, on one network, for what is done many times over. */
export function seedSmallServices(projects: TwoProjects, otherId: string): void {
  const net = projects.fake.network;
  const seed = (kind: string, fields: Fields, parent?: Row) => seedRow(net, kind, projects.sourceId, fields, parent?.id);
  const external = net.all("network").find((row) => row.fields.name === "public")?.id;
  const qos = seed("policy", { name: "qos", is_default: true, tags: ["q"] });
  seed("dscp_marking_rule", { dscp_mark: 26 }, qos);
  const network = seed("network", { name: "small" });
  const subnet = seed("subnet", { name: "small", network_id: network.id, ip_version: 4, cidr: "10.9.0.0/24" });
  const router = seed("router", { name: "small", external_gateway_info: { network_id: external } });
  net.kind("router").actions?.add_router_interface?.run(asAdmin(net, projects.sourceId), router, { subnet_id: subnet.id });
  seed("conntrack_helper", { protocol: "tcp", port: 21, helper: "ftp" }, router);
  const port = (name: string, ip_address: string) =>
    seed("port", { name, network_id: network.id, fixed_ips: [{ subnet_id: subnet.id, ip_address }], security_groups: [] });
  const [parent, sub, web] = [port("parent", "10.9.0.10"), port("sub", "10.9.0.11"), port("web", "10.9.0.12")];
  const sub_ports = [{ port_id: sub.id, segmentation_type: "vlan", segmentation_id: 5 }];
  seed("trunk", { name: "trunk", port_id: parent.id, admin_state_up: false, sub_ports });
  const local = seed("local_ip", { name: "local", network_id: network.id, local_ip_address: "10.9.0.50" });
  seed("port_association", { fixed_port_id: web.id, fixed_ip: "10.9.0.12" }, local);
  seed("rbac_policy", {
    object_type: "network",
    object_id: network.id,
    action: "access_as_shared",
    target_tenant: otherId,
  });
  const label = seed("metering_label", { name: "label" });
  seed("metering_label_rule", { metering_label_id: label.id, direction: "ingress", remote_ip_prefix: "192.0.2.0/24" });
  seed("log", { name: "log", resource_type: "security_group", target_id: web.id });
  seed("floatingip", { floating_network_id: external, description: "to web", port_id: web.id });
  const forwarded = seed("floatingip", { floating_network_id: external, description: "forwarded" });
  const inner = { internal_port_id: parent.id, internal_ip_address: "10.9.0.10", internal_port: 22 };
  seed("port_forwarding", { ...inner, external_port: 2222, protocol: "tcp" }, forwarded);
}

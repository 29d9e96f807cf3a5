/** The policy rules of Neutron 2025.1 (`neutron/conf/policies`), in the words of `policy.ts`. */

import type { Rules } from "./policy.ts";

const MEMBER = "admin | member@project";
const READER = "admin | reader@project";
const MANAGER = "admin | manager@project";
const NET_OWNER = "admin | service | member@network";

/** get, create, update, delete of one resource; attributes beside. */
function resource(name: string, read: string, write: string, more: Rules = {}): Rules {
  return { [`get_${name}`]: read, [`create_${name}`]: write, [`update_${name}`]: write, [`delete_${name}`]: write, ...more };
}

/** The same rule for creating and changing with these attributes. */
function both(name: string, rule: string, attributes: readonly string[]): Rules {
  return Object.fromEntries(attributes.flatMap((a) => [`create_${name}:${a}`, `update_${name}:${a}`].map((n) => [n, rule])));
}

function shown(name: string, rule: string, attributes: readonly string[]): Rules {
  return Object.fromEntries(attributes.map((attribute) => [`get_${name}:${attribute}`, rule]));
}

/** FWaaS (`neutron_fwaas/policies`) has the old defaults: whoever has any role in the project. */
function firewall(name: string): Rules {
  const more = { [`create_${name}`]: "anybody", ...both(name, "admin", ["shared"]) };
  return resource(name, "admin | owner | shared", "admin | owner", more);
}

const PROVIDER = ["provider:network_type", "provider:physical_network", "provider:segmentation_id", "segments"];
const PAIRS = ["allowed_address_pairs", "allowed_address_pairs:mac_address", "allowed_address_pairs:ip_address"];
const GATEWAY = ["external_gateway_info:enable_snat", "external_gateway_info:external_fixed_ips"];
const QOS_RULES = ["bandwidth_limit", "packet_rate_limit", "dscp_marking", "minimum_bandwidth", "minimum_packet_rate"];

export const POLICIES: Rules = {
  ...resource("network", `${READER} | service | shared | external`, MEMBER, {
    ...both("network", "admin", ["shared", "router:external", "is_default", ...PROVIDER]),
    ...both("network", MEMBER, ["port_security_enabled"]),
    ...shown("network", "admin", PROVIDER),
  }),
  ...resource("subnet", `${READER} | reader@network | shared | external | service`, "admin | member@project | member@network", {
    create_subnet: "admin | member@network",
    ...shown("subnet", "admin", ["segment_id"]),
  }),
  ...resource("port", `${READER} | service | reader@network`, `${MEMBER} | service`, {
    delete_port: "admin | service | member@network | member@project",
    ...both("port", `not-network-device | ${NET_OWNER}`, ["device_owner"]),
    ...both("port", NET_OWNER, ["fixed_ips:ip_address", "port_security_enabled", ...PAIRS]),
    ...both("port", `${NET_OWNER} | shared`, ["fixed_ips:subnet_id"]),
    ...both("port", "admin | service", ["binding:host_id"]),
    ...both("port", "service", ["binding:profile"]),
    ...both("port", "admin", ["hints", "trusted"]),
    "create_port:mac_address": NET_OWNER,
    "update_port:mac_address": "admin | service | manager@network",
    "create_port:fixed_ips": `${NET_OWNER} | shared`,
    "update_port:fixed_ips": NET_OWNER,
    "update_port:data_plane_status": "admin | data_plane_integrator",
    ...shown("port", "admin | service", ["binding:vif_type", "binding:vif_details", "binding:host_id", "binding:profile"]),
    ...shown("port", "admin", ["resource_request", "hints", "trusted"]),
  }),
  ...resource("router", READER, MEMBER, {
    ...both("router", "admin", ["distributed", "ha", "enable_default_route_bfd", "enable_default_route_ecmp", ...GATEWAY]),
    ...both("router", MEMBER, ["external_gateway_info", "external_gateway_info:network_id"]),
    ...shown("router", "admin", ["distributed", "ha"]),
    add_router_interface: MEMBER,
    remove_router_interface: MEMBER,
    add_extraroutes: MEMBER,
    remove_extraroutes: MEMBER,
    add_external_gateways: MEMBER,
    "add_external_gateways:external_gateways": MEMBER,
    "add_external_gateways:external_gateways:enable_snat": "admin",
    "add_external_gateways:external_gateways:external_fixed_ips": "admin",
    update_external_gateways: MEMBER,
    remove_external_gateways: MEMBER,
  }),
  ...resource("floatingip", READER, MEMBER, { "create_floatingip:floating_ip_address": MANAGER }),
  ...resource("security_group", `${READER} | shared`, MEMBER),
  ...resource("security_group_rule", "admin | reader@parent", "admin | member@parent"),
  ...resource("default_security_group_rule", "reader", "admin"),
  ...resource("address_scope", `${READER} | shared`, MEMBER, both("address_scope", "admin", ["shared"])),
  ...resource("subnetpool", `${READER} | shared`, MEMBER, {
    ...both("subnetpool", "admin", ["is_default"]),
    "create_subnetpool:shared": "admin",
    add_prefixes: MEMBER,
    remove_prefixes: MEMBER,
    onboard_network_subnets: MEMBER,
  }),
  ...resource("address_group", `${READER} | shared`, MEMBER),
  ...resource("policy", `${READER} | shared`, MANAGER),
  ...Object.assign({}, ...QOS_RULES.map((k) => resource(`policy_${k}_rule`, "admin | reader@parent", "admin | manager@parent"))),
  get_rule_type: "reader",
  ...resource("trunk", READER, MEMBER, { get_subports: READER, add_subports: MEMBER, remove_subports: MEMBER }),
  ...resource("floatingip_port_forwarding", "admin | reader@parent", "admin | member@parent"),
  ...resource("router_conntrack_helper", "admin | reader@parent", "admin | member@parent"),
  ...resource("rbac_policy", READER, MEMBER, both("rbac_policy", "admin | not-wildcard", ["target_tenant"])),
  ...resource("metering_label", READER, MANAGER),
  ...resource("metering_label_rule", READER, MANAGER),
  ...resource("log", MANAGER, MANAGER, { get_loggable_resource: MANAGER }),
  ...resource("local_ip", READER, MEMBER),
  ...resource("local_ip_port_association", "admin | reader@parent", "admin | member@parent"),
  ...resource("ndp_proxy", READER, MEMBER),
  ...Object.assign({}, ...["group", "policy", "rule"].map((k) => firewall(`firewall_${k}`))),
  ...resource("flavor", "reader", "admin"),
  ...resource("service_profile", "admin", "admin"),
  ...resource("segment", "admin", "admin"),
  ...resource("agent", "admin", "admin"),
  get_availability_zone: "reader",
  get_service_provider: "reader",
  get_network_ip_availability: "admin | service",
  get_auto_allocated_topology: READER,
  delete_auto_allocated_topology: MEMBER,
  get_quota: MANAGER,
  update_quota: "admin",
  delete_quota: "admin",
};

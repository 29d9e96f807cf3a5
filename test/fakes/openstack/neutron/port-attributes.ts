/** The attributes of a port, and the checks of those that are lists of objects. */

import { type Attributes, attribute, type Fields, maxText, pythonText, UNSET } from "./attributes.ts";
import { dnsDomain, dnsName } from "./dns-names.ts";
import { address, fixedIps, listOf, mac, oneOf, orNone, subnet, toBoolean, toList, toLowerCase, uuid } from "./validators.ts";

const VNIC_TYPES = [
  "normal",
  "direct",
  "macvtap",
  "baremetal",
  "direct-physical",
  "virtio-forwarder",
  "smart-nic",
  "vdpa",
  "accelerator-direct",
  "accelerator-direct-physical",
  "remote-managed",
];

export const PORT_ATTRIBUTES: Attributes = {
  name: attribute("cufs", { default: "", validate: maxText(255) }),
  network_id: attribute("cfs", { validate: uuid }),
  admin_state_up: attribute("cufs", { default: true, convert: toBoolean }),
  mac_address: attribute("cufs", { default: UNSET, convert: toLowerCase, validate: orNone(mac) }),
  fixed_ips: attribute("cuf", { default: UNSET, validate: fixedIps }),
  device_id: attribute("cufs", { default: "", validate: maxText(255) }),
  device_owner: attribute("cufs", { default: "", validate: maxText(255) }),
  status: attribute("fs"),
  security_groups: attribute("cuf", { default: UNSET, convert: toList, validate: listOf(uuid), extension: "security-group" }),
  allowed_address_pairs: attribute("cu", {
    default: UNSET,
    convert: toList,
    validate: pairs,
    extension: "allowed-address-pairs",
  }),
  extra_dhcp_opts: attribute("cu", { default: null, validate: orNone(dhcpOptions), extension: "extra_dhcp_opt" }),
  port_security_enabled: attribute("cu", { default: UNSET, convert: toBoolean, extension: "port-security" }),
  dns_name: attribute("cu", { default: "", convert: toLowerCase, validate: dnsName, extension: "dns-integration" }),
  dns_domain: attribute("cu", { default: "", convert: toLowerCase, validate: dnsDomain, extension: "dns-domain-ports" }),
  dns_assignment: attribute("", { extension: "dns-integration" }),
  qos_policy_id: attribute("cu", { default: null, validate: orNone(uuid), extension: "qos" }),
  qos_network_policy_id: attribute("", { extension: "qos" }),
  "binding:vnic_type": attribute("cu", { default: "normal", validate: oneOf(...VNIC_TYPES), extension: "binding" }),
  "binding:host_id": attribute("cuf", { default: UNSET, extension: "binding" }),
  "binding:profile": attribute("cu", { default: UNSET, validate: orNone(dictionary), extension: "binding" }),
  "binding:vif_type": attribute("", { extension: "binding" }),
  "binding:vif_details": attribute("", { extension: "binding" }),
  propagate_uplink_status: attribute("cu", { default: true, convert: toBoolean, extension: "uplink-status-propagation" }),
  numa_affinity_policy: attribute("cu", {
    default: null,
    validate: oneOf("required", "preferred", "legacy", "socket", null),
    extension: "port-numa-affinity-policy",
  }),
  device_profile: attribute("c", { default: null, validate: orNone(maxText(255)), extension: "port-device-profile" }),
  hardware_offload_type: attribute("c", {
    default: UNSET,
    validate: oneOf("switchdev"),
    extension: "port-hardware-offload-type",
  }),
  hints: attribute("cu", { default: null, validate: orNone(dictionary), extension: "port-hints" }),
  trusted: attribute("cu", { default: UNSET, convert: toBoolean, extension: "port-trusted-vif" }),
  resource_request: attribute("", { extension: "port-resource-request" }),
  ip_allocation: attribute("fs", { extension: "ip_allocation" }),
  trunk_details: attribute("", { extension: "trunk-details" }),
};

function dictionary(value: unknown): string | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? undefined
    : `'${pythonText(value)}' is not a dictionary`;
}

function pairs(value: unknown): string | undefined {
  if (!Array.isArray(value)) return "Allowed address pairs must be a list.";
  if (value.length > 50) return "Exceeded maximum amount of address pairs 50";
  for (const pair of value as Fields[]) {
    const problem = dictionary(pair);
    if (problem !== undefined) return problem;
    if (pair.ip_address === undefined) return "Allowed address pair has no ip_address.";
    const unknown = Object.keys(pair).filter((key) => key !== "ip_address" && key !== "mac_address");
    if (unknown.length > 0) return `Unrecognized attribute(s) '${unknown.join(", ")}'`;
    const wrong =
      orNone(mac)(pair.mac_address) ??
      (String(pair.ip_address).includes("/") ? subnet(pair.ip_address) : address(pair.ip_address));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function dhcpOptions(value: unknown): string | undefined {
  if (!Array.isArray(value)) return `'${pythonText(value)}' is not a list`;
  const isOption = ({ opt_name: name, opt_value: text, ip_version: version = 4 }: Fields) =>
    typeof name === "string" &&
    name !== "" &&
    name.length <= 64 &&
    (text === null || typeof text === "string") &&
    [4, 6, "4", "6"].includes(version as number);
  const wrong = (value as Fields[]).find((option) => dictionary(option) !== undefined || !isOption(option));
  return wrong === undefined ? undefined : `No valid key specs matched for: ${pythonText(wrong)}`;
}

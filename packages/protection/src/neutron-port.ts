/**
 * neutron.port: ports that a user or Nova made. What a service made for itself (DHCP, router, load balancer VIP, floating IP ...) comes
 * again with what owns it.
 *
 * A server's port is made unbound, so that Nova takes it as it is. On a network that the target project does not own neither MAC nor
 * address nor address pairs can be chosen, and an address that somebody else has cannot be had: the plan warns, the port gets another.
 */

import { type ApiObject, type Cloud, PORTS, ROUTERS, SUBNETS } from "@permafrost/openstack";
import type { Json, JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { type PlannedTarget, plannedTarget } from "./declared/planned-target.ts";
import { ifThere } from "./if-there.ts";
import { addressesOf, type FixedIp, fixedIpsOf, mayChooseAddresses, portsWithAddress } from "./neutron-ownership.ts";
import type { Context, PlanInput, PlanScope } from "./resource-type.ts";

const OF_NETWORK_OWNER = ["mac_address", "allowed_address_pairs", "port_security_enabled"] as const;
/** Whoever the port is for sets these when it takes the port. */
const TAKEN_BY_SERVICE = /^(compute|network|neutron|trunk|baremetal|manila|octavia|ovn-lb)/i;
const ROUTER_INTERFACE = /^network:(router_interface|ha_router_replicated_interface)/;
const MADE_BY_SERVICE = /^(network:|neutron:|manila:|octavia|ovn-lb)/i;

export const neutronPort = declaredType({
  type: "neutron.port",
  noun: "port",
  collection: PORTS,
  create: [
    "network_id",
    "name",
    "description",
    "admin_state_up",
    "mac_address",
    "fixed_ips",
    "device_owner",
    "device_id",
    "security_groups",
    "allowed_address_pairs",
    "extra_dhcp_opts",
    "port_security_enabled",
    "dns_name",
    "dns_domain",
    "qos_policy_id",
    "binding:vnic_type",
    "propagate_uplink_status",
    "numa_affinity_policy",
    "device_profile",
    "hardware_offload_type",
    "hints",
    "trusted",
  ],
  needs: {
    allowed_address_pairs: { extension: "allowed-address-pairs" },
    extra_dhcp_opts: { extension: "extra_dhcp_opt" },
    port_security_enabled: { extension: "port-security" },
    dns_name: { extension: "dns-integration" },
    dns_domain: { extension: "dns-domain-ports" },
    qos_policy_id: { extension: "qos" },
    "binding:vnic_type": { extension: "binding" },
    propagate_uplink_status: { extension: "uplink-status-propagation" },
    numa_affinity_policy: { extension: "port-numa-affinity-policy" },
    device_profile: { extension: "port-device-profile" },
    hardware_offload_type: { extension: "port-hardware-offload-type" },
    hints: { role: "admin", extension: "port-hints" },
    trusted: { role: "admin", extension: "port-trusted-vif" },
  },
  references: {
    network_id: { kind: "neutron.network" },
    "fixed_ips[].subnet_id": { kind: "neutron.subnet", optional: true, holdsFinish: true },
    "security_groups[]": { kind: "neutron.security-group" },
    qos_policy_id: { kind: "neutron.qos-policy", optional: true },
  },
  unordered: ["security_groups", "allowed_address_pairs", "extra_dhcp_opts"],
  uncompared: { fixed_ips: "compared by subnet: an address that could not be had is another" },
  tags: true,
  quota: "port",
  mark: "description",
  reported: {
    "binding:host_id": "Nova binds the port anew",
    "binding:profile": "only services may set it",
    device_id: "set by the server or service that takes the port",
    mac_address: "on a network of another project it cannot be chosen",
    "fixed_ips[].ip_address": "on a network of another project it cannot be chosen",
  },
  isDerived: isServicePort,
  hooks: {
    same: samePorts,
    plan: async (context, input, scope, planned) =>
      planned.action === "create"
        ? { ...planned, warnings: [...(planned.warnings ?? []), ...(await lostAddresses(context, input, scope))] }
        : planned,
    body: ({ cloud }, input, body) => portBody(cloud, input.document.object, body, input.targetId),
    made: async (_context, { document, resource }, port) => {
      if (resource.action !== "create") return [];
      const [captured, addresses] = [document.object, addressesOf(port)];
      const lost = addressesOf(captured).filter((a) => !addresses.includes(a));
      const told =
        lost.length === 0 ? [] : [`it has ${addresses.join(", ") || "no address"}: ${lost.join(", ")} could not be had`];
      const mac = captured.mac_address !== port.mac_address && captured.mac_address !== undefined;
      return mac ? [...told, `its MAC is ${String(port.mac_address)} instead of ${String(captured.mac_address)}`] : told;
    },
    differences: async ({ cloud }, { document, targetId, targets }, found) => {
      const mapped = fixedIpsOf(document.object).flatMap((f) => {
        const subnet = targets[`neutron.subnet/${f.subnet_id}`];
        return subnet === undefined ? [] : [{ ...f, subnet_id: subnet }];
      });
      const wanted = await portBody(cloud, document.object, { network_id: found.network_id ?? "", fixed_ips: mapped }, targetId);
      const have = fixedIpsOf(found);
      return fixedIpsOf(wanted)
        .filter((w) => !have.some((h) => h.subnet_id === w.subnet_id && [undefined, h.ip_address].includes(w.ip_address)))
        .map((w) => `fixed_ips: expected ${JSON.stringify(w)}, found ${JSON.stringify(have)}`);
    },
    // A router's interface is removed by its router.
    beforeRemove: async ({ cloud }, port) => {
      if (!ROUTER_INTERFACE.test(String(port.device_owner))) return;
      const routers = cloud.collection(ROUTERS);
      await ifThere(routers.act(String(port.device_id), "PUT", "remove_router_interface", { port_id: String(port.id) }));
    },
  },
});

/** True for a port that a service made and will make again. Octavia's OVN driver leaves the owner empty and names the port. */
export function isServicePort(port: ApiObject): boolean {
  return MADE_BY_SERVICE.test(String(port.device_owner ?? "")) || /^ovn-lb-vip-[0-9a-f-]{36}$/.test(String(port.name ?? ""));
}

/** What can be asked for on the target's network. `own` is the port itself when it is there already. */
async function portBody(cloud: Cloud, captured: ApiObject, body: JsonObject, own: string | undefined): Promise<JsonObject> {
  const result: Record<string, Json> = { ...body };
  const owner = String(captured.device_owner ?? "");
  if (owner === "" || TAKEN_BY_SERVICE.test(owner)) {
    delete result.device_owner;
    delete result.device_id;
  }
  const networkId = String(body.network_id);
  const fixedIps = fixedIpsOf(body);
  // Left without any of its subnets, the network's choice is better than no address; nor did it ask for none where the network had none.
  if (fixedIps.length === 0 && (fixedIpsOf(captured).length > 0 || captured.ip_allocation === "immediate"))
    delete result.fixed_ips;
  else result.fixed_ips = await Promise.all(fixedIps.map((f) => obtainable(cloud, networkId, f, own)));
  if (!(await mayChooseAddresses(cloud, networkId))) {
    for (const name of OF_NETWORK_OWNER) delete result[name];
    result.fixed_ips = fixedIps.map(({ subnet_id }) => ({ subnet_id }));
  } else if (typeof result.mac_address === "string" && (await isMacTaken(cloud, networkId, result.mac_address, own)))
    delete result.mac_address;
  return result;
}

async function obtainable(cloud: Cloud, networkId: string, fixedIp: FixedIp, own: string | undefined): Promise<JsonObject> {
  const { subnet_id, ip_address: address } = fixedIp;
  if (address === undefined || (address.includes(":") && (await isAutomatic(cloud, subnet_id)))) return { subnet_id };
  const taken = (await portsWithAddress(cloud, networkId, address)).some((p) => p.id !== own);
  return taken ? { subnet_id } : { subnet_id, ip_address: address };
}

/** Neutron refuses an address where the MAC decides (SLAAC), even the same one. */
async function isAutomatic(cloud: Cloud, subnetId: string): Promise<boolean> {
  const mode = String((await ifThere(cloud.collection(SUBNETS).get(subnetId)))?.ipv6_address_mode);
  return mode === "slaac" || mode === "dhcpv6-stateless";
}

async function isMacTaken(cloud: Cloud, networkId: string, mac: string, own: string | undefined): Promise<boolean> {
  const found = await Array.fromAsync(cloud.collection(PORTS).list({ network_id: networkId, mac_address: mac }));
  return found.some((p) => p.id !== own);
}

async function networkOf({ document }: PlanInput<DeclaredDocument>, scope: PlanScope): Promise<PlannedTarget> {
  return await plannedTarget(scope, document, "neutron.network", String(document.object.network_id));
}

/** On a network that is there already: the project's port with one of the addresses, else of the same name. */
async function samePorts({ cloud }: Context, input: PlanInput<DeclaredDocument>, scope: PlanScope): Promise<readonly string[]> {
  const { id } = await networkOf(input, scope);
  if (id === undefined) return [];
  const captured = input.document.object;
  const query = { network_id: id, project_id: cloud.projectId };
  const ports = (await Array.fromAsync(cloud.collection(PORTS).list(query))).filter((p) => !isServicePort(p));
  const addresses = new Set(addressesOf(captured));
  const sameAddress = ports.filter((p) => addressesOf(p).some((a) => addresses.has(a)));
  const same = sameAddress.length > 0 || captured.name === "" ? sameAddress : ports.filter((p) => p.name === captured.name);
  return same.map((p) => String(p.id));
}

async function lostAddresses({ cloud }: Context, input: PlanInput<DeclaredDocument>, scope: PlanScope): Promise<string[]> {
  const { id } = await networkOf(input, scope);
  if (id === undefined) return [];
  const captured = input.document.object;
  if (!(await mayChooseAddresses(cloud, id))) {
    const lost = [`MAC ${String(captured.mac_address)}`, ...addressesOf(captured).map((a) => `address ${a}`)];
    if (Array.isArray(captured.allowed_address_pairs) && captured.allowed_address_pairs.length > 0) lost.push("address pairs");
    if (captured.port_security_enabled === false) lost.push("port security off");
    return [
      `network ${id} is not the project's: ${lost.join(", ")} cannot be chosen there, the port gets what the network gives`,
    ];
  }
  const warnings: string[] = [];
  for (const address of addressesOf(captured)) {
    const [holder] = await portsWithAddress(cloud, id, address);
    if (holder !== undefined) warnings.push(`address ${address} is taken by port ${String(holder.id)}: the port gets another`);
  }
  return warnings;
}

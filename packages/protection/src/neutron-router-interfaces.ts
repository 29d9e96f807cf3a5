/**
 * The interfaces of a router: ports that the router owns. One on its subnet's gateway address is added by subnet; any other is a port
 * with the captured address, made first and given to the router. Each is looked for before it is made, so this may run again.
 */

import { type ApiObject, type Cloud, PORTS, ROUTERS, SUBNETS } from "@permafrost/openstack";
import type { Json, JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { plannedTarget } from "./declared/planned-target.ts";
import { ifThere } from "./if-there.ts";
import { addressesOf, type FixedIp, fixedIpsOf, mayChooseAddresses, portsWithAddress } from "./neutron-ownership.ts";
import type { Context, Planned, PlanScope } from "./resource-type.ts";

const INTERFACE = /^network:(router_interface|ha_router_replicated_interface)/;
/** neutron_vpnaas/services/vpn/service_drivers/ovn_ipsec.py VPN_TRANSIT_CIDR */
const TRANSIT_NEXTHOPS = "169.254.0.";
const FIELDS = [
  "network_id",
  "name",
  "description",
  "mac_address",
  "admin_state_up",
  "fixed_ips",
  "security_groups",
  "port_security_enabled",
  "tags",
] as const;

/** What a document keeps of an interface; `port_id` is for those who refer to it. */
export interface Interface extends JsonObject {
  readonly port_id: string;
}

export async function interfacePorts(cloud: Cloud, routerId: string): Promise<ApiObject[]> {
  const ports = await Array.fromAsync(cloud.collection(PORTS).list({ device_id: routerId }));
  return ports.filter((p) => INTERFACE.test(String(p.device_owner)));
}

/** What belongs to a router, without the leg and the routes that OVN's VPN agent makes: they come again with the VPN service. */
export async function describeConnections(cloud: Cloud, router: ApiObject): Promise<{ interfaces: Interface[]; routes?: Json }> {
  const id = String(router.id);
  const transit = await transitSubnets(cloud, id);
  const ports = (await interfacePorts(cloud, id)).filter((p) => !fixedIpsOf(p).some((f) => transit.has(f.subnet_id)));
  return { interfaces: describeInterfaces(ports), ...(transit.size === 0 ? {} : { routes: withoutTransit(router) }) };
}

export async function ownRoutes(cloud: Cloud, router: ApiObject): Promise<Json> {
  return (await transitSubnets(cloud, String(router.id))).size === 0 ? (router.routes ?? []) : withoutTransit(router);
}

function withoutTransit({ routes }: ApiObject): JsonObject[] {
  const all = Array.isArray(routes) ? (routes as JsonObject[]) : [];
  return all.filter(({ nexthop }) => !String(nexthop).startsWith(TRANSIT_NEXTHOPS));
}

async function transitSubnets(cloud: Cloud, routerId: string): Promise<ReadonlySet<string>> {
  const found = await Array.fromAsync(cloud.collection(SUBNETS).list({ name: `vpn-transit-subnet-${routerId}` }));
  return new Set(found.map((subnet) => String(subnet.id)));
}

function describeInterfaces(ports: readonly ApiObject[]): Interface[] {
  return ports.map((port) => {
    const kept: Record<string, Json> = {};
    for (const field of FIELDS) if (port[field] !== undefined) kept[field] = port[field];
    return { ...kept, port_id: String(port.id) };
  });
}

/** `wanted` has the target's ids. Returns warnings. */
export async function addInterfaces(context: Context, routerId: string, wanted: readonly Interface[]): Promise<string[]> {
  const { cloud } = context;
  const warnings: string[] = [];
  for (const one of wanted) {
    const addresses = fixedIpsOf(one);
    if (addresses.length === 0) continue;
    // A router has one port on a subnet, whatever its address there.
    const there = await missingSubnets(cloud, routerId, addresses);
    if (there.length === 0) continue;
    if ((await areGateways(cloud, addresses)) && (await holders(cloud, one)).length === 0)
      for (const { subnet_id } of there) await addBySubnet(cloud, routerId, subnet_id);
    else await addByPort(context, routerId, one);
    const left = await missingAddresses(cloud, routerId, addresses);
    for (const { ip_address } of left) warnings.push(`an interface has another address than ${ip_address}`);
    await describeAgain(cloud, routerId, one);
  }
  return warnings;
}

/**
 * What a plan says of them. A router that is used as it is gets no interface; on a subnet that is there already the address may be another
 * port's, such as that of the router there.
 */
export async function interfaceProblems(
  cloud: Cloud,
  document: DeclaredDocument,
  scope: PlanScope,
  { action, targetId }: Planned,
): Promise<string[]> {
  if (action !== "create" && action !== "reuse") return [];
  const have = action === "reuse" && targetId !== undefined ? (await interfacePorts(cloud, targetId)).flatMap(fixedIpsOf) : [];
  const problems: string[] = [];
  for (const one of (document.object.interfaces ?? []) as unknown as readonly Interface[]) {
    for (const { subnet_id, ip_address } of fixedIpsOf(one)) {
      const subnet = await plannedTarget(scope, document, "neutron.subnet", subnet_id);
      if (action === "reuse") {
        if (!have.some((h) => h.subnet_id === subnet.id))
          problems.push(
            `it is used as it is: it gets no interface at ${ip_address} on subnet ${document.names[`neutron.subnet/${subnet_id}`] || subnet_id}`,
          );
        continue;
      }
      const network = await plannedTarget(scope, document, "neutron.network", String(one.network_id));
      if (subnet.id === undefined || network.id === undefined || ip_address === undefined) continue;
      const [holder] = await portsWithAddress(cloud, network.id, ip_address);
      if (holder !== undefined)
        problems.push(`address ${ip_address} is taken by port ${String(holder.id)}: the interface gets another`);
    }
  }
  return problems;
}

/** Who has an address of it already. */
async function holders(cloud: Cloud, one: Interface): Promise<ApiObject[]> {
  const addresses = fixedIpsOf(one).flatMap((f) => (f.ip_address === undefined ? [] : [f.ip_address]));
  return (await Promise.all(addresses.map((a) => portsWithAddress(cloud, String(one.network_id), a)))).flat();
}

/** Before a router is removed. */
export async function removeInterfaces(cloud: Cloud, routerId: string): Promise<void> {
  const routers = cloud.collection(ROUTERS);
  for (const port of await interfacePorts(cloud, routerId))
    await ifThere(routers.act(routerId, "PUT", "remove_router_interface", { port_id: String(port.id) }));
}

export async function interfaceDifferences(cloud: Cloud, routerId: string, wanted: readonly Interface[]): Promise<string[]> {
  const missing = await missingAddresses(cloud, routerId, wanted.flatMap(fixedIpsOf));
  return missing.map((m) => `interfaces: expected ${JSON.stringify(m)}, found none`);
}

async function missingAddresses(cloud: Cloud, routerId: string, wanted: readonly FixedIp[]): Promise<FixedIp[]> {
  const have = (await interfacePorts(cloud, routerId)).flatMap(fixedIpsOf);
  return wanted.filter((w) => !have.some((h) => h.subnet_id === w.subnet_id && h.ip_address === w.ip_address));
}

async function missingSubnets(cloud: Cloud, routerId: string, wanted: readonly FixedIp[]): Promise<FixedIp[]> {
  const have = (await interfacePorts(cloud, routerId)).flatMap(fixedIpsOf);
  return wanted.filter((w) => !have.some((h) => h.subnet_id === w.subnet_id));
}

async function areGateways(cloud: Cloud, addresses: readonly FixedIp[]): Promise<boolean> {
  for (const { subnet_id, ip_address } of addresses)
    if ((await ifThere(cloud.collection(SUBNETS).get(subnet_id)))?.gateway_ip !== ip_address) return false;
  return true;
}

async function addBySubnet(cloud: Cloud, routerId: string, subnetId: string): Promise<void> {
  await cloud.collection(ROUTERS).act(routerId, "PUT", "add_router_interface", { subnet_id: subnetId });
}

/** The port is in the ledger until the router has it: one without its router must not stay. */
async function addByPort(context: Context, routerId: string, one: Interface): Promise<void> {
  const { cloud, ledger } = context;
  const ports = cloud.collection(PORTS);
  const network = String(one.network_id);
  const taken = await holders(cloud, one);
  const may = await mayChooseAddresses(cloud, network);
  const fixedIps = fixedIpsOf(one).map((f) =>
    may && !taken.some((port) => addressesOf(port).includes(f.ip_address ?? "")) ? { ...f } : { subnet_id: f.subnet_id },
  );
  const portId = await ledger.obtain("neutron.port", `interface ${one.port_id}`, async (name) => {
    // One that the user made keeps its groups; older documents say nothing of them.
    const { security_groups = [], port_security_enabled = false } = one;
    const port = { network_id: network, fixed_ips: fixedIps, security_groups, port_security_enabled };
    return String((await createInterfacePort(cloud, { ...port, description: name })).id);
  });
  if ((await ports.get(portId)).device_id !== routerId)
    await cloud.collection(ROUTERS).act(routerId, "PUT", "add_router_interface", { port_id: portId });
  await ports.update(portId, { description: one.description ?? "" });
}

/** Port security is said where it is ours to say. */
async function createInterfacePort(cloud: Cloud, body: JsonObject): Promise<ApiObject> {
  const extensions = await cloud.networkExtensions();
  const { port_security_enabled: _security, ...plain } = body;
  const may = extensions.has("port-security") && (await mayChooseAddresses(cloud, String(body.network_id)));
  return await cloud.collection(PORTS).create(may ? body : plain);
}

/** Name, description and tags, where the interface had some. */
async function describeAgain(cloud: Cloud, routerId: string, one: Interface): Promise<void> {
  const addresses = fixedIpsOf(one).map((f) => f.ip_address);
  const found = (await interfacePorts(cloud, routerId)).find((p) => fixedIpsOf(p).some((f) => addresses.includes(f.ip_address)));
  if (found === undefined) return;
  const changes: Record<string, Json> = {};
  for (const field of ["name", "description"] as const) {
    const value = one[field];
    if (typeof value === "string" && value !== "" && found[field] !== value) changes[field] = value;
  }
  const ports = cloud.collection(PORTS);
  if (Object.keys(changes).length > 0) await ports.update(String(found.id), changes);
  if (Array.isArray(one.tags) && one.tags.length > 0) await ports.setTags(String(found.id), one.tags.map(String));
}

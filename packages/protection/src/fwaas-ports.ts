/**
 * The ports of a firewall group. They are captured as what they are, a server's port or a router's interface on a subnet, and given in the
 * finish step: Neutron takes only router interfaces, which are new with their router, and ports that a server has. A port is in one group
 * only, and new ones may be put into `default` by the service: that one gives up what is to be in another group, and never loses a port
 * that was not captured.
 */

import { type ApiObject, type Cloud, FIREWALL_GROUPS, PORTS } from "@permafrost/openstack";
import { CodedError, type JsonObject } from "@permafrost/std";
import { withTargets } from "./declared/references.ts";
import { defaultGroup } from "./fwaas-default.ts";
import { isPending, type Waiting, waitWhilePending, whenSettled } from "./fwaas-pending.ts";
import { ifThere } from "./if-there.ts";

const ROUTER_INTERFACE = /^network:(router_interface|ha_router_replicated_interface)/;

/** Of the document: the group's ports as what they are. */
export const PORT_REFERENCES = {
  "server_ports[].port_id": { kind: "neutron.port", finish: true, optional: true },
  "server_ports[].server_id": { kind: "nova.server", finish: true, finished: true, optional: true },
  "router_ports[].router_id": { kind: "neutron.router", finish: true, finished: true, optional: true },
  "router_ports[].subnet_id": { kind: "neutron.subnet", finish: true, optional: true },
} as const;

export function portsOf(group: ApiObject | undefined): string[] {
  return Array.isArray(group?.ports) ? group.ports.map(String) : [];
}

export async function describePorts(cloud: Cloud, ids: readonly string[]): Promise<JsonObject> {
  const [server_ports, router_ports]: [JsonObject[], JsonObject[]] = [[], []];
  const known = new Map<string, ApiObject>();
  // A group may have every port of a project.
  if (ids.length > 1)
    for await (const port of cloud.collection(PORTS).list({ project_id: cloud.projectId })) known.set(String(port.id), port);
  for (const id of ids) {
    const port = known.get(id) ?? (await ifThere(cloud.collection(PORTS).get(id)));
    if (port === undefined) continue;
    if (ROUTER_INTERFACE.test(String(port.device_owner)))
      router_ports.push({ router_id: port.device_id ?? "", subnet_id: subnetsOf(port)[0] ?? "" });
    else server_ports.push({ port_id: id, server_id: port.device_id ?? "" });
  }
  return { server_ports, router_ports };
}

/** What Neutron takes of them now, and why not the others. */
export async function targetPorts(
  cloud: Cloud,
  captured: JsonObject,
  targets: Readonly<Record<string, string>>,
): Promise<{ readonly ports: string[]; readonly warnings: string[] }> {
  const { object: mapped } = withTargets(captured, PORT_REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
  const [ports, warnings]: [string[], string[]] = [[], []];
  for (const { port_id } of listOf(mapped.server_ports)) {
    const port = await ifThere(cloud.collection(PORTS).get(String(port_id)));
    if (String(port?.device_owner ?? "").startsWith("compute:")) ports.push(String(port_id));
    else warnings.push(`port ${String(port_id)} is not in the firewall group: no server has it`);
  }
  for (const { router_id, subnet_id } of listOf(mapped.router_ports)) {
    const found = await Array.fromAsync(cloud.collection(PORTS).list({ device_id: String(router_id) }));
    const port = found.find((p) => ROUTER_INTERFACE.test(String(p.device_owner)) && subnetsOf(p).includes(String(subnet_id)));
    if (port === undefined)
      warnings.push(`router ${String(router_id)} has no interface on subnet ${String(subnet_id)} to put into the firewall group`);
    else ports.push(String(port.id));
  }
  const lost = portsOf(captured).length - ports.length - warnings.length;
  if (lost > 0) warnings.push(`${lost} ports are left out of the firewall group: their servers or routers are not in the target`);
  return { ports, warnings };
}

/** Gives the group these ports, `default` beside those that it has. What the service refuses is left out; returns warnings. */
export async function setPorts(context: Waiting, id: string, ports: readonly string[]): Promise<readonly string[]> {
  const groups = context.cloud.collection(FIREWALL_GROUPS);
  const standing = await defaultGroup(context.cloud);
  const isDefault = String(standing?.id) === id;
  const have = portsOf(await groups.get(id));
  const [lacking, kept] = [
    ports.filter((port) => !have.includes(port)),
    have.filter((port) => isDefault || ports.includes(port)),
  ];
  if (lacking.length === 0 && kept.length === have.length) return [];
  if (!isDefault && standing !== undefined) await takeAway(context, standing, lacking);
  const give = (all: readonly string[]) => whenSettled(context, () => groups.update(id, { ports: [...all] }));
  try {
    await give([...kept, ...lacking]);
    await waitWhilePending(context, id);
    return [];
  } catch (error) {
    // One of them is refused: perhaps this driver guards no servers, or another group has it.
    if (!isRefusal(error)) throw error;
  }
  const [taken, warnings]: [string[], string[]] = [[...kept], []];
  if (kept.length < have.length) await give(kept);
  for (const port of lacking) {
    try {
      await give([...taken, port]);
      taken.push(port);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      warnings.push(`port ${port} is not in the firewall group: ${String(CodedError.from(error).facts.message)}`);
    }
  }
  await waitWhilePending(context, id);
  return warnings;
}

async function takeAway(context: Waiting, standing: ApiObject, ports: readonly string[]): Promise<void> {
  const groups = context.cloud.collection(FIREWALL_GROUPS);
  const id = String(standing.id);
  await whenSettled(context, async () => {
    const have = portsOf(await groups.get(id));
    const left = have.filter((port) => !ports.includes(port));
    if (left.length < have.length) await groups.update(id, { ports: left });
  });
}

function isRefusal(error: unknown): boolean {
  return !isPending(error) && (CodedError.is(error, "CONFLICT") || CodedError.is(error, "NOT_FOUND"));
}

function subnetsOf(port: ApiObject): string[] {
  return listOf(port.fixed_ips).map(({ subnet_id }) => String(subnet_id));
}

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly JsonObject[]) : [];
}

/**
 * fwaas.group: firewall policies on ports. The ports come in the finish step: Neutron takes only router interfaces, which are new with their
 * router, and ports that a server has. The project's group `default` is made by the service, and a member may change only its ports; it
 * gives up a port that is to be in another group.
 */

import { type ApiObject, type Cloud, FIREWALL_GROUPS, PORTS } from "@permafrost/openstack";
import { type Clock, CodedError, canonicalJson, type JsonObject } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";
import { ifThere } from "./if-there.ts";

const ROUTER_INTERFACE = /^network:(router_interface|ha_router_replicated_interface)/;
const PENDING_POLLS_MAX = 120;
const PENDING_DELAY_MS = 1_000;

/** Of the document: the group's ports as what they are. */
const REFERENCES = {
  ingress_firewall_policy_id: { kind: "fwaas.policy" },
  egress_firewall_policy_id: { kind: "fwaas.policy" },
  "server_ports[].port_id": { kind: "neutron.port", finish: true, optional: true },
  "server_ports[].server_id": { kind: "nova.server", finish: true, finished: true, optional: true },
  "router_ports[].router_id": { kind: "neutron.router", finish: true, finished: true, optional: true },
  "router_ports[].subnet_id": { kind: "neutron.subnet", finish: true, optional: true },
} as const;

export const fwaasGroup = declaredType({
  type: "fwaas.group",
  noun: "firewall group",
  collection: FIREWALL_GROUPS,
  create: ["name", "description", "ingress_firewall_policy_id", "egress_firewall_policy_id", "admin_state_up", "shared"],
  needs: { shared: { role: "admin" } },
  references: REFERENCES,
  mark: "description",
  reported: {
    "group default": "the service makes it with its policies and rules; only an administrator changes them",
    ports: "one that no server has in the target is left out",
  },
  isDerived: ({ name }) => name === "default",
  hooks: {
    describe: async ({ cloud }, group) => await describePorts(cloud, portsOf(group)),
    settled: waitWhilePending,
    finish: async (context, { document, targets, targetId }, group) => {
      const { cloud } = context;
      const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
      const { ports, warnings } = await targetPorts(cloud, object, portsOf(document.object).length);
      if (canonicalJson([...ports].sort()) === canonicalJson([...portsOf(group)].sort())) return warnings;
      await takeFromDefault(context, ports);
      await waitWhilePending(context, targetId);
      await cloud.collection(FIREWALL_GROUPS).update(targetId, { ports });
      await waitWhilePending(context, targetId);
      return warnings;
    },
    differences: async ({ cloud }, { document, targets }, found) => {
      const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
      const { ports } = await targetPorts(cloud, object, portsOf(document.object).length);
      const [want, have] = [canonicalJson([...ports].sort()), canonicalJson([...portsOf(found)].sort())];
      return want === have ? [] : [`ports: expected ${want}, found ${have}`];
    },
    beforeRemove: async ({ cloud }, group) => {
      if (portsOf(group).length > 0) await cloud.collection(FIREWALL_GROUPS).update(String(group.id), { ports: [] });
    },
  },
});

function portsOf(group: ApiObject): string[] {
  return Array.isArray(group.ports) ? group.ports.map(String) : [];
}

async function describePorts(cloud: Cloud, ids: readonly string[]): Promise<JsonObject> {
  const [server_ports, router_ports]: [JsonObject[], JsonObject[]] = [[], []];
  for (const id of ids) {
    const port = await ifThere(cloud.collection(PORTS).get(id));
    if (port === undefined) continue;
    if (ROUTER_INTERFACE.test(String(port.device_owner))) {
      const [address] = (port.fixed_ips ?? []) as unknown as readonly JsonObject[];
      router_ports.push({ router_id: port.device_id ?? "", subnet_id: address?.subnet_id ?? "" });
    } else server_ports.push({ port_id: id, server_id: port.device_id ?? "" });
  }
  return { server_ports, router_ports };
}

/** What Neutron takes of them now. `wanted`: how many ports the group had. */
async function targetPorts(
  cloud: Cloud,
  mapped: JsonObject,
  wanted: number,
): Promise<{ readonly ports: string[]; readonly warnings: string[] }> {
  const [ports, warnings]: [string[], string[]] = [[], []];
  for (const { port_id } of (mapped.server_ports ?? []) as unknown as readonly JsonObject[]) {
    const port = await ifThere(cloud.collection(PORTS).get(String(port_id)));
    if (String(port?.device_owner ?? "").startsWith("compute:")) ports.push(String(port_id));
    else warnings.push(`port ${String(port_id)} is not in the firewall group: no server has it`);
  }
  for (const { router_id, subnet_id } of (mapped.router_ports ?? []) as unknown as readonly JsonObject[]) {
    const found = await Array.fromAsync(cloud.collection(PORTS).list({ device_id: String(router_id) }));
    const port = found.find(
      (p) =>
        ROUTER_INTERFACE.test(String(p.device_owner)) &&
        ((p.fixed_ips ?? []) as unknown as readonly JsonObject[]).some((f) => f.subnet_id === subnet_id),
    );
    if (port === undefined)
      warnings.push(`router ${String(router_id)} has no interface on subnet ${String(subnet_id)} to put into the firewall group`);
    else ports.push(String(port.id));
  }
  const lost = wanted - ports.length - warnings.length;
  if (lost > 0) warnings.push(`${lost} ports are left out of the firewall group: their servers or routers are not in the target`);
  return { ports, warnings };
}

type Waiting = { readonly cloud: Cloud; readonly clock: Clock; readonly signal: AbortSignal };

/** A port may be in one group only, and new ones may be put into `default` by the service. */
async function takeFromDefault(context: Waiting, ports: readonly string[]): Promise<void> {
  const groups = context.cloud.collection(FIREWALL_GROUPS);
  for await (const group of groups.list({ project_id: context.cloud.projectId, name: "default" })) {
    const id = String(group.id);
    const left = portsOf(group).filter((port) => !ports.includes(port));
    if (left.length === portsOf(group).length) continue;
    await waitWhilePending(context, id);
    await groups.update(id, { ports: left });
    await waitWhilePending(context, id);
  }
}

/** A group that is PENDING_… refuses every update. */
async function waitWhilePending({ cloud, clock, signal }: Waiting, id: string): Promise<void> {
  for (let poll = 1; ; poll++) {
    const status = String((await cloud.collection(FIREWALL_GROUPS).get(id)).status);
    if (!status.startsWith("PENDING")) return;
    if (poll >= PENDING_POLLS_MAX)
      throw new CodedError("WAIT_TIMEOUT", `firewall group ${id} stays ${status}`, { facts: { id, status }, retry: "later" });
    await clock.sleep(PENDING_DELAY_MS, signal);
  }
}

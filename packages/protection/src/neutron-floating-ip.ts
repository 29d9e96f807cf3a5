/**
 * neutron.floating-ip with its port forwardings. One of the same address that is the project's and free is used again; else the address is
 * asked for by whoever may choose one, and where it cannot be had the floating IP gets another: the plan warns, for DNS and peers have to
 * learn it. It is given to its port, or to the VIP of its load balancer, in the finish step, when a router leads there.
 */

import { type ApiObject, type Cloud, type Collection, FLOATING_IPS, LOAD_BALANCERS, PORTS } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { plannedTarget } from "./declared/planned-target.ts";
import { withTargets } from "./declared/references.ts";
import { ifThere } from "./if-there.ts";
import { externalProblem, mayChooseFloatingAddress, ownSubnets, whyUnavailable } from "./neutron-external.ts";
import { addressWarning, internalAddress } from "./neutron-internal-address.ts";
import { isServicePort } from "./neutron-port.ts";
import { addForwardings, forwardingDifferences, forwardingsOf, removeForwardings } from "./neutron-port-forwardings.ts";
import type { FinishInput, RestoreInput } from "./resource-type.ts";

/** `behind` is what the document adds: what the address leads to, as what it is. */
const REFERENCES = {
  floating_network_id: { kind: "neutron.network" },
  "network_subnets[]": { kind: "neutron.subnet", optional: true },
  qos_policy_id: { kind: "neutron.qos-policy", optional: true },
  router_id: { kind: "neutron.router", finish: true, optional: true },
  "behind.port_id": { kind: "neutron.port", finish: true, optional: true },
  "behind.load_balancer_id": { kind: "octavia.load-balancer", finish: true, optional: true },
  "port_forwardings[].internal_port_id": { kind: "neutron.port", finish: true, optional: true },
} as const;

export const neutronFloatingIp = declaredType({
  type: "neutron.floating-ip",
  noun: "floating IP",
  collection: FLOATING_IPS,
  create: ["floating_network_id", "floating_ip_address", "description", "dns_name", "dns_domain", "qos_policy_id", "distributed"],
  needs: {
    dns_name: { extension: "dns-integration" },
    dns_domain: { extension: "dns-integration" },
    qos_policy_id: { extension: "qos-fip" },
    distributed: { role: "admin", extension: "floating-ip-distributed" },
  },
  references: REFERENCES,
  uncompared: { floating_ip_address: "one that could not be had is another; the restore says so" },
  byHooks: ["port_id", "fixed_ip_address", "port_forwardings"],
  tags: true,
  mark: "description",
  nameOf: ({ floating_ip_address, id }) => String(floating_ip_address ?? id),
  reported: {
    floating_ip_address: "the role member cannot choose one that is not the project's already; nobody one that is in use",
    port_id: "of a service's own port: only where it is the VIP of a load balancer",
  },
  hooks: {
    describe: async ({ cloud }, ip) => ({
      port_forwardings: await forwardingsOf(cloud, String(ip.id)),
      behind: await behind(cloud, ip),
      network_subnets: await ownSubnets(cloud, String(ip.floating_network_id)),
    }),
    warnings: ({ port_id, behind: known }) =>
      typeof port_id === "string" && Object.keys((known ?? {}) as JsonObject).length === 0
        ? [`it leads to port ${port_id}, which a service made: a restore leaves it without a port`]
        : [],
    standing: async ({ cloud }, { object }) => (await freeAddress(cloud, object))?.id as string | undefined,
    plan: async ({ cloud }, { document, options }, scope, planned) => {
      const address = String(document.object.floating_ip_address);
      if (planned.action === "update") {
        const reason = `floating IP ${address} is the project's and free`;
        return options.onConflict === "fail"
          ? { ...planned, action: "conflict", reason }
          : { ...planned, reason: `${reason}: used again` };
      }
      if (planned.action !== "create") return planned;
      const { id } = await plannedTarget(scope, document, "neutron.network", String(document.object.floating_network_id));
      const problem =
        id === undefined ? undefined : await externalProblem(cloud, id, String(document.object.floating_network_id));
      if (problem !== undefined) return { ...planned, action: "conflict", reason: problem };
      const why = mayChooseFloatingAddress(cloud)
        ? id === undefined
          ? undefined
          : await whyUnavailable(cloud, id, address)
        : "choosing an address needs the role manager or admin";
      const warnings = [...(planned.warnings ?? [])];
      if (why !== undefined) warnings.push(`it gets another address than ${address}: ${why}. DNS and peers have to learn it`);
      if (count(document.object.port_forwardings) > 0 && !(await cloud.networkExtensions()).has("floating-ip-port-forwarding"))
        warnings.push("port_forwardings are not restored: the target has no extension floating-ip-port-forwarding");
      return { ...planned, warnings };
    },
    body: ({ cloud }, _input, body) => {
      const { floating_ip_address: address, ...rest } = body;
      return mayChooseFloatingAddress(cloud) && address !== undefined ? body : rest;
    },
    create: createAsFarAsPossible,
    made: async (_context, { document }, ip) => {
      const [captured, now] = [document.object.floating_ip_address, ip.floating_ip_address];
      return captured === now
        ? []
        : [`the address was ${String(captured)} and is ${String(now)}: DNS and peers have to learn it`];
    },
    finish: async ({ cloud }, input, ip) => {
      if (input.resource.action === "update") await becomeCaptured(cloud, input, ip);
      const mapped = inTarget(input);
      const warnings = await addForwardings(cloud, input.targetId, forwardingsIn(mapped));
      const lost = count(input.document.object.port_forwardings) - forwardingsIn(mapped).length;
      if (lost > 0) warnings.push(`${lost} port forwardings are left out: their ports are not in the target`);
      const { association, told } = await associationOf(cloud, mapped, input.document.object);
      const same = association?.port_id === ip.port_id && association?.fixed_ip_address === ip.fixed_ip_address;
      if (association !== undefined && !same) await cloud.collection(FLOATING_IPS).update(input.targetId, association);
      return [...warnings, ...told];
    },
    differences: async ({ cloud }, input, found) => {
      const mapped = inTarget(input);
      const { association } = await associationOf(cloud, mapped, input.document.object);
      const wrong = (["port_id", "fixed_ip_address"] as const).filter((f) => (association?.[f] ?? null) !== (found[f] ?? null));
      return [
        ...wrong.map(
          (f) => `${f}: expected ${JSON.stringify(association?.[f] ?? null)}, found ${JSON.stringify(found[f] ?? null)}`,
        ),
        ...(await forwardingDifferences(cloud, input.targetId, forwardingsIn(mapped))),
      ];
    },
    undoUpdate: async ({ cloud }, targetId, before) => {
      await removeForwardings(cloud, targetId, forwardingsIn(before));
      const { description, qos_policy_id, port_id } = before;
      const qos = qos_policy_id === undefined ? {} : { qos_policy_id };
      await cloud.collection(FLOATING_IPS).update(targetId, { description: description ?? "", port_id: port_id ?? null, ...qos });
      if (Array.isArray(before.tags)) await cloud.collection(FLOATING_IPS).setTags(targetId, before.tags.map(String));
    },
    // Neutron does not remove one that has forwardings.
    beforeRemove: async ({ cloud }, ip) => await removeForwardings(cloud, String(ip.id)),
  },
});

/** The project's floating IP of that address, if nothing uses it. */
async function freeAddress(cloud: Cloud, { floating_ip_address: address }: ApiObject): Promise<ApiObject | undefined> {
  const query = { project_id: cloud.projectId, floating_ip_address: String(address) };
  for await (const ip of cloud.collection(FLOATING_IPS).list(query)) {
    if (ip.floating_ip_address !== address || ip.project_id !== cloud.projectId || typeof ip.port_id === "string") continue;
    if ((await forwardingsOf(cloud, String(ip.id))).length === 0) return ip;
  }
  return undefined;
}

/** What leads where: a port that is a resource of its own, or the load balancer whose VIP the port is. */
async function behind(cloud: Cloud, { port_id }: ApiObject): Promise<JsonObject> {
  if (typeof port_id !== "string") return {};
  const port = await ifThere(cloud.collection(PORTS).get(port_id));
  if (port === undefined || !isServicePort(port)) return { port_id };
  const [, loadBalancer] = /(?:^|\s)(?:octavia-lb-|ovn-lb-vip-|lb-)([0-9a-f-]{36})$/.exec(`${port.name} ${port.device_id}`) ?? [];
  return loadBalancer === undefined ? {} : { load_balancer_id: loadBalancer };
}

function inTarget({ document, targets }: RestoreInput<DeclaredDocument>): JsonObject {
  return withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]).object;
}

function forwardingsIn(object: JsonObject): readonly JsonObject[] {
  return Array.isArray(object.port_forwardings) ? (object.port_forwardings as JsonObject[]) : [];
}

function count(list: Json | undefined): number {
  return Array.isArray(list) ? list.length : 0;
}

/** The port and address that it is to lead to; undefined for none. */
async function associationOf(
  cloud: Cloud,
  mapped: JsonObject,
  captured: ApiObject,
): Promise<{
  readonly association?: { readonly port_id: string; readonly fixed_ip_address: string };
  readonly told: readonly string[];
}> {
  if (typeof captured.port_id !== "string") return { told: [] };
  const { port_id, load_balancer_id } = (mapped.behind ?? {}) as JsonObject;
  const balancer =
    typeof load_balancer_id === "string" ? await ifThere(cloud.collection(LOAD_BALANCERS).get(load_balancer_id)) : undefined;
  const id = port_id ?? balancer?.vip_port_id;
  const port = typeof id === "string" ? await ifThere(cloud.collection(PORTS).get(id)) : undefined;
  if (port === undefined) return { told: ["it leads nowhere: what it led to is not in the target"] };
  const address = String(captured.fixed_ip_address);
  const chosen = internalAddress(port, address);
  const told = addressWarning("it", address, chosen);
  return chosen === undefined ? { told } : { association: { port_id: String(port.id), fixed_ip_address: chosen }, told };
}

/** An address that is in use since, or none of the network's, or not the user's to choose, is left to the target. */
async function createAsFarAsPossible(collection: Collection, body: JsonObject): Promise<ApiObject> {
  try {
    return await collection.create(body);
  } catch (error) {
    const refused =
      CodedError.is(error, "CONFLICT") ||
      CodedError.is(error, "FORBIDDEN") ||
      (CodedError.is(error) && error.facts.status === 400);
    const { floating_ip_address: address, ...rest } = body;
    if (!refused || address === undefined) throw error;
    return await collection.create(rest);
  }
}

/** Of one that was there: what creation would have said. */
async function becomeCaptured(
  cloud: Cloud,
  { document, targets, targetId }: FinishInput<DeclaredDocument>,
  ip: ApiObject,
): Promise<void> {
  const { description, qos_policy_id: policy, tags } = document.object;
  const changes: Record<string, Json> = {};
  if (typeof description === "string" && description !== ip.description) changes.description = description;
  const wanted = typeof policy === "string" ? targets[`neutron.qos-policy/${policy}`] : undefined;
  if (wanted !== undefined && wanted !== ip.qos_policy_id) changes.qos_policy_id = wanted;
  const collection = cloud.collection(FLOATING_IPS);
  if (Object.keys(changes).length > 0) await collection.update(targetId, changes);
  if (Array.isArray(tags)) await collection.setTags(targetId, tags.map(String));
}

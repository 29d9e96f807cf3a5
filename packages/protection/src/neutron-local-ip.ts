/**
 * neutron.local-ip: an address that every host answers itself, and the ports that answer for it, which come in the finish step. Its own port
 * is one that the service makes on the network, or one that the user made.
 */

import { type ApiObject, type Cloud, type Collection, LOCAL_IP_ASSOCIATIONS, LOCAL_IPS, PORTS } from "@permafrost/openstack";
import { CodedError, type JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";
import { ifThere } from "./if-there.ts";
import { addressWarning, internalAddress } from "./neutron-internal-address.ts";
import { isServicePort } from "./neutron-port.ts";
import type { RestoreInput } from "./resource-type.ts";

/** `own` is what the document adds: where the address is from. */
const REFERENCES = {
  "own.network_id": { kind: "neutron.network" },
  "own.subnets[]": { kind: "neutron.subnet", optional: true, holdsFinish: true },
  "own.port_id": { kind: "neutron.port" },
  "associations[].fixed_port_id": { kind: "neutron.port", finish: true, optional: true },
} as const;

export const neutronLocalIp = declaredType({
  type: "neutron.local-ip",
  noun: "local IP",
  collection: LOCAL_IPS,
  create: ["name", "description", "local_ip_address", "ip_mode"],
  references: REFERENCES,
  uncompared: { local_ip_address: "one that could not be had is another; the restore says so" },
  mark: "description",
  byHooks: ["network_id", "local_port_id", "port_associations"],
  reported: { local_port_id: "one that the service made is made again" },
  hooks: {
    describe: async ({ cloud }, ip) => ({
      own: await ownOf(cloud, ip),
      associations: await associationsOf(cloud, String(ip.id)),
    }),
    body: ({ cloud }, input, body) => localBody(cloud, inTarget(input), body),
    create: createAsFarAsPossible,
    made: async (_context, { document }, ip) => {
      const [captured, now] = [document.object.local_ip_address, ip.local_ip_address];
      return captured === now ? [] : [`the address was ${String(captured)} and is ${String(now)}`];
    },
    finish: async ({ cloud }, input) => {
      const { wanted, warnings } = await wantedAssociations(cloud, input);
      const have = new Set((await associationsOf(cloud, input.targetId)).map((a) => a.fixed_port_id));
      for (const one of wanted)
        if (!have.has(one.fixed_port_id)) await cloud.collection(LOCAL_IP_ASSOCIATIONS, input.targetId).create(one);
      return warnings;
    },
    differences: async ({ cloud }, input, found) => {
      const { wanted } = await wantedAssociations(cloud, input);
      const have = new Map((await associationsOf(cloud, String(found.id))).map((a) => [a.fixed_port_id, a.fixed_ip]));
      return wanted
        .filter((w) => have.get(w.fixed_port_id) !== w.fixed_ip)
        .map(
          (w) => `port_associations: expected ${JSON.stringify(w)}, found ${JSON.stringify(have.get(w.fixed_port_id) ?? null)}`,
        );
    },
    // Neutron does not remove one that ports answer for.
    beforeRemove: async ({ cloud }, ip) => {
      const id = String(ip.id);
      for (const { fixed_port_id } of await associationsOf(cloud, id))
        await cloud.collection(LOCAL_IP_ASSOCIATIONS, id).delete(String(fixed_port_id));
    },
  },
});

async function ownOf(cloud: Cloud, { local_port_id, network_id }: ApiObject): Promise<JsonObject> {
  const port = await ifThere(cloud.collection(PORTS).get(String(local_port_id)));
  if (port !== undefined && !isServicePort(port)) return { port_id: local_port_id ?? "" };
  const fixed = Array.isArray(port?.fixed_ips) ? (port.fixed_ips as JsonObject[]) : [];
  return { network_id: network_id ?? "", subnets: fixed.map((f) => f.subnet_id ?? "") };
}

async function associationsOf(cloud: Cloud, id: string): Promise<ApiObject[]> {
  return await Array.fromAsync(cloud.collection(LOCAL_IP_ASSOCIATIONS, id).list());
}

function inTarget({ document, targets }: RestoreInput<DeclaredDocument>): JsonObject {
  return withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]).object;
}

/** The address of a port that is given, or one on the network. */
async function localBody(cloud: Cloud, mapped: JsonObject, body: JsonObject): Promise<JsonObject> {
  const { port_id, network_id } = (mapped.own ?? {}) as JsonObject;
  if (typeof port_id !== "string") return { ...body, network_id: network_id ?? "" };
  const port = await cloud.collection(PORTS).get(port_id);
  const { local_ip_address: captured, ...rest } = body;
  const address = internalAddress(port, String(captured));
  return { ...rest, local_port_id: port_id, ...(address === undefined ? {} : { local_ip_address: address }) };
}

async function wantedAssociations(
  cloud: Cloud,
  input: RestoreInput<DeclaredDocument>,
): Promise<{ readonly wanted: readonly JsonObject[]; readonly warnings: readonly string[] }> {
  const all = (input.document.object.associations ?? []) as readonly JsonObject[];
  const mapped = (inTarget(input).associations ?? []) as readonly JsonObject[];
  const [wanted, warnings]: [JsonObject[], string[]] = [[], []];
  for (const { fixed_port_id, fixed_ip } of mapped) {
    const port = await ifThere(cloud.collection(PORTS).get(String(fixed_port_id)));
    const address = port === undefined ? undefined : internalAddress(port, String(fixed_ip));
    warnings.push(...addressWarning(`the association of port ${String(fixed_port_id)}`, String(fixed_ip), address));
    if (address !== undefined) wanted.push({ fixed_port_id: fixed_port_id ?? "", fixed_ip: address });
  }
  const lost = all.length - mapped.length;
  return {
    wanted,
    warnings: lost > 0 ? [...warnings, `${lost} associations are left out: their ports are not in the target`] : warnings,
  };
}

/** An address that is in use is left to the target. */
async function createAsFarAsPossible(collection: Collection, body: JsonObject): Promise<ApiObject> {
  try {
    return await collection.create(body);
  } catch (error) {
    const refused = CodedError.is(error, "CONFLICT") || (CodedError.is(error) && error.facts.status === 400);
    const { local_ip_address: address, ...rest } = body;
    if (!refused || address === undefined) throw error;
    return await collection.create(rest);
  }
}

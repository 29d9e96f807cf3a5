/**
 * octavia.load-balancer: the load balancer with the whole tree below it as one resource. It is made by one request that says everything, and
 * step by step by a provider that refuses that. Its VIP is a new port of the service (`vip_port_id`), to which floating IPs go afterwards,
 * unless the user made the port. TLS secrets and containers are referred to by URL: the document holds their ids beside it.
 */

import { type ApiObject, type Cloud, keyManagerHref, LOAD_BALANCERS, PORTS } from "@permafrost/openstack";
import { type Clock, CodedError, type Json, type JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";
import { ifThere } from "./if-there.ts";
import { isServicePort } from "./neutron-port.ts";
import { growTree } from "./octavia-grow.ts";
import { removeLeftPort } from "./octavia-left-port.ts";
import { graphOf, keysIn, linesOf, partsOf, readTree, replaceRefs, type Tree, treeOf } from "./octavia-tree.ts";
import type { RestoreInput } from "./resource-type.ts";

const SETTLE_DELAY_MS = 1_000;
const SETTLE_POLLS_MAX = 1_800;

/** `where` and `keys` are what the document adds: where the VIP is to be made, and the TLS material. */
const REFERENCES = {
  "where.subnet_id": { kind: "neutron.subnet", holdsFinish: true },
  "where.network_id": { kind: "neutron.network" },
  "where.port_id": { kind: "neutron.port" },
  "additional_vips[].subnet_id": { kind: "neutron.subnet", holdsFinish: true },
  "vip_sg_ids[]": { kind: "neutron.security-group" },
  vip_qos_policy_id: { kind: "neutron.qos-policy", optional: true },
  "pools[].members[].subnet_id": { kind: "neutron.subnet" },
  flavor_id: { kind: "load-balancer-flavor", optional: true },
  availability_zone: { kind: "load-balancer-zone", optional: true },
  provider: { kind: "load-balancer-provider", optional: true },
  "keys[].secret_id": { kind: "barbican.secret" },
  "keys[].container_id": { kind: "barbican.container" },
} as const;

export const octaviaLoadBalancer = declaredType({
  type: "octavia.load-balancer",
  noun: "load balancer",
  collection: LOAD_BALANCERS,
  create: [
    "name",
    "description",
    "admin_state_up",
    "provider",
    "flavor_id",
    "availability_zone",
    "vip_address",
    "vip_qos_policy_id",
    "vip_sg_ids",
    "additional_vips",
    "tags",
  ],
  references: REFERENCES,
  unordered: ["vip_sg_ids", "tags"],
  uncompared: { additional_vips: "compared by subnet and address" },
  quota: "load_balancer",
  mark: "description",
  reported: {
    vip_port_id: "the service makes a new port, unless the user made the old one",
    vip_address: "another one where it is taken or not of the target's subnet",
    "operating status, statistics": "of the running service",
    "provider, flavor_id, availability_zone": "the target's defaults where it has none of that name",
  },
  isDerived: ({ provisioning_status }) => provisioning_status === "DELETED" || provisioning_status === "PENDING_DELETE",
  hooks: {
    describe: async ({ cloud }, loadBalancer) => {
      const tree = await readTree(cloud, String(loadBalancer.id));
      return { ...tree, where: await vipOf(cloud, loadBalancer), keys: keysIn(tree) };
    },
    warnings: ({ provisioning_status }) =>
      provisioning_status === "ERROR" ? ["it is in ERROR: what the service says of it may not be what it did"] : [],
    settled: waitUntilActive,
    body: async ({ cloud }, input, body) => {
      const mapped = await inTarget(cloud, input);
      const vips = partsOf(mapped, "additional_vips").map(({ subnet_id, ip_address }) => ({
        subnet_id: subnet_id ?? null,
        ip_address: ip_address ?? null,
      }));
      const plain: Record<string, Json> = { ...body };
      delete plain.additional_vips;
      if (Array.isArray(plain.vip_sg_ids) && plain.vip_sg_ids.length === 0) delete plain.vip_sg_ids;
      // For a comparison: the rest has its own.
      if (input.targetId !== undefined) return plain;
      const where = (mapped.where ?? {}) as JsonObject;
      if (typeof where.port_id === "string") {
        // The address is the port's.
        delete plain.vip_address;
        plain.vip_port_id = where.port_id;
      } else if (typeof where.subnet_id === "string") plain.vip_subnet_id = where.subnet_id;
      else plain.vip_network_id = where.network_id ?? null;
      return { ...plain, ...(vips.length > 0 ? { additional_vips: vips } : {}), ...graphOf(treeOf(mapped)) };
    },
    create: async (collection, body, context) => {
      try {
        return await collection.create(body);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        await removeLeftPort(context, body);
        // Below it the tree is grown; an address that cannot be had is left to the service.
        const { pools: _pools, listeners: _listeners, ...bare } = body;
        try {
          return await collection.create(bare);
        } catch (second) {
          if (!isRefusal(second) || bare.vip_address === undefined) throw second;
          const { vip_address: _address, ...anywhere } = bare;
          return await collection.create(anywhere);
        }
      }
    },
    made: async (context, input, loadBalancer) => {
      const mapped = await inTarget(context.cloud, input);
      await growTree(context, input.targetId, treeOf(mapped), () => waitUntilActive(context, input.targetId));
      const { vip_address: old } = input.document.object;
      return old === loadBalancer.vip_address
        ? []
        : [`the VIP ${String(old)} could not be had: it is ${String(loadBalancer.vip_address)}`];
    },
    differences: async ({ cloud }, input, found) => {
      const mapped = await inTarget(cloud, input);
      const [want, have] = [linesOf(treeOf(mapped)), linesOf(await readTree(cloud, input.targetId))];
      const vips = (of: JsonObject) =>
        partsOf(of, "additional_vips").map((v) => `${String(v.subnet_id)} ${String(v.ip_address)}`);
      return [
        ...without(want, have).map((line) => `expected ${line}, found none`),
        ...without(have, want).map((line) => `expected none, found ${line}`),
        ...without(vips(mapped), vips(found)).map((vip) => `additional_vips: expected ${vip}, found ${vips(found).join(", ")}`),
      ];
    },
  },
});

/** By what the VIP is asked for: a port that the user made, else its subnet, else its network. */
async function vipOf(cloud: Cloud, { vip_port_id, vip_subnet_id, vip_network_id }: ApiObject): Promise<JsonObject> {
  const port = typeof vip_port_id === "string" ? await ifThere(cloud.collection(PORTS).get(vip_port_id)) : undefined;
  const isUsers = port !== undefined && !isServicePort(port) && port.project_id === cloud.projectId;
  if (isUsers && typeof vip_port_id === "string") return { port_id: vip_port_id };
  if (typeof vip_subnet_id === "string") return { subnet_id: vip_subnet_id };
  return { network_id: vip_network_id ?? null };
}

/** The document with the target's ids and, for TLS, its URLs. */
async function inTarget(cloud: Cloud, { document, targets }: RestoreInput<DeclaredDocument>): Promise<JsonObject> {
  const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
  const urls = new Map<string, string>();
  for (const { ref, secret_id, container_id } of partsOf(object, "keys")) {
    const [kind, id] = secret_id === undefined ? (["containers", container_id] as const) : (["secrets", secret_id] as const);
    urls.set(String(ref), await keyManagerHref(cloud, kind, String(id)));
  }
  const mapped = replaceRefs({ ...treeOf(object) } as unknown as Json, (ref) => urls.get(ref) ?? ref);
  return { ...object, ...(mapped as unknown as Tree as unknown as JsonObject) };
}

/** The provider cannot do it so (501), or the service takes it for wrong (400) or taken (409): nothing was made. */
function isRefusal(error: unknown): boolean {
  if (!CodedError.is(error)) return false;
  const { status } = error.facts;
  return status === 501 || status === 400 || (status === 409 && error.code === "CONFLICT");
}

/** Throws RESOURCE_STATE if it ended in ERROR, WAIT_TIMEOUT. */
async function waitUntilActive(
  { cloud, clock, signal }: { readonly cloud: Cloud; readonly clock: Clock; readonly signal: AbortSignal },
  id: string,
): Promise<void> {
  for (let poll = 1; ; poll++) {
    const status = String((await cloud.collection(LOAD_BALANCERS).get(id)).provisioning_status);
    if (status === "ACTIVE") return;
    if (status === "ERROR" || status === "DELETED")
      throw new CodedError("RESOURCE_STATE", `load balancer ${id} is ${status}, not ACTIVE`, {
        facts: { id, status },
        hint: "The logs of the cloud's Octavia say why.",
      });
    if (poll >= SETTLE_POLLS_MAX)
      throw new CodedError("WAIT_TIMEOUT", `load balancer ${id} stays ${status}`, { facts: { id, status }, retry: "later" });
    await clock.sleep(SETTLE_DELAY_MS, signal);
  }
}

function without(of: readonly string[], taken: readonly string[]): string[] {
  const left = [...taken];
  return of.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

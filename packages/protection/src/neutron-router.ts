/**
 * neutron.router with its interfaces, conntrack helpers and routes. The gateway's network is found in the target or mapped; as a member
 * the gateway gets another address, as an administrator the same if it is free. Routes come after the interfaces that reach their next hop.
 */

import { type ApiObject, type Cloud, CONNTRACK_HELPERS, type Collection, ROUTERS } from "@permafrost/openstack";
import { CodedError, canonicalJson, type Json, type JsonObject } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { plannedTarget } from "./declared/planned-target.ts";
import { withTargets } from "./declared/references.ts";
import { externalProblem, ownSubnets } from "./neutron-external.ts";
import {
  addInterfaces,
  describeConnections,
  type Interface,
  interfaceDifferences,
  interfaceProblems,
  ownRoutes,
  removeInterfaces,
} from "./neutron-router-interfaces.ts";
import type { Context, RestoreInput } from "./resource-type.ts";

const REFERENCES = {
  "external_gateway_info.network_id": { kind: "neutron.network" },
  "external_gateway_info.qos_policy_id": { kind: "neutron.qos-policy", optional: true },
  "gateway_subnets[]": { kind: "neutron.subnet", optional: true },
  "external_gateways[].network_id": { kind: "neutron.network" },
  flavor_id: { kind: "network-flavor", optional: true },
  "availability_zone_hints[]": { kind: "network-zone", optional: true },
  "interfaces[].network_id": { kind: "neutron.network" },
  "interfaces[].fixed_ips[].subnet_id": { kind: "neutron.subnet", holdsFinish: true },
  "interfaces[].security_groups[]": { kind: "neutron.security-group", optional: true },
} as const;

export const neutronRouter = declaredType({
  type: "neutron.router",
  noun: "router",
  collection: ROUTERS,
  byHooks: ["interfaces", "conntrack_helpers", "external_gateways"],
  create: [
    "name",
    "description",
    "admin_state_up",
    "flavor_id",
    "availability_zone_hints",
    "external_gateway_info",
    "distributed",
    "ha",
    "enable_ndp_proxy",
    "enable_default_route_bfd",
    "enable_default_route_ecmp",
  ],
  update: ["routes"],
  needs: {
    flavor_id: { extension: "l3-flavors" },
    availability_zone_hints: { extension: "router_availability_zone" },
    external_gateway_info: { extension: "router" },
    distributed: { role: "admin", extension: "dvr" },
    ha: { role: "admin", extension: "l3-ha" },
    enable_ndp_proxy: { extension: "l3-ext-ndp-proxy" },
    enable_default_route_bfd: { role: "admin", extension: "enable-default-route-bfd" },
    enable_default_route_ecmp: { role: "admin", extension: "enable-default-route-ecmp" },
    routes: { extension: "extraroute" },
  },
  references: REFERENCES,
  unordered: ["availability_zone_hints", "routes"],
  uncompared: {
    external_gateway_info: "compared by network and source NAT: an address that could not be had is another",
    routes: "compared without those that OVN's VPN agent adds",
  },
  tags: true,
  quota: "router",
  mark: "description",
  reported: {
    "external_gateway_info.external_fixed_ips": "needs role admin; another address where it is in use",
    "external_gateway_info.enable_snat": "needs role admin",
    "interfaces[].mac_address": "the target gives interfaces their MAC addresses",
  },
  hooks: {
    describe: async ({ cloud }, router) => {
      const id = String(router.id);
      const hasHelpers = (await cloud.networkExtensions()).has("l3-conntrack-helper");
      const helpers = hasHelpers ? await Array.fromAsync(cloud.collection(CONNTRACK_HELPERS, id).list()) : [];
      const gateway = (router.external_gateway_info ?? {}) as JsonObject;
      return {
        ...(await describeConnections(cloud, router)),
        gateway_subnets: typeof gateway.network_id === "string" ? await ownSubnets(cloud, gateway.network_id) : [],
        ...(hasHelpers ? { conntrack_helpers: helpers } : {}),
      };
    },
    plan: async ({ cloud }, { document }, scope, planned) => {
      const problems = await interfaceProblems(cloud, document, scope, planned);
      if (planned.action !== "create") return { ...planned, warnings: [...(planned.warnings ?? []), ...problems] };
      const warnings = [...(planned.warnings ?? []), ...problems];
      const gateway = document.object.external_gateway_info as JsonObject | null | undefined;
      if (typeof gateway?.network_id === "string") {
        const { id } = await plannedTarget(scope, document, "neutron.network", gateway.network_id);
        const problem = id === undefined ? undefined : await externalProblem(cloud, id, gateway.network_id);
        if (problem !== undefined) return { ...planned, action: "conflict", reason: problem };
        if (!cloud.roles.has("admin")) {
          const addresses = addressesIn(gateway);
          if (addresses.length > 0)
            warnings.push(`the gateway gets another address than ${addresses.join(", ")}: it needs the role admin`);
          if (gateway.enable_snat === false) warnings.push("source NAT off is not restored: it needs the role admin");
        }
      }
      const helpers = document.object.conntrack_helpers;
      if (Array.isArray(helpers) && helpers.length > 0 && !(await cloud.networkExtensions()).has("l3-conntrack-helper"))
        warnings.push("conntrack_helpers are not restored: the target has no extension l3-conntrack-helper");
      return { ...planned, warnings };
    },
    body: ({ cloud }, { document }, body) => routerBody(cloud.roles.has("admin"), document.object, body),
    create: createAsFarAsPossible,
    made: async (context, input, router) => {
      const id = input.targetId;
      const mapped = inTarget(input);
      const warnings = await addInterfaces(context, id, (mapped.interfaces ?? []) as unknown as Interface[]);
      await addFurtherGateways(context, router, mapped);
      await addHelpers(context, id, mapped);
      if (input.document.object.enable_ndp_proxy === true && router.enable_ndp_proxy !== true)
        warnings.push("enable_ndp_proxy is off: the gateway's network in the target has no IPv6 for it");
      return warnings;
    },
    differences: async ({ cloud }, input, found) => {
      const mapped = inTarget(input);
      const expected = routerBody(cloud.roles.has("admin"), input.document.object, mapped).external_gateway_info as
        | JsonObject
        | undefined;
      const have = (found.external_gateway_info ?? {}) as JsonObject;
      const gateway = Object.entries(expected ?? {})
        .filter(([name, value]) => name !== "external_fixed_ips" && canonicalJson(have[name] ?? null) !== canonicalJson(value))
        .map(
          ([name, value]) =>
            `external_gateway_info.${name}: expected ${canonicalJson(value)}, found ${canonicalJson(have[name] ?? null)}`,
        );
      const interfaces = (mapped.interfaces ?? []) as unknown as Interface[];
      const helpers = (await missingHelpers(cloud, input.targetId, mapped)).map(
        (h) => `conntrack_helpers: expected ${canonicalJson(h)}, found none`,
      );
      const [wanted, there] = [sorted(mapped.routes), sorted(await ownRoutes(cloud, found))];
      const routes = wanted === there ? [] : [`routes: expected ${wanted}, found ${there}`];
      return [...gateway, ...routes, ...(await interfaceDifferences(cloud, input.targetId, interfaces)), ...helpers];
    },
    beforeRemove: async ({ cloud }, router) => {
      const id = String(router.id);
      if (Array.isArray(router.routes) && router.routes.length > 0) await cloud.collection(ROUTERS).update(id, { routes: [] });
      await removeInterfaces(cloud, id);
    },
  },
});

/** Routes have no order. */
function sorted(routes: Json | undefined): string {
  return `[${(Array.isArray(routes) ? routes : []).map(canonicalJson).sort().join()}]`;
}

/** The whole document with the target's ids. */
function inTarget({ document, targets }: RestoreInput<DeclaredDocument>): JsonObject {
  return withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]).object;
}

function addressesIn(gateway: JsonObject): string[] {
  const addresses = (gateway.external_fixed_ips ?? []) as readonly JsonObject[];
  return addresses.flatMap((f) => (typeof f.ip_address === "string" ? [f.ip_address] : []));
}

/** The gateway as far as the role may say it: a member names only the network and a policy. An address says its subnet. */
function routerBody(mayAll: boolean, captured: ApiObject, body: JsonObject): JsonObject {
  const gateway = body.external_gateway_info as JsonObject | undefined;
  if (gateway === undefined || gateway === null) return body;
  const source = (captured.external_gateway_info ?? {}) as JsonObject;
  const sent: Record<string, Json> = { network_id: gateway.network_id ?? null };
  if (typeof gateway.qos_policy_id === "string") sent.qos_policy_id = gateway.qos_policy_id;
  if (mayAll) {
    if (typeof source.enable_snat === "boolean") sent.enable_snat = source.enable_snat;
    const addresses = addressesIn(source);
    if (addresses.length > 0) sent.external_fixed_ips = addresses.map((ip_address) => ({ ip_address }));
  }
  return { ...body, external_gateway_info: sent };
}

/**
 * A gateway address that is in use, or is none of the mapped network's, is left to the target; so are NDP proxies where the network has no
 * IPv6 for them.
 */
async function createAsFarAsPossible(collection: Collection, body: JsonObject): Promise<ApiObject> {
  try {
    return await collection.create(body);
  } catch (error) {
    const { external_fixed_ips: addresses, ...gateway } = (body.external_gateway_info ?? {}) as JsonObject;
    const refused = CodedError.is(error, "CONFLICT") || (CodedError.is(error) && error.facts.status === 400);
    if (!refused) throw error;
    if (addresses !== undefined) return await createAsFarAsPossible(collection, { ...body, external_gateway_info: gateway });
    const { enable_ndp_proxy: proxies, ...rest } = body;
    if (proxies === true && /ndp proxy|gateway/i.test(error.message)) return await collection.create(rest);
    throw error;
  }
}

/** The first gateway is `external_gateway_info`; extension `external-gateway-multihoming` has more. */
async function addFurtherGateways({ cloud }: Context, router: ApiObject, mapped: JsonObject): Promise<void> {
  const wanted = Array.isArray(mapped.external_gateways) ? (mapped.external_gateways as JsonObject[]) : [];
  const have = Array.isArray(router.external_gateways) ? router.external_gateways.length : wanted.length;
  if (wanted.length <= have) return;
  const external_gateways = wanted.slice(have).map(({ network_id }) => ({ network_id: network_id ?? null }));
  await cloud.collection(ROUTERS).act(String(router.id), "PUT", "add_external_gateways", { router: { external_gateways } });
}

async function addHelpers({ cloud }: Context, routerId: string, mapped: JsonObject): Promise<void> {
  for (const helper of await missingHelpers(cloud, routerId, mapped))
    await cloud.collection(CONNTRACK_HELPERS, routerId).create(helper);
}

async function missingHelpers(cloud: Cloud, routerId: string, mapped: JsonObject): Promise<JsonObject[]> {
  const wanted = Array.isArray(mapped.conntrack_helpers) ? (mapped.conntrack_helpers as JsonObject[]) : [];
  if (wanted.length === 0 || !(await cloud.networkExtensions()).has("l3-conntrack-helper")) return [];
  const plain = ({ protocol, port, helper }: JsonObject) => ({
    protocol: protocol ?? null,
    port: port ?? null,
    helper: helper ?? null,
  });
  const found = await Array.fromAsync(cloud.collection(CONNTRACK_HELPERS, routerId).list());
  const have = new Set(found.map((h) => canonicalJson(plain(h))));
  return wanted.map(plain).filter((h) => !have.has(canonicalJson(h)));
}

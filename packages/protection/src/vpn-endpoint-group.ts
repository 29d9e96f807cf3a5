/**
 * vpn.endpoint-group: what is reachable at one end of a VPN connection. Its endpoints are subnets, networks or routers of the project, whose
 * ids differ in the target, or prefixes and VLAN numbers, which do not: the type says which.
 */

import { type ApiObject, VPN_ENDPOINT_GROUPS } from "@permafrost/openstack";
import type { Json } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";

const KINDS: Readonly<Record<string, string>> = {
  subnet: "neutron.subnet",
  network: "neutron.network",
  router: "neutron.router",
};

/** The attribute of the document that repeats the endpoints as what they are, such as `subnets`. */
function listOf(group: ApiObject): string | undefined {
  const type = String(group.type);
  return type in KINDS ? `${type}s` : undefined;
}

export const vpnEndpointGroup = declaredType({
  type: "vpn.endpoint-group",
  noun: "VPN endpoint group",
  collection: VPN_ENDPOINT_GROUPS,
  create: ["name", "description", "type", "endpoints"],
  references: Object.fromEntries(Object.entries(KINDS).map(([type, kind]) => [`${type}s[]`, { kind }])),
  unordered: ["endpoints"],
  mark: "description",
  hooks: {
    describe: async (_context, group) => {
      const list = listOf(group);
      return list === undefined ? {} : { [list]: group.endpoints ?? [] };
    },
    body: (_context, { document, targets }, body) => {
      const kind = KINDS[String(document.object.type)];
      if (kind === undefined) return body;
      const endpoints = (document.object.endpoints ?? []) as readonly Json[];
      return { ...body, endpoints: endpoints.map((id) => targets[`${kind}/${String(id)}`] ?? id) };
    },
  },
});

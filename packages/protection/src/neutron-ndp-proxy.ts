/** neutron.ndp-proxy: an IPv6 address of a port that its router announces outside. The router must have its gateway, the proxy switched on, and an interface there. */

import { NDP_PROXIES, PORTS } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";
import { ifThere } from "./if-there.ts";
import { addressWarning, internalAddress } from "./neutron-internal-address.ts";

export const neutronNdpProxy = declaredType({
  type: "neutron.ndp-proxy",
  noun: "NDP proxy",
  collection: NDP_PROXIES,
  create: ["name", "description", "router_id", "port_id", "ip_address"],
  references: {
    router_id: { kind: "neutron.router", finished: true },
    port_id: { kind: "neutron.port" },
  },
  // Neutron filters these by name only (neutron_lib/api/definitions/l3_ndp_proxy.py).
  mark: "name",
  listQuery: () => ({}),
  reported: { ip_address: "the port's own address, where that is another one now" },
  hooks: {
    body: async ({ cloud }, { document }, { ip_address: _, ...body }) => {
      const port = await ifThere(cloud.collection(PORTS).get(String(body.port_id)));
      const address = port === undefined ? undefined : internalAddress(port, String(document.object.ip_address));
      return address === undefined ? body : { ...body, ip_address: address };
    },
    made: async (_context, { document }, proxy) =>
      addressWarning("it", String(document.object.ip_address), String(proxy.ip_address ?? "")),
  },
});

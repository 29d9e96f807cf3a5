/**
 * vpn.service: the VPN of a router, which must have its gateway and, where the service names a subnet, an interface on it. The service
 * comes with the gateway's new address, and the peers have to learn it.
 */

import { VPN_SERVICES } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

const EXTERNAL = ["external_v4_ip", "external_v6_ip"] as const;

export const vpnService = declaredType({
  type: "vpn.service",
  noun: "VPN service",
  collection: VPN_SERVICES,
  create: ["name", "description", "router_id", "subnet_id", "flavor_id", "admin_state_up"],
  needs: { flavor_id: { extension: "vpn-flavors" } },
  references: {
    router_id: { kind: "neutron.router", finished: true },
    subnet_id: { kind: "neutron.subnet" },
    flavor_id: { kind: "network-flavor", optional: true },
  },
  // While a service is PENDING_CREATE, and without a connection it may stay so, it refuses every update: no mark could be taken off.
  mark: "content",
  reported: { external_v4_ip: "the target's router gives it", external_v6_ip: "the target's router gives it" },
  hooks: {
    made: async (_context, { document }, service) =>
      EXTERNAL.flatMap((name) => {
        const [old, now] = [document.object[name], service[name]];
        if (typeof old !== "string" || old === now) return [];
        return [
          `the VPN's ${name} was ${old} and is ${typeof now === "string" ? now : "not known yet"}: tell every remote peer, it must change its peer address`,
        ];
      }),
  },
});

/** vpn.connection: a tunnel to a remote peer, with its pre-shared key: the API gives it to the project's members, and documents are sealed. */

import { VPN_CONNECTIONS } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const vpnConnection = declaredType({
  type: "vpn.connection",
  noun: "VPN connection",
  collection: VPN_CONNECTIONS,
  create: [
    "name",
    "description",
    "vpnservice_id",
    "ikepolicy_id",
    "ipsecpolicy_id",
    "peer_address",
    "peer_id",
    "peer_cidrs",
    "local_id",
    "local_ep_group_id",
    "peer_ep_group_id",
    "psk",
    "mtu",
    "initiator",
    "dpd",
    "admin_state_up",
  ],
  references: {
    vpnservice_id: { kind: "vpn.service" },
    ikepolicy_id: { kind: "vpn.ike-policy" },
    ipsecpolicy_id: { kind: "vpn.ipsec-policy" },
    local_ep_group_id: { kind: "vpn.endpoint-group" },
    peer_ep_group_id: { kind: "vpn.endpoint-group" },
  },
  unordered: ["peer_cidrs"],
  secrets: ["psk"],
  mark: "content",
  hooks: {
    plan: async (_context, { document }, _scope, planned) => {
      if (planned.action !== "create" || document.object.admin_state_up === false) return planned;
      const warning = `it starts at once: while the source's tunnel to ${String(document.object.peer_address)} is up, the two disturb each other`;
      return { ...planned, warnings: [...(planned.warnings ?? []), warning] };
    },
    // An empty list beside endpoint groups is refused.
    body: (_context, _input, { peer_cidrs, ...body }) =>
      Array.isArray(peer_cidrs) && peer_cidrs.length > 0 ? { ...body, peer_cidrs } : body,
  },
});

/** vpn.ipsec-policy: how the traffic between two VPN peers is protected. */

import { IPSEC_POLICIES } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const vpnIpsecPolicy = declaredType({
  type: "vpn.ipsec-policy",
  noun: "IPsec policy",
  collection: IPSEC_POLICIES,
  create: [
    "name",
    "description",
    "transform_protocol",
    "auth_algorithm",
    "encryption_algorithm",
    "encapsulation_mode",
    "lifetime",
    "pfs",
  ],
  mark: "description",
});

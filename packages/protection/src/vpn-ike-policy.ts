/** vpn.ike-policy: how two VPN peers find their keys. */

import { IKE_POLICIES } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const vpnIkePolicy = declaredType({
  type: "vpn.ike-policy",
  noun: "IKE policy",
  collection: IKE_POLICIES,
  create: [
    "name",
    "description",
    "auth_algorithm",
    "encryption_algorithm",
    "phase1_negotiation_mode",
    "lifetime",
    "ike_version",
    "pfs",
  ],
  mark: "description",
});

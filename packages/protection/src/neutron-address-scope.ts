/** neutron.address-scope: addresses that are unique among the subnet pools of one scope. It has no description, so its name is the mark. */

import { ADDRESS_SCOPES } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const neutronAddressScope = declaredType({
  type: "neutron.address-scope",
  noun: "address scope",
  collection: ADDRESS_SCOPES,
  create: ["name", "ip_version", "shared"],
  needs: { shared: { role: "admin" } },
  mark: "name",
});

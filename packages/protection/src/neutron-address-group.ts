/** neutron.address-group: a named list of CIDRs that security group rules point to. */

import { ADDRESS_GROUPS } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const neutronAddressGroup = declaredType({
  type: "neutron.address-group",
  noun: "address group",
  collection: ADDRESS_GROUPS,
  create: ["name", "description", "addresses"],
  unordered: ["addresses"],
  mark: "description",
  reported: { shared: "sharing is the policies of neutron.rbac-policy" },
});

/** neutron.subnet-pool: prefixes from which subnets are cut, in an address scope or not. */

import { SUBNET_POOLS } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";

export const neutronSubnetPool = declaredType({
  type: "neutron.subnet-pool",
  noun: "subnet pool",
  collection: SUBNET_POOLS,
  create: [
    "name",
    "description",
    "prefixes",
    "default_prefixlen",
    "min_prefixlen",
    "max_prefixlen",
    "default_quota",
    "address_scope_id",
    "shared",
    "is_default",
  ],
  needs: {
    shared: { role: "admin" },
    is_default: { role: "admin", extension: "default-subnetpools" },
    address_scope_id: { extension: "address-scope" },
  },
  references: { address_scope_id: { kind: "neutron.address-scope" } },
  unordered: ["prefixes"],
  tags: true,
  quota: "subnetpool",
  mark: "description",
});

/** neutron.subnet-pool: prefixes from which subnets are cut, in an address scope or not. The pools of one scope must not overlap: the plan sees it. */

import { SUBNET_POOLS } from "@permafrost/openstack";
import type { Json } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";
import { plannedTarget } from "./declared/planned-target.ts";
import { overlap } from "./neutron-overlap.ts";

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
  hooks: {
    plan: async ({ cloud }, { document }, scope, planned) => {
      const { address_scope_id: scopeId, prefixes } = document.object;
      if (planned.action !== "create" || typeof scopeId !== "string") return planned;
      const { id } = await plannedTarget(scope, document, "neutron.address-scope", scopeId);
      if (id === undefined) return planned;
      const taken = (await Array.fromAsync(cloud.collection(SUBNET_POOLS).list({ address_scope_id: id })))
        .filter((pool) => pool.address_scope_id === id)
        .flatMap((pool) => listOf(pool.prefixes).map((prefix) => ({ prefix, pool: String(pool.name) || String(pool.id) })));
      for (const prefix of listOf(prefixes)) {
        const other = taken.find((t) => overlap(t.prefix, prefix));
        if (other === undefined) continue;
        const reason = `${prefix} overlaps with ${other.prefix} of subnet pool ${other.pool} in the target's address scope`;
        return { ...planned, action: "conflict", reason };
      }
      return planned;
    },
  },
});

function listOf(prefixes: Json | undefined): string[] {
  return Array.isArray(prefixes) ? prefixes.map(String) : [];
}

/**
 * neutron.subnet. A DHCP server takes an address as soon as it may, so a subnet is made without one and gets it in the finish step,
 * when every port of the restore has its address. IPv6 modes can only be said with DHCP on (neutron/db/db_base_plugin_v2.py
 * `_validate_ipv6_attributes`): those subnets have it from the start; their addresses come from the ports' MAC, unless they are stateful.
 *
 * The VPN agent of OVN makes a subnet of its own for every router with a VPN service, in the tenant's name: it comes again with the service.
 * A network takes no two subnets that overlap, a pool gives no address twice: the plan sees it.
 */

import { SUBNETS } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";
import { plannedTarget } from "./declared/planned-target.ts";
import { overlap } from "./neutron-overlap.ts";

export const neutronSubnet = declaredType({
  type: "neutron.subnet",
  noun: "subnet",
  collection: SUBNETS,
  create: [
    "network_id",
    "ip_version",
    "cidr",
    "name",
    "description",
    "gateway_ip",
    "allocation_pools",
    "dns_nameservers",
    "host_routes",
    "enable_dhcp",
    "ipv6_address_mode",
    "ipv6_ra_mode",
    "subnetpool_id",
    "dns_publish_fixed_ip",
    "service_types",
  ],
  finish: ["enable_dhcp"],
  nulls: ["gateway_ip"],
  needs: {
    dns_publish_fixed_ip: { extension: "subnet-dns-publish-fixed-ip" },
    service_types: { extension: "subnet-service-types" },
    subnetpool_id: { extension: "subnet_allocation" },
  },
  references: {
    network_id: { kind: "neutron.network" },
    subnetpool_id: { kind: "neutron.subnet-pool", optional: true },
  },
  unordered: ["allocation_pools", "host_routes", "service_types"],
  unique: true,
  tags: true,
  quota: "subnet",
  mark: "description",
  reported: { segment_id: "segments are the operator's" },
  // neutron_vpnaas/services/vpn/service_drivers/ovn_ipsec.py TRANSIT_SUBNET_PREFIX
  isDerived: (subnet) => /^vpn-transit-subnet-[0-9a-f-]{36}$/.test(String(subnet.name ?? "")),
  hooks: {
    // Two subnets of a network cannot overlap: the same CIDR is the same subnet, whatever its name.
    same: async ({ cloud }, { document }, scope) => {
      const { network_id: networkId, cidr } = document.object;
      const { id } = await plannedTarget(scope, document, "neutron.network", String(networkId));
      if (id === undefined) return [];
      const found = await Array.fromAsync(cloud.collection(SUBNETS).list({ network_id: id, cidr: String(cidr) }));
      return found.filter((s) => s.cidr === cidr).map((s) => String(s.id));
    },
    plan: async ({ cloud }, { document }, scope, planned) => {
      if (planned.action !== "create") return planned;
      const { network_id: networkId, subnetpool_id: poolId, cidr } = document.object;
      const where = [["network_id", "neutron.network", networkId]].concat([["subnetpool_id", "neutron.subnet-pool", poolId]]);
      for (const [attribute, kind, sourceId] of where) {
        if (typeof sourceId !== "string") continue;
        const { id } = await plannedTarget(scope, document, String(kind), sourceId);
        if (id === undefined) continue;
        const others = await Array.fromAsync(cloud.collection(SUBNETS).list({ [String(attribute)]: id }));
        const other = others.find((s) => s[String(attribute)] === id && overlap(String(s.cidr), String(cidr)));
        if (other === undefined) continue;
        const reason = `${String(cidr)} overlaps with ${String(other.cidr)}, subnet ${String(other.id)} of the same ${kind === "neutron.network" ? "network" : "subnet pool"} in the target`;
        return { ...planned, action: "conflict", reason };
      }
      return planned;
    },
    body: (_context, { document }, body) => {
      const { ipv6_address_mode: addressMode, ipv6_ra_mode: raMode } = document.object;
      return typeof addressMode === "string" || typeof raMode === "string" ? body : { ...body, enable_dhcp: false };
    },
  },
});

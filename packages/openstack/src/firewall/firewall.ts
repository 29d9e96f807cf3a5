/**
 * FWaaS v2: rules, policies, groups. Who lists any of them makes the project's group `default` if there is none, and neutron-fwaas 25 does not
 * show it in that answer. https://docs.openstack.org/api-ref/network/v2/#fwaas-v2-0-current-fwaas-firewall-groups-firewall-policies-firewall-rules
 */

import type { CollectionSpec } from "../rest/collection.ts";

export const FIREWALL_RULES: CollectionSpec = {
  service: "network",
  path: "/fwaas/firewall_rules",
  singular: "firewall_rule",
  plural: "firewall_rules",
  extension: "fwaas_v2",
  listingMakes: true,
};

export const FIREWALL_POLICIES: CollectionSpec = {
  service: "network",
  path: "/fwaas/firewall_policies",
  singular: "firewall_policy",
  plural: "firewall_policies",
  extension: "fwaas_v2",
  listingMakes: true,
};

export const FIREWALL_GROUPS: CollectionSpec = {
  service: "network",
  path: "/fwaas/firewall_groups",
  singular: "firewall_group",
  plural: "firewall_groups",
  extension: "fwaas_v2",
  listingMakes: true,
};

/** Neutron's filters: security groups, their rules, address groups. https://docs.openstack.org/api-ref/network/v2/#security */

import type { CollectionSpec } from "../rest/collection.ts";

export const SECURITY_GROUPS: CollectionSpec = {
  service: "network",
  path: "/security-groups",
  singular: "security_group",
  plural: "security_groups",
  extension: "security-group",
};

export const SECURITY_GROUP_RULES: CollectionSpec = {
  service: "network",
  path: "/security-group-rules",
  singular: "security_group_rule",
  plural: "security_group_rules",
  extension: "security-group",
};

export const ADDRESS_GROUPS: CollectionSpec = {
  service: "network",
  path: "/address-groups",
  singular: "address_group",
  plural: "address_groups",
  extension: "address-group",
};

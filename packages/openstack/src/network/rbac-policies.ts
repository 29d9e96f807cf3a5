/** What a project shares with others. https://docs.openstack.org/api-ref/network/v2/#rbac-policies */

import type { CollectionSpec } from "../rest/collection.ts";

export const RBAC_POLICIES: CollectionSpec = {
  service: "network",
  path: "/rbac-policies",
  singular: "rbac_policy",
  plural: "rbac_policies",
  extension: "rbac-policies",
};

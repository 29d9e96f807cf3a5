/** Octavia: load balancers and what belongs to one. https://docs.openstack.org/api-ref/load-balancer/v2/ */

import type { CollectionSpec } from "../rest/collection.ts";

export const LOAD_BALANCERS: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/loadbalancers",
  singular: "loadbalancer",
  plural: "loadbalancers",
  deleteQuery: { cascade: true },
};

export const LISTENERS: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/listeners",
  singular: "listener",
  plural: "listeners",
};

export const POOLS: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/pools",
  singular: "pool",
  plural: "pools",
};

export const POOL_MEMBERS: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/pools/{parent}/members",
  singular: "member",
  plural: "members",
};

export const HEALTH_MONITORS: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/healthmonitors",
  singular: "healthmonitor",
  plural: "healthmonitors",
};

export const L7_POLICIES: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/l7policies",
  singular: "l7policy",
  plural: "l7policies",
};

export const L7_RULES: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/l7policies/{parent}/rules",
  singular: "rule",
  plural: "rules",
};

export const LOAD_BALANCER_FLAVORS: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/flavors",
  singular: "flavor",
  plural: "flavors",
};

export const LOAD_BALANCER_ZONES: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/availabilityzones",
  singular: "availability_zone",
  plural: "availability_zones",
  key: "name",
};

export const LOAD_BALANCER_PROVIDERS: CollectionSpec = {
  service: "load-balancer",
  path: "/lbaas/providers",
  singular: "provider",
  plural: "providers",
  key: "name",
};

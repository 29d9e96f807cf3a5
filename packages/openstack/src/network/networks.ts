/** Neutron's layer 2 and its addresses: https://docs.openstack.org/api-ref/network/v2/#networks */

import type { CollectionSpec } from "../rest/collection.ts";

export const ADDRESS_SCOPES: CollectionSpec = {
  service: "network",
  path: "/address-scopes",
  singular: "address_scope",
  plural: "address_scopes",
  extension: "address-scope",
};

export const SUBNET_POOLS: CollectionSpec = {
  service: "network",
  path: "/subnetpools",
  singular: "subnetpool",
  plural: "subnetpools",
  extension: "subnet_allocation",
};

export const NETWORKS: CollectionSpec = {
  service: "network",
  path: "/networks",
  singular: "network",
  plural: "networks",
};

export const SUBNETS: CollectionSpec = {
  service: "network",
  path: "/subnets",
  singular: "subnet",
  plural: "subnets",
};

export const PORTS: CollectionSpec = {
  service: "network",
  path: "/ports",
  singular: "port",
  plural: "ports",
};

export const NETWORK_ZONES: CollectionSpec = {
  service: "network",
  path: "/availability_zones",
  singular: "availability_zone",
  plural: "availability_zones",
  extension: "network_availability_zone",
};

/** Neutron's trunks: a port that carries others. https://docs.openstack.org/api-ref/network/v2/#trunk-networking */

import type { CollectionSpec } from "../rest/collection.ts";

export const TRUNKS: CollectionSpec = {
  service: "network",
  path: "/trunks",
  singular: "trunk",
  plural: "trunks",
  extension: "trunk",
};

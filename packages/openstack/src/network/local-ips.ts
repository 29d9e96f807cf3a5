/** Addresses that exist on every host, and the ports that answer for them. https://docs.openstack.org/api-ref/network/v2/#local-ips */

import type { CollectionSpec } from "../rest/collection.ts";

export const LOCAL_IPS: CollectionSpec = {
  service: "network",
  path: "/local_ips",
  singular: "local_ip",
  plural: "local_ips",
  extension: "local_ip",
};

export const LOCAL_IP_ASSOCIATIONS: CollectionSpec = {
  service: "network",
  path: "/local_ips/{parent}/port_associations",
  singular: "port_association",
  plural: "port_associations",
  extension: "local_ip",
};

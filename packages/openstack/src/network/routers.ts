/** Neutron's layer 3: routers with their helpers, floating IPs with their forwardings, NDP proxies. https://docs.openstack.org/api-ref/network/v2/#layer-3-networking */

import type { CollectionSpec } from "../rest/collection.ts";

export const ROUTERS: CollectionSpec = {
  service: "network",
  path: "/routers",
  singular: "router",
  plural: "routers",
  extension: "router",
};

export const CONNTRACK_HELPERS: CollectionSpec = {
  service: "network",
  path: "/routers/{parent}/conntrack_helpers",
  singular: "conntrack_helper",
  plural: "conntrack_helpers",
  extension: "l3-conntrack-helper",
};

export const FLOATING_IPS: CollectionSpec = {
  service: "network",
  path: "/floatingips",
  singular: "floatingip",
  plural: "floatingips",
  extension: "router",
};

export const PORT_FORWARDINGS: CollectionSpec = {
  service: "network",
  path: "/floatingips/{parent}/port_forwardings",
  singular: "port_forwarding",
  plural: "port_forwardings",
  extension: "floating-ip-port-forwarding",
};

export const NDP_PROXIES: CollectionSpec = {
  service: "network",
  path: "/ndp_proxies",
  singular: "ndp_proxy",
  plural: "ndp_proxies",
  extension: "l3-ndp-proxy",
};

export const NETWORK_FLAVORS: CollectionSpec = {
  service: "network",
  path: "/flavors",
  singular: "flavor",
  plural: "flavors",
  extension: "l3-flavors",
};

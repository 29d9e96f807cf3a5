/** VPNaaS: policies, endpoint groups, services and site connections. https://docs.openstack.org/api-ref/network/v2/#vpnaas-2-0-vpn-vpnservices-ikepolicies-ipsecpolicies-endpoint-groups-ipsec-site-connections */

import type { CollectionSpec } from "../rest/collection.ts";

export const IKE_POLICIES: CollectionSpec = {
  service: "network",
  path: "/vpn/ikepolicies",
  singular: "ikepolicy",
  plural: "ikepolicies",
  extension: "vpnaas",
};

export const IPSEC_POLICIES: CollectionSpec = {
  service: "network",
  path: "/vpn/ipsecpolicies",
  singular: "ipsecpolicy",
  plural: "ipsecpolicies",
  extension: "vpnaas",
};

export const VPN_ENDPOINT_GROUPS: CollectionSpec = {
  service: "network",
  path: "/vpn/endpoint-groups",
  singular: "endpoint_group",
  plural: "endpoint_groups",
  extension: "vpn-endpoint-groups",
};

export const VPN_SERVICES: CollectionSpec = {
  service: "network",
  path: "/vpn/vpnservices",
  singular: "vpnservice",
  plural: "vpnservices",
  extension: "vpnaas",
};

export const VPN_CONNECTIONS: CollectionSpec = {
  service: "network",
  path: "/vpn/ipsec-site-connections",
  singular: "ipsec_site_connection",
  plural: "ipsec_site_connections",
  extension: "vpnaas",
};

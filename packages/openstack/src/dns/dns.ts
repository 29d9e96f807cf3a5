/** Designate: zones and their record sets. https://docs.openstack.org/api-ref/dns/dns-api-v2-index.html */

import type { CollectionSpec } from "../rest/collection.ts";

export const ZONES: CollectionSpec = {
  service: "dns",
  path: "/zones",
  singular: "",
  plural: "zones",
  updateMethod: "PATCH",
};

export const RECORD_SETS: CollectionSpec = {
  service: "dns",
  path: "/zones/{parent}/recordsets",
  singular: "",
  plural: "recordsets",
};

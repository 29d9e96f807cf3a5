/** Neutron's counting and logging of traffic. https://docs.openstack.org/api-ref/network/v2/#metering-labels-and-rules */

import type { CollectionSpec } from "../rest/collection.ts";

export const METERING_LABELS: CollectionSpec = {
  service: "network",
  path: "/metering/metering-labels",
  singular: "metering_label",
  plural: "metering_labels",
  extension: "metering",
};

export const METERING_LABEL_RULES: CollectionSpec = {
  service: "network",
  path: "/metering/metering-label-rules",
  singular: "metering_label_rule",
  plural: "metering_label_rules",
  extension: "metering",
};

/** What the cloud can log: objects with a `type` and nothing else. */
export const LOGGABLE_RESOURCES: CollectionSpec = {
  service: "network",
  path: "/log/loggable-resources",
  singular: "loggable_resource",
  plural: "loggable_resources",
  extension: "logging",
};

export const NETWORK_LOGS: CollectionSpec = {
  service: "network",
  path: "/log/logs",
  singular: "log",
  plural: "logs",
  extension: "logging",
};

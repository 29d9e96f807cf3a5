/** Neutron's QoS policies and their kinds of rule, each a collection below its policy. https://docs.openstack.org/api-ref/network/v2/#quality-of-service */

import type { CollectionSpec } from "../rest/collection.ts";

export const QOS_POLICIES: CollectionSpec = {
  service: "network",
  path: "/qos/policies",
  singular: "policy",
  plural: "policies",
  extension: "qos",
  // Neutron's tagging knows the collection by its name alone (neutron/extensions/tagging.py): below /qos it answers 400.
  tagsPath: "/policies",
};

/** Kind of rule, as a rule's `type` says it, to its collection. */
export const QOS_RULES: Readonly<Record<string, CollectionSpec>> = {
  bandwidth_limit: qosRules("bandwidth_limit_rule", "qos"),
  dscp_marking: qosRules("dscp_marking_rule", "qos"),
  minimum_bandwidth: qosRules("minimum_bandwidth_rule", "qos"),
  packet_rate_limit: qosRules("packet_rate_limit_rule", "qos-pps"),
  minimum_packet_rate: qosRules("minimum_packet_rate_rule", "qos-pps-minimum"),
};

function qosRules(singular: string, extension: string): CollectionSpec {
  return { service: "network", path: `/qos/policies/{parent}/${singular}s`, singular, plural: `${singular}s`, extension };
}

/**
 * What a request that makes a part of a load balancer may say, by part; https://docs.openstack.org/api-ref/load-balancer/v2/. The service
 * answers more than it takes, and refuses some of its own answers: what says nothing is not sent.
 */

import type { Json, JsonObject } from "@permafrost/std";

const TLS = ["tls_ciphers", "tls_versions", "alpn_protocols"];

export const PART_FIELDS = {
  pool: [
    "name",
    "description",
    "admin_state_up",
    "protocol",
    "lb_algorithm",
    "session_persistence",
    "tags",
    "tls_enabled",
    "tls_container_ref",
    "ca_tls_container_ref",
    "crl_container_ref",
    ...TLS,
  ],
  member: [
    "name",
    "address",
    "protocol_port",
    "subnet_id",
    "weight",
    "backup",
    "admin_state_up",
    "monitor_address",
    "monitor_port",
    "tags",
  ],
  healthmonitor: [
    "name",
    "type",
    "delay",
    "timeout",
    "max_retries",
    "max_retries_down",
    "http_method",
    "http_version",
    "url_path",
    "expected_codes",
    "domain_name",
    "admin_state_up",
    "tags",
  ],
  listener: [
    "name",
    "description",
    "admin_state_up",
    "protocol",
    "protocol_port",
    "connection_limit",
    "insert_headers",
    "timeout_client_data",
    "timeout_member_connect",
    "timeout_member_data",
    "timeout_tcp_inspect",
    "allowed_cidrs",
    "default_tls_container_ref",
    "sni_container_refs",
    "client_ca_tls_container_ref",
    "client_authentication",
    "client_crl_container_ref",
    "hsts_max_age",
    "hsts_include_subdomains",
    "hsts_preload",
    "tags",
    ...TLS,
  ],
  l7policy: [
    "name",
    "description",
    "admin_state_up",
    "action",
    "redirect_url",
    "redirect_prefix",
    "redirect_http_code",
    "position",
    "tags",
  ],
  rule: ["type", "compare_type", "key", "value", "invert", "admin_state_up", "tags"],
} as const satisfies Record<string, readonly string[]>;

export type Part = keyof typeof PART_FIELDS;

/** The part as a request says it. */
export function sayable(part: Part, object: JsonObject): JsonObject {
  const result: Record<string, Json> = {};
  for (const field of PART_FIELDS[part]) {
    const value = withoutNulls(object[field]);
    // An empty list of protocols means none where TLS is spoken, and is refused elsewhere.
    const meant = field === "alpn_protocols" && (object.protocol === "TERMINATED_HTTPS" || object.tls_enabled === true);
    if (value !== undefined && (meant || !isEmpty(value))) result[field] = value;
  }
  if (part === "listener") {
    if (object.client_authentication === "NONE") delete result.client_authentication;
    if (object.hsts_max_age === null || object.hsts_max_age === undefined) {
      delete result.hsts_include_subdomains;
      delete result.hsts_preload;
    }
    // Only whose packets are looked into has these; others answer the defaults.
    if (object.protocol === "UDP" || object.protocol === "SCTP")
      for (const name of Object.keys(result)) if (name.startsWith("timeout_")) delete result[name];
  }
  if (part === "member" && object.vnic_type === "direct") result.request_sriov = true;
  return result;
}

function withoutNulls(value: Json | undefined): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value as JsonObject).filter(([, v]) => v !== null));
}

function isEmpty(value: Json): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/**
 * The fields that Octavia 16 accepts on POST and PUT of each resource, with their types and defaults, as in
 * octavia/api/v2/types. `*_SINGLE` are the nested forms of a fully populated load balancer.
 */

import {
  address,
  alpn,
  cidr,
  defaulting,
  flag,
  listOf,
  object,
  oneOf,
  required,
  type Schema,
  stringMap,
  text,
  urlField,
  urlPath,
  uuidField,
  whole,
} from "./wsme.ts";

const name255 = text(255);
const tags = listOf(name255);
const common: Schema = { name: name255, description: name255 };
const up = defaulting(flag, true);
const timeout = whole(0, 2_073_600_000);

export const VIP_PUT: Schema = {
  ...common,
  vip_qos_policy_id: uuidField,
  admin_state_up: flag,
  vip_sg_ids: listOf(uuidField),
  tags,
};

const listenerPut: Schema = {
  ...common,
  admin_state_up: flag,
  connection_limit: whole(-1),
  default_tls_container_ref: name255,
  sni_container_refs: listOf(name255),
  default_pool_id: uuidField,
  insert_headers: stringMap,
  timeout_client_data: timeout,
  timeout_member_connect: timeout,
  timeout_member_data: timeout,
  timeout_tcp_inspect: timeout,
  tags,
  client_ca_tls_container_ref: name255,
  client_authentication: oneOf("NONE", "OPTIONAL", "MANDATORY"),
  client_crl_container_ref: name255,
  allowed_cidrs: listOf(cidr),
  tls_ciphers: text(2048),
  tls_versions: listOf(text(32)),
  alpn_protocols: listOf(alpn),
  hsts_max_age: whole(0),
  hsts_include_subdomains: flag,
  hsts_preload: flag,
};
export const LISTENER_PUT = listenerPut;

const LISTENER_SINGLE: Schema = {
  ...listenerPut,
  admin_state_up: up,
  protocol: required(oneOf("TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "UDP", "SCTP", "PROMETHEUS")),
  protocol_port: required(whole(1, 65_535)),
  connection_limit: defaulting(whole(-1), -1),
  client_authentication: defaulting(oneOf("NONE", "OPTIONAL", "MANDATORY"), "NONE"),
  hsts_include_subdomains: defaulting(flag, false),
  hsts_preload: defaulting(flag, false),
  default_pool: object(() => POOL_SINGLE),
  l7policies: defaulting(listOf(object(() => L7POLICY_SINGLE)), []),
};
export const LISTENER_POST: Schema = {
  ...LISTENER_SINGLE,
  loadbalancer_id: required(uuidField),
  project_id: text(36),
  tenant_id: text(36),
};

const persistence = (first: Schema["type"]): Schema => ({
  type: first,
  cookie_name: defaulting(text(255, /^[^\s,;\\]+$/), null),
  persistence_timeout: defaulting(whole(), null),
  persistence_granularity: defaulting(address, null),
});
const persistenceType = oneOf("SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE");
const algorithm = oneOf("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT");
const poolProtocol = oneOf("SCTP", "TCP", "HTTPS", "PROXY", "HTTP", "UDP", "PROXYV2");

export const POOL_PUT: Schema = {
  ...common,
  admin_state_up: flag,
  lb_algorithm: algorithm,
  session_persistence: object(() => persistence(persistenceType)),
  tags,
  tls_container_ref: name255,
  ca_tls_container_ref: name255,
  crl_container_ref: name255,
  tls_enabled: flag,
  tls_ciphers: text(2048),
  tls_versions: listOf(text(32)),
  alpn_protocols: listOf(alpn),
};
const POOL_SINGLE: Schema = {
  ...POOL_PUT,
  admin_state_up: up,
  protocol: poolProtocol,
  session_persistence: object(() => persistence(required(persistenceType))),
  tls_enabled: defaulting(flag, false),
  healthmonitor: object(() => MONITOR_SINGLE),
  members: listOf(object(() => MEMBER_SINGLE)),
};
export const POOL_POST: Schema = {
  protocol: required(poolProtocol),
  lb_algorithm: required(algorithm),
  ...Object.fromEntries(Object.entries(POOL_SINGLE).filter(([name]) => name !== "protocol" && name !== "lb_algorithm")),
  listener_id: uuidField,
  loadbalancer_id: uuidField,
  project_id: text(36),
  tenant_id: text(36),
};

const port = whole(1, 65_535);
export const MEMBER_PUT: Schema = {
  name: name255,
  admin_state_up: flag,
  weight: whole(0, 256),
  backup: flag,
  monitor_port: port,
  monitor_address: address,
  tags,
};
const MEMBER_SINGLE: Schema = {
  ...MEMBER_PUT,
  admin_state_up: up,
  address: required(address),
  protocol_port: required(port),
  weight: defaulting(whole(0, 256), 1),
  backup: defaulting(flag, false),
  subnet_id: uuidField,
  request_sriov: defaulting(flag, false),
};
export const MEMBER_POST: Schema = { ...MEMBER_SINGLE, project_id: text(36), tenant_id: text(36) };

export const MONITOR_PUT: Schema = {
  name: name255,
  delay: whole(0),
  timeout: whole(0),
  max_retries_down: whole(1, 10),
  max_retries: whole(1, 10),
  http_method: oneOf("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "CONNECT"),
  url_path: urlPath,
  expected_codes: text(undefined, /^(\d{3}(\s*,\s*\d{3})*)$|^(\d{3}-\d{3})$/),
  admin_state_up: flag,
  tags,
  http_version: oneOf(1, 1.1),
  domain_name: text(255, /^(?=.{1,253}\.?$)(?:(?!-|[^.]+_)[A-Za-z0-9-_]{1,63}(?<!-)(?:\.|$))+$/, 1),
};
const MONITOR_SINGLE: Schema = {
  ...MONITOR_PUT,
  type: required(oneOf("HTTP", "HTTPS", "PING", "SCTP", "TCP", "TLS-HELLO", "UDP-CONNECT")),
  delay: required(whole(0)),
  timeout: required(whole(0)),
  max_retries: required(whole(1, 10)),
  max_retries_down: defaulting(whole(1, 10), 3),
  admin_state_up: up,
};
export const MONITOR_POST: Schema = {
  ...MONITOR_SINGLE,
  pool_id: required(uuidField),
  project_id: text(36),
  tenant_id: text(36),
};

const position = whole(1, 2_147_483_647);
const action = oneOf("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX");
export const L7POLICY_PUT: Schema = {
  ...common,
  admin_state_up: flag,
  action,
  redirect_pool_id: uuidField,
  redirect_url: urlField,
  redirect_prefix: urlField,
  position,
  tags,
  redirect_http_code: oneOf(301, 302, 303, 307, 308),
};
const policyCreate: Schema = {
  ...L7POLICY_PUT,
  admin_state_up: up,
  action: required(action),
  position: defaulting(position, 2_147_483_647),
  rules: listOf(object(() => RULE_SINGLE)),
};
const L7POLICY_SINGLE: Schema = {
  ...Object.fromEntries(Object.entries(policyCreate).filter(([name]) => name !== "redirect_pool_id")),
  redirect_pool: object(() => POOL_SINGLE),
};
export const L7POLICY_POST: Schema = {
  ...policyCreate,
  listener_id: required(uuidField),
  project_id: text(36),
  tenant_id: text(36),
};

const ruleText = text(255, /^[^\r\n]*$/);
const ruleType = oneOf(
  "HOST_NAME",
  "PATH",
  "FILE_TYPE",
  "HEADER",
  "COOKIE",
  "SSL_CONN_HAS_CERT",
  "SSL_VERIFY_RESULT",
  "SSL_DN_FIELD",
);
const compare = oneOf("REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO");
export const RULE_PUT: Schema = {
  type: ruleType,
  compare_type: compare,
  key: ruleText,
  value: ruleText,
  invert: flag,
  admin_state_up: flag,
  tags,
};
const RULE_SINGLE: Schema = {
  ...RULE_PUT,
  type: required(ruleType),
  compare_type: required(compare),
  value: required(ruleText),
  invert: defaulting(flag, false),
  admin_state_up: up,
};
export const RULE_POST: Schema = { ...RULE_SINGLE, project_id: text(36), tenant_id: text(36) };

export const LOADBALANCER_POST: Schema = {
  ...common,
  admin_state_up: up,
  vip_address: address,
  vip_port_id: uuidField,
  vip_subnet_id: uuidField,
  vip_network_id: uuidField,
  vip_qos_policy_id: uuidField,
  vip_sg_ids: listOf(uuidField),
  additional_vips: defaulting(listOf(object(() => ({ subnet_id: required(uuidField), ip_address: address }))), []),
  project_id: text(36),
  tenant_id: text(36),
  listeners: defaulting(listOf(object(() => LISTENER_SINGLE)), []),
  pools: defaulting(listOf(object(() => POOL_SINGLE)), []),
  provider: text(64),
  tags,
  flavor_id: uuidField,
  availability_zone: name255,
};

const limit = whole(-1);
export const QUOTA_PUT: Schema = Object.fromEntries(
  ["load_balancer", "listener", "member", "pool", "health_monitor", "l7policy", "l7rule"].map((name) => [name, limit]),
);

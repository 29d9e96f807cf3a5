/**
 * Making the rows of Octavia from checked bodies: one of a kind, a pool with its members and monitor, or the whole tree
 * of a fully populated load balancer, with the rules Octavia keeps between them.
 */

import type { KeyStore } from "../barbican/key-store.ts";
import type { Call } from "../http.ts";
import { type BalancerKind, type BalancerRow, type Balancers, KIND_NAMES } from "./balancers.ts";
import { refuseForOvn } from "./ovn-provider.ts";
import { type Fields, refuse } from "./wsme.ts";

const invalid = (detail: string): never => refuse(400, `Validation failure: ${detail}`);
const L4: Readonly<Record<string, string>> = { UDP: "udp", SCTP: "sctp" };
/** Pool protocols a listener's protocol may send to (octavia.common.constants.VALID_LISTENER_POOL_PROTOCOL_MAP). */
const POOLS_OF: Readonly<Record<string, readonly string[]>> = {
  TCP: ["HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"],
  HTTP: ["HTTP", "PROXY", "PROXYV2"],
  HTTPS: ["HTTPS", "PROXY", "PROXYV2", "TCP"],
  TERMINATED_HTTPS: ["HTTP", "PROXY", "PROXYV2"],
  UDP: ["UDP"],
  SCTP: ["SCTP"],
  PROMETHEUS: [],
};
const COUNTED: Readonly<Record<BalancerKind, string>> = {
  loadbalancer: "load_balancer",
  listener: "listener",
  pool: "pool",
  member: "member",
  healthmonitor: "health_monitor",
  l7policy: "l7policy",
  rule: "l7rule",
};
export const QUOTA_DEFAULTS: Readonly<Record<string, number>> = {
  load_balancer: 50,
  listener: 200,
  member: 500,
  pool: 200,
  health_monitor: 200,
  l7policy: -1,
  l7rule: -1,
};

export class Graph {
  readonly #state: Balancers;
  readonly #keys: KeyStore;

  constructor(state: Balancers, keys: KeyStore) {
    this.#state = state;
    this.#keys = keys;
  }

  /** What a listener or pool says of TLS must be there in Barbican, by the URL that Barbican gave. */
  #checkRefs(fields: Fields): void {
    const refs = Object.entries(fields).filter(([name]) => /_refs?$/.test(name));
    const all = refs
      .flatMap(([, value]) => (Array.isArray(value) ? value : [value]))
      .filter((value) => value != null && value !== "");
    const gone = all.filter((ref) => {
      const [, kind, id] = /\/v1\/(secrets|containers)\/([^/]+)$/.exec(String(ref)) ?? [];
      return id === undefined || !(kind === "secrets" ? this.#keys.secret(id) : this.#keys.containers.get(id));
    });
    if (gone.length > 0) refuse(400, `Could not retrieve certificate: ['${[...new Set(gone)].join("', '")}']`);
  }

  /** Adds a row within the project's quota and says so in the journal. */
  #add(call: Call, kind: BalancerKind, lb: BalancerRow, parentId: string, fields: Fields): BalancerRow {
    this.checkQuota(kind, lb.projectId);
    if (lb.fields.provider === "ovn") refuseForOvn(kind, fields);
    const { project_id: _project, tenant_id: _tenant, loadbalancer_id: _lb, ...rest } = fields;
    const row = this.#state.add(kind, lb.projectId, lb.id, parentId, rest);
    call.created(KIND_NAMES[kind].journal, row.id);
    return row;
  }

  checkQuota(kind: BalancerKind, projectId: string): void {
    const name = COUNTED[kind];
    const limit = this.#state.quotas.get(projectId)?.[name] ?? QUOTA_DEFAULTS[name] ?? -1;
    const used = this.#state.all(kind).filter((row) => row.projectId === projectId).length;
    if (limit >= 0 && used >= limit) refuse(403, `Quota has been met for resources: ${KIND_NAMES[kind].error}`);
  }

  /** Whether a listener may send to a pool. */
  checkProtocols(listener: unknown, pool: unknown): void {
    if (POOLS_OF[String(listener)]?.includes(String(pool)) === true) return;
    invalid(`The pool protocol '${pool}' is invalid while the listener protocol is '${listener}'.`);
  }

  /** A pool id that a listener or policy of this load balancer names. */
  needPool(lb: BalancerRow, poolId: unknown): BalancerRow {
    const pool = this.#state.find("pool", String(poolId));
    return pool !== undefined && pool.lbId === lb.id ? pool : refuse(404, `Pool ${poolId} not found.`);
  }

  listener(call: Call, lb: BalancerRow, asked: Fields, named?: ReadonlyMap<string, string>): BalancerRow {
    const { default_pool: nested, l7policies, ...fields } = asked;
    const protocol = String(fields.protocol);
    const twin = this.#state
      .under(lb.id, "listener")
      .find((row) => row.fields.protocol_port === fields.protocol_port && L4[String(row.fields.protocol)] === L4[protocol]);
    if (twin !== undefined) {
      refuse(
        409,
        `Another Listener on this Load Balancer is already using protocol ${twin.fields.protocol} and protocol_port ${fields.protocol_port}`,
      );
    }
    const headers = Object.keys((fields.insert_headers as Fields | null | undefined) ?? {});
    if (headers.length > 0 && protocol !== "HTTP" && protocol !== "TERMINATED_HTTPS")
      refuse(400, `insert-headers is not a valid option for a ${protocol} protocol listener.`);
    const certified = Boolean(fields.default_tls_container_ref) || ((fields.sni_container_refs ?? []) as unknown[]).length > 0;
    if (protocol === "TERMINATED_HTTPS" && !certified) {
      invalid("An SNI or default certificate container reference must be provided for TERMINATED_HTTPS protocol listeners.");
    }
    if (certified && protocol !== "TERMINATED_HTTPS" && protocol !== "PROMETHEUS")
      invalid(`Certificate container references are not allowed on ${protocol} protocol listeners.`);
    this.#checkRefs(fields);
    if (nested != null) {
      const pool = nested as Fields;
      const id = named?.get(String(pool.name));
      fields.default_pool_id = id ?? this.pool(call, lb, pool).id;
    }
    if (fields.default_pool_id != null) this.checkProtocols(protocol, this.needPool(lb, fields.default_pool_id).fields.protocol);
    const row = this.#add(call, "listener", lb, "", fields);
    for (const policy of (l7policies ?? []) as Fields[]) this.policy(call, lb, row, policy, named);
    return row;
  }

  pool(call: Call, lb: BalancerRow, asked: Fields): BalancerRow {
    const { listener_id: listenerId, healthmonitor, members, ...fields } = asked;
    const listener = listenerId == null ? undefined : this.#state.find("listener", String(listenerId));
    if (listener !== undefined) {
      this.checkProtocols(listener.fields.protocol, fields.protocol);
      if (listener.fields.default_pool_id != null) refuse(409, "This listener already has a default pool");
    }
    this.#checkRefs(fields);
    const row = this.#add(call, "pool", lb, "", fields);
    if (listener !== undefined) listener.fields.default_pool_id = row.id;
    if (healthmonitor != null) this.monitor(call, lb, row, healthmonitor as Fields);
    for (const member of (members ?? []) as Fields[]) this.member(call, lb, row, member).operating = "NO_MONITOR";
    return row;
  }

  member(call: Call, lb: BalancerRow, pool: BalancerRow, asked: Fields): BalancerRow {
    const { request_sriov: _sriov, ...fields } = asked;
    const twin = this.#state
      .all("member", pool.id)
      .some((row) => row.fields.address === fields.address && row.fields.protocol_port === fields.protocol_port);
    if (twin)
      refuse(409, `Another member on this pool is already using ip ${fields.address} on protocol_port ${fields.protocol_port}`);
    const row = this.#add(call, "member", lb, pool.id, fields);
    if (this.#state.all("healthmonitor", pool.id).length === 0) row.operating = "NO_MONITOR";
    return row;
  }

  monitor(call: Call, lb: BalancerRow, pool: BalancerRow, asked: Fields): BalancerRow {
    const { pool_id: _pool, ...fields } = asked;
    const isHttp = fields.type === "HTTP" || fields.type === "HTTPS";
    for (const [name, value] of Object.entries({ http_method: "GET", url_path: "/", expected_codes: "200" })) {
      if (isHttp) fields[name] ??= value;
      else if (fields[name] != null) refuse(400, `${name} is not a valid option for health monitors of type ${fields.type}`);
    }
    if (fields.domain_name != null && fields.http_version == null)
      invalid("'http_version' must be specified when 'domain_name' is provided.");
    if (this.#state.all("healthmonitor", pool.id).length > 0) refuse(409, "This pool already has a health monitor");
    return this.#add(call, "healthmonitor", lb, pool.id, fields);
  }

  policy(call: Call, lb: BalancerRow, listener: BalancerRow, asked: Fields, named?: ReadonlyMap<string, string>): BalancerRow {
    const { listener_id: _listener, redirect_pool: nested, rules, position, ...fields } = asked;
    if (nested != null) {
      const pool = nested as Fields;
      fields.redirect_pool_id = named?.get(String(pool.name)) ?? this.pool(call, lb, pool).id;
    }
    this.checkAction(lb, fields);
    const row = this.#add(call, "l7policy", lb, listener.id, fields);
    this.#state.place(row, Number(position));
    for (const rule of (rules ?? []) as Fields[]) this.rule(call, lb, row, rule);
    return row;
  }

  /** Keeps the one target that the action has, and fills in the redirect code (octavia.common.validate). */
  checkAction(lb: BalancerRow, fields: Fields): void {
    const target = { REDIRECT_TO_URL: "redirect_url", REDIRECT_PREFIX: "redirect_prefix", REDIRECT_TO_POOL: "redirect_pool_id" }[
      String(fields.action)
    ];
    for (const each of ["redirect_url", "redirect_prefix", "redirect_pool_id"]) {
      if (each === target && fields[each] == null) refuse(400, `Invalid L7 Policy arguments: ${each} must not be None`);
      if (each !== target) fields[each] = null;
    }
    if (target === "redirect_pool_id") this.needPool(lb, fields.redirect_pool_id);
    if (target === "redirect_url" || target === "redirect_prefix") fields.redirect_http_code ??= 302;
    else fields.redirect_http_code = null;
  }

  rule(call: Call, lb: BalancerRow, policy: BalancerRow, asked: Fields): BalancerRow {
    if ((asked.type === "HEADER" || asked.type === "COOKIE") && asked.key == null)
      refuse(400, "Error parsing L7Rule: Invalid L7 Rule: L7 rule type requires a key");
    return this.#add(call, "rule", lb, policy.id, asked);
  }

  /** The listeners and pools nested in the POST of a load balancer. Pools have names there, each once. */
  populate(call: Call, lb: BalancerRow, listeners: readonly Fields[], pools: readonly Fields[]): void {
    const defined = [...pools];
    const mentioned: string[] = [];
    const meet = (pool: Fields | null | undefined) => {
      if (pool == null) return;
      if (!pool.name) invalid("Pools must be named when creating a fully populated loadbalancer.");
      // A name alone refers to a pool that stands elsewhere in the request.
      if (pool.protocol === undefined && pool.lb_algorithm === undefined) mentioned.push(String(pool.name));
      else defined.push(pool);
    };
    for (const listener of listeners) {
      meet(listener.default_pool as Fields | undefined);
      for (const policy of (listener.l7policies ?? []) as Fields[]) meet(policy.redirect_pool as Fields | undefined);
    }
    const names = defined.map((pool) => String(pool.name));
    if (new Set(names).size !== names.length) invalid("Pool names must be unique when creating a fully populated loadbalancer.");
    for (const name of mentioned)
      if (!names.includes(name)) invalid(`Pool '${name}' was referenced but no full definition was found.`);
    const ids = new Map<string, string>();
    for (const pool of defined) {
      for (const key of ["protocol", "lb_algorithm"])
        if (pool[key] == null) invalid(`Pool definition for '${pool.name}' missing required attribute: ${key}`);
      ids.set(String(pool.name), this.pool(call, lb, pool).id);
    }
    for (const listener of listeners) this.listener(call, lb, listener, ids);
  }
}

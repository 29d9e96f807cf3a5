/**
 * Octavia's state: every load balancer and what hangs on it, and the JSON the API shows of them.
 *
 * A row keeps the fields of its own; what the API shows of the relations (listeners of a pool, position of a policy)
 * is read from the rows when asked, so that no relation can be stale.
 */

import type { Clock } from "@permafrost/std";
import { uuid } from "../ids.ts";
import type { Fields } from "./wsme.ts";

export type BalancerKind = "loadbalancer" | "listener" | "pool" | "member" | "healthmonitor" | "l7policy" | "rule";

export interface BalancerRow {
  readonly kind: BalancerKind;
  readonly id: string;
  readonly projectId: string;
  /** The load balancer it belongs to; its own id for a load balancer. */
  readonly lbId: string;
  /** Pool of a member or health monitor, listener of a policy, policy of a rule. */
  readonly parentId: string;
  readonly sequence: number;
  readonly createdMs: number;
  updatedMs: number | undefined;
  provisioning: "ACTIVE" | "ERROR" | "PENDING_CREATE" | "PENDING_UPDATE" | "PENDING_DELETE";
  operating: string;
  /** As stored: what was sent, and defaults. */
  readonly fields: Fields;
}

/** How journal and errors name a kind. */
export const KIND_NAMES: Readonly<Record<BalancerKind, { journal: string; error: string }>> = {
  loadbalancer: { journal: "load-balancer", error: "Load Balancer" },
  listener: { journal: "listener", error: "Listener" },
  pool: { journal: "pool", error: "Pool" },
  member: { journal: "member", error: "Member" },
  healthmonitor: { journal: "health-monitor", error: "Health Monitor" },
  l7policy: { journal: "l7policy", error: "L7 Policy" },
  rule: { journal: "l7rule", error: "L7 Rule" },
};

/** Fields that a resource shows besides ids, times, states and relations; null unless set. */
const SHOWN: Readonly<Record<BalancerKind, readonly string[]>> = {
  loadbalancer: [
    ..."name description admin_state_up vip_address vip_port_id vip_subnet_id vip_network_id vip_sg_ids".split(" "),
    ..."additional_vips provider flavor_id vip_qos_policy_id tags availability_zone vip_vnic_type".split(" "),
  ],
  listener: [
    ..."name description admin_state_up protocol protocol_port connection_limit default_tls_container_ref".split(" "),
    ..."sni_container_refs default_pool_id insert_headers timeout_client_data timeout_member_connect".split(" "),
    ..."timeout_member_data timeout_tcp_inspect tags client_ca_tls_container_ref client_authentication".split(" "),
    ..."client_crl_container_ref allowed_cidrs tls_ciphers tls_versions alpn_protocols hsts_max_age".split(" "),
    ..."hsts_include_subdomains hsts_preload".split(" "),
  ],
  pool: [
    ..."name description admin_state_up protocol lb_algorithm session_persistence tags tls_container_ref".split(" "),
    ..."ca_tls_container_ref crl_container_ref tls_enabled tls_ciphers tls_versions alpn_protocols".split(" "),
  ],
  member: [
    ..."name admin_state_up address protocol_port weight backup subnet_id monitor_address monitor_port tags".split(" "),
    "vnic_type",
  ],
  healthmonitor: [
    ..."name type delay timeout max_retries max_retries_down http_method url_path expected_codes".split(" "),
    ..."admin_state_up tags http_version domain_name".split(" "),
  ],
  l7policy: [
    ..."name description admin_state_up action redirect_pool_id redirect_url redirect_prefix tags".split(" "),
    "redirect_http_code",
  ],
  rule: "type compare_type key value invert admin_state_up tags".split(" "),
};

const BLANK: Readonly<Record<string, unknown>> = {
  name: "",
  description: "",
  tags: [],
  vip_sg_ids: [],
  additional_vips: [],
  vip_vnic_type: "normal",
  vnic_type: "normal",
  sni_container_refs: [],
  insert_headers: {},
  timeout_client_data: 50_000,
  timeout_member_connect: 5000,
  timeout_member_data: 50_000,
  timeout_tcp_inspect: 0,
};

const timeText = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString().slice(0, 19));
const idOf = (row: BalancerRow) => ({ id: row.id });

export class Balancers {
  readonly rows = new Map<string, BalancerRow>();
  /** Limits by project; what is not there is the default. */
  readonly quotas = new Map<string, Record<string, number>>();
  readonly #clock: Clock;
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A row of `kind` with these ids, if it is there. */
  find(kind: BalancerKind, id: string): BalancerRow | undefined {
    const row = this.rows.get(id);
    return row?.kind === kind ? row : undefined;
  }

  /** The rows of a kind in the order they were made; `parentId` narrows to one parent's. */
  all(kind: BalancerKind, parentId?: string): BalancerRow[] {
    return [...this.rows.values()].filter((row) => row.kind === kind && (parentId === undefined || row.parentId === parentId));
  }

  /** All of one kind under a load balancer. */
  under(lbId: string, kind: BalancerKind): BalancerRow[] {
    return this.all(kind).filter((row) => row.lbId === lbId);
  }

  /** The policies of a listener as they are applied. */
  policies(listenerId: string): BalancerRow[] {
    return this.all("l7policy", listenerId).sort((a, b) => Number(a.fields.position) - Number(b.fields.position));
  }

  add(kind: BalancerKind, projectId: string, lbId: string | undefined, parentId: string, fields: Fields): BalancerRow {
    const id = uuid();
    const row: BalancerRow = {
      kind,
      id,
      projectId,
      lbId: lbId ?? id,
      parentId,
      sequence: this.#sequence++,
      createdMs: this.#clock.now(),
      updatedMs: undefined,
      provisioning: "PENDING_CREATE",
      operating: "OFFLINE",
      fields: { ...fields },
    };
    this.rows.set(id, row);
    return row;
  }

  touch(row: BalancerRow): void {
    row.updatedMs = this.#clock.now();
  }

  /** Sends a policy to a position of its listener's list, and numbers the list again from 1. */
  place(policy: BalancerRow, position: number): void {
    const others = this.policies(policy.parentId).filter((row) => row !== policy);
    others.splice(Math.min(position - 1, others.length), 0, policy);
    for (const [index, row] of others.entries()) row.fields.position = index + 1;
  }

  /** Removes a row and what cannot be without it. References to it become null. */
  remove(row: BalancerRow): void {
    for (const child of [...this.rows.values()])
      if (child !== row && (row.kind === "loadbalancer" ? child.lbId === row.id : child.parentId === row.id)) this.remove(child);
    this.rows.delete(row.id);
    for (const other of this.rows.values())
      for (const key of ["default_pool_id", "redirect_pool_id"]) if (other.fields[key] === row.id) other.fields[key] = null;
    if (row.kind === "l7policy")
      for (const [index, other] of this.policies(row.parentId).entries()) other.fields.position = index + 1;
  }

  /** Listeners that send to a pool: as their default, or by a policy. */
  listenersOf(poolId: string): BalancerRow[] {
    return this.all("listener").filter(
      (row) =>
        row.fields.default_pool_id === poolId ||
        this.all("l7policy", row.id).some((policy) => policy.fields.redirect_pool_id === poolId),
    );
  }

  /** The JSON of a row. `full` is the nested form that the POST of a load balancer answers with. */
  view(row: BalancerRow, full = false): Fields {
    const child = (each: BalancerRow) => (full ? this.view(each, true) : idOf(each));
    const shown: Fields = {
      id: row.id,
      provisioning_status: row.provisioning,
      operating_status: row.operating,
      project_id: row.projectId,
      tenant_id: row.projectId,
      created_at: timeText(row.createdMs),
      updated_at: timeText(row.updatedMs),
    };
    for (const key of SHOWN[row.kind]) shown[key] = row.fields[key] ?? BLANK[key] ?? null;
    if (Array.isArray(shown.tags)) shown.tags = [...new Set(shown.tags as string[])].sort();
    if (row.kind === "loadbalancer") {
      shown.listeners = this.under(row.id, "listener").map(child);
      shown.pools = this.under(row.id, "pool").map(child);
    } else if (row.kind === "listener") {
      if (!full) shown.loadbalancers = [{ id: row.lbId }];
      shown.l7policies = this.policies(row.id).map(child);
    } else if (row.kind === "pool") {
      const monitor = this.all("healthmonitor", row.id)[0];
      if (full) shown.healthmonitor = monitor === undefined ? null : this.view(monitor, true);
      else {
        shown.loadbalancers = [{ id: row.lbId }];
        if (monitor !== undefined) shown.healthmonitor_id = monitor.id;
      }
      shown.listeners = this.listenersOf(row.id).map(idOf);
      shown.members = this.all("member", row.id).map(child);
    } else if (row.kind === "healthmonitor") {
      if (!full) shown.pools = [{ id: row.parentId }];
    } else if (row.kind === "l7policy") {
      shown.listener_id = row.parentId;
      shown.position = row.fields.position;
      shown.rules = this.all("rule", row.id).map(child);
    }
    return shown;
  }
}

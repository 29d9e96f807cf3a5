/**
 * Octavia v2 of the fake cloud: load balancers with all that hangs on them, quotas, providers. Shaped after Octavia 16
 * (2025.1) with a data plane that does nothing, whose operating status therefore stays OFFLINE.
 *
 * Whatever changes a tree moves its load balancer to PENDING_* until `Transitions` lets it be ACTIVE again; meanwhile
 * every other change of the tree is refused with 409.
 */

import type { KeyStore } from "../barbican/key-store.ts";
import { type Call, json, type Reply, type ServiceHandler } from "../http.ts";
import type { Identities, TokenRecord } from "../tokens.ts";
import type { Transitions } from "../transitions.ts";
import { type BalancerKind, type BalancerRow, type Balancers, KIND_NAMES } from "./balancers.ts";
import { Graph, QUOTA_DEFAULTS } from "./graph.ts";
import { list } from "./listing.ts";
import { refuseForOvn } from "./ovn-provider.ts";
import * as schemas from "./schemas.ts";
import { statusTree } from "./status-tree.ts";
import { checkVip, type VipNetwork } from "./vip.ts";
import { checkBody, type Fields, refuse, type Schema } from "./wsme.ts";

interface Spec {
  readonly kind: BalancerKind;
  /** Name of the object and of its list in bodies. */
  readonly one: string;
  /** Name of the controller's parameter on POST and PUT. */
  readonly arguments: readonly [string, string];
  readonly post: Schema;
  readonly put: Schema;
}

const SPECS: Readonly<Record<string, Spec>> = {
  loadbalancers: spec("loadbalancer", "loadbalancer", "load_balancer", schemas.LOADBALANCER_POST, schemas.VIP_PUT),
  listeners: spec("listener", "listener", "listener_", schemas.LISTENER_POST, schemas.LISTENER_PUT),
  pools: spec("pool", "pool", "pool_", schemas.POOL_POST, schemas.POOL_PUT),
  members: spec("member", "member", "member_", schemas.MEMBER_POST, schemas.MEMBER_PUT),
  healthmonitors: spec("healthmonitor", "healthmonitor", "health_monitor_", schemas.MONITOR_POST, schemas.MONITOR_PUT),
  l7policies: spec("l7policy", "l7policy", "l7policy_", schemas.L7POLICY_POST, schemas.L7POLICY_PUT),
  rules: { ...spec("rule", "rule", "rule_", schemas.RULE_POST, schemas.RULE_PUT), arguments: ["rule_", "l7rule_"] },
};

function spec(kind: BalancerKind, one: string, argument: string, post: Schema, put: Schema): Spec {
  return { kind, one, arguments: [argument, argument], post, put };
}

const WRITERS = ["admin", "member", "load-balancer_member", "load-balancer_admin"];
const READERS = [...WRITERS, "reader", "load-balancer_observer", "load-balancer_global_observer"];
const PROVIDERS = [
  { name: "amphora", description: "Amphora (no-op data plane)" },
  { name: "ovn", description: "OVN provider" },
];
const IMMUTABLE = (row: BalancerRow) => `Load Balancer ${row.id} is immutable and cannot be updated.`;

export class Octavia implements ServiceHandler {
  readonly #state: Balancers;
  readonly #ids: Identities;
  readonly #transitions: Transitions;
  readonly #network: () => VipNetwork;
  readonly #graph: Graph;

  constructor(state: Balancers, keys: KeyStore, ids: Identities, transitions: Transitions, network: () => VipNetwork) {
    this.#state = state;
    this.#ids = ids;
    this.#transitions = transitions;
    this.#network = network;
    this.#graph = new Graph(state, keys);
  }

  unauthorized(): Reply {
    const error = { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." };
    return json(401, { error }, { "www-authenticate": 'Keystone uri="http://127.0.0.1:5000"' });
  }

  async handle(call: Call): Promise<Reply> {
    const parts = decodeURIComponent(call.path)
      .split("/")
      .filter((part) => part !== "");
    if (parts.length === 0) return json(200, { versions: versions(call) });
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token === undefined) return this.unauthorized();
    call.identify(token);
    const [version, lbaas, collection = "", id, sub, subId] = parts;
    if ((version !== "v2" && version !== "v2.0") || (lbaas !== undefined && lbaas !== "lbaas")) return notFound();
    if (collection === "") return json(200, version);
    const roles = call.method === "GET" ? READERS : WRITERS;
    if (!roles.some((role) => token.roles.has(role))) refuse(403, "Policy does not allow this request to be performed.");
    if (collection === "providers") return json(200, { providers: PROVIDERS });
    if (collection === "flavors") return json(200, { flavors: [], flavors_links: [] });
    if (collection === "availabilityzones") return json(200, { availability_zones: [], availability_zones_links: [] });
    if (collection === "quotas") return this.#quotas(call, token, id);
    const top = SPECS[collection];
    if (top === undefined || collection === "members" || collection === "rules") return notFound();
    if (sub === undefined) return this.#resource(call, token, collection, top, id, undefined);
    // The server looks for these before it makes a fault of what it does not find.
    if ((sub === "members" || sub === "rules") && this.#state.find(top.kind, id ?? "") === undefined)
      return json(404, { code: 404, title: "Bad Request", description: `${KIND_NAMES[top.kind].error} ${id} not found.` });
    const parent = this.#need(token, top.kind, id ?? "");
    if (sub === "members" || sub === "rules") {
      const child = SPECS[sub];
      if (child === undefined || (sub === "members") !== (top.kind === "pool")) return notFound();
      return this.#resource(call, token, sub, child, subId, parent);
    }
    if (top.kind !== "loadbalancer" || call.method !== "GET") return notFound();
    if (sub === "status" || sub === "statuses") return json(200, { statuses: statusTree(this.#state, parent) });
    const zero = { bytes_in: 0, bytes_out: 0, active_connections: 0, total_connections: 0, request_errors: 0 };
    return sub === "stats" ? json(200, { stats: zero }) : notFound();
  }

  async #resource(
    call: Call,
    token: TokenRecord,
    collection: string,
    type: Spec,
    id: string | undefined,
    parent: BalancerRow | undefined,
  ): Promise<Reply> {
    if (id === undefined) {
      if (call.method === "GET") return this.#list(call, token, collection, type, parent);
      if (call.method === "PUT" && type.kind === "member" && parent !== undefined) return this.#replace(call, parent);
      const row = await this.#create(call, token, type, parent);
      return json(201, { [type.one]: this.#state.view(row, type.kind === "loadbalancer") });
    }
    await this.#transitions.settle(id);
    if (call.method === "GET") await this.#transitions.poll(id);
    const row = this.#need(token, type.kind, id);
    if (parent !== undefined && row.parentId !== parent.id) refuse(404, `${KIND_NAMES[type.kind].error} ${id} not found.`);
    if (call.method === "GET") return json(200, { [type.one]: this.#state.view(row) });
    const lb = this.#balancer(row.lbId);
    await this.#transitions.settle(lb.id);
    if (call.method === "DELETE") return this.#delete(call, row, lb);
    const asked = checkBody(await call.json(), type.arguments[1], type.one, type.put);
    this.#claim(lb, row);
    this.#change(lb, row, asked);
    return json(200, { [type.one]: this.#state.view(row) });
  }

  async #list(call: Call, token: TokenRecord, collection: string, type: Spec, parent: BalancerRow | undefined): Promise<Reply> {
    const scope = call.query.get("project_id") ?? call.query.get("tenant_id");
    const everything = token.roles.has("admin") || token.roles.has("load-balancer_admin");
    if (scope !== null && scope !== token.project?.id && !everything)
      refuse(403, "Policy does not allow this request to be performed.");
    for (const row of this.#state.all(type.kind, parent?.id)) await this.#transitions.poll(row.id);
    const rows = this.#state
      .all(type.kind, parent?.id)
      .filter((row) => row.projectId === (scope ?? (everything ? row.projectId : token.project?.id)));
    const known = new Set(["id", "project_id", "tenant_id", "created_at", "updated_at", ...Object.keys(type.post)]);
    for (const each of ["provisioning_status", "operating_status", "loadbalancer_id", "pool_id"]) known.add(each);
    return json(
      200,
      list(
        call,
        collection,
        rows.map((row) => this.#state.view(row)),
        known,
      ),
    );
  }

  async #create(call: Call, token: TokenRecord, type: Spec, parent: BalancerRow | undefined): Promise<BalancerRow> {
    const asked = checkBody(await call.json(), type.arguments[0], type.one, type.post);
    if (type.kind === "loadbalancer") return this.#createBalancer(call, token, asked);
    const over = parent ?? this.#parentOf(token, type.kind, asked);
    const lb = this.#balancer(over.lbId);
    await this.#transitions.settle(lb.id);
    if (lb.provisioning !== "ACTIVE") refuse(409, IMMUTABLE(lb));
    const graph = this.#graph;
    const row =
      type.kind === "listener"
        ? graph.listener(call, lb, asked)
        : type.kind === "pool"
          ? graph.pool(call, lb, asked)
          : type.kind === "member"
            ? graph.member(call, lb, over, asked)
            : type.kind === "healthmonitor"
              ? graph.monitor(call, lb, over, asked)
              : type.kind === "l7policy"
                ? graph.policy(call, lb, over, asked)
                : graph.rule(call, lb, over, asked);
    lb.provisioning = "PENDING_UPDATE";
    this.#finish(call, lb, row);
    return row;
  }

  /** What a new listener, pool, monitor or policy is made under, by the id its body names. */
  #parentOf(token: TokenRecord, kind: BalancerKind, asked: Fields): BalancerRow {
    if (kind === "listener") return this.#need(token, "loadbalancer", String(asked.loadbalancer_id));
    if (kind === "healthmonitor") return this.#need(token, "pool", String(asked.pool_id));
    if (kind === "l7policy") return this.#need(token, "listener", String(asked.listener_id));
    if (asked.loadbalancer_id != null) return this.#need(token, "loadbalancer", String(asked.loadbalancer_id));
    if (asked.listener_id != null) return this.#need(token, "listener", String(asked.listener_id));
    return refuse(400, "Validation failure: Must provide at least one of: loadbalancer_id, listener_id");
  }

  async #createBalancer(call: Call, token: TokenRecord, asked: Fields): Promise<BalancerRow> {
    const { listeners, pools, project_id: project, tenant_id: tenant, additional_vips: _vips, ...fields } = asked;
    const projectId = String(project ?? tenant ?? token.project?.id ?? "");
    if (projectId !== token.project?.id && !token.roles.has("admin"))
      refuse(403, "Policy does not allow this request to be performed.");
    const vip = await checkVip(this.#network(), asked);
    if (fields.flavor_id != null) refuse(400, "Validation failure: Invalid flavor_id.");
    if (fields.availability_zone != null) refuse(400, "Validation failure: Invalid availability zone.");
    const provider = String(fields.provider ?? "amphora");
    if (!PROVIDERS.some((each) => each.name === provider)) refuse(400, `Provider '${provider}' is not enabled.`);
    this.#graph.checkQuota("loadbalancer", projectId);
    const lb = this.#state.add("loadbalancer", projectId, undefined, "", { ...fields, provider });
    try {
      call.created(KIND_NAMES.loadbalancer.journal, lb.id);
      // First of all, and not taken back when the rest is refused.
      const port =
        vip.port ??
        (await this.#network().createPort({
          name: `${provider === "ovn" ? "ovn-lb-vip" : "octavia-lb"}-${lb.id}`,
          projectId,
          networkId: vip.networkId,
          deviceId: `lb-${lb.id}`,
          fixedIps: [
            { subnetId: vip.subnetId, ...(vip.address === undefined ? {} : { address: vip.address }) },
            ...vip.additional,
          ],
        }));
      const addressOn = (subnetId: string) => port.fixedIps.find((ip) => ip.subnetId === subnetId)?.address ?? null;
      Object.assign(lb.fields, {
        vip_port_id: port.id,
        vip_subnet_id: vip.subnetId,
        vip_network_id: vip.networkId,
        vip_address: vip.address ?? addressOn(vip.subnetId),
        additional_vips: vip.additional.map((each) => ({
          subnet_id: each.subnetId,
          ip_address: each.address ?? addressOn(each.subnetId),
        })),
        madePort: vip.port === undefined,
      });
      this.#graph.populate(call, lb, listeners as Fields[], pools as Fields[]);
    } catch (error) {
      // As the database transaction of the server: all or nothing.
      call.entry.created.length = 0;
      this.#state.remove(lb);
      throw error;
    }
    this.#finish(call, lb, lb);
    return lb;
  }

  #change(lb: BalancerRow, row: BalancerRow, asked: Fields): void {
    const { position, ...fields } = asked;
    if (lb.fields.provider === "ovn" && row !== lb) refuseForOvn(row.kind, fields);
    if (row.kind === "listener" && fields.default_pool_id != null)
      this.#graph.checkProtocols(row.fields.protocol, this.#graph.needPool(lb, fields.default_pool_id).fields.protocol);
    if (row.kind === "l7policy") {
      const merged = { ...row.fields, ...fields };
      this.#graph.checkAction(lb, merged);
      Object.assign(fields, merged);
    }
    Object.assign(row.fields, fields);
    if (row.kind === "l7policy") {
      if (position != null) this.#state.place(row, Number(position));
    }
    this.#state.touch(row);
    lb.provisioning = "PENDING_UPDATE";
    row.provisioning = "PENDING_UPDATE";
    this.#finish(undefined, lb, row);
  }

  /** PUT of the whole set of members: known by address and port, others go unless `additive_only`. */
  async #replace(call: Call, pool: BalancerRow): Promise<Reply> {
    const body = (await call.json()) as { members?: unknown } | undefined;
    if (!Array.isArray(body?.members)) refuse(400, "Invalid input for field/attribute members_. Mandatory field missing.");
    const asked = (body.members as unknown[]).map((each) =>
      checkBody({ member: each }, "members_", "member", schemas.MEMBER_POST),
    );
    const lb = this.#balancer(pool.lbId);
    await this.#transitions.settle(lb.id);
    if (lb.provisioning !== "ACTIVE") refuse(409, IMMUTABLE(lb));
    const additive = /^(true|1|yes|on|t|y)$/i.test(call.query.get("additive_only") ?? "");
    const kept = new Set<string>();
    const present = this.#state.all("member", pool.id);
    for (const fields of asked) {
      const same = present.find(
        (row) => row.fields.address === fields.address && row.fields.protocol_port === fields.protocol_port,
      );
      if (same === undefined) kept.add(this.#graph.member(call, lb, pool, fields).id);
      else {
        kept.add(same.id);
        // Octavia does not move a member to another subnet.
        const { subnet_id: _subnet, request_sriov: _sriov, project_id: _project, tenant_id: _tenant, ...rest } = fields;
        Object.assign(same.fields, rest);
        same.provisioning = "PENDING_UPDATE";
      }
    }
    const gone = additive ? [] : present.filter((row) => !kept.has(row.id));
    for (const row of gone) {
      row.provisioning = "PENDING_DELETE";
      call.deleted(KIND_NAMES.member.journal, row.id);
    }
    lb.provisioning = "PENDING_UPDATE";
    this.#finish(call, lb, pool);
    return { status: 202, headers: { "content-length": "0" } };
  }

  #delete(call: Call, row: BalancerRow, lb: BalancerRow): Reply {
    if (row.kind === "pool") {
      const user = this.#state.all("l7policy").find((policy) => policy.fields.redirect_pool_id === row.id);
      if (user !== undefined) refuse(409, `Pool ${row.id} is in use by L7 policy ${user.id}`);
    }
    const tree = [...this.#state.rows.values()].filter((each) => each.lbId === lb.id && each !== lb);
    if (row === lb) {
      const cascade = /^(true|1|yes|on|t|y)$/i.test(call.query.get("cascade") ?? "");
      if (tree.length > 0 && !cascade) refuse(400, `Validation failure: Cannot delete Load Balancer ${lb.id} - it has children`);
      if (lb.provisioning !== "ACTIVE" && lb.provisioning !== "ERROR")
        refuse(409, `Invalid state ${lb.provisioning} of loadbalancer resource ${lb.id}`);
      for (const each of tree) call.deleted(KIND_NAMES[each.kind].journal, each.id);
    } else {
      if (lb.provisioning !== "ACTIVE") refuse(409, IMMUTABLE(lb));
      lb.provisioning = "PENDING_UPDATE";
      for (const each of tree) if (each.parentId === row.id) call.deleted(KIND_NAMES[each.kind].journal, each.id);
    }
    row.provisioning = "PENDING_DELETE";
    call.deleted(KIND_NAMES[row.kind].journal, row.id);
    this.#finish(call, lb, row);
    return { status: 204 };
  }

  /** Ends what is pending in the tree when its time has come: to ACTIVE, or away. */
  #finish(call: Call | undefined, lb: BalancerRow, row: BalancerRow): void {
    const broken = call?.fails === true;
    this.#transitions.start(lb === row ? [lb.id] : [lb.id, row.id], [
      async () => {
        for (const each of [...this.#state.rows.values()].filter((other) => other.lbId === lb.id)) {
          if (each.provisioning === "PENDING_DELETE") {
            this.#state.remove(each);
            if (each.kind === "loadbalancer" && each.fields.madePort === true)
              await this.#network().deletePort(String(each.fields.vip_port_id));
          } else if (each.provisioning !== "ACTIVE" && each.provisioning !== "ERROR") {
            each.provisioning = broken ? "ERROR" : "ACTIVE";
            if (each.kind === "healthmonitor") each.operating = "ONLINE";
            this.#state.touch(each);
          }
        }
      },
    ]);
  }

  /** Refuses a change while the tree is busy. */
  #claim(lb: BalancerRow, row: BalancerRow): void {
    if (lb.provisioning === "ACTIVE") return;
    if (row === lb) refuse(409, `Invalid state ${lb.provisioning} of loadbalancer resource ${lb.id}`);
    refuse(409, IMMUTABLE(lb));
  }

  #balancer(id: string): BalancerRow {
    return this.#state.find("loadbalancer", id) ?? refuse(404, `Load Balancer ${id} not found.`);
  }

  #need(token: TokenRecord, kind: BalancerKind, id: string): BalancerRow {
    const row = this.#state.find(kind, id) ?? refuse(404, `${KIND_NAMES[kind].error} ${id} not found.`);
    if (row.projectId !== token.project?.id && !token.roles.has("admin"))
      refuse(403, "Policy does not allow this request to be performed.");
    return row;
  }

  async #quotas(call: Call, token: TokenRecord, projectId: string | undefined): Promise<Reply> {
    const { quotas } = this.#state;
    const shown = (id: string) => ({ ...QUOTA_DEFAULTS, ...quotas.get(id) });
    const admin = token.roles.has("admin");
    if (projectId === undefined) {
      const rows = [...quotas.keys()].filter((id) => admin || id === token.project?.id);
      return json(200, { quotas: rows.map((id) => ({ ...shown(id), project_id: id, tenant_id: id })), quotas_links: [] });
    }
    if (projectId === "defaults") return json(200, { quota: QUOTA_DEFAULTS });
    if (call.method === "GET") {
      if (!admin && projectId !== token.project?.id) refuse(403, "Policy does not allow this request to be performed.");
      return json(200, { quota: shown(projectId) });
    }
    if (!admin) refuse(403, "Policy does not allow this request to be performed.");
    if (call.method === "DELETE") {
      quotas.delete(projectId);
      return { status: 204 };
    }
    const asked = checkBody(await call.json(), "quotas", "quota", schemas.QUOTA_PUT) as Record<string, number>;
    quotas.set(projectId, { ...quotas.get(projectId), ...asked });
    return json(202, { quota: shown(projectId) });
  }
}

function notFound(): Reply {
  return json(404, { code: 404, title: "Not Found", description: "" });
}

function versions(call: Call): unknown[] {
  return Array.from({ length: 30 }, (_, minor) => ({
    id: `v2.${minor}`,
    status: minor === 29 ? "CURRENT" : "SUPPORTED",
    links: [{ href: `${call.origin}/v2`, rel: "self" }],
  }));
}

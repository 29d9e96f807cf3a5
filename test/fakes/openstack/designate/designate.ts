/**
 * Designate v2 of the fake cloud: zones, their record sets, quotas. Shaped after Designate 20 (2025.1). A zone's name is one in the whole
 * cloud; what changes is PENDING until `Transitions` lets it be served, and a deleted zone is seen until it is no longer.
 */

import { type Call, json, type Reply, type ServiceHandler } from "../http.ts";
import { UUID } from "../ids.ts";
import type { Identities, TokenRecord } from "../tokens.ts";
import type { Transitions } from "../transitions.ts";
import { checkRecordSet, checkRecordSetChange, checkZone, checkZoneChange, fault, refuse } from "./zone-schema.ts";
import { type Fields, QUOTAS, type RecordSet, type Zone, type Zones } from "./zones.ts";

const PAGE = 20;
const PAGE_MAX = 1000;

export class Designate implements ServiceHandler {
  readonly #zones: Zones;
  readonly #ids: Identities;
  readonly #transitions: Transitions;
  readonly #keystoneUrl: () => string;

  constructor(zones: Zones, ids: Identities, transitions: Transitions, keystoneUrl: () => string) {
    this.#zones = zones;
    this.#ids = ids;
    this.#transitions = transitions;
    this.#keystoneUrl = keystoneUrl;
  }

  unauthorized(): Reply {
    const error = { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." };
    return json(401, { error }, { "www-authenticate": `Keystone uri="${this.#keystoneUrl()}"` });
  }

  async handle(call: Call): Promise<Reply> {
    const parts = decodeURIComponent(call.path)
      .split("/")
      .filter((part) => part !== "");
    if (parts.length === 0) return json(200, { versions: versions(call) });
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token === undefined) return this.unauthorized();
    call.identify(token);
    const [version, collection, id, sub, subId] = parts;
    const missing = () => fault(404, "not_found", "resource not found");
    if (version !== "v2") return missing();
    const allowed = call.method === "GET" ? "reader" : "member";
    if (!token.roles.has(allowed)) return fault(403, "forbidden");
    if (collection === "quotas") return await this.#quotas(call, token, id ?? token.project?.id ?? "");
    if (collection !== "zones") return missing();
    if (id === undefined) return call.method === "POST" ? await this.#create(call, token) : await this.#list(call, token);
    const zone = await this.#need(token, id);
    if (sub === "shares" && call.method === "GET")
      return json(200, { shared_zones: [], links: { self: call.origin + call.target } });
    if (sub === "recordsets") return await this.#recordSets(call, zone, subId);
    if (sub !== undefined) return missing();
    if (call.method === "GET") return json(200, this.#zones.view(zone, call.origin));
    if (call.method === "PATCH") return await this.#change(call, zone);
    if (call.method !== "DELETE") return fault(405, "method_not_allowed");
    if (this.#zones.below(zone).length > 0)
      return fault(400, "zone_has_sub_zone", "Please delete any subzones before deleting this zone");
    call.deleted("zone", zone.id);
    const isGoing = zone.action === "DELETE";
    this.#pend(zone, "DELETE", undefined);
    if (!isGoing) this.#transitions.start([zone.id], [() => void this.#zones.all.delete(zone.id)]);
    return json(202, this.#zones.view(zone, call.origin));
  }

  async #list(call: Call, token: TokenRecord): Promise<Reply> {
    const everything = token.roles.has("admin") && call.header("x-auth-all-projects")?.toLowerCase() === "true";
    const mine = () => (everything ? [...this.#zones.all.values()] : this.#zones.of(token.project?.id ?? ""));
    for (const zone of mine()) await this.#transitions.poll(zone.id);
    const rows = mine().map((zone) => this.#zones.view(zone, call.origin));
    return page(call, "zones", rows, ["name", "type", "email", "status", "description", "ttl"]);
  }

  async #create(call: Call, token: TokenRecord): Promise<Reply> {
    const body = await needObject(call);
    const asked = checkZone(body);
    const projectId = token.project?.id ?? "";
    const name = String(asked.name);
    const limit = this.#zones.limit(projectId, "zones");
    if (limit >= 0 && this.#zones.of(projectId).length >= limit) return fault(413, "over_quota", "Quota exceeded for zones.");
    const twin = [...this.#zones.all.values()].find((each) => each.name === name);
    if (twin !== undefined)
      return fault(
        409,
        "duplicate_zone",
        twin.projectId === projectId ? "Duplicate Zone" : "Zone already exists, owned by a different tenant",
      );
    const parent = this.#zones.parentOf(name);
    if (parent !== undefined && parent.projectId !== projectId)
      return fault(403, "illegal_child", "Unable to create subzone in another tenants zone");
    if (this.#zones.below({ name }).some((each) => each.projectId !== projectId))
      return fault(403, "illegal_parent", "Unable to create zone because another tenant owns a subzone of the zone");
    const zone = this.#zones.add({
      projectId,
      name,
      type: asked.type as Zone["type"],
      ...(typeof asked.email === "string" ? { email: asked.email } : {}),
      ...(typeof asked.ttl === "number" ? { ttl: asked.ttl } : {}),
      description: (asked.description as string | null | undefined) ?? null,
      attributes: (asked.attributes ?? {}) as Record<string, string>,
      masters: ((asked.masters ?? []) as unknown[]).map(String),
      ...(asked.type === "SECONDARY" ? { serial: 1 } : {}),
    });
    call.created("zone", zone.id);
    this.#pend(zone, "CREATE", call);
    return json(202, this.#zones.view(zone, call.origin), { location: `${call.origin}/v2/zones/${zone.id}` });
  }

  async #change(call: Call, zone: Zone): Promise<Reply> {
    if (zone.action === "DELETE") return fault(400, "bad_request", "Can not update a deleting zone");
    const body = await needObject(call);
    checkZoneChange(body);
    for (const key of ["email", "description", "ttl", "masters"] as const)
      if (body[key] !== undefined) Object.assign(zone, { [key]: body[key] });
    this.#zones.touch(zone);
    this.#pend(zone, "UPDATE", call);
    return json(202, this.#zones.view(zone, call.origin));
  }

  async #recordSets(call: Call, zone: Zone, id: string | undefined): Promise<Reply> {
    const view = (set: RecordSet) => this.#zones.setView(zone, set, call.origin);
    if (id === undefined) {
      if (call.method === "POST") return await this.#createSet(call, zone);
      for (const set of [...zone.recordSets.values()]) await this.#transitions.poll(set.id);
      return page(call, "recordsets", [...zone.recordSets.values()].map(view), ["name", "type", "ttl", "status", "description"]);
    }
    if (!UUID.test(id)) return fault(400, "invalid_uuid", `Invalid UUID recordset_id: ${id}`);
    await this.#transitions.poll(id);
    const set = zone.recordSets.get(id);
    if (set === undefined) return fault(404, "recordset_not_found", "Could not find RecordSet");
    if (call.method === "GET") return json(200, view(set));
    const verb = call.method === "DELETE" ? "Deleting" : "Updating";
    if (set.type === "SOA") return fault(400, "bad_request", `${verb} SOA recordsets is not allowed`);
    if (zone.action === "DELETE") return fault(400, "bad_request", "Can not update a deleting zone");
    if (set.type === "NS" && set.name === zone.name)
      return fault(400, "bad_request", `${verb} a root zone NS record is not allowed`);
    if (call.method === "DELETE") {
      call.deleted("recordset", id);
      set.action = "DELETE";
      set.status = "PENDING";
      this.#transitions.start([id], [() => void zone.recordSets.delete(id)]);
      return json(202, view(set));
    }
    const body = await needObject(call);
    const records = checkRecordSetChange(set.type, body);
    if (records !== undefined) set.records = records;
    for (const key of ["ttl", "description"] as const) if (body[key] !== undefined) Object.assign(set, { [key]: body[key] });
    this.#zones.touch(set);
    this.#pendSet(set, "UPDATE");
    return json(202, view(set));
  }

  async #createSet(call: Call, zone: Zone): Promise<Reply> {
    const body = await needObject(call);
    const { name, type, records } = checkRecordSet(body);
    if (type === "SOA") return fault(400, "bad_request", "Creating a SOA recordset is not allowed");
    if (zone.action === "DELETE") return fault(400, "bad_request", "Can not update a deleting zone");
    if (zone.type === "SECONDARY") return fault(403, "forbidden");
    const wrongPlace = (message: string) => fault(400, "invalid_recordset_location", message);
    if (name !== zone.name && !name.endsWith(`.${zone.name}`))
      return wrongPlace("RecordSet is not contained within it's parent zone");
    const named = [...zone.recordSets.values()].filter((each) => each.name === name);
    if (type === "CNAME" && name === zone.name) return wrongPlace("CNAME recordsets may not be created at the zone apex");
    if (type === "CNAME" ? named.some((each) => each.type !== "CNAME") : named.some((each) => each.type === "CNAME"))
      return wrongPlace("CNAME recordsets may not share a name with any other records");
    const child = this.#zones.below(zone).find((each) => name === each.name || name.endsWith(`.${each.name}`));
    if (child !== undefined) return wrongPlace(`RecordSet belongs in a child zone: ${child.name}`);
    if (named.some((each) => each.type === type)) return fault(409, "duplicate_recordset", "Duplicate RecordSet");
    for (const [quota, used] of [
      ["recordset_records", records.length - 1],
      ["zone_recordsets", zone.recordSets.size],
    ] as const) {
      const limit = this.#zones.limit(zone.projectId, quota);
      if (limit >= 0 && used >= limit) return fault(413, "over_quota", `Quota exceeded for ${quota}.`);
    }
    const set = this.#zones.addRecordSet(zone, {
      name,
      type,
      records,
      ttl: (body.ttl as number | null | undefined) ?? null,
      description: (body.description as string | null | undefined) ?? null,
    });
    call.created("recordset", set.id);
    // Without records there is nothing to be served.
    if (records.length > 0) this.#pendSet(set, "CREATE");
    this.#zones.touch(zone);
    const shown = this.#zones.setView(zone, set, call.origin);
    return json(records.length > 0 ? 202 : 201, shown, { location: (shown.links as { self: string }).self });
  }

  /** A `fail` fault ends it in ERROR. */
  #pend(zone: Zone, action: Zone["action"], call: Call | undefined): void {
    zone.status = "PENDING";
    zone.action = action;
    if (action === "DELETE") return;
    const broken = call?.fails === true;
    this.#transitions.start(
      [zone.id],
      [
        () => {
          if (zone.action === "DELETE") return;
          zone.status = broken ? "ERROR" : "ACTIVE";
          if (!broken) zone.action = "NONE";
          zone.version++;
        },
      ],
    );
  }

  #pendSet(set: RecordSet, action: RecordSet["action"]): void {
    set.status = "PENDING";
    set.action = action;
    this.#transitions.start(
      [set.id],
      [
        () => {
          set.status = "ACTIVE";
          set.action = "NONE";
        },
      ],
    );
  }

  async #need(token: TokenRecord, id: string): Promise<Zone> {
    if (!UUID.test(id)) refuse(400, "invalid_uuid", `Invalid UUID zone_id: ${id}`);
    await this.#transitions.settle(id);
    await this.#transitions.poll(id);
    const zone = this.#zones.all.get(id);
    if (zone === undefined || zone.projectId !== token.project?.id) refuse(404, "zone_not_found", "Could not find Zone");
    return zone;
  }

  async #quotas(call: Call, token: TokenRecord, projectId: string): Promise<Reply> {
    const { quotas } = this.#zones;
    if (call.method !== "GET" && !token.roles.has("admin")) return fault(403, "forbidden");
    if (call.method === "PATCH")
      quotas.set(projectId, { ...quotas.get(projectId), ...((await call.json()) as Record<string, number>) });
    if (call.method === "DELETE") {
      quotas.delete(projectId);
      return { status: 204 };
    }
    return json(200, { ...QUOTAS, ...quotas.get(projectId) });
  }
}

async function needObject(call: Call): Promise<Fields> {
  const body = await call.json();
  if (typeof body !== "object" || body === null) refuse(400, "invalid_json", "Expecting value: line 1 column 1 (char 0)");
  return body as Fields;
}

function page(call: Call, collection: string, rows: readonly Fields[], filters: readonly string[]): Reply {
  const paging = ["limit", "marker", "sort_key", "sort_dir"];
  const odd = [...call.query.keys()].filter((key) => !filters.includes(key) && !paging.includes(key));
  if (odd.length > 0) refuse(400, "bad_request", `Invalid filters ${odd.join(", ")}`);
  const accepted = rows.filter((row) =>
    [...call.query].every(([key, value]) => paging.includes(key) || matches(value, String(row[key] ?? ""))),
  );
  const said = call.query.get("limit");
  const limit = said === null ? PAGE : said === "max" ? PAGE_MAX : Number(said);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX)
    refuse(400, "invalid_limit", "limit should be an integer between 1 and 1000");
  const marker = call.query.get("marker");
  const from = marker === null ? 0 : accepted.findIndex((row) => row.id === marker) + 1;
  if (marker !== null && from === 0) refuse(400, "marker_not_found", "Marker None could not be found");
  const shown = accepted.slice(from, from + limit);
  const links: Record<string, string> = { self: call.origin + call.target };
  // A full page promises another, even when that is empty.
  if (shown.length === limit) {
    const query = new URLSearchParams([...call.query].filter(([key]) => key !== "marker"));
    query.set("limit", String(limit));
    query.set("marker", String(shown.at(-1)?.id));
    links.next = `${call.origin}${call.path}?${query}`;
  }
  return json(200, { [collection]: shown, links, metadata: { total_count: accepted.length } });
}

/** `*` stands for anything. */
function matches(pattern: string, value: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "is").test(value);
}

function versions(call: Call): unknown[] {
  const links = [
    { href: `${call.origin}/v2`, rel: "self" },
    { href: "https://docs.openstack.org/api-ref/dns", rel: "help" },
  ];
  return ["v2", "v2.0", "v2.1"].map((id) => ({
    id,
    links,
    status: id === "v2.1" ? "CURRENT" : "SUPPORTED",
    updated: id === "v2.1" ? "2023-01-25T00:00:00Z" : "2022-06-29T00:00:00Z",
  }));
}

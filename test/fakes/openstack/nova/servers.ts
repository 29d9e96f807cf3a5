/** Servers: lists with their filters, show, update, delete, metadata and tags. */

import { json, type Reply } from "../http.ts";
import type { Server } from "./compute.ts";
import { check } from "./json-schema.ts";
import { bodyOf, conflict, fail, forbid, NO_CONTENT, type NovaCall, noRoute, pageOf, truthy } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { METADATA, TAG, updateServer } from "./schemas.ts";
import type { Builder } from "./server-build.ts";
import { addressesOf, briefView, serverView, statusOf, vmStatesOf } from "./server-view.ts";

const CHANGEABLE = ["active", "paused", "suspended", "stopped"];
const MAX_TAGS = 50;

export class Servers {
  readonly #state: NovaState;
  readonly #builder: Builder;

  constructor(state: NovaState, builder: Builder) {
    this.#state = state;
    this.#builder = builder;
  }

  /** The server, or the 404 that another project's gives too. */
  find(context: NovaCall, id: string): Server {
    const server = this.#state.compute.servers.get(id);
    if (server === undefined || (!context.admin && server.projectId !== context.projectId))
      fail(404, `Instance ${id} could not be found.`);
    return server;
  }

  async list(context: NovaCall, detailed: boolean): Promise<Reply> {
    const { query } = context.call;
    const asked = query.get("all_tenants");
    const everyone = asked !== null && (asked === "" || truthy(asked));
    if (everyone && !context.admin) forbid(`servers:${detailed ? "detail" : "index"}:get_all_tenants`);
    const mine = [...this.#state.compute.servers.values()].filter((server) => everyone || server.projectId === context.projectId);
    for (const server of mine) await this.#state.transitions.poll(server.id);
    const filters = filtersOf(context, everyone);
    const rows = mine
      .filter((server) => this.#state.compute.servers.has(server.id))
      .filter((server) => filters.every((accepts) => accepts(server, this.#state)));
    sort(rows, query);
    const { shown, next } = pageOf(
      context,
      rows,
      this.#state.pageSize,
      (server) => server.id,
      (marker) => `marker [${marker}] not found`,
    );
    const answer: Record<string, unknown> = {
      servers: shown.map((server) =>
        detailed ? serverView(this.#state, context, server, { stage: "detail" }) : briefView(context, server),
      ),
    };
    if (next !== undefined) answer.servers_links = [{ rel: "next", href: next }];
    return json(200, answer);
  }

  async show(context: NovaCall, id: string): Promise<Reply> {
    await this.#state.transitions.poll(id);
    return json(200, { server: serverView(this.#state, context, this.find(context, id), { stage: "show" }) });
  }

  async update(context: NovaCall, id: string): Promise<Reply> {
    const server = this.find(context, id);
    const body = await bodyOf(context);
    check(updateServer(context.version), body);
    const wanted = body.server as Record<string, unknown>;
    if (typeof wanted.name === "string") server.name = wanted.name;
    if (wanted.description !== undefined) server.description = wanted.description as string | null;
    if (typeof wanted.hostname === "string") server.hostname = wanted.hostname;
    if (typeof wanted.accessIPv4 === "string") server.accessIPv4 = wanted.accessIPv4;
    if (typeof wanted.accessIPv6 === "string") server.accessIPv6 = wanted.accessIPv6;
    this.#state.compute.touch(server);
    return json(200, { server: serverView(this.#state, context, server, { stage: "change" }) });
  }

  async remove(context: NovaCall, id: string): Promise<Reply> {
    await this.#state.transitions.settle(id);
    const server = this.find(context, id);
    if (server.lockedBy !== null && !context.admin) fail(409, `Instance ${id} is locked`);
    this.#builder.remove(context, server);
    return NO_CONTENT;
  }

  addresses(context: NovaCall, id: string, label: string | undefined): Reply {
    const addresses = addressesOf(this.#state, this.find(context, id), false);
    if (label === undefined) return json(200, { addresses });
    if (addresses[label] === undefined) fail(404, "Network name not found");
    return json(200, { [label]: addresses[label] });
  }

  async metadata(context: NovaCall, id: string, key: string | undefined): Promise<Reply> {
    const server = this.find(context, id);
    const { method } = context.call;
    if (method === "GET") {
      if (key === undefined) return json(200, { metadata: server.metadata });
      return json(200, { meta: { [key]: server.metadata[key] ?? fail(404, "Metadata item was not found") } });
    }
    const change = (verb: string) => {
      if (server.lockedBy !== null && !context.admin) fail(409, `Instance ${id} is locked`);
      if (!CHANGEABLE.includes(server.vmState)) conflict(`${verb} metadata`, id, "vm_state", server.vmState);
      this.#state.compute.touch(server);
    };
    if (method === "DELETE") {
      if (key === undefined) return noRoute();
      if (server.metadata[key] === undefined) fail(404, "Metadata item was not found");
      change("delete");
      delete server.metadata[key];
      return NO_CONTENT;
    }
    const member = key === undefined ? "metadata" : "meta";
    const body = await bodyOf(context);
    check({ type: "object", properties: { [member]: METADATA }, required: [member], additionalProperties: false }, body);
    const wanted = body[member] as Record<string, string>;
    if (key !== undefined && wanted[key] === undefined) fail(400, "Request body and URI mismatch");
    const merged = method === "PUT" && key === undefined ? { ...wanted } : { ...server.metadata, ...wanted };
    const limit = this.#state.compute.quota(server.projectId).metadata_items ?? -1;
    if (limit >= 0 && Object.keys(merged).length > limit) fail(403, `Maximum number of metadata items exceeds ${limit}`);
    change("update");
    server.metadata = merged;
    return json(200, key === undefined ? { metadata: merged } : { meta: wanted });
  }

  async tags(context: NovaCall, id: string, tag: string | undefined): Promise<Reply> {
    if (context.version < 26) return noRoute();
    const server = this.find(context, id);
    const { method } = context.call;
    const missing = () => fail(404, `Server ${id} has no tag '${tag}'`);
    if (method === "GET") {
      if (tag === undefined) return json(200, { tags: server.tags });
      return server.tags.includes(tag) ? NO_CONTENT : missing();
    }
    const verb = `${method === "PUT" ? "update" : "delete"} tag${tag === undefined ? "s" : ""}`;
    if (!CHANGEABLE.includes(server.vmState)) conflict(verb, id, "vm_state", server.vmState);
    this.#state.compute.touch(server);
    if (method === "DELETE") {
      if (tag !== undefined && !server.tags.includes(tag)) fail(404, `Instance ${id} has no tag '${tag}'`);
      server.tags = tag === undefined ? [] : server.tags.filter((each) => each !== tag);
      return NO_CONTENT;
    }
    if (tag === undefined) {
      const body = await bodyOf(context);
      const tags = { type: "array", items: TAG, maxItems: MAX_TAGS } as const;
      check({ type: "object", properties: { tags }, required: ["tags"], additionalProperties: false }, body);
      server.tags = [...new Set(body.tags as string[])].sort();
      return json(200, { tags: server.tags });
    }
    if (tag.length > 60 || /[,/]/.test(tag))
      fail(
        400,
        `Tag '${tag}' is invalid. It must be a non empty string without characters '/' and ','. Validation error message: '${tag}' is too long`,
      );
    if (server.tags.length >= MAX_TAGS) fail(400, `The number of tags exceeded the per-server limit ${MAX_TAGS}`);
    if (server.tags.includes(tag)) return NO_CONTENT;
    server.tags = [...server.tags, tag].sort();
    const location = `${context.call.origin}/v2.1/servers/${id}/tags/${tag}`;
    return { status: 201, headers: { "content-length": "0", location } };
  }
}

type Filter = (server: Server, state: NovaState) => boolean;

function filtersOf(context: NovaCall, everyone: boolean): Filter[] {
  const { query } = context.call;
  const filters: Filter[] = [];
  const add = (name: string, accepts: (server: Server, value: string, state: NovaState) => boolean) => {
    const value = query.get(name);
    if (value !== null) filters.push((server, state) => accepts(server, value, state));
  };
  const status = query.getAll("status");
  if (status.length > 0) {
    if (context.version >= 38 && status.every((each) => vmStatesOf(each).length === 0)) fail(400, "Invalid status value");
    filters.push((server) => status.some((each) => statusOf(server) === each.toUpperCase()));
  }
  // A regular expression, as the database of Nova reads it: anywhere in the name.
  add("name", (server, value) => new RegExp(value, "i").test(server.name));
  add("image", (server, value) => server.imageId === value);
  add("flavor", (server, value) => server.flavor.id === value);
  add("reservation_id", (server, value) => server.reservationId === value);
  add("changes-since", (server, value) => (server.updatedMs ?? server.createdMs) >= Date.parse(value));
  if (context.version >= 66)
    add("changes-before", (server, value) => (server.updatedMs ?? server.createdMs) <= Date.parse(value));
  add("ip", (server, value, state) => allAddresses(state, server).some((address) => new RegExp(value).test(address)));
  if (context.version >= 26) {
    add("tags", (server, value) => value.split(",").every((tag) => server.tags.includes(tag)));
    add("tags-any", (server, value) => value.split(",").some((tag) => server.tags.includes(tag)));
    add("not-tags", (server, value) => !value.split(",").every((tag) => server.tags.includes(tag)));
    add("not-tags-any", (server, value) => !value.split(",").some((tag) => server.tags.includes(tag)));
  }
  if (context.version >= 73) add("locked", (server, value) => (server.lockedBy !== null) === truthy(value));
  if (context.admin || context.version >= 83) {
    add("availability_zone", (server, value) => server.zone === value);
    add("config_drive", (server, value) => server.configDrive === truthy(value));
    add("key_name", (server, value) => server.keyName === value);
    add("user_id", (server, value) => server.userId === value);
    add("vm_state", (server, value) => server.vmState === value);
    add("task_state", (server, value) => server.taskState === value);
  }
  if (context.admin) {
    add("host", (server, value) => server.host === value);
    add("uuid", (server, value) => server.id === value);
    if (everyone) {
      add("project_id", (server, value) => server.projectId === value);
      add("tenant_id", (server, value) => server.projectId === value);
    }
  }
  return filters;
}

function allAddresses(state: NovaState, server: Server): string[] {
  return server.ports.flatMap(({ id }) => state.networks.nic(id)?.fixedIps.map((fixed) => fixed.ip_address) ?? []);
}

function sort(rows: Server[], query: URLSearchParams): void {
  const keys = query.getAll("sort_key");
  const directions = query.getAll("sort_dir");
  const field = (server: Server, key: string): string | number => {
    const values: Record<string, string | number | null> = {
      created_at: server.sequence,
      updated_at: server.updatedMs ?? server.createdMs,
      display_name: server.name,
      uuid: server.id,
      vm_state: server.vmState,
      task_state: server.taskState,
      hostname: server.hostname,
      project_id: server.projectId,
      user_id: server.userId,
      image_ref: server.imageId,
      key_name: server.keyName,
    };
    return values[key] ?? "";
  };
  rows.sort((a, b) => {
    for (const [index, key] of (keys.length === 0 ? ["created_at"] : keys).entries()) {
      const [x, y] = [field(a, key), field(b, key)];
      const direction = directions[index] ?? directions[0] ?? "desc";
      if (x !== y) return (x < y ? -1 : 1) * (direction === "asc" ? 1 : -1);
    }
    return b.sequence - a.sequence;
  });
}

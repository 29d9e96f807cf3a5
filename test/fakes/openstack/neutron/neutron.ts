/**
 * Neutron v2.0 of the fake cloud, shaped after 2025.1: the API layer that all collections have in common. A request goes through it in the
 * server's order: token, URL, body, quota, policy, then the kind; the answer has what the asker may see.
 */

import { type Call, json, type Reply, type ServiceHandler } from "../http.ts";
import type { Identities, TokenRecord } from "../tokens.ts";
import { type Attributes, checkBody, type Fields, ID, PROJECT, STANDARD, settled, TAGS, UNSET } from "./attributes.ts";
import { badRequest, hidden, invalidInput, noSuchUrl, notAllowed, refuse } from "./error.ts";
import { EXTENSIONS, extensionView } from "./extensions.ts";
import { type Action, type Ask, isReply, type Kind } from "./kind.ts";
import { listed } from "./listing.ts";
import type { Networking, Row } from "./networking.ts";
import type { Target } from "./policy.ts";
import { quotas } from "./quotas.ts";
import { changeTags } from "./tags.ts";

export class Neutron implements ServiceHandler {
  readonly #net: Networking;
  readonly #ids: Identities;

  constructor(net: Networking, ids: Identities) {
    this.#net = net;
    this.#ids = ids;
  }

  unauthorized(): Reply {
    const error = { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." };
    return json(401, { error }, { "www-authenticate": 'Keystone uri="http://127.0.0.1:5000"' });
  }

  async handle(call: Call): Promise<Reply> {
    const parts = decodeURIComponent(call.path)
      .split("/")
      .filter((part) => part !== "");
    if (parts.length === 0) return json(200, { versions: [version(call)] });
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token === undefined) return this.unauthorized();
    call.identify(token);
    if (parts[0] !== "v2.0") return noSuchUrl();
    const [, first, second] = parts;
    if (first === undefined) return json(200, { resources: [...this.#net.kinds.values()].map(({ path }) => ({ name: path })) });
    const ask = this.#ask(call, token);
    if (first === "extensions") return this.#extensions(call, second);
    if (first === "quotas") return quotas(ask, await call.json(), parts.slice(2));
    return await this.#route(ask, parts.slice(1));
  }

  #ask(call: Call, token: TokenRecord): Ask {
    return {
      call,
      net: this.#net,
      asker: { projectId: token.project?.id ?? "", roles: token.roles },
      isAdmin: token.roles.has("admin") || token.roles.has("service"),
      created: (row) => call.created(this.#net.kind(row.kind).journal, row.id),
      deleted: (row) => call.deleted(this.#net.kind(row.kind).journal, row.id),
    };
  }

  #extensions(call: Call, alias: string | undefined): Reply {
    const all = Object.keys(EXTENSIONS).filter((each) => this.#net.hasExtension(each));
    if (alias !== undefined) {
      const found = all.find((each) => each === alias);
      return found === undefined ? noSuchUrl() : json(200, { extension: extensionView(found) });
    }
    const fields = call.query.getAll("fields");
    const cut = (view: Fields) =>
      fields.length === 0 ? view : Object.fromEntries(Object.entries(view).filter(([name]) => fields.includes(name)));
    return json(200, { extensions: all.map((each) => cut(extensionView(each))) });
  }

  async #route(ask: Ask, parts: readonly string[]): Promise<Reply> {
    const elsewhere = [...this.#net.kinds.values()].find((each) => each.tagsPath === parts[0] && parts[2] === "tags");
    if (elsewhere !== undefined && this.#net.hasExtension(elsewhere.extension))
      return await this.#tags(ask, elsewhere, parts[1] ?? "", parts[3]);
    const kind = [...this.#net.kinds.values()].find(
      (each) => each.parent === undefined && parts.slice(0, each.path.split("/").length).join("/") === each.path,
    );
    if (kind === undefined || !this.#net.hasExtension(kind.extension)) return noSuchUrl();
    const [id, below, belowId, more] = parts.slice(kind.path.split("/").length);
    if (id === undefined) return await this.#collection(ask, kind, undefined);
    if (below === undefined) return await this.#object(ask, kind, id, undefined);
    const child = [...this.#net.kinds.values()].find((each) => each.parent === kind.name && each.path === below);
    if (child !== undefined && this.#net.hasExtension(child.extension)) {
      const parent = this.#see(ask, kind, id, undefined);
      if (belowId === undefined) return await this.#collection(ask, child, parent);
      return more === undefined ? await this.#object(ask, child, belowId, parent) : noSuchUrl();
    }
    if (below === "tags" && kind.tagged === true) {
      if (kind.tagsPath !== undefined) invalidInput("Invalid tags body");
      return await this.#tags(ask, kind, id, belowId);
    }
    const action = kind.actions?.[below];
    if (action === undefined || belowId !== undefined) return noSuchUrl();
    return await this.#act(ask, kind, id, below, action);
  }

  async #tags(ask: Ask, kind: Kind, id: string, tag: string | undefined): Promise<Reply> {
    const row = this.#see(ask, kind, id, undefined);
    if (ask.call.method !== "GET") this.#enforce(ask, kind, "update", row, this.#targetOf(ask, kind, row), {});
    return changeTags(ask, row, await ask.call.json(), tag);
  }

  async #collection(ask: Ask, kind: Kind, parent: Row | undefined): Promise<Reply> {
    const { method } = ask.call;
    if (kind.without?.includes(method as "GET")) return notAllowed(method);
    if (method === "GET") return json(200, this.#list(ask, kind, parent));
    if (method !== "POST") return notAllowed(method);
    const body = bodyOf(await ask.call.json());
    const many = body[kind.collection];
    if (many === undefined) return json(201, { [memberOf(kind)]: this.#create(ask, kind, body[memberOf(kind)], parent) });
    if (!Array.isArray(many) || many.length === 0) badRequest("Resources required");
    const made: Row[] = [];
    try {
      const views = many.map((each: Fields) => this.#create(ask, kind, each[memberOf(kind)] ?? each, parent, made));
      return json(201, { [kind.collection]: views });
    } catch (error) {
      // As one transaction: all or nothing.
      for (const row of made) this.#net.remove(row);
      ask.call.entry.created.length = 0;
      throw error;
    }
  }

  #list(ask: Ask, kind: Kind, parent: Row | undefined): Fields {
    const before = [...this.#net.all(kind.name)];
    kind.prepare?.(ask);
    const attributes = this.#attributes(kind);
    const isStrict = this.#net.hasExtension("filter-validation");
    const rows = (kind.preparesUnseen === true ? before : this.#net.all(kind.name))
      .filter((row) => parent === undefined || row.parentId === parent.id)
      .filter((row) => this.#net.policy.allows(`get_${ruleOf(kind)}`, ask.asker, this.#targetOf(ask, kind, row)));
    const things = rows.map((row) => ({
      object: this.#view(ask, kind, row),
      matches: (name: string, values: readonly string[]) => kind.matches?.(this.#net, row, name, values),
    }));
    return listed(ask.call, kind.collection, attributes, things, isStrict);
  }

  #create(ask: Ask, kind: Kind, body: unknown, parent: Row | undefined, made: Row[] = []): Fields {
    if (typeof body !== "object" || body === null) badRequest(`Unable to find '${memberOf(kind)}' in request body`);
    const attributes = this.#attributes(kind);
    const { project_id: project, tags, ...fields } = checkBody(attributes, body as Fields, true);
    const projectId = project === undefined || project === UNSET ? ask.asker.projectId : String(project);
    if (projectId !== ask.asker.projectId && !ask.isAdmin)
      badRequest(
        "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin or advsvc privileges",
      );
    kind.checkOwner?.(ask, fields, projectId);
    this.#checkQuota(kind, projectId);
    const target = this.#targetOf(ask, kind, { projectId, fields, ...(parent === undefined ? {} : { parentId: parent.id }) });
    const said = Object.fromEntries(
      Object.entries(fields).filter(([name, value]) => value !== UNSET && !isDefault(attributes[name]?.default, value)),
    );
    this.#enforce(ask, kind, "create", undefined, target, said);
    const row =
      kind.create?.(ask, fields, projectId, parent) ??
      this.#net.add(kind.name, projectId, settled(fields), parent === undefined ? {} : { parentId: parent.id });
    made.push(row);
    if (Array.isArray(tags)) row.tags = [...new Set(tags as string[])].sort();
    if (kind.create === undefined) ask.created(row);
    return this.#view(ask, kind, row);
  }

  async #object(ask: Ask, kind: Kind, id: string, parent: Row | undefined): Promise<Reply> {
    const { method } = ask.call;
    if (kind.without?.includes(method as "GET")) return notAllowed(method);
    const body = method === "PUT" ? bodyOf(await ask.call.json()) : {};
    const changes = body[memberOf(kind)];
    if (method === "PUT" && (typeof changes !== "object" || changes === null))
      badRequest(`Unable to find '${memberOf(kind)}' in request body`);
    const attributes = this.#attributes(kind);
    const checked = method === "PUT" ? checkBody(attributes, changes as Fields, false) : {};
    const row = this.#see(ask, kind, id, parent);
    if (method === "GET") {
      const fields = ask.call.query.getAll("fields").filter((field) => field !== "");
      const view = this.#view(ask, kind, row);
      const shown = Object.entries(view).filter(([name]) => fields.length === 0 || fields.includes(name));
      return json(200, { [memberOf(kind)]: Object.fromEntries(shown) });
    }
    if (method === "PUT") {
      const target = this.#targetOf(ask, kind, { ...row, fields: { ...row.fields, ...checked } });
      this.#enforce(ask, kind, "update", row, target, checked);
      if (kind.update === undefined) Object.assign(row.fields, checked);
      else kind.update(ask, row, checked);
      this.#net.touch(row);
      return json(200, { [memberOf(kind)]: this.#view(ask, kind, row) });
    }
    if (method !== "DELETE") return notAllowed(method);
    if ((await ask.call.body()).length > 0) badRequest("Request body is not supported in DELETE.");
    this.#enforce(ask, kind, "delete", row, this.#targetOf(ask, kind, row), {});
    if (kind.remove === undefined) {
      this.#net.remove(row);
      ask.deleted(row);
    } else kind.remove(ask, row);
    return { status: 204 };
  }

  async #act(ask: Ask, kind: Kind, id: string, name: string, action: Action): Promise<Reply> {
    if (ask.call.method !== action.method) return notAllowed(ask.call.method);
    const row = this.#see(ask, kind, id, undefined);
    const body = action.method === "PUT" ? bodyOf(await ask.call.json()) : {};
    const said = (body[memberOf(kind)] ?? {}) as Fields;
    const rule = this.#net.policy.problem(action.rule ?? name, ask.asker, this.#targetOf(ask, kind, row), said);
    if (rule !== undefined) forbid(rule);
    const result = await action.run(ask, row, body);
    return isReply(result) ? result : json(200, result);
  }

  /** The row, if the asker may see it. */
  #see(ask: Ask, kind: Kind, id: string, parent: Row | undefined): Row {
    const row = kind.resolve?.(this.#net, id, parent) ?? this.#net.find(kind.name, id);
    if (row === undefined || (parent !== undefined && row.parentId !== parent.id)) return kind.missing(id);
    if (!this.#net.policy.allows(`get_${ruleOf(kind)}`, ask.asker, this.#targetOf(ask, kind, row))) kind.missing(id);
    return row;
  }

  #enforce(ask: Ask, kind: Kind, verb: string, row: Row | undefined, target: Target, said: Fields): void {
    const { policy } = this.#net;
    const rule = policy.problem(`${verb}_${ruleOf(kind)}`, ask.asker, target, said);
    if (rule === undefined) return;
    if (row !== undefined && !policy.allows(`get_${ruleOf(kind)}`, ask.asker, target)) hidden();
    forbid(rule);
  }

  #targetOf(ask: Ask, kind: Kind, thing: Parameters<NonNullable<Kind["target"]>>[1]): Target {
    const parent = thing.parentId === undefined ? undefined : this.#net.rows.get(thing.parentId);
    return {
      projectId: thing.projectId,
      fields: thing.fields,
      ...(parent === undefined ? {} : { parentProjectId: parent.projectId }),
      ...kind.target?.(this.#net, thing, ask.asker),
    };
  }

  #attributes(kind: Kind): Attributes {
    const all: Record<string, Attributes[string]> = {
      id: ID,
      ...(kind.parent === undefined ? { project_id: PROJECT } : {}),
      ...kind.attributes,
      ...(kind.standard === true ? STANDARD : {}),
      ...(kind.tagged === true ? TAGS : {}),
    };
    for (const [name, { extension }] of Object.entries(all)) if (!this.#net.hasExtension(extension)) delete all[name];
    return all;
  }

  #view(ask: Ask, kind: Kind, row: Row): Fields {
    const { net } = ask;
    const whole: Fields = {
      id: row.id,
      ...(kind.parent === undefined ? { project_id: row.projectId } : {}),
      ...row.fields,
      ...(kind.standard === true
        ? { created_at: net.time(row.createdMs), updated_at: net.time(row.updatedMs), revision_number: row.revision }
        : {}),
      ...(kind.tagged === true ? { tags: [...row.tags] } : {}),
      ...kind.view?.(net, row, ask.asker),
    };
    const target = this.#targetOf(ask, kind, row);
    const shown: Fields = {};
    for (const [name, spec] of Object.entries(this.#attributes(kind))) {
      const rule = `get_${ruleOf(kind)}:${name}`;
      if (!spec.visible || whole[name] === undefined) continue;
      if (net.policy.rules[rule] !== undefined && !net.policy.allows(rule, ask.asker, target)) continue;
      shown[name] = whole[name];
      if (name === "project_id") shown.tenant_id = whole[name];
    }
    return shown;
  }

  #checkQuota(kind: Kind, projectId: string): void {
    if (kind.quota === undefined) return;
    const limit = this.#net.limit(projectId, kind.quota);
    const used = this.#net.all(kind.name).filter((row) => row.projectId === projectId).length;
    if (limit >= 0 && used + 1 > limit) refuse(409, "OverQuota", `Quota exceeded for resources: ['${kind.quota}'].`);
  }
}

function forbid(rule: string): never {
  refuse(403, "PolicyNotAuthorized", `${rule} is disallowed by policy`);
}

function bodyOf(body: unknown): Fields {
  if (typeof body !== "object" || body === null || Array.isArray(body)) badRequest("Body contains invalid data");
  return body as Fields;
}

const memberOf = (kind: Kind) => kind.member ?? kind.name;
const ruleOf = (kind: Kind) => kind.rule ?? kind.name;

function isDefault(value: unknown, given: unknown): boolean {
  return value !== UNSET && JSON.stringify(value) === JSON.stringify(given);
}

function version(call: Call): Fields {
  return { id: "v2.0", status: "CURRENT", links: [{ rel: "self", href: `${call.origin}/v2.0/` }] };
}

/** Keystone's groups and their members: the admin's alone. */

import { type Call, json, type Reply } from "./http.ts";
import { accepts, type Body, fault, listOf, needAdmin, pick, userView } from "./keystone-views.ts";
import type { Group, Identities, TokenRecord } from "./tokens.ts";

export class GroupRoutes {
  readonly #ids: Identities;

  constructor(ids: Identities) {
    this.#ids = ids;
  }

  async handle(call: Call, token: TokenRecord, id: string | undefined, rest: readonly string[]): Promise<Reply> {
    const refused = needAdmin(token, actionOf(call.method, id, rest));
    if (refused !== undefined) return refused;
    if (id === undefined) return call.method === "POST" ? await this.#create(call) : this.#list(call);
    const group = this.#ids.groups.get(id);
    if (group === undefined) return fault(404, `Could not find group: ${id}.`, "Not Found");
    if (rest[0] === "users") return this.#members(call, group, rest[1]);
    if (call.method === "GET") return json(200, { group: groupView(call, group) });
    if (call.method === "DELETE") {
      this.#ids.groups.delete(id);
      for (const key of this.#ids.memberships) if (key.startsWith(`${id}|`)) this.#ids.memberships.delete(key);
      call.deleted("group", id);
      return { status: 204 };
    }
    Object.assign(group, pick(await bodyOf(call), ["name", "description"]));
    return json(200, { group: groupView(call, group) });
  }

  #list(call: Call): Reply {
    const all = [...this.#ids.groups.values()].filter((g) => accepts(call, { name: g.name, domain_id: g.domainId }));
    return listOf(
      call,
      "groups",
      all.map((g) => groupView(call, g)),
    );
  }

  async #create(call: Call): Promise<Reply> {
    const wanted = await bodyOf(call);
    if (typeof wanted.name !== "string")
      return fault(
        400,
        `Invalid input for field/attribute group. Value: ${JSON.stringify(wanted)}. 'name' is a required property`,
        "Bad Request",
      );
    const domainId = String(wanted.domain_id ?? "default");
    if (this.#ids.find(this.#ids.groups, { name: wanted.name, domain: { id: domainId } }) !== undefined)
      return fault(
        409,
        `Conflict occurred attempting to store group - Duplicate entry found with name ${wanted.name} at domain ID ${domainId}.`,
        "Conflict",
      );
    const group = this.#ids.addGroup(wanted.name, domainId, String(wanted.description ?? ""));
    call.created("group", group.id);
    return json(201, { group: groupView(call, group) });
  }

  #members(call: Call, group: Group, userId: string | undefined): Reply {
    if (userId === undefined) {
      const members = [...this.#ids.users.values()].filter((u) => this.#ids.memberships.has(`${group.id}|${u.id}`));
      return listOf(call, "users", members.map(userView(call)));
    }
    if (!this.#ids.users.has(userId)) return fault(404, `Could not find user: ${userId}.`, "Not Found");
    const key = `${group.id}|${userId}`;
    if (call.method === "PUT") this.#ids.memberships.add(key);
    else if (!this.#ids.memberships.has(key))
      return fault(404, `User '${userId}' not found in group '${group.id}'.`, "Not Found");
    else if (call.method === "DELETE") this.#ids.memberships.delete(key);
    return { status: 204 };
  }
}

async function bodyOf(call: Call): Promise<Body> {
  return ((await call.json()) as { group?: Body } | undefined)?.group ?? {};
}

function actionOf(method: string, id: string | undefined, rest: readonly string[]): string {
  if (rest[0] === "users")
    return (
      { PUT: "add_user_to_group", DELETE: "remove_user_from_group", HEAD: "check_user_in_group" }[method] ?? "list_users_in_group"
    );
  if (id === undefined) return method === "POST" ? "create_group" : "list_groups";
  return { PATCH: "update_group", DELETE: "delete_group" }[method] ?? "get_group";
}

function groupView(call: Call, { id, name, domainId, description }: Group): Body {
  return { id, name, domain_id: domainId, description, links: { self: `${call.origin}/v3/groups/${id}` } };
}

/** Keystone's role assignments on projects: of users and groups, direct ones and those that sub-projects inherit. */

import { type Call, json, type Reply } from "./http.ts";
import { accepts, type Body, fault, listOf, needAdmin, roleView } from "./keystone-views.ts";
import type { Grant, Identities, TokenRecord } from "./tokens.ts";

export class GrantRoutes {
  readonly #ids: Identities;

  constructor(ids: Identities) {
    this.#ids = ids;
  }

  /** `/projects/{project}/{users|groups}/{holder}/roles[/{role}]` */
  direct(call: Call, token: TokenRecord, projectId: string, rest: readonly string[]): Reply {
    const [kind = "", holderId = "", , roleId] = rest;
    return this.#grant(call, token, { projectId, kind, holderId, roleId, inherited: false });
  }

  /** `/OS-INHERIT/projects/{project}/{users|groups}/{holder}/roles[/{role}]/inherited_to_projects` */
  inherited(call: Call, token: TokenRecord, rest: readonly string[]): Reply {
    const [projectId = "", kind = "", holderId = "", , roleId] = rest;
    return this.#grant(call, token, { projectId, kind, holderId, roleId, inherited: true });
  }

  #grant(
    call: Call,
    token: TokenRecord,
    asked: { projectId: string; kind: string; holderId: string; roleId: string | undefined; inherited: boolean },
  ): Reply {
    const { projectId, holderId, roleId, inherited } = asked;
    const kind = asked.kind === "groups" ? "group" : "user";
    const action = call.method === "PUT" ? "create_grant" : call.method === "DELETE" ? "revoke_grant" : "list_grants";
    const refused = needAdmin(token, action);
    if (refused !== undefined) return refused;
    if (!this.#ids.projects.has(projectId)) return fault(404, `Could not find project: ${projectId}.`, "Not Found");
    const holders: ReadonlyMap<string, unknown> = kind === "group" ? this.#ids.groups : this.#ids.users;
    if (!holders.has(holderId)) return fault(404, `Could not find ${kind}: ${holderId}.`, "Not Found");
    const like = { scope: projectId, kind, holderId, inherited } as const;
    if (roleId === undefined) {
      const given = [...this.#ids.roles.values()].filter((role) => this.#ids.hasGrant({ ...like, roleId: role.id }));
      return listOf(call, "roles", given.map(roleView(call)));
    }
    if (!this.#ids.roles.has(roleId)) return fault(404, `Could not find role: ${roleId}.`, "Not Found");
    const grant: Grant = { ...like, roleId };
    const name = `${projectId}/${holderId}/${roleId}`;
    const isThere = this.#ids.hasGrant(grant);
    if (call.method === "PUT") {
      if (!isThere) call.created("role_assignment", name);
      this.#ids.addGrant(grant);
      return { status: 204 };
    }
    if (!isThere) {
      return fault(
        404,
        `Could not find role assignment with role: ${roleId}, user or group: ${holderId}, project, domain, or system: ${projectId}.`,
        "Not Found",
      );
    }
    if (call.method === "DELETE") {
      this.#ids.removeGrant(grant);
      call.deleted("role_assignment", name);
    }
    return { status: 204 };
  }

  list(call: Call, token: TokenRecord): Reply {
    const refused = needAdmin(token, "list_role_assignments");
    if (refused !== undefined) return refused;
    const named = call.query.has("include_names");
    const rows: Body[] = [];
    for (const { scope, kind, holderId, roleId, inherited } of this.#ids.allGrants()) {
      const project = this.#ids.projects.get(scope);
      const holder = kind === "group" ? this.#ids.groups.get(holderId) : this.#ids.users.get(holderId);
      const role = this.#ids.roles.get(roleId);
      if (project === undefined || holder === undefined || role === undefined) continue;
      if (!accepts(call, { [`${kind}.id`]: holderId, "scope.project.id": scope, "role.id": roleId })) continue;
      if (call.query.has(kind === "group" ? "user.id" : "group.id")) continue;
      const full = (each: { id: string; name: string; domainId: string }) =>
        named
          ? { id: each.id, name: each.name, domain: { id: each.domainId, name: this.#ids.domains.get(each.domainId)?.name } }
          : { id: each.id };
      const path = `projects/${scope}/${kind}s/${holderId}/roles/${roleId}`;
      rows.push({
        links: { assignment: `${call.origin}/v3/${inherited ? `OS-INHERIT/${path}/inherited_to_projects` : path}` },
        scope: { project: full(project), ...(inherited ? { "OS-INHERIT:inherited_to": "projects" } : {}) },
        [kind]: full(holder),
        role: named ? { id: role.id, name: role.name } : { id: role.id },
      });
    }
    return json(200, { role_assignments: rows, links: { next: null, self: `${call.origin}${call.target}`, previous: null } });
  }
}

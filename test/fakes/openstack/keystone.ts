/**
 * Keystone v3 of the fake cloud: authentication, tokens, catalog, projects, users, roles and grants, application
 * credentials. Statuses, headers and error texts follow Keystone 27 (2025.1); policy is the default one: an admin may
 * everything, a user sees its own self, its projects and its credentials.
 */

import { type Call, json, type Reply, type ServiceHandler } from "./http.ts";
import { Authenticator } from "./keystone-auth.ts";
import { GrantRoutes } from "./keystone-grants.ts";
import { GroupRoutes } from "./keystone-groups.ts";
import { UserRoutes } from "./keystone-users.ts";
import { accepts, type Body, fault, listOf, needAdmin, pick, projectView, roleView } from "./keystone-views.ts";
import type { Identities, TokenRecord } from "./tokens.ts";

export class Keystone implements ServiceHandler {
  readonly #ids: Identities;
  readonly #catalog: (projectId: string | undefined) => unknown[];
  readonly #authenticator: Authenticator;
  readonly #users: UserRoutes;
  readonly #groups: GroupRoutes;
  readonly #grants: GrantRoutes;

  constructor(ids: Identities, catalog: (projectId: string | undefined) => unknown[]) {
    this.#ids = ids;
    this.#catalog = catalog;
    this.#authenticator = new Authenticator(ids, catalog);
    this.#users = new UserRoutes(ids);
    this.#groups = new GroupRoutes(ids);
    this.#grants = new GrantRoutes(ids);
  }

  unauthorized(call: Call): Reply {
    const reply = fault(401, "The request you have made requires authentication.", "Unauthorized");
    return { ...reply, headers: { ...reply.headers, "www-authenticate": `Keystone uri="${call.origin}/v3"` } };
  }

  async handle(call: Call): Promise<Reply> {
    const reply = await this.#route(call);
    return { ...reply, headers: { ...reply.headers, vary: "X-Auth-Token" } };
  }

  async #route(call: Call): Promise<Reply> {
    const path = decodeURIComponent(call.path).replace(/\/+$/, "");
    const version = { id: "v3.14", status: "stable", updated: "2020-04-07T00:00:00Z" };
    const links = {
      links: [{ rel: "self", href: `${call.origin}/v3/` }],
      "media-types": [{ base: "application/json", type: "application/vnd.openstack.identity-v3+json" }],
    };
    if (path === "") return json(300, { versions: { values: [{ ...version, ...links }] } }, { location: `${call.origin}/v3/` });
    if (path === "/v3") return json(200, { version: { ...version, ...links } });
    if (path === "/v3/auth/tokens" && call.method === "POST") return this.#authenticate(call);
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token === undefined) {
      const dead = this.#ids.deadCredential(call.header("x-auth-token"));
      return dead === undefined ? this.unauthorized(call) : noCredential(dead);
    }
    call.identify(token);
    const [, , top = "", id, ...rest] = path.split("/");
    if (top === "auth") return this.#auth(call, token, id ?? "");
    if (top === "projects")
      return rest.length > 0 ? this.#grants.direct(call, token, id ?? "", rest) : this.#projects(call, token, id);
    if (top === "OS-INHERIT" && id === "projects") return this.#grants.inherited(call, token, rest);
    if (top === "OS-TRUST" && id === "trusts") return this.#users.trusts(call, token);
    if (top === "groups") return this.#groups.handle(call, token, id, rest);
    if (top === "users") return this.#users.handle(call, token, id, rest);
    if (top === "roles")
      return needAdmin(token, "list_roles") ?? listOf(call, "roles", [...this.#ids.roles.values()].map(roleView(call)));
    if (top === "domains") return this.#domains(call, token, id);
    if (top === "role_assignments") return this.#grants.list(call, token);
    const html = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n";
    return { status: 404, headers: { "content-type": "text/html; charset=utf-8" }, body: html };
  }

  async #authenticate(call: Call): Promise<Reply> {
    const body = (await call.json()) as
      | { auth?: { identity?: Body & { methods?: string[] }; scope?: Body | string } }
      | undefined;
    if (typeof body !== "object" || body === null) {
      return fault(
        400,
        "Expecting to find valid JSON in request body. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.",
        "Bad Request",
      );
    }
    const identity = body.auth?.identity;
    if (identity?.methods === undefined) return fault(400, "'identity' is a required property", "Bad Request");
    const wanted = (identity.application_credential as { id?: string } | undefined)?.id;
    if (identity.methods.includes("application_credential") && wanted !== undefined && !this.#ids.appCredentials.has(wanted))
      return noCredential(wanted);
    const made = this.#authenticator.prove(identity, identity.methods);
    if (made === undefined) return this.unauthorized(call);
    const token = this.#authenticator.scope(made, typeof body.auth?.scope === "object" ? body.auth.scope : undefined);
    if (token === undefined) return this.unauthorized(call);
    call.identify(token);
    return json(201, { token: this.#authenticator.view(token, true) }, { "x-subject-token": token.id });
  }

  #auth(call: Call, token: TokenRecord, what: string): Reply {
    if (what === "projects") return listOf(call, "projects", this.#ids.projectsOf(token.user.id).map(projectView(call)));
    if (what === "domains") return listOf(call, "domains", []);
    if (what === "catalog")
      return json(200, { catalog: this.#catalog(token.project?.id), links: { self: `${call.origin}/v3/auth/catalog` } });
    if (what !== "tokens") return fault(404, "The resource could not be found.", "Not Found");
    const subject = this.#ids.check(call.header("x-subject-token"));
    if (subject === undefined) return fault(404, "Could not recognize Fernet token", "Not Found");
    if (call.method === "DELETE") {
      this.#ids.revoke(subject.id);
      return { status: 204 };
    }
    return json(
      200,
      { token: this.#authenticator.view(subject, !call.query.has("nocatalog")) },
      { "x-subject-token": subject.id },
    );
  }

  async #projects(call: Call, token: TokenRecord, id: string | undefined): Promise<Reply> {
    if (id === undefined) {
      if (call.method === "GET") {
        const filtered = [...this.#ids.projects.values()].filter((each) =>
          accepts(call, { name: each.name, domain_id: each.domainId, parent_id: each.parentId, enabled: String(each.enabled) }),
        );
        return needAdmin(token, "list_projects") ?? listOf(call, "projects", filtered.map(projectView(call)));
      }
      const refused = needAdmin(token, "create_project");
      if (refused !== undefined) return refused;
      const wanted = ((await call.json()) as { project?: Body } | undefined)?.project ?? {};
      if (typeof wanted.name !== "string") {
        return fault(
          400,
          `Invalid input for field/attribute project. Value: ${JSON.stringify(wanted)}. 'name' is a required property`,
          "Bad Request",
        );
      }
      const twin = this.#ids.find(this.#ids.projects, {
        name: wanted.name,
        domain: { id: String(wanted.domain_id ?? "default") },
      });
      if (twin !== undefined) {
        return fault(
          409,
          `Conflict occurred attempting to store project - it is not permitted to have two projects with either the same name or same id in the same domain: name is ${wanted.name}, project id ${twin.id}.`,
          "Conflict",
        );
      }
      const project = this.#ids.addProject(wanted.name, String(wanted.domain_id ?? "default"), String(wanted.description ?? ""));
      Object.assign(project, pick(wanted, ["enabled", "tags", "options"]));
      if (typeof wanted.parent_id === "string") project.parentId = wanted.parent_id;
      call.created("project", project.id);
      return json(201, { project: projectView(call)(project) });
    }
    const project = this.#ids.projects.get(id);
    if (call.method === "GET") {
      if (token.project?.id !== id) {
        const refused = needAdmin(token, "get_project");
        if (refused !== undefined) return refused;
      }
      return project === undefined
        ? fault(404, `Could not find project: ${id}.`, "Not Found")
        : json(200, { project: projectView(call)(project) });
    }
    const refused = needAdmin(token, call.method === "DELETE" ? "delete_project" : "update_project");
    if (refused !== undefined) return refused;
    if (project === undefined) return fault(404, `Could not find project: ${id}.`, "Not Found");
    if (call.method === "DELETE") {
      this.#ids.projects.delete(id);
      call.deleted("project", id);
      return { status: 204 };
    }
    Object.assign(
      project,
      pick(((await call.json()) as { project?: Body } | undefined)?.project ?? {}, [
        "name",
        "description",
        "enabled",
        "tags",
        "options",
      ]),
    );
    return json(200, { project: projectView(call)(project) });
  }

  #domains(call: Call, token: TokenRecord, id: string | undefined): Reply {
    const refused = needAdmin(token, id === undefined ? "list_domains" : "get_domain");
    if (refused !== undefined) return refused;
    const view = (each: { id: string; name: string; description: string }) => ({
      ...each,
      enabled: true,
      tags: [],
      options: {},
      links: { self: `${call.origin}/v3/domains/${each.id}` },
    });
    if (id === undefined)
      return listOf(
        call,
        "domains",
        [...this.#ids.domains.values()].filter((each) => accepts(call, { name: each.name })).map(view),
      );
    const domain = this.#ids.domains.get(id);
    return domain === undefined ? fault(404, `Could not find domain: ${id}.`, "Not Found") : json(200, { domain: view(domain) });
  }
}

/** Keystone tells whoever asks that a credential is not there, rather than 401. */
function noCredential(id: string): Reply {
  return fault(404, `Could not find Application Credential: ${id}.`, "Not Found");
}

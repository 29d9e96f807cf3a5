/** Keystone's users and their application credentials. A user sees itself; the rest is the admin's. */

import { type Call, json, type Reply } from "./http.ts";
import { accepts, type Body, fault, listOf, needAdmin, pick, projectView, userView } from "./keystone-views.ts";
import type { AppCredential, Identities, TokenRecord, User } from "./tokens.ts";

export class UserRoutes {
  readonly #ids: Identities;

  constructor(ids: Identities) {
    this.#ids = ids;
  }

  async handle(call: Call, token: TokenRecord, id: string | undefined, rest: string[]): Promise<Reply> {
    if (id === undefined) {
      const refused = needAdmin(token, call.method === "POST" ? "create_user" : "list_users");
      if (refused !== undefined) return refused;
      if (call.method === "GET") {
        const all = [...this.#ids.users.values()].filter((each) =>
          accepts(call, { name: each.name, domain_id: each.domainId, enabled: String(each.enabled) }),
        );
        return listOf(call, "users", all.map(userView(call)));
      }
      const wanted = ((await call.json()) as { user?: Body } | undefined)?.user ?? {};
      if (typeof wanted.name !== "string")
        return fault(
          400,
          `Invalid input for field/attribute user. Value: ${JSON.stringify(wanted)}. 'name' is a required property`,
          "Bad Request",
        );
      if (
        this.#ids.find(this.#ids.users, { name: wanted.name, domain: { id: String(wanted.domain_id ?? "default") } }) !==
        undefined
      ) {
        return fault(
          409,
          `Conflict occurred attempting to store user - Duplicate entry found with name ${wanted.name} at domain ID ${wanted.domain_id ?? "default"}.`,
          "Conflict",
        );
      }
      const user = this.#ids.addUser(
        wanted.name,
        String(wanted.password ?? this.#ids.newSecret()),
        String(wanted.domain_id ?? "default"),
      );
      Object.assign(user, pick(wanted, ["enabled", "description", "email", "options"]));
      if (typeof wanted.default_project_id === "string") user.defaultProjectId = wanted.default_project_id;
      call.created("user", user.id);
      return json(201, { user: userView(call)(user) });
    }
    const self = token.user.id === id;
    const refused = self ? undefined : needAdmin(token, "get_user");
    if (refused !== undefined) return refused;
    const user = this.#ids.users.get(id);
    if (user === undefined) return fault(404, `Could not find user: ${id}.`, "Not Found");
    if (rest[0] === "projects") return listOf(call, "projects", this.#ids.projectsOf(id).map(projectView(call)));
    if (rest[0] === "application_credentials") return this.#appCredentials(call, token, user, rest[1]);
    if (rest[0] === "credentials") {
      const own = this.#ids.ec2Credentials.filter((each) => each.user_id === id);
      return listOf(call, "credentials", own);
    }
    if (call.method === "GET") return json(200, { user: userView(call)(user) });
    const denied = needAdmin(token, call.method === "DELETE" ? "delete_user" : "update_user");
    if (denied !== undefined) return denied;
    if (call.method === "DELETE") {
      this.#ids.users.delete(id);
      for (const [key, each] of this.#ids.appCredentials) if (each.userId === id) this.#ids.appCredentials.delete(key);
      call.deleted("user", id);
      return { status: 204 };
    }
    Object.assign(
      user,
      pick(((await call.json()) as { user?: Body } | undefined)?.user ?? {}, [
        "name",
        "password",
        "enabled",
        "description",
        "email",
        "options",
      ]),
    );
    return json(200, { user: userView(call)(user) });
  }

  /** Of one trustor, who may be only oneself. */
  trusts(call: Call, token: TokenRecord): Reply {
    const trustor = call.query.get("trustor_user_id") ?? undefined;
    const refused = trustor === token.user.id ? undefined : needAdmin(token, "list_trusts_for_trustor");
    if (refused !== undefined) return refused;
    const given = this.#ids.trusts.filter((each) => trustor === undefined || each.trustor_user_id === trustor);
    return listOf(call, "trusts", given);
  }

  async #appCredentials(call: Call, token: TokenRecord, user: User, id: string | undefined): Promise<Reply> {
    if (call.method === "POST") {
      const wanted = ((await call.json()) as { application_credential?: Body } | undefined)?.application_credential ?? {};
      const project = token.project;
      if (project === undefined || token.appCredentialId !== undefined)
        return fault(
          403,
          "You are not authorized to perform the requested action: identity:create_application_credential.",
          "Forbidden",
        );
      if ([...this.#ids.appCredentials.values()].some((each) => each.userId === user.id && each.name === wanted.name)) {
        return fault(
          409,
          `Conflict occurred attempting to store application_credential - Duplicate entry found with name ${wanted.name}.`,
          "Conflict",
        );
      }
      const roles = (wanted.roles as { id?: string; name?: string }[] | undefined)?.map(
        (role) => role.name ?? this.#ids.roles.get(role.id ?? "")?.name ?? "",
      );
      const credential: AppCredential = {
        id: this.#ids.newId(),
        name: String(wanted.name),
        description: String(wanted.description ?? ""),
        secret: String(wanted.secret ?? this.#ids.newSecret()),
        userId: user.id,
        projectId: project.id,
        roles: roles ?? [...token.roles],
        expiresAt: typeof wanted.expires_at === "string" ? wanted.expires_at : null,
        unrestricted: wanted.unrestricted === true,
      };
      this.#ids.appCredentials.set(credential.id, credential);
      call.created("application_credential", credential.id);
      const view = this.#appCredentialView(call, credential);
      return json(201, { application_credential: { ...view, secret: credential.secret } });
    }
    if (id === undefined) {
      const own = [...this.#ids.appCredentials.values()].filter(
        (each) => each.userId === user.id && accepts(call, { name: each.name }),
      );
      return listOf(
        call,
        "application_credentials",
        own.map((each) => this.#appCredentialView(call, each)),
      );
    }
    const credential = this.#ids.appCredentials.get(id);
    if (credential === undefined) return fault(404, `Could not find Application Credential: ${id}.`, "Not Found");
    if (call.method === "DELETE") {
      this.#ids.appCredentials.delete(id);
      call.deleted("application_credential", id);
      return { status: 204 };
    }
    return json(200, { application_credential: this.#appCredentialView(call, credential) });
  }

  #appCredentialView(call: Call, credential: AppCredential): Body {
    return {
      id: credential.id,
      name: credential.name,
      description: credential.description,
      user_id: credential.userId,
      project_id: credential.projectId,
      system: null,
      expires_at: credential.expiresAt,
      unrestricted: credential.unrestricted ? true : null,
      roles: credential.roles.map((name) => ({
        id: this.#ids.roleByName(name).id,
        name,
        domain_id: null,
        description: null,
        options: {},
      })),
      links: { self: `${call.origin}/v3/application_credentials/${credential.id}` },
    };
  }
}

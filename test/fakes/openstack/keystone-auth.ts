/** How a token is earned: proofs of identity, scopes, and the token as Keystone shows it. */

import { keystoneTime } from "./ids.ts";
import type { AppCredential, Identities, TokenRecord, User } from "./tokens.ts";

type Body = Record<string, unknown>;

interface Ref {
  id?: string;
  name?: string;
  domain?: { id?: string; name?: string };
}

interface Proof {
  readonly user: User;
  readonly methods: string[];
  readonly parent?: TokenRecord;
  readonly credential?: AppCredential;
}

export class Authenticator {
  readonly #ids: Identities;
  readonly #catalog: (projectId: string | undefined) => unknown[];

  constructor(ids: Identities, catalog: (projectId: string | undefined) => unknown[]) {
    this.#ids = ids;
    this.#catalog = catalog;
  }

  /** Undefined when the proof does not hold. */
  prove(identity: Body, methods: readonly string[]): Proof | undefined {
    if (methods.includes("password")) {
      const ref = (identity.password as { user?: Ref & { password?: string } } | undefined)?.user;
      const user = this.#ids.find(this.#ids.users, ref);
      return user?.enabled === true && user.password === ref?.password ? { user, methods: ["password"] } : undefined;
    }
    if (methods.includes("token")) {
      const parent = this.#ids.check((identity.token as { id?: string } | undefined)?.id);
      if (parent === undefined || parent.appCredentialId !== undefined) return undefined;
      return { user: parent.user, methods: [...new Set([...parent.methods, "token"])], parent };
    }
    if (!methods.includes("application_credential")) return undefined;
    const ref = identity.application_credential as { id?: string; name?: string; user?: Ref; secret?: string } | undefined;
    const owner = this.#ids.find(this.#ids.users, ref?.user);
    const credential = [...this.#ids.appCredentials.values()].find((each) =>
      ref?.id === undefined ? each.name === ref?.name && each.userId === owner?.id : each.id === ref.id,
    );
    const user = credential === undefined ? undefined : this.#ids.users.get(credential.userId);
    if (credential === undefined || user?.enabled !== true || credential.secret !== ref?.secret) return undefined;
    if (credential.expiresAt !== null && Date.parse(`${credential.expiresAt.replace(/Z?$/, "Z")}`) <= this.#ids.nowMs())
      return undefined;
    return { user, methods: ["application_credential"], credential };
  }

  /** A token on the scope asked for; undefined when the user has no role there. */
  scope(proof: Proof, scope: Body | undefined): TokenRecord | undefined {
    const { user, methods, credential } = proof;
    const parent = proof.parent === undefined ? {} : { parent: proof.parent };
    const base = { user, methods, ...parent };
    if (credential !== undefined) {
      const project = this.#ids.projects.get(credential.projectId);
      const held = this.#ids.rolesOn(credential.projectId, user.id);
      const roles = new Set(credential.roles.filter((name) => held.has(name)));
      if (project?.enabled !== true || roles.size === 0) return undefined;
      return this.#ids.issue({ ...base, project, roles, system: false, appCredentialId: credential.id });
    }
    if (scope?.system !== undefined) {
      const roles = this.#ids.rolesOn("system", user.id);
      return roles.size === 0 ? undefined : this.#ids.issue({ ...base, roles, system: true });
    }
    const wanted = scope?.project as Ref | undefined;
    if (wanted === undefined) {
      const home = user.defaultProjectId === undefined ? undefined : this.#ids.projects.get(user.defaultProjectId);
      if (scope !== undefined || home === undefined) return this.#ids.issue({ ...base, roles: new Set(), system: false });
      return this.#ids.issue({ ...base, project: home, roles: this.#ids.rolesOn(home.id, user.id), system: false });
    }
    const project = this.#ids.find(this.#ids.projects, wanted);
    if (project?.enabled !== true) return undefined;
    const roles = this.#ids.rolesOn(project.id, user.id);
    return roles.size === 0 ? undefined : this.#ids.issue({ ...base, project, roles, system: false });
  }

  view(token: TokenRecord, withCatalog: boolean): Body {
    const domainOf = (id: string) => ({ id, name: this.#ids.domains.get(id)?.name ?? id });
    const { user, project } = token;
    const view: Body = {
      methods: token.methods,
      user: { domain: domainOf(user.domainId), id: user.id, name: user.name, password_expires_at: null },
      audit_ids: token.auditIds,
      expires_at: keystoneTime(token.expiresMs),
      issued_at: keystoneTime(token.issuedMs),
    };
    if (project !== undefined)
      Object.assign(view, {
        project: { domain: domainOf(project.domainId), id: project.id, name: project.name },
        is_domain: false,
      });
    if (token.system) view.system = { all: true };
    if (token.roles.size === 0) return view;
    view.roles = [...token.roles].map((name) => ({ id: this.#ids.roleByName(name).id, name }));
    if (withCatalog) view.catalog = this.#catalog(project?.id);
    return view;
  }
}

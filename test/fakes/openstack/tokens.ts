/**
 * Identities of the fake cloud and the tokens over them: who exists, which roles they hold, what a token proves.
 *
 * A token dies by time, by revocation, by a fault, and with what it came from: its user, its project, its application
 * credential. Roles imply one another as in Keystone's bootstrap: admin > manager > member > reader.
 */

import { type Clock, type Random, randomId } from "@permafrost/std";

export interface Domain {
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

export interface Project {
  readonly id: string;
  name: string;
  readonly domainId: string;
  description: string;
  enabled: boolean;
  parentId: string;
  tags: string[];
  options?: Readonly<Record<string, unknown>>;
}

export interface User {
  readonly id: string;
  name: string;
  readonly domainId: string;
  password: string;
  enabled: boolean;
  defaultProjectId?: string;
  description?: string;
  email?: string;
  options?: Readonly<Record<string, unknown>>;
}

export interface Group {
  readonly id: string;
  name: string;
  readonly domainId: string;
  description: string;
}

export interface Grant {
  /** A project id, `domain:<id>` or `system`. */
  readonly scope: string;
  readonly kind: "user" | "group";
  readonly holderId: string;
  readonly roleId: string;
  /** Valid on sub-projects, not on the scope itself. */
  readonly inherited: boolean;
}

export interface Role {
  readonly id: string;
  readonly name: string;
}

export interface AppCredential {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly secret: string;
  readonly userId: string;
  readonly projectId: string;
  readonly roles: readonly string[];
  readonly expiresAt: string | null;
  readonly unrestricted: boolean;
}

export interface TokenRecord {
  readonly id: string;
  readonly user: User;
  readonly project?: Project;
  readonly system: boolean;
  /** Role names. */
  readonly roles: ReadonlySet<string>;
  readonly methods: readonly string[];
  readonly auditIds: readonly string[];
  readonly issuedMs: number;
  expiresMs: number;
  readonly appCredentialId?: string;
}

const IMPLIED: Readonly<Record<string, readonly string[]>> = {
  admin: ["manager", "member", "reader"],
  manager: ["member", "reader"],
  member: ["reader"],
};
export const ROLE_NAMES = [
  "admin",
  "manager",
  "member",
  "reader",
  "service",
  "swiftoperator",
  "ResellerAdmin",
  "creator",
  "observer",
  "audit",
  "key-manager:service-admin",
];

export class Identities {
  readonly domains = new Map<string, Domain>();
  readonly projects = new Map<string, Project>();
  readonly users = new Map<string, User>();
  readonly roles = new Map<string, Role>();
  readonly appCredentials = new Map<string, AppCredential>();
  /** `scope|user|role id`; scope is a project id, `domain:<id>` or `system`. */
  readonly grants = new Set<string>();
  readonly groups = new Map<string, Group>();
  /** `group id|user id`. */
  readonly memberships = new Set<string>();
  /** As Keystone lists them. */
  readonly ec2Credentials: Record<string, unknown>[] = [];
  readonly trusts: Record<string, unknown>[] = [];
  /** Grants to groups, and inherited ones: by `scope|kind|holder|role|inherited`. */
  readonly #others = new Map<string, Grant>();
  readonly #tokens = new Map<string, TokenRecord>();
  readonly #clock: Clock;
  readonly #random: Random;
  tokenTtlMs: number;

  constructor(clock: Clock, random: Random, tokenTtlMs: number) {
    this.#clock = clock;
    this.#random = random;
    this.tokenTtlMs = tokenTtlMs;
    this.domains.set("default", { id: "default", name: "Default", description: "The default domain" });
    for (const name of ROLE_NAMES) {
      const id = randomId(random);
      this.roles.set(id, { id, name });
    }
  }

  addProject(name: string, domainId = "default", description = ""): Project {
    const project: Project = {
      id: randomId(this.#random),
      name,
      domainId,
      description,
      enabled: true,
      parentId: domainId,
      tags: [],
    };
    this.projects.set(project.id, project);
    return project;
  }

  addUser(name: string, password: string, domainId = "default"): User {
    // Keystone derives user ids of a domain in 64 or 32 digits; 32 is the usual.
    const user: User = { id: randomId(this.#random), name, domainId, password, enabled: true };
    this.users.set(user.id, user);
    return user;
  }

  addGroup(name: string, domainId = "default", description = ""): Group {
    const group: Group = { id: randomId(this.#random), name, domainId, description };
    this.groups.set(group.id, group);
    return group;
  }

  hasGrant(grant: Grant): boolean {
    return isPlain(grant) ? this.grants.has(plainKey(grant)) : this.#others.has(otherKey(grant));
  }

  addGrant(grant: Grant): void {
    if (isPlain(grant)) this.grants.add(plainKey(grant));
    else this.#others.set(otherKey(grant), grant);
  }

  removeGrant(grant: Grant): void {
    if (isPlain(grant)) this.grants.delete(plainKey(grant));
    else this.#others.delete(otherKey(grant));
  }

  allGrants(): Grant[] {
    const plain = [...this.grants].map((key): Grant => {
      const [scope = "", holderId = "", roleId = ""] = key.split("|");
      return { scope, kind: "user", holderId, roleId, inherited: false };
    });
    return [...plain, ...this.#others.values()];
  }

  grant(scope: string, userId: string, roleName: string): void {
    this.grants.add(`${scope}|${userId}|${this.roleByName(roleName).id}`);
  }

  roleByName(name: string): Role {
    for (const role of this.roles.values()) if (role.name === name) return role;
    throw new RangeError(`no role ${name}`);
  }

  /** Role names of a user on a scope, implied ones included. */
  rolesOn(scope: string, userId: string): Set<string> {
    const names = new Set<string>();
    for (const { scope: on, kind, holderId, roleId, inherited } of this.allGrants()) {
      const name = this.roles.get(roleId)?.name;
      const isHeld = kind === "user" ? holderId === userId : this.memberships.has(`${holderId}|${userId}`);
      if (on !== scope || !isHeld || inherited || name === undefined) continue;
      for (const each of [name, ...(IMPLIED[name] ?? [])]) names.add(each);
    }
    return names;
  }

  projectsOf(userId: string): Project[] {
    return [...this.projects.values()].filter((project) => project.enabled && this.rolesOn(project.id, userId).size > 0);
  }

  find<T extends { id: string; name: string; domainId?: string }>(
    from: ReadonlyMap<string, T>,
    ref: { id?: string; name?: string; domain?: { id?: string; name?: string } } | undefined,
  ): T | undefined {
    if (ref?.id !== undefined) return from.get(ref.id);
    const domain = ref?.domain?.id ?? [...this.domains.values()].find((each) => each.name === ref?.domain?.name)?.id;
    return [...from.values()].find((each) => each.name === ref?.name && each.domainId === domain);
  }

  issue(
    fields: Pick<TokenRecord, "user" | "system" | "roles" | "methods"> & {
      project?: Project;
      appCredentialId?: string;
      parent?: TokenRecord;
    },
  ): TokenRecord {
    const { parent, ...rest } = fields;
    const now = Math.floor(this.#clock.now() / 1000) * 1000;
    const token: TokenRecord = {
      id: `gAAAAA${Buffer.from(this.#random.bytes(100)).toString("base64url")}`,
      ...rest,
      auditIds: [Buffer.from(this.#random.bytes(16)).toString("base64url"), ...(parent?.auditIds.slice(-1) ?? [])],
      issuedMs: now,
      // A token made from a token does not live longer than it.
      expiresMs: parent?.expiresMs ?? this.#clock.now() + this.tokenTtlMs,
    };
    this.#tokens.set(token.id, token);
    return token;
  }

  /** The live token with this id. */
  check(id: string | undefined): TokenRecord | undefined {
    const token = id === undefined ? undefined : this.#tokens.get(id);
    if (token === undefined || token.expiresMs <= this.#clock.now()) return undefined;
    if (this.users.get(token.user.id)?.enabled !== true) return undefined;
    if (token.project !== undefined && this.projects.get(token.project.id)?.enabled !== true) return undefined;
    if (token.appCredentialId !== undefined && !this.appCredentials.has(token.appCredentialId)) return undefined;
    return token;
  }

  /** The application credential a token came from, when that is gone. */
  deadCredential(id: string | undefined): string | undefined {
    const from = id === undefined ? undefined : this.#tokens.get(id)?.appCredentialId;
    return from === undefined || this.appCredentials.has(from) ? undefined : from;
  }

  expire(id: string): void {
    const token = this.#tokens.get(id);
    if (token !== undefined) token.expiresMs = 0;
  }

  expireAll(): void {
    for (const token of this.#tokens.values()) token.expiresMs = 0;
  }

  revoke(id: string): void {
    this.#tokens.delete(id);
  }

  nowMs(): number {
    return this.#clock.now();
  }

  newId(): string {
    return randomId(this.#random);
  }

  newSecret(): string {
    return Buffer.from(this.#random.bytes(64)).toString("base64url");
  }
}

function isPlain({ kind, inherited }: Grant): boolean {
  return kind === "user" && !inherited;
}

function plainKey({ scope, holderId, roleId }: Grant): string {
  return `${scope}|${holderId}|${roleId}`;
}

function otherKey({ scope, kind, holderId, roleId, inherited }: Grant): string {
  return `${scope}|${kind}|${holderId}|${roleId}|${inherited}`;
}

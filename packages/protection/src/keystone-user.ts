/**
 * keystone.user: the people who have a role on the project, directly or through a group.
 *
 * Users are the cloud's, not the project's. One that the target has (same domain and name) is used as it is; one that it has not is made
 * disabled, with a password used once that goes to whoever started the restore. Password hashes and secrets of credentials
 * cannot be exported by anybody: an inventory of what there was is captured. A plain member sees itself only.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError, type Json, randomId } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { ifThere } from "./if-there.ts";
import { mayAdministrate, NEEDS_ADMIN, targetDomain } from "./keystone-domain.ts";
import { holdersOf } from "./keystone-holders.ts";
import type { TemporaryKind } from "./ledger.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  ResourceType,
  Restored,
  RestoreInput,
  TemporaryContext,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. */
export type UserDocument = {
  readonly version: 1;
  /** As Keystone gave it. */
  readonly user: ApiObject;
  readonly domainName: string;
  /** Whether its default project is the captured one. */
  readonly isAtHome: boolean;
  /** What else it had; none of it can be restored for somebody else. Without secrets. */
  readonly applicationCredentials: readonly ApiObject[];
  readonly ec2Credentials: readonly ApiObject[];
  readonly trusts: readonly ApiObject[];
};

const TYPE = "keystone.user";

/** What the ledger knows of a user that is being made. A type, not an interface: it must be assignable to JSON. */
type Detail = { readonly name: string; readonly domainId: string; readonly oneTimePassword: string };

export const keystoneUser: ResourceType<UserDocument> = {
  type: TYPE,

  async *discover(context: Context): AsyncIterable<Found> {
    const { cloud } = context;
    for (const [id, holder] of (await holdersOf(context)).users) {
      const user = await ifThere(cloud.identity.users.get(id));
      if (user === undefined) continue;
      const document: UserDocument = {
        version: 1,
        user,
        domainName: holder.domainName,
        isAtHome: user.default_project_id === cloud.projectId,
        applicationCredentials: await readable(cloud.identity.applicationCredentials(id)),
        ec2Credentials: await readable(cloud.identity.ec2Credentials(id)),
        trusts: await readable(cloud.identity.trusts(id)),
      };
      yield { id, name: String(user.name), document, logicalBytes: 0, captures: false, freezes: false };
    }
  },

  async plan({ cloud }: Context, { document, options }: PlanInput<UserDocument>): Promise<Planned> {
    const name = String(document.user.name);
    const warnings = inventory(document);
    if (!mayAdministrate(cloud)) {
      const own = cloud.userName === name ? { targetId: cloud.userId } : {};
      return { action: "skip", reason: NEEDS_ADMIN, dependsOn: [], ...own, warnings };
    }
    const domainId = await targetDomain(cloud, options.maps, document.domainName);
    const there = await named(cloud, mappedName(name, options.maps.user), domainId);
    if (there !== undefined)
      return {
        action: "reuse",
        reason: `user ${String(there.name)} is in the target`,
        dependsOn: [],
        targetId: String(there.id),
        warnings,
      };
    if (isFederated(document.user))
      return {
        action: "skip",
        reason: "the user comes from an identity provider: it appears when it logs in",
        dependsOn: [],
        warnings,
      };
    return {
      action: "create",
      reason: "no user of that name; made disabled, with a password used once",
      dependsOn: [],
      warnings,
    };
  },

  async restore(context: Context, { resource, document, options }: RestoreInput<UserDocument>): Promise<Restored> {
    if (resource.action === "reuse") return { targetId: resource.targetId ?? "", stats: EMPTY_STATS };
    const { cloud, ledger, journal } = context;
    const { users } = cloud.identity;
    const { user } = document;
    const domainId = await targetDomain(cloud, options.maps, document.domainName);
    const name = mappedName(String(user.name), options.maps.user);
    const description = user.description ?? "";
    const mark = ledger.nameOf(TYPE, resource.id);
    const noted = await journal.entry(TYPE, resource.id);
    const known = noted === undefined ? undefined : await ifThere(users.get(noted.targetId));
    if (noted !== undefined && known !== undefined) {
      // Somebody may have let the user in by now, with another password: what was handed over stays what it was.
      if (known.description === mark) await users.update(noted.targetId, { description });
      const { targetId, oneTimePassword } = noted;
      return { targetId, stats: EMPTY_STATS, ...(oneTimePassword === undefined ? {} : { oneTimePassword }) };
    }
    const earlier = (await ledger.detailOf(TYPE, resource.id)) as Detail | undefined;
    // Letters of both cases, digits and a sign: what password rules usually ask for. An attempt that died may have made the user with its own.
    const oneTimePassword = earlier?.oneTimePassword ?? `Pf-${randomId()}`;
    const id = await ledger.obtain(
      TYPE,
      resource.id,
      async () => {
        const fields = { ...wanted(document, cloud), name, domain_id: domainId, enabled: false, description: mark };
        return String((await users.create({ ...fields, password: oneTimePassword })).id);
      },
      { name, domainId, oneTimePassword } satisfies Detail,
    );
    await journal.note(TYPE, resource.id, id, { oneTimePassword });
    await users.update(id, { description });
    return { targetId: id, stats: EMPTY_STATS, oneTimePassword };
  },

  async verify({ cloud }: Context, { document, targetId, resource }: VerifyInput<UserDocument>) {
    if (resource.action !== "create") return { level: "metadata" as const, mismatches: [] };
    const expected = { ...wanted(document, cloud), description: document.user.description ?? "", enabled: false };
    return { level: "metadata" as const, mismatches: fieldDifferences(expected, await cloud.identity.users.get(targetId)) };
  },

  async undo({ cloud }: Context, { targetId }: UndoInput<UserDocument>): Promise<void> {
    await cloud.identity.users.delete(targetId);
  },

  temporaries: ({ cloud }: TemporaryContext): readonly TemporaryKind[] => [
    {
      kind: TYPE,
      order: 0,
      find: async (mark, detail) => {
        const { name, domainId } = detail as Detail;
        const found = await named(cloud, name, domainId);
        return found?.description === mark ? [{ id: String(found.id), usable: true }] : [];
      },
      remove: (id) => cloud.identity.users.delete(id),
    },
  ],

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    if (nameOrId === cloud.userId || nameOrId === cloud.userName) return [{ id: cloud.userId, name: cloud.userName }];
    if (!mayAdministrate(cloud)) return [];
    const byId = await ifThere(cloud.identity.users.get(nameOrId));
    if (byId !== undefined) return [{ id: nameOrId, name: String(byId.name) }];
    const found = await Array.fromAsync(cloud.identity.users.list({ name: nameOrId }));
    return found.map((u) => ({ id: String(u.id), name: String(u.name) }));
  },

  coverage: {
    captured: ["*", "inventory of application credentials, EC2 credentials and trusts"],
    restored: ["name", "email", "description", "default_project_id", "options"],
    roles: { capture: "admin (a member: itself)", restore: "admin" },
    reported: {
      password: "nobody can export it: a new user gets one to be used once",
      enabled: "a new user is disabled until somebody lets it in",
      "application credentials, EC2 credentials, trusts": "nobody can make them for somebody else",
      "users of an identity provider": "they appear when they log in",
    },
  },
};

/** What is sent beside name, domain and state. */
function wanted({ user, isAtHome }: UserDocument, cloud: Cloud): Record<string, Json> {
  return {
    ...(typeof user.email === "string" ? { email: user.email } : {}),
    ...(isAtHome ? { default_project_id: cloud.projectId } : {}),
    ...(typeof user.options === "object" && user.options !== null ? { options: user.options } : {}),
  };
}

async function named(cloud: Cloud, name: string, domainId: string): Promise<ApiObject | undefined> {
  for await (const user of cloud.identity.users.list({ name, domain_id: domainId })) if (user.name === name) return user;
  return undefined;
}

function mappedName(name: string, map: Readonly<Record<string, string>> | undefined): string {
  return map?.[name] ?? name;
}

function isFederated(user: ApiObject): boolean {
  return Array.isArray(user.federated) && user.federated.length > 0;
}

function inventory({ applicationCredentials, ec2Credentials, trusts }: UserDocument): string[] {
  const had = [
    [applicationCredentials.length, "application credentials"],
    [ec2Credentials.length, "EC2 credentials"],
    [trusts.length, "trusts"],
  ].filter(([count]) => count !== 0);
  return had.map(([count, what]) => `had ${count} ${what}, which only the user can make again`);
}

/** What the credentials may not read is no part of the inventory. */
async function readable(asked: Promise<ApiObject[]>): Promise<ApiObject[]> {
  try {
    return await asked;
  } catch (error) {
    if (CodedError.is(error, "FORBIDDEN") || CodedError.is(error, "NOT_FOUND")) return [];
    throw error;
  }
}

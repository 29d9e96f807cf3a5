/**
 * nova.user-keypair: in an administrator's backup, the public keys of the others who have a role on the project or a server in it
 * (microversion 2.10). Known by user and name, for two users may call theirs the same; an administrator imports one for its user again.
 *
 * Nova gives a server a key of the user who makes it. So while a restore makes a server that has another's key, whoever restores has that
 * key, too: lent when the key is restored, and swept away at the end with all that is temporary. Interleavings it must survive: death or
 * silence at any call, and a zombie; nothing that the users have of their own is touched.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { ifThere } from "./if-there.ts";
import { mayAdministrate } from "./keystone-domain.ts";
import { holdersOf } from "./keystone-holders.ts";
import type { TemporaryKind } from "./ledger.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  PlanScope,
  ResourceType,
  Restored,
  RestoreInput,
  TemporaryContext,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. */
export type UserKeypairDocument = {
  readonly version: 1;
  /** As Nova shows it, with its `user_id`. */
  readonly keypair: ApiObject;
  readonly userName: string;
};

const TYPE = "nova.user-keypair";
const LENT = "nova.keypair.lent";
const SEPARATOR = "/";

/** What the ledger knows of one that is being made: it cannot carry a mark. */
type Detail = { readonly userId: string; readonly name: string; readonly publicKey: string; readonly isKept: boolean };

/** By which a server names it. */
export function userKeypairKey(userId: string, name: string): string {
  return `${TYPE}/${userId}${SEPARATOR}${name}`;
}

export const novaUserKeypair: ResourceType<UserKeypairDocument> = {
  type: TYPE,

  async *discover(context: Context): AsyncIterable<Found> {
    const { cloud } = context;
    if (!mayAdministrate(cloud) || !(await cloud.hasService("compute")) || !(await cloud.compute.hasKeypairsOfOthers())) return;
    const userIds = new Set((await holdersOf(context)).users.keys());
    for await (const { user_id } of cloud.compute.listServers()) if (typeof user_id === "string") userIds.add(user_id);
    userIds.delete(cloud.userId);
    for (const userId of userIds) {
      const user = await ifThere(cloud.identity.users.get(userId));
      for await (const listed of cloud.compute.keypairsOf(userId)) {
        const name = String(listed.name);
        const keypair = await ifThere(cloud.compute.keypairOf(name, userId));
        if (keypair === undefined) continue;
        const document: UserKeypairDocument = { version: 1, keypair, userName: String(user?.name ?? "") };
        yield { id: `${userId}${SEPARATOR}${name}`, name, document, logicalBytes: 0, captures: false, freezes: false };
      }
    }
  },

  async plan({ cloud }: Context, { document }: PlanInput<UserKeypairDocument>, scope: PlanScope): Promise<Planned> {
    const { keypair, userName } = document;
    const [name, sourceId] = [String(keypair.name), String(keypair.user_id)];
    const skip = (reason: string): Planned => ({ action: "skip", reason, dependsOn: [] });
    if (!(await cloud.hasService("compute"))) return skip("the target has no service compute");
    if (!mayAdministrate(cloud)) return skip("Nova lets only an administrator import a key for somebody else");
    if (!(await cloud.compute.hasKeypairsOfOthers()))
      return skip("the target's Nova knows no keys of others (microversion 2.10)");
    const userKey = `keystone.user/${sourceId}`;
    const owner = scope.planned(userKey);
    const isMade = owner?.action === "create";
    const found = isMade ? undefined : await ownerOf(scope, owner?.targetId, sourceId, userName);
    if (!isMade && found === undefined)
      return skip(`the target has no user ${userName || sourceId}: map it with --map keystone.user:${userName || sourceId}=NEW`);
    const dependsOn = scope.includes(userKey) ? [userKey] : [];
    const there = found === undefined ? undefined : await ifThere(cloud.compute.keypairOf(name, found));
    if (there !== undefined && there.public_key !== keypair.public_key)
      return { action: "conflict", reason: `the keypair ${name} of user ${userName || sourceId} holds another key`, dependsOn };
    const own = found === cloud.userId ? undefined : await ifThere(cloud.compute.keypairOf(name, cloud.userId));
    const isOther = own !== undefined && own.public_key !== keypair.public_key;
    const warnings = isOther
      ? [`${cloud.userName} has a keypair ${name} with another key: a server that has this one is made without`]
      : [];
    const rest = { dependsOn, warnings };
    if (there === undefined) return { action: "create", reason: `no keypair ${name} of user ${userName || sourceId}`, ...rest };
    return { action: "reuse", reason: `user ${userName || sourceId} has the key`, targetId: idOf(there), ...rest };
  },

  async restore(context: Context, input: RestoreInput<UserKeypairDocument>): Promise<Restored> {
    const { cloud, ledger, journal } = context;
    const { resource, document, targets } = input;
    const { name, public_key, type } = document.keypair;
    const fields = { name: String(name), publicKey: String(public_key) };
    const reused = resource.action === "reuse" ? resource.targetId?.split(SEPARATOR)[0] : undefined;
    const userId = reused ?? targets[`keystone.user/${String(document.keypair.user_id)}`];
    if (userId === undefined)
      throw new CodedError("PLAN_STALE", `The target has no user for keypair ${fields.name}`, { hint: "Make a new plan." });
    const targetId = `${userId}${SEPARATOR}${fields.name}`;
    const request = { name: fields.name, public_key: fields.publicKey, type: type ?? "ssh" };
    if (resource.action !== "reuse") {
      const detail: Detail = { userId, ...fields, isKept: false };
      const isBegun =
        (await journal.find(TYPE, resource.id)) !== undefined || (await ledger.detailOf(TYPE, resource.id)) !== undefined;
      if (!isBegun && (await ifThere(cloud.compute.keypairOf(fields.name, userId))) !== undefined)
        throw new CodedError("PLAN_STALE", `The user has a keypair ${fields.name} by now`, { hint: "Make a new plan." });
      if ((await ifThere(cloud.compute.keypairOf(fields.name, userId))) === undefined)
        await ledger.obtain(TYPE, resource.id, () => imported(cloud, userId, { ...request, user_id: userId }), detail);
      await journal.note(TYPE, resource.id, targetId);
      await ledger.amend(TYPE, resource.id, { ...detail, isKept: true });
    }
    if (userId === cloud.userId) return { targetId, stats: EMPTY_STATS };
    const isOurs = (await ledger.detailOf(LENT, resource.id)) !== undefined;
    const own = isOurs ? undefined : await ifThere(cloud.compute.keypairOf(fields.name, cloud.userId));
    if (own === undefined) {
      const lent: Detail = { userId: cloud.userId, ...fields, isKept: false };
      await ledger.obtain(LENT, resource.id, () => imported(cloud, cloud.userId, request), lent);
    }
    return { targetId, stats: EMPTY_STATS };
  },

  async verify({ cloud }: Context, { document, targetId }: VerifyInput<UserKeypairDocument>) {
    const [userId = "", name = ""] = splitId(targetId);
    const found = await cloud.compute.keypairOf(name, userId);
    return { level: "metadata" as const, mismatches: fieldDifferences(comparable(document.keypair), comparable(found)) };
  },

  async undo({ cloud }: Context, { targetId }: UndoInput<UserKeypairDocument>): Promise<void> {
    const [userId = "", name = ""] = splitId(targetId);
    await cloud.compute.deleteKeypairOf(name, userId);
  },

  temporaries: ({ cloud }: TemporaryContext): readonly TemporaryKind[] =>
    [TYPE, LENT].map((kind) => ({
      kind,
      order: 0,
      find: async (_mark: string, detail: Json | undefined) => {
        const { userId, name, publicKey, isKept } = detail as Detail;
        const found = isKept ? undefined : await ifThere(cloud.compute.keypairOf(name, userId));
        return found?.public_key === publicKey ? [{ id: `${userId}${SEPARATOR}${name}`, usable: true }] : [];
      },
      remove: async (id: string) => {
        const [userId = "", name = ""] = splitId(id);
        await cloud.compute.deleteKeypairOf(name, userId);
      },
    })),

  coverage: {
    captured: ["*"],
    restored: ["name", "public_key", "type", "user_id"],
    roles: { capture: "admin", restore: "admin" },
    reported: {
      "private key": "it was never kept by Nova",
      fingerprint: "follows from the key",
      "users that the target lacks": "their keys are nobody's: skipped",
    },
  },
};

async function ownerOf(scope: PlanScope, planned: string | undefined, id: string, name: string): Promise<string | undefined> {
  return planned ?? (await scope.resolve({ kind: "keystone.user", id, name })).targetId;
}

/** A request of a worker that died may have been faster: the name is taken then, by the same key. */
async function imported(cloud: Cloud, userId: string, request: JsonObject): Promise<string> {
  try {
    return idOf({ ...(await cloud.compute.importKeypair(request)), user_id: userId });
  } catch (error) {
    const there = CodedError.is(error, "CONFLICT")
      ? await ifThere(cloud.compute.keypairOf(String(request.name), userId))
      : undefined;
    if (there?.public_key !== request.public_key) throw error;
    return idOf({ ...there, user_id: userId });
  }
}

function idOf(keypair: ApiObject): string {
  return `${String(keypair.user_id)}${SEPARATOR}${String(keypair.name)}`;
}

/** A user's id has no slash in it; a keypair's name has none either. */
function splitId(id: string): string[] {
  return id.split(SEPARATOR);
}

function comparable({ name, public_key, type }: ApiObject): Record<string, Json> {
  return { name: name ?? "", public_key: public_key ?? "", type: type ?? "ssh" };
}

/**
 * swift.account: what the account says of itself: metadata, temporary URL keys (documents are sealed), limits. An account is always
 * there: a restore changes it to what was captured and takes nothing away that the target has besides. Limits are a reseller's to set.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { Account, Cloud } from "@permafrost/openstack";
import { fieldDifferences } from "./compare.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  ResourceType,
  Restored,
  RestoreInput,
  UndoInput,
  Verified,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. Header names in lower case. */
export type AccountDocument = {
  readonly version: 1;
  readonly account: string;
  readonly containers: number;
  readonly objects: number;
  readonly bytes: number;
  readonly headers: Readonly<Record<string, string>>;
};

const KEPT_HEADER = /^x-account-(meta-|quota-)/;
/** `x-account-meta-quota-bytes` is shown beside `x-account-quota-bytes` and is the same. */
const LIMIT_HEADER = /^x-account-(meta-)?quota-/;
const RESELLER_ROLE = "ResellerAdmin";

export const swiftAccount: ResourceType<AccountDocument> = {
  type: "swift.account",

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    const { containers, objects, bytes, ...account } = await cloud.object.headAccount();
    const name = await cloud.object.accountName();
    const document: AccountDocument = { version: 1, account: name, containers, objects, bytes, headers: keptOf(account.headers) };
    yield { id: name, name: cloud.projectName, document, logicalBytes: 0, captures: false, freezes: false };
  },

  async plan({ cloud }: Context, { document, options }: PlanInput<AccountDocument>): Promise<Planned> {
    const targetId = await cloud.object.accountName();
    const { settable, limits } = wanted(cloud, document);
    const differences = differing(settable, await cloud.object.headAccount());
    const warnings = limits.map((name) => `${name} is not restored: it needs the role ${RESELLER_ROLE}`);
    const common = { dependsOn: [], targetId, warnings };
    if (Object.keys(differences).length === 0) return { action: "reuse", reason: "the account says the same", ...common };
    const reason = `the account is changed: ${Object.keys(differences).join(", ")}`;
    // Values stay out of plans: a temporary URL key is a secret.
    if (options.onConflict === "skip") return { action: "skip", reason: `the target has its own account`, ...common };
    return { action: "update", reason, ...common };
  },

  async restore(context: Context, { resource, document }: RestoreInput<AccountDocument>): Promise<Restored> {
    const { cloud, journal } = context;
    const targetId = await cloud.object.accountName();
    if (resource.action === "update") {
      const before = await cloud.object.headAccount();
      const changes = differing(wanted(cloud, document).settable, before);
      await journal.noteChanged("swift.account", resource.id, targetId, keptOf(before.headers));
      if (Object.keys(changes).length > 0) await cloud.object.postAccount(changes);
    }
    return { targetId, stats: EMPTY_STATS };
  },

  async verify({ cloud }: Context, { document, level }: VerifyInput<AccountDocument>): Promise<Verified> {
    const found = keptOf((await cloud.object.headAccount()).headers);
    // Names only: values may be secrets.
    const mismatches = fieldDifferences(wanted(cloud, document).settable, found).map((difference) =>
      difference.replace(/: expected .*$/s, ": differs from what was captured"),
    );
    return { level: level === "data" ? "data" : "metadata", mismatches };
  },

  async undo({ cloud }: Context, { document, before }: UndoInput<AccountDocument>): Promise<void> {
    if (before === undefined) return;
    const { settable } = wanted(cloud, document);
    await cloud.object.postAccount(Object.fromEntries(Object.keys(settable).map((name) => [name, String(before[name] ?? "")])));
  },

  coverage: {
    captured: ["metadata", "temporary URL keys", "quotas"],
    restored: ["metadata", "temporary URL keys", `quotas, with the role ${RESELLER_ROLE}`],
    roles: { capture: "member", restore: "member" },
    reported: { "metadata that only the target has": "it stays", containers: "they are resources of their own" },
  },
};

function keptOf(headers: Account["headers"]): Record<string, string> {
  const kept = Object.entries(headers).filter(
    (h): h is [string, string] => KEPT_HEADER.test(h[0]) && h[1] !== undefined && h[1] !== "",
  );
  return Object.fromEntries(kept);
}

/** What the credentials may set, and the limits that they may not. */
function wanted(
  cloud: Cloud,
  { headers }: AccountDocument,
): { readonly settable: Record<string, string>; readonly limits: readonly string[] } {
  const mayLimit = cloud.roles.has(RESELLER_ROLE);
  const entries = Object.entries(headers);
  return {
    settable: Object.fromEntries(entries.filter(([name]) => mayLimit || !LIMIT_HEADER.test(name))),
    limits: mayLimit ? [] : entries.map(([name]) => name).filter((name) => LIMIT_HEADER.test(name)),
  };
}

function differing(settable: Readonly<Record<string, string>>, account: Account): Record<string, string> {
  return Object.fromEntries(Object.entries(settable).filter(([name, value]) => account.headers[name] !== value));
}

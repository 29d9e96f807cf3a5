/**
 * keystone.group: groups that have a role on the project, with their members. One that the target has (same domain and name) is used as
 * it is, its members untouched; one that it has not is made, with those members that are in the target.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
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
  PlanScope,
  ResourceType,
  Restored,
  RestoreInput,
  TemporaryContext,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. */
export type GroupDocument = {
  readonly version: 1;
  /** As Keystone gave it. */
  readonly group: ApiObject;
  readonly domainName: string;
  readonly members: readonly { readonly id: string; readonly name: string }[];
};

const TYPE = "keystone.group";

export const keystoneGroup: ResourceType<GroupDocument> = {
  type: TYPE,

  async *discover(context: Context): AsyncIterable<Found> {
    const { cloud } = context;
    for (const [id, { domainName }] of (await holdersOf(context)).groups) {
      const group = await ifThere(cloud.identity.groups.get(id));
      if (group === undefined) continue;
      const members = await Array.fromAsync(cloud.identity.groupMembers(id), (u) => ({ id: String(u.id), name: String(u.name) }));
      const document: GroupDocument = {
        version: 1,
        group,
        domainName,
        members: members.sort((a, b) => (a.name < b.name ? -1 : 1)),
      };
      yield { id, name: String(group.name), document, logicalBytes: 0, captures: false, freezes: false };
    }
  },

  async plan({ cloud }: Context, { document, options }: PlanInput<GroupDocument>, scope: PlanScope): Promise<Planned> {
    const name = mappedName(document, options.maps["keystone.group"]);
    if (!mayAdministrate(cloud)) return { action: "skip", reason: NEEDS_ADMIN, dependsOn: [] };
    const domainId = await targetDomain(cloud, options.maps, document.domainName);
    const there = await named(cloud, name, domainId);
    if (there !== undefined)
      return { action: "reuse", reason: `group ${name} is in the target`, dependsOn: [], targetId: String(there.id) };
    const dependsOn: string[] = [];
    const warnings: string[] = [];
    for (const member of document.members) {
      const key = `keystone.user/${member.id}`;
      if (scope.includes(key)) dependsOn.push(key);
      else if ((await scope.resolve({ kind: "keystone.user", ...member })).targetId === undefined)
        warnings.push(`the target has no user ${member.name}: not a member`);
    }
    return { action: "create", reason: "no group of that name", dependsOn, warnings };
  },

  async restore(context: Context, { resource, document, options, targets }: RestoreInput<GroupDocument>): Promise<Restored> {
    if (resource.action === "reuse") return { targetId: resource.targetId ?? "", stats: EMPTY_STATS };
    const { cloud, ledger, journal } = context;
    const { groups } = cloud.identity;
    const name = mappedName(document, options.maps["keystone.group"]);
    const domainId = await targetDomain(cloud, options.maps, document.domainName);
    const noted = await journal.find(TYPE, resource.id);
    const known = noted === undefined ? undefined : await ifThere(groups.get(noted));
    const id =
      known !== undefined && noted !== undefined
        ? noted
        : await ledger.obtain(
            TYPE,
            resource.id,
            async (mark) => String((await groups.create({ name, domain_id: domainId, description: mark })).id),
            { name, domainId },
          );
    await journal.note(TYPE, resource.id, id);
    for (const member of document.members) {
      const userId = targets[`keystone.user/${member.id}`];
      if (userId !== undefined) await cloud.identity.addToGroup(id, userId);
    }
    await groups.update(id, { description: document.group.description ?? "" });
    return { targetId: id, stats: EMPTY_STATS };
  },

  async verify({ cloud }: Context, { document, targetId, targets, resource }: VerifyInput<GroupDocument>) {
    if (resource.action !== "create") return { level: "metadata" as const, mismatches: [] };
    const wanted = document.members.map((m) => targets[`keystone.user/${m.id}`]).filter((id) => id !== undefined);
    const found = await Array.fromAsync(cloud.identity.groupMembers(targetId), (u) => String(u.id));
    const there = await cloud.identity.groups.get(targetId);
    return {
      level: "metadata" as const,
      mismatches: fieldDifferences(
        { description: document.group.description ?? "", members: wanted.sort() },
        { description: there.description ?? "", members: found.sort() },
      ),
    };
  },

  async undo({ cloud }: Context, { targetId }: UndoInput<GroupDocument>): Promise<void> {
    await cloud.identity.groups.delete(targetId);
  },

  temporaries: ({ cloud }: TemporaryContext): readonly TemporaryKind[] => [
    {
      kind: TYPE,
      order: 0,
      find: async (mark, detail) => {
        const { name, domainId } = detail as { name: string; domainId: string };
        const found = await named(cloud, name, domainId);
        return found?.description === mark ? [{ id: String(found.id), usable: true }] : [];
      },
      remove: (id) => cloud.identity.groups.delete(id),
    },
  ],

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    if (!mayAdministrate(cloud)) return [];
    const byId = await ifThere(cloud.identity.groups.get(nameOrId));
    if (byId !== undefined) return [{ id: nameOrId, name: String(byId.name) }];
    const found = await Array.fromAsync(cloud.identity.groups.list({ name: nameOrId }));
    return found.map((g) => ({ id: String(g.id), name: String(g.name) }));
  },

  coverage: {
    captured: ["*", "members"],
    restored: ["name", "description", "members"],
    roles: { capture: "admin", restore: "admin" },
    reported: { "members of a group that is there": "they are the target's business" },
  },
};

async function named(cloud: Cloud, name: string, domainId: string): Promise<ApiObject | undefined> {
  for await (const group of cloud.identity.groups.list({ name, domain_id: domainId })) if (group.name === name) return group;
  return undefined;
}

function mappedName({ group }: GroupDocument, map: Readonly<Record<string, string>> | undefined): string {
  const name = String(group.name);
  return map?.[name] ?? name;
}

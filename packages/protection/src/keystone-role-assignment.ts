/**
 * keystone.role-assignment: which user or group has which role on the project, inherited ones included. Roles are the cloud's and are found
 * by name. Giving a role that is given already changes nothing and is not taken back by an undo.
 */

import { EMPTY_STATS, type PlanReference } from "@permafrost/model";
import type { RoleAssignment } from "@permafrost/openstack";
import { mayAdministrate, NEEDS_ADMIN } from "./keystone-domain.ts";
import { holdersOf } from "./keystone-holders.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  PlanScope,
  ResourceType,
  Restored,
  RestoreInput,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. */
export type RoleAssignmentDocument = { readonly version: 1 } & RoleAssignment;

const TYPE = "keystone.role-assignment";

export const keystoneRoleAssignment: ResourceType<RoleAssignmentDocument> = {
  type: TYPE,

  async *discover(context: Context): AsyncIterable<Found> {
    for (const assignment of (await holdersOf(context)).assignments) {
      const { roleName, holder, inherited } = assignment;
      yield {
        id: idOf(assignment.roleId, holder, inherited),
        name: `${holder.name}: ${roleName}${inherited ? " (inherited)" : ""}`,
        document: { version: 1, ...assignment },
        logicalBytes: 0,
        captures: false,
        freezes: false,
      };
    }
  },

  async plan({ cloud }: Context, { document }: PlanInput<RoleAssignmentDocument>, scope: PlanScope): Promise<Planned> {
    if (!mayAdministrate(cloud)) return { action: "skip", reason: NEEDS_ADMIN, dependsOn: [] };
    const kind = `keystone.${document.holder.kind}`;
    const key = `${kind}/${document.holder.id}`;
    const own = scope.includes(key);
    const holder: Pick<PlanReference, "targetId"> = own
      ? {}
      : await scope.resolve({ kind, id: document.holder.id, name: document.holder.name });
    if (!own && holder.targetId === undefined)
      return { action: "skip", reason: `the target has no ${document.holder.kind} ${document.holder.name}`, dependsOn: [] };
    const role = await scope.resolve({ kind: "role", id: document.roleId, name: document.roleName });
    if (role.targetId === undefined)
      return {
        action: "conflict",
        reason: `the target has no role ${document.roleName}: map it with --map role:${document.roleName}=NEW`,
        dependsOn: [],
      };
    return { action: "create", reason: `on ${cloud.projectName}`, dependsOn: own ? [key] : [] };
  },

  async restore(context: Context, { resource, document, targets }: RestoreInput<RoleAssignmentDocument>): Promise<Restored> {
    const { cloud, journal } = context;
    const { kind, id } = document.holder;
    const holderId = targets[`keystone.${kind}/${id}`];
    const roleId = targets[`role/${document.roleId}`];
    // A user of an identity provider is skipped by the plan and has no id here yet.
    if (holderId === undefined || roleId === undefined)
      return { targetId: "", stats: EMPTY_STATS, warnings: [`${document.holder.name} is not in the target: not assigned`] };
    const assignment = { roleId, inherited: document.inherited, holder: { kind, id: holderId } };
    const targetId = idOf(roleId, assignment.holder, document.inherited);
    // Keystone keeps one assignment for both reasons: taken back with the session, ours would take this one along.
    if (holderId === cloud.userId && !document.inherited && context.grants.has(roleId))
      return {
        targetId,
        stats: EMPTY_STATS,
        warnings: [`${document.holder.name} has this role for the session only: give it by hand`],
      };
    if (!(await isThere(context, targetId))) {
      await journal.note(TYPE, resource.id, targetId);
      await cloud.identity.assign(cloud.projectId, assignment);
    }
    return { targetId, stats: EMPTY_STATS };
  },

  async verify(context: Context, { document, targetId }: VerifyInput<RoleAssignmentDocument>) {
    const there = targetId === "" || (await isThere(context, targetId));
    const what = `${document.holder.name}: ${document.roleName}`;
    return { level: "metadata" as const, mismatches: there ? [] : [`assignment: expected ${what}, found none`] };
  },

  async undo({ cloud }: Context, { targetId }: UndoInput<RoleAssignmentDocument>): Promise<void> {
    const [kind, id = "", roleId = "", inherited] = targetId.split(":");
    const holder = { kind: kind === "group" ? ("group" as const) : ("user" as const), id };
    await cloud.identity.unassign(cloud.projectId, { roleId, holder, inherited: inherited === "inherited" });
  },

  coverage: {
    captured: ["role", "user or group", "inherited"],
    restored: ["role", "user or group", "inherited"],
    roles: { capture: "admin (a member: its own)", restore: "admin" },
    reported: { "roles the target does not have": "roles are the cloud's: map them" },
  },
};

async function isThere({ cloud }: Context, targetId: string): Promise<boolean> {
  const all = await cloud.identity.projectAssignments(cloud.projectId);
  return all.some((a) => idOf(a.roleId, a.holder, a.inherited) === targetId);
}

function idOf(roleId: string, holder: { readonly kind: string; readonly id: string }, inherited: boolean): string {
  return `${holder.kind}:${holder.id}:${roleId}${inherited ? ":inherited" : ""}`;
}

/**
 * An administrator's way into another project: volumes, servers, images and objects belong to the project of the token that makes them, so
 * for the time of a session it gives itself the roles there that it has in its own project. Each is in the ledger before it is
 * given, and the sweep takes it back, last of all. Roles that it had there before are not touched.
 */

import type { CloudTarget } from "@permafrost/model";
import type { Cloud, NamedRef } from "@permafrost/openstack";
import type { Ledger, TemporaryKind } from "./ledger.ts";

export const TEMPORARY_GRANT = "keystone.grant";
/** After everything else: without the role nothing can be removed any more. */
const LAST = 1_000;

type Grant = { readonly projectId: string; readonly userId: string; readonly roleId: string };

/** `home`: the cloud as the administrator, in its own project. Opened only when there is something to look for. */
export function grantKind(home: () => Promise<Cloud>): TemporaryKind {
  return {
    kind: TEMPORARY_GRANT,
    order: LAST,
    find: async (_, detail) => {
      const grant = detail as Grant;
      const given = await rolesOn(await home(), grant.projectId, grant.userId);
      return given.has(grant.roleId) ? [{ id: idOf(grant), usable: true }] : [];
    },
    remove: async (id) => {
      const [projectId = "", userId = "", roleId = ""] = id.split(":");
      await (await home()).identity.revokeProjectRole(projectId, userId, roleId);
    },
  };
}

/** Gives an administrator the roles. Returns the ids of those that are there for this session only. Throws PROJECT_UNKNOWN. */
export async function grantAccess(home: Cloud, target: CloudTarget, ledger: Ledger): Promise<ReadonlySet<string>> {
  if (target.project === undefined || target.project === home.projectId || target.project === home.projectName) return new Set();
  // Whoever is no administrator must be a member of the project already.
  if (!home.roles.has("admin")) return new Set();
  const project = await home.identity.findProject(target.project);
  const { userId } = home;
  const before = await rolesOn(home, project.id, userId);
  const temporary = new Set<string>();
  for (const role of await ownRoles(home)) {
    const grant: Grant = { projectId: project.id, userId, roleId: role.id };
    const subject = idOf(grant);
    const ours = (await ledger.detailOf(TEMPORARY_GRANT, subject)) !== undefined;
    if (before.has(role.id) && !ours) continue;
    const give = async (): Promise<string> => {
      await home.identity.grantProjectRole(project.id, userId, role.id);
      return subject;
    };
    await ledger.obtain(TEMPORARY_GRANT, subject, give, grant);
    temporary.add(role.id);
  }
  return temporary;
}

async function ownRoles(home: Cloud): Promise<readonly NamedRef[]> {
  return (await home.identity.whoAmI()).roles;
}

async function rolesOn(home: Cloud, projectId: string, userId: string): Promise<ReadonlySet<string>> {
  const given = await home.identity.projectAssignments(projectId);
  return new Set(given.filter((a) => a.holder.kind === "user" && a.holder.id === userId && !a.inherited).map((a) => a.roleId));
}

function idOf({ projectId, userId, roleId }: Grant): string {
  return `${projectId}:${userId}:${roleId}`;
}

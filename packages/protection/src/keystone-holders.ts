/** Who has a role on the project. An administrator sees all of it; a plain member sees itself and its own roles. */

import type { Cloud, RoleAssignment } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";

export interface Holders {
  readonly assignments: readonly RoleAssignment[];
  /** By id: those with a role of their own, and the members of groups that have one. */
  readonly users: ReadonlyMap<string, { readonly domainName: string }>;
  readonly groups: ReadonlyMap<string, { readonly domainName: string }>;
}

/** Without the roles that Permafrost gave itself for the session. */
export async function holdersOf({
  cloud,
  grants,
}: {
  readonly cloud: Cloud;
  readonly grants: ReadonlySet<string>;
}): Promise<Holders> {
  const isOurs = (a: RoleAssignment) => a.holder.id === cloud.userId && !a.inherited && grants.has(a.roleId);
  const assignments = (await assignmentsOf(cloud)).filter((a) => !isOurs(a));
  const users = new Map<string, { domainName: string }>();
  const groups = new Map<string, { domainName: string }>();
  for (const { holder } of assignments)
    (holder.kind === "user" ? users : groups).set(holder.id, { domainName: holder.domainName });
  const domains = new Map<string, string>();
  for (const groupId of groups.keys()) {
    for await (const member of cloud.identity.groupMembers(groupId)) {
      const id = String(member.id);
      if (!users.has(id)) users.set(id, { domainName: await domainName(cloud, domains, String(member.domain_id)) });
    }
  }
  return { assignments, users, groups };
}

async function domainName(cloud: Cloud, known: Map<string, string>, id: string): Promise<string> {
  const name = known.get(id) ?? String((await cloud.identity.domains.get(id)).name);
  known.set(id, name);
  return name;
}

async function assignmentsOf(cloud: Cloud): Promise<RoleAssignment[]> {
  try {
    return await cloud.identity.projectAssignments(cloud.projectId);
  } catch (error) {
    if (!CodedError.is(error, "FORBIDDEN")) throw error;
    const { user, roles } = await cloud.identity.whoAmI();
    const holder = { kind: "user" as const, id: user.id, name: user.name, domainName: user.domain.name };
    return roles.map((role) => ({ roleId: role.id, roleName: role.name, holder, inherited: false }));
  }
}

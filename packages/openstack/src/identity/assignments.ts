/**
 * Keystone v3 role assignments on a project, those that its sub-projects inherit included.
 * https://docs.openstack.org/api-ref/identity/v3/#roles and `#os-inherit`
 */

import type { ServiceClient } from "../http/service-client.ts";
import { openCollection } from "../rest/collection.ts";

export interface RoleAssignment {
  readonly roleId: string;
  readonly roleName: string;
  readonly holder: { readonly kind: "user" | "group"; readonly id: string; readonly name: string; readonly domainName: string };
  /** Valid on the project's sub-projects and not on itself. */
  readonly inherited: boolean;
}

export interface AssignmentsApi {
  /** Given on exactly this project, not what follows from it. Needs `identity:list_role_assignments`. */
  projectAssignments(projectId: string): Promise<RoleAssignment[]>;
  /** Idempotent. */
  assign(projectId: string, assignment: Pick<RoleAssignment, "roleId" | "inherited"> & Holder): Promise<void>;
  /** One that is not there is success. */
  unassign(projectId: string, assignment: Pick<RoleAssignment, "roleId" | "inherited"> & Holder): Promise<void>;
}

interface Holder {
  readonly holder: { readonly kind: "user" | "group"; readonly id: string };
}

interface WireAssignment {
  role: { id: string; name?: string };
  user?: WireHolder;
  group?: WireHolder;
  scope: { project?: { id: string }; "OS-INHERIT:inherited_to"?: string };
}

interface WireHolder {
  id: string;
  name?: string;
  domain?: { name?: string };
}

export function assignmentsApi(client: ServiceClient): AssignmentsApi {
  const path = (projectId: string, { roleId, inherited, holder }: Parameters<AssignmentsApi["assign"]>[1]) => {
    const grant = `/projects/${encodeURIComponent(projectId)}/${holder.kind}s/${encodeURIComponent(holder.id)}/roles/${encodeURIComponent(roleId)}`;
    return inherited ? `/OS-INHERIT${grant}/inherited_to_projects` : grant;
  };
  const listing = openCollection(client, {
    service: "identity",
    path: "/role_assignments",
    singular: "role_assignment",
    plural: "role_assignments",
  });
  return {
    async projectAssignments(projectId) {
      const found: RoleAssignment[] = [];
      for await (const item of listing.list({ "scope.project.id": projectId, include_names: true })) {
        const wire = item as unknown as WireAssignment;
        const kind = wire.user === undefined ? "group" : "user";
        const holder = wire.user ?? wire.group;
        if (holder === undefined || wire.scope.project?.id !== projectId) continue;
        found.push({
          roleId: wire.role.id,
          roleName: wire.role.name ?? "",
          holder: { kind, id: holder.id, name: holder.name ?? "", domainName: holder.domain?.name ?? "" },
          inherited: wire.scope["OS-INHERIT:inherited_to"] === "projects",
        });
      }
      return found;
    },
    async assign(projectId, assignment) {
      await client.send({ method: "PUT", path: path(projectId, assignment), expect: [204] });
    },
    async unassign(projectId, assignment) {
      await client.send({ method: "DELETE", path: path(projectId, assignment), expect: [204, 404] });
    },
  };
}

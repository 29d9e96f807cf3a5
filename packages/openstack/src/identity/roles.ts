/**
 * Keystone v3 roles on projects. Volumes, images and objects belong to the project of the token that creates them, so an
 * administrator restores for a tenant by giving itself a role there for the time being.
 */

import type { NamedRef } from "../auth/token.ts";
import { linkQuery, listAll } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";

export interface RolesApi {
  /** The role of that name, or undefined. Needs `identity:list_roles`. */
  findRole(name: string): Promise<NamedRef | undefined>;
  /** Idempotent. */
  grantProjectRole(projectId: string, userId: string, roleId: string): Promise<void>;
  /** A grant that is not there is success. */
  revokeProjectRole(projectId: string, userId: string, roleId: string): Promise<void>;
}

export function rolesApi(client: ServiceClient): RolesApi {
  const grant = (projectId: string, userId: string, roleId: string) =>
    `/projects/${encodeURIComponent(projectId)}/users/${encodeURIComponent(userId)}/roles/${encodeURIComponent(roleId)}`;
  return {
    async findRole(name) {
      const found = listAll<{ roles: NamedRef[]; links?: { next?: string | null } }, NamedRef>(client, {
        path: "/roles",
        query: { name },
        expect: [200],
        items: (page) => page.roles,
        next: (page) => linkQuery(page.links?.next),
      });
      for await (const role of found) if (role.name === name) return { id: role.id, name: role.name };
      return undefined;
    },
    async grantProjectRole(projectId, userId, roleId) {
      await client.send({ method: "PUT", path: grant(projectId, userId, roleId), expect: [204] });
    },
    async revokeProjectRole(projectId, userId, roleId) {
      await client.send({ method: "DELETE", path: grant(projectId, userId, roleId), expect: [204, 404] });
    },
  };
}

/**
 * Kinds of things that resources refer to and a restore looks up in the target: every resource type that can be found, and what
 * is no resource of ours because a project cannot own it.
 */

import type { Cloud } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { ifThere } from "./if-there.ts";
import { resourceTypes } from "./resource-types.ts";

/** What has this name, or this id, as the credentials see it. */
export type Finder = (cloud: Cloud, nameOrId: string) => Promise<readonly { readonly id: string; readonly name: string }[]>;

const OTHERS: Readonly<Record<string, Finder>> = {
  project: async (cloud, nameOrId) => {
    if (nameOrId === cloud.projectId || nameOrId === cloud.projectName) return [{ id: cloud.projectId, name: cloud.projectName }];
    try {
      const { id, name } = await cloud.identity.findProject(nameOrId);
      return [{ id, name }];
    } catch (error) {
      if (CodedError.is(error, "PROJECT_UNKNOWN") || CodedError.is(error, "CONFLICT")) return [];
      throw error;
    }
  },
  "volume-type": async (cloud, nameOrId) =>
    (await cloud.volume.listTypes()).filter((t) => t.id === nameOrId || t.name === nameOrId),
  role: async (cloud, nameOrId) => {
    const role = await ifThere(cloud.identity.findRole(nameOrId)).catch(mayNot);
    return role === undefined ? [] : [role];
  },
};

export function finderOf(kind: string): Finder | undefined {
  const type = resourceTypes.find((t) => t.type === kind);
  return type?.find === undefined ? OTHERS[kind] : (cloud, nameOrId) => type.find?.(cloud, nameOrId) ?? Promise.resolve([]);
}

/** Only an administrator may list roles: for others there is none to be found. */
function mayNot(error: unknown): undefined {
  if (CodedError.is(error, "FORBIDDEN")) return undefined;
  throw error;
}

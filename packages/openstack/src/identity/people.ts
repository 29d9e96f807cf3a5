/** Keystone v3 users and groups. https://docs.openstack.org/api-ref/identity/v3/#users */

import { CodedError } from "@permafrost/std";
import type { ServiceClient } from "../http/service-client.ts";
import { type ApiObject, type Collection, type CollectionSpec, openCollection } from "../rest/collection.ts";

const USERS: CollectionSpec = { service: "identity", path: "/users", singular: "user", plural: "users", updateMethod: "PATCH" };
const GROUPS: CollectionSpec = {
  service: "identity",
  path: "/groups",
  singular: "group",
  plural: "groups",
  updateMethod: "PATCH",
};
const DOMAINS: CollectionSpec = {
  service: "identity",
  path: "/domains",
  singular: "domain",
  plural: "domains",
  updateMethod: "PATCH",
};

export interface PeopleApi {
  readonly users: Collection;
  readonly groups: Collection;
  readonly domains: Collection;
  /** Members of a group. */
  groupMembers(groupId: string): AsyncIterable<ApiObject>;
  /** Idempotent. */
  addToGroup(groupId: string, userId: string): Promise<void>;
  /** A member that is none is success. */
  removeFromGroup(groupId: string, userId: string): Promise<void>;
  /** What a user has besides roles; of each only what may be read, without secrets. */
  applicationCredentials(userId: string): Promise<ApiObject[]>;
  ec2Credentials(userId: string): Promise<ApiObject[]>;
  /** Trusts that the user gave. */
  trusts(trustorUserId: string): Promise<ApiObject[]>;
}

export function peopleApi(client: ServiceClient): PeopleApi {
  const member = (groupId: string, userId: string) =>
    `/groups/${encodeURIComponent(groupId)}/users/${encodeURIComponent(userId)}`;
  const listed = async (path: string, plural: string, query: Record<string, string> = {}) =>
    await Array.fromAsync(openCollection(client, { service: "identity", path, singular: plural, plural }).list(query));
  const below = (userId: string, path: string) => `/users/${encodeURIComponent(userId)}/${path}`;
  return {
    users: openCollection(client, USERS),
    groups: openCollection(client, GROUPS),
    domains: openCollection(client, DOMAINS),
    groupMembers: (groupId) => openCollection(client, { ...USERS, path: `/groups/${encodeURIComponent(groupId)}/users` }).list(),
    async addToGroup(groupId, userId) {
      await client.send({ method: "PUT", path: member(groupId, userId), expect: [204] });
    },
    async removeFromGroup(groupId, userId) {
      await client.send({ method: "DELETE", path: member(groupId, userId), expect: [204, 404] });
    },
    applicationCredentials: (userId) => listed(below(userId, "application_credentials"), "application_credentials"),
    ec2Credentials: async (userId) => (await listed(below(userId, "credentials/OS-EC2"), "credentials")).map(withoutSecret),
    trusts: async (trustorUserId) => {
      try {
        return await listed("/OS-TRUST/trusts", "trusts", { trustor_user_id: trustorUserId });
      } catch (error) {
        // A cloud may have trusts switched off.
        if (CodedError.is(error, "NOT_FOUND")) return [];
        throw error;
      }
    },
  };
}

function withoutSecret(credential: ApiObject): ApiObject {
  const { secret: _, ...rest } = credential;
  return rest;
}

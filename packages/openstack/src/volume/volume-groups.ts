/** Cinder v3 groups of volumes, from microversion 3.13. https://docs.openstack.org/api-ref/block-storage/v3/#generic-volume-groups-groups */

import { CodedError, type JsonObject } from "@permafrost/std";
import { atLeast } from "../http/microversion.ts";
import { listAll, nextOf } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import type { ApiObject } from "../rest/collection.ts";
import { type WaitOptions, waitForStatus, waitUntilGone } from "../wait.ts";

export interface VolumeGroupsApi {
  hasGroups(): Promise<boolean>;
  /** Each with the ids of its `volumes` (from microversion 3.25). */
  listGroups(): AsyncIterable<ApiObject>;
  getGroup(id: string): Promise<ApiObject>;
  /** Status `creating`. Throws QUOTA_EXCEEDED, OUTCOME_UNKNOWN. */
  createGroup(fields: JsonObject): Promise<{ readonly id: string }>;
  /** Cinder refuses a description that the group has already. */
  describeGroup(id: string, description: string): Promise<void>;
  /** Volumes leave their group and stay; the group takes one such change at a time. */
  leaveGroup(id: string, volumeIds: readonly string[], options?: WaitOptions): Promise<void>;
  /** Accepted, or already gone. CLOUD_HTTP 400 while it has volumes. */
  deleteGroup(id: string): Promise<void>;
  waitForGroup(id: string, options?: WaitOptions): Promise<ApiObject>;
  waitForGroupGone(id: string, options?: WaitOptions): Promise<void>;
  /** `id` and `name`; for an administrator also those that are not public. */
  listGroupTypes(): AsyncIterable<ApiObject>;
}

const GROUPS = "3.13";
const BUSY_ATTEMPTS_MAX = 30;
const BUSY_DELAY_MS = 2_000;
type Links = { rel?: string; href?: string }[];

export function volumeGroupsApi(client: ServiceClient): VolumeGroupsApi {
  const at = (id: string, more = "") => `/groups/${encodeURIComponent(id)}${more}`;

  async function getGroup(id: string): Promise<ApiObject> {
    const query = { list_volume: true };
    return (await client.json<{ group: ApiObject }>({ method: "GET", path: at(id), query, expect: [200] })).group;
  }

  async function update(id: string, group: JsonObject): Promise<void> {
    await client.send({ method: "PUT", path: at(id), json: { group }, expect: [202] });
  }

  const waiting = (id: string, options: WaitOptions) => ({
    ...{ clock: client.clock, random: client.random, kind: "volume group", id, options },
    ...{ get: () => getGroup(id), status: (group: ApiObject) => String(group.status) },
  });

  async function waitForGroup(id: string, options: WaitOptions = {}): Promise<ApiObject> {
    return await waitForStatus({ ...waiting(id, options), wanted: ["available"], passing: ["creating", "updating"] });
  }

  return {
    hasGroups: async () => atLeast(await client.microversion(), GROUPS),
    listGroups: () =>
      listAll<{ groups: ApiObject[]; group_links?: Links }, ApiObject>(client, {
        path: "/groups/detail",
        query: { list_volume: true },
        expect: [200],
        items: (page) => page.groups,
        next: (page) => nextOf(page.group_links),
      }),
    getGroup,
    createGroup: async (group) =>
      (await client.json<{ group: { id: string } }>({ method: "POST", path: "/groups", json: { group }, expect: [202] })).group,
    describeGroup: async (id, description) => await update(id, { description }),
    async leaveGroup(id, volumeIds, options = {}) {
      for (let attempt = 1; ; attempt++) {
        const group = await waitForGroup(id, options);
        const members = (group.volumes ?? []) as readonly string[];
        const leaving = "volumes" in group ? volumeIds.filter((volumeId) => members.includes(volumeId)) : volumeIds;
        if (leaving.length === 0) return;
        try {
          await update(id, { remove_volumes: leaving.join(",") });
          await waitForGroup(id, options);
          return;
        } catch (error) {
          // Another change of it was faster.
          const isBusy = CodedError.is(error, "CLOUD_HTTP") && error.facts.status === 400;
          if (!isBusy || attempt >= BUSY_ATTEMPTS_MAX) throw error;
        }
        await client.clock.sleep(BUSY_DELAY_MS, options.signal);
      }
    },
    async deleteGroup(id) {
      const json = { delete: { "delete-volumes": false } };
      await client.send({ method: "POST", path: at(id, "/action"), json, idempotent: true, expect: [202, 404] });
    },
    waitForGroup,
    waitForGroupGone: (id, options = {}) => waitUntilGone({ ...waiting(id, options), passing: ["deleting"] }),
    listGroupTypes: () =>
      listAll<{ group_types: ApiObject[]; group_type_links?: Links }, ApiObject>(client, {
        path: "/group_types",
        // As for volume types.
        query: { is_public: "None" },
        expect: [200],
        items: (page) => page.group_types,
        next: (page) => nextOf(page.group_type_links),
      }),
  };
}

/** What Nova offers a project: flavors, zones, how much is left; and the keypairs of a user. https://docs.openstack.org/api-ref/compute/ */

import type { JsonObject } from "@permafrost/std";
import { atLeast } from "../http/microversion.ts";
import { listAll, nextOf } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import type { ApiObject, CollectionSpec } from "../rest/collection.ts";

/** The project's, whoever made them. */
export const SERVER_GROUPS: CollectionSpec = {
  service: "compute",
  path: "/os-server-groups",
  singular: "server_group",
  plural: "server_groups",
  unfiltered: true,
};

/** The caller's own; known by name. */
export const KEYPAIRS: CollectionSpec = {
  service: "compute",
  path: "/os-keypairs",
  singular: "keypair",
  plural: "keypairs",
  unfiltered: true,
  item: "keypair",
  key: "name",
};

const KEYPAIRS_OF_OTHERS = "2.10";

export interface ComputeOffersApi {
  /** With their specs. An administrator sees those of others, too. */
  listFlavors(): AsyncIterable<ApiObject>;
  getFlavor(id: string): Promise<ApiObject>;
  /** An administrator's. CONFLICT if the name or id is taken. */
  createFlavor(fields: JsonObject): Promise<ApiObject>;
  /** From microversion 2.55. */
  describeFlavor(id: string, description: string | null): Promise<void>;
  setFlavorSpecs(id: string, specs: JsonObject): Promise<void>;
  deleteFlavor(id: string): Promise<void>;
  /** Lets a project use a flavor that is not public; done already is success. */
  openFlavor(id: string, projectId: string): Promise<void>;
  computeZones(): Promise<{ readonly name: string; readonly available: boolean }[]>;
  /** Absolute limits as Nova names them: `maxTotalInstances`, `totalCoresUsed`, … -1 is no limit. */
  computeLimits(): Promise<Record<string, number>>;
  /** Whether an administrator may ask for keypairs of others: from microversion 2.10. */
  hasKeypairsOfOthers(): Promise<boolean>;
  /** Of another user: an administrator's. So are the next ones. */
  keypairOf(name: string, userId: string): Promise<ApiObject>;
  /** Without their `user_id`. */
  keypairsOf(userId: string): AsyncIterable<ApiObject>;
  /** `user_id`: for whom, if for another. CONFLICT if that user has one of that name. */
  importKeypair(fields: JsonObject): Promise<ApiObject>;
  deleteKeypairOf(name: string, userId: string): Promise<void>;
}

export function computeOffersApi(client: ServiceClient): ComputeOffersApi {
  const at = (id: string, more = "") => `/flavors/${encodeURIComponent(id)}${more}`;
  return {
    listFlavors: () =>
      listAll<{ flavors: ApiObject[]; flavors_links?: { rel?: string; href?: string }[] }, ApiObject>(client, {
        path: "/flavors/detail",
        // For an administrator: public or not. Others see what they may use, whatever they ask for.
        query: { is_public: "None" },
        expect: [200],
        items: (page) => page.flavors,
        next: (page) => nextOf(page.flavors_links),
      }),
    getFlavor: async (id) => (await client.json<{ flavor: ApiObject }>({ method: "GET", path: at(id), expect: [200] })).flavor,
    createFlavor: async (flavor) =>
      (await client.json<{ flavor: ApiObject }>({ method: "POST", path: "/flavors", json: { flavor }, expect: [200] })).flavor,
    async describeFlavor(id, description) {
      await client.send({ method: "PUT", path: at(id), json: { flavor: { description } }, expect: [200] });
    },
    async setFlavorSpecs(id, specs) {
      const json = { extra_specs: specs };
      await client.send({ method: "POST", path: at(id, "/os-extra_specs"), json, idempotent: true, expect: [200] });
    },
    async deleteFlavor(id) {
      await client.send({ method: "DELETE", path: at(id), expect: [202, 404] });
    },
    async openFlavor(id, projectId) {
      const json = { addTenantAccess: { tenant: projectId } };
      await client.send({ method: "POST", path: at(id, "/action"), json, idempotent: true, expect: [200, 409] });
    },
    async computeZones() {
      const body = await client.json<{ availabilityZoneInfo: { zoneName: string; zoneState?: { available?: boolean } }[] }>({
        method: "GET",
        path: "/os-availability-zone",
        expect: [200],
      });
      return body.availabilityZoneInfo.map((zone) => ({ name: zone.zoneName, available: zone.zoneState?.available ?? false }));
    },
    async computeLimits() {
      const call = { method: "GET", path: "/limits", expect: [200] } as const;
      return (await client.json<{ limits: { absolute: Record<string, number> } }>(call)).limits.absolute;
    },
    hasKeypairsOfOthers: async () => atLeast(await client.microversion(), KEYPAIRS_OF_OTHERS),
    async *keypairsOf(userId) {
      const found = listAll<
        { keypairs: { keypair: ApiObject }[]; keypairs_links?: { rel?: string; href?: string }[] },
        ApiObject
      >(client, {
        path: "/os-keypairs",
        query: { user_id: userId },
        expect: [200],
        items: (page) => page.keypairs.map(({ keypair }) => keypair),
        next: (page) => nextOf(page.keypairs_links),
      });
      yield* found;
    },
    importKeypair: async (keypair) =>
      (await client.json<{ keypair: ApiObject }>({ method: "POST", path: "/os-keypairs", json: { keypair }, expect: [200, 201] }))
        .keypair,
    async deleteKeypairOf(name, userId) {
      const path = `/os-keypairs/${encodeURIComponent(name)}`;
      await client.send({ method: "DELETE", path, query: { user_id: userId }, expect: [202, 204, 404] });
    },
    keypairOf: async (name, userId) =>
      (
        await client.json<{ keypair: ApiObject }>({
          method: "GET",
          path: `/os-keypairs/${encodeURIComponent(name)}`,
          query: { user_id: userId },
          expect: [200],
        })
      ).keypair,
  };
}

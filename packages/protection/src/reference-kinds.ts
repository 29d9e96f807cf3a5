/**
 * Kinds of things that resources refer to and a restore looks up in the target: every resource type that can be found, and what
 * is no resource of ours because a project cannot own it.
 */

import type { RestoreMaps } from "@permafrost/model";
import {
  type Cloud,
  type CollectionSpec,
  LOAD_BALANCER_FLAVORS,
  LOAD_BALANCER_PROVIDERS,
  LOAD_BALANCER_ZONES,
  NETWORK_FLAVORS,
  NETWORK_ZONES,
} from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { ifThere } from "./if-there.ts";
import { mayAdministrate } from "./keystone-domain.ts";
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
  "group-type": async (cloud, nameOrId) => {
    if (!(await cloud.hasService("block-storage")) || !(await cloud.volume.hasGroups())) return [];
    const types = await Array.fromAsync(cloud.volume.listGroupTypes());
    return types.map((t) => ({ id: String(t.id), name: String(t.name) })).filter((t) => [t.id, t.name].includes(nameOrId));
  },
  "network-zone": async (cloud, name) => {
    if (!(await cloud.networkExtensions()).has("network_availability_zone")) return [];
    const zones = await Array.fromAsync(cloud.collection(NETWORK_ZONES).list());
    return [...new Set(zones.map((z) => String(z.name)))].filter((z) => z === name).map((z) => ({ id: z, name: z }));
  },
  "network-flavor": async (cloud, nameOrId) => {
    if (!(await cloud.networkExtensions()).has("l3-flavors")) return [];
    const flavors = await Array.fromAsync(cloud.collection(NETWORK_FLAVORS).list());
    return flavors.map((f) => ({ id: String(f.id), name: String(f.name) })).filter((f) => [f.id, f.name].includes(nameOrId));
  },
  "load-balancer-flavor": async (cloud, nameOrId) => await offered(cloud, LOAD_BALANCER_FLAVORS, nameOrId),
  "load-balancer-zone": async (cloud, name) => await offered(cloud, LOAD_BALANCER_ZONES, name),
  "load-balancer-provider": async (cloud, name) => await offered(cloud, LOAD_BALANCER_PROVIDERS, name),
  role: async (cloud, nameOrId) => {
    const role = await ifThere(cloud.identity.findRole(nameOrId)).catch(mayNot);
    return role === undefined ? [] : [role];
  },
};

/** Mapped by name alone, where a resource type reads its map. */
const BY_NAME = ["domain", "policy", "user", "zone"];

/** A map of a misspelt kind would map nothing, and nobody would be told. Throws MAP_KIND_UNKNOWN. */
export function checkMapKinds(maps: RestoreMaps): void {
  const kinds = [...Object.keys(OTHERS), ...BY_NAME].sort();
  for (const kind of Object.keys(maps)) {
    if (kinds.includes(kind) || resourceTypes.some(({ type }) => type === kind)) continue;
    throw new CodedError("MAP_KIND_UNKNOWN", `There is no kind ${kind} that could be mapped`, {
      facts: { kind },
      hint: `A kind is a resource type, such as neutron.network, or one of ${kinds.join(", ")}.`,
    });
  }
}

export function finderOf(kind: string): Finder | undefined {
  const type = resourceTypes.find((t) => t.type === kind);
  return type?.find === undefined ? OTHERS[kind] : (cloud, nameOrId) => type.find?.(cloud, nameOrId) ?? Promise.resolve([]);
}

/** Projects and users that are not its own Keystone shows to no plain member, not even that they exist. */
const HIDDEN_FROM_MEMBERS = ["project", "keystone.user"];
/** As Keystone makes ids; those of users of LDAP have twice the length. */
const KEYSTONE_ID = /^[0-9a-f]{32}([0-9a-f]{32})?$/;

/** Whether an id that a map names and that was not found is taken at the user's word: the credentials could not find it if it were there. */
export function isTaken(cloud: Cloud, kind: string, id: string): boolean {
  return HIDDEN_FROM_MEMBERS.includes(kind) && !mayAdministrate(cloud) && KEYSTONE_ID.test(id);
}

/** What Octavia's operator offers to every project; what has no id is known by its name. */
async function offered(cloud: Cloud, spec: CollectionSpec, nameOrId: string): Promise<{ id: string; name: string }[]> {
  if (!(await cloud.hasService(spec.service))) return [];
  const all = await Array.fromAsync(cloud.collection(spec).list());
  return all
    .map((o) => ({ id: String(o[spec.key ?? "id"]), name: String(o.name) }))
    .filter((o) => [o.id, o.name].includes(nameOrId));
}

/** Only an administrator may list roles: for others there is none to be found. */
function mayNot(error: unknown): undefined {
  if (CodedError.is(error, "FORBIDDEN")) return undefined;
  throw error;
}

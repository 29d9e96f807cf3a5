/**
 * cinder.group: groups of volumes (microversion 3.13). A group is made before its volumes, which are made in it; it is taken back after
 * them, and what somebody put into it since leaves it and stays.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import type { JsonObject } from "@permafrost/std";
import { mapped } from "./cinder-volume-document.ts";
import { volumeTypeKey } from "./cinder-volume-type.ts";
import { mappedTypeName } from "./cinder-volume-type-choice.ts";
import { fieldDifferences } from "./compare.ts";
import { ifThere } from "./if-there.ts";
import type { TemporaryKind } from "./ledger.ts";
import { decideByName, restoredName } from "./name-conflict.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  PlanScope,
  ResourceType,
  Restored,
  RestoreInput,
  TemporaryContext,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. */
export type GroupDocument = {
  readonly version: 1;
  /** As Cinder gives it, with the ids of its volumes. */
  readonly group: ApiObject;
  /** "" if the project is not shown it. */
  readonly groupType: string;
  /** Names. */
  readonly volumeTypes: readonly string[];
};

const TYPE = "cinder.group";
const BROKEN = /^(error|deleting)/;

export const cinderGroup: ResourceType<GroupDocument> = {
  type: TYPE,

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    if (!(await hasGroups(cloud))) return;
    const groups = await Array.fromAsync(cloud.volume.listGroups());
    if (groups.length === 0) return;
    const groupTypes = await namesOf(cloud.volume.listGroupTypes());
    const volumeTypes = await namesOf(cloud.volume.listTypeDefinitions());
    for (const group of groups) {
      const document = describe(group, groupTypes, volumeTypes);
      const [id, name] = [String(group.id), String(group.name ?? "")];
      const warnings =
        document.volumeTypes.length < typeIds(group).length
          ? ["A volume type of the group is not shown to the project any more"]
          : [];
      yield { id, name: name || id, document, logicalBytes: 0, captures: false, freezes: false, warnings };
    }
  },

  needs: ({ volumeTypes }) => volumeTypes.map(volumeTypeKey),

  quota: () => [{ service: "block-storage", limit: "groups", amount: 1 }],

  async plan(context: Context, input: PlanInput<GroupDocument>, scope: PlanScope): Promise<Planned> {
    const { cloud } = context;
    const { document, resource, options } = input;
    const conflict = (reason: string): Planned => ({ action: "conflict", reason, dependsOn: [] });
    if (!(await hasGroups(cloud))) return conflict("the target has no groups of volumes (Cinder microversion 3.13)");
    const { groupType, group } = document;
    const kind = await scope.resolve({ kind: "group-type", id: String(group.group_type), name: groupType });
    if (kind.targetId === undefined) {
      const name = groupType || String(group.group_type);
      return conflict(`the target has no group type ${name}: map it with --map group-type:${name}=NEW`);
    }
    const there = await namesOf(cloud.volume.listTypeDefinitions());
    const dependsOn: string[] = [];
    for (const type of document.volumeTypes) {
      const name = mappedTypeName(options.maps, type) ?? type;
      if (scope.planned(volumeTypeKey(type))?.action === "create") dependsOn.push(volumeTypeKey(type));
      else if (![...there.values()].includes(name))
        return conflict(`the target has no volume type ${name}: map it with --map volume-type:${type}=NEW`);
    }
    if (document.volumeTypes.length === 0) return conflict("none of its volume types is known");
    const zone = zoneOf(input);
    if (zone !== "" && !(await cloud.volume.listAvailabilityZones()).some((z) => z.name === zone && z.available))
      return conflict(
        `the target has no availability zone ${zone}: map it with --map zone:${String(group.availability_zone)}=NEW`,
      );
    const name = restoredName(String(group.name ?? ""), resource, options);
    const existing: string[] = [];
    if (name !== "")
      for await (const other of cloud.volume.listGroups()) if (other.name === name) existing.push(String(other.id));
    return { ...decideByName("group", name, existing, options.onConflict, context.sessionId), dependsOn };
  },

  async restore(context: Context, input: RestoreInput<GroupDocument>): Promise<Restored> {
    const { resource, document } = input;
    if (resource.action === "reuse") return { targetId: resource.targetId ?? "", stats: EMPTY_STATS };
    const { cloud, ledger, journal, signal } = context;
    const noted = await journal.find(TYPE, resource.id);
    const known = noted === undefined ? undefined : await ifThere(cloud.volume.getGroup(noted));
    const id =
      known === undefined
        ? await ledger.obtain(TYPE, resource.id, async (mark) => {
            const made = await cloud.volume.createGroup({ ...wanted(input), description: mark });
            return made.id;
          })
        : String(known.id);
    const group = await cloud.volume.waitForGroup(id, { signal });
    await journal.note(TYPE, resource.id, id);
    const description = String(document.group.description ?? "");
    if (group.description !== description) await cloud.volume.describeGroup(id, description);
    return { targetId: id, stats: EMPTY_STATS };
  },

  async verify({ cloud }: Context, input: VerifyInput<GroupDocument>) {
    const { resource, targetId } = input;
    const found = await cloud.volume.getGroup(targetId);
    const names = await namesOf(cloud.volume.listTypeDefinitions());
    const expected = wanted(input);
    const mismatches = fieldDifferences(
      {
        ...expected,
        description: input.document.group.description ?? "",
        volume_types: [...expected.volume_types].sort(),
      },
      {
        ...{ name: found.name ?? "", description: found.description ?? "", group_type: found.group_type ?? "" },
        ...{ availability_zone: found.availability_zone ?? "", volume_types: describe(found, names, names).volumeTypes },
      },
    );
    return { level: "metadata" as const, mismatches: resource.action === "create" ? mismatches : [] };
  },

  async undo({ cloud, signal }: Context, { targetId }: UndoInput<GroupDocument>): Promise<void> {
    await removeGroup(cloud, targetId, signal);
  },

  temporaries: ({ cloud, signal }: TemporaryContext): readonly TemporaryKind[] => [
    {
      kind: TYPE,
      // Before its volumes, which leave it.
      order: 0,
      find: async (mark) => {
        if (!(await hasGroups(cloud))) return [];
        const found = await Array.fromAsync(cloud.volume.listGroups());
        return found
          .filter((g) => g.description === mark)
          .map((g) => ({ id: String(g.id), usable: !BROKEN.test(String(g.status)) }));
      },
      remove: (id) => removeGroup(cloud, id, signal),
    },
  ],

  async find(cloud: Cloud, nameOrId: string): Promise<{ id: string; name: string }[]> {
    if (!(await hasGroups(cloud))) return [];
    const found = await Array.fromAsync(cloud.volume.listGroups());
    return found.map((g) => ({ id: String(g.id), name: String(g.name ?? "") })).filter((g) => [g.id, g.name].includes(nameOrId));
  },

  coverage: {
    captured: ["*", "volumes", "names of its types"],
    restored: ["name", "description", "group_type", "volume_types", "availability_zone", "volumes (each is made in it)"],
    roles: { capture: "reader", restore: "member" },
    reported: {
      "group type": "it is the cloud's: found by map, id or name",
      replication: "is the operator's to enable",
    },
  },
};

async function hasGroups(cloud: Cloud): Promise<boolean> {
  return (await cloud.hasService("block-storage")) && (await cloud.volume.hasGroups());
}

/** Names by id. */
async function namesOf(objects: AsyncIterable<ApiObject>): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for await (const { id, name } of objects) names.set(String(id), String(name));
  return names;
}

function typeIds({ volume_types }: ApiObject): readonly string[] {
  return (volume_types ?? []) as readonly string[];
}

function describe(
  group: ApiObject,
  groupTypes: ReadonlyMap<string, string>,
  volumeTypes: ReadonlyMap<string, string>,
): GroupDocument {
  const names = typeIds(group).flatMap((id) => volumeTypes.get(id) ?? []);
  return { version: 1, group, groupType: groupTypes.get(String(group.group_type)) ?? "", volumeTypes: names.sort() };
}

function zoneOf({ document, options }: PlanInput<GroupDocument>): string {
  return mapped(options.maps.zone, String(document.group.availability_zone ?? ""));
}

function wanted(input: RestoreInput<GroupDocument>): JsonObject & { readonly volume_types: readonly string[] } {
  const { document, resource, options, targets } = input;
  const { group, volumeTypes } = document;
  const zone = zoneOf(input);
  return {
    name: restoredName(String(group.name ?? ""), resource, options),
    group_type: targets[`group-type/${String(group.group_type)}`] ?? document.groupType,
    volume_types: [...new Set(volumeTypes.map((type) => mappedTypeName(options.maps, type) ?? type))],
    ...(zone === "" ? {} : { availability_zone: zone }),
  };
}

async function removeGroup(cloud: Cloud, id: string, signal: AbortSignal): Promise<void> {
  const group = await ifThere(cloud.volume.getGroup(id));
  if (group === undefined) return;
  const members = (group.volumes ?? []) as readonly string[];
  if (members.length > 0) await cloud.volume.leaveGroup(id, members, { signal });
  // Cinder refuses what it is doing already, for a worker that died since.
  if (group.status !== "deleting") await cloud.volume.deleteGroup(id);
  await cloud.volume.waitForGroupGone(id, { signal });
}

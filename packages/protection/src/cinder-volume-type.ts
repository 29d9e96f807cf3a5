/**
 * cinder.volume-type: the definitions of the types that the project's volumes and their groups have, as far as they can be read: a member sees little more
 * than the name. A type is the cloud's and not the project's: a restore finds the one of that name, and only an administrator may make it,
 * from what an administrator has captured. Known by its name, which a cloud has only once and by which volumes name it.
 */

import { EMPTY_STATS } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError, type JsonObject } from "@permafrost/std";
import {
  chooseVolumeType,
  describeVolumeType,
  encryptionFields,
  qosFields,
  qosSpecsBy,
  typeDifferences,
  type VolumeTypeDocument,
} from "./cinder-volume-type-choice.ts";
import { fieldDifferences } from "./compare.ts";
import { ifThere } from "./if-there.ts";
import { TEMPORARY_PREFIX, type TemporaryKind } from "./ledger.ts";
import type {
  Context,
  Found,
  PlanInput,
  Planned,
  ResourceType,
  Restored,
  RestoreInput,
  TemporaryContext,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

const TYPE = "cinder.volume-type";

/** Its resource's key, by which a volume that has it names it. */
export function volumeTypeKey(name: string): string {
  return `${TYPE}/${name}`;
}

export const cinderVolumeType: ResourceType<VolumeTypeDocument> = {
  type: TYPE,

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    if (!(await cloud.hasService("block-storage"))) return;
    const used = new Set<string>();
    for await (const { name, volumeType } of cloud.volume.listVolumes({}))
      if (volumeType !== "" && !name.startsWith(TEMPORARY_PREFIX)) used.add(volumeType);
    const ofGroups = new Set<string>();
    if (await cloud.volume.hasGroups())
      for await (const { volume_types } of cloud.volume.listGroups())
        for (const id of (volume_types ?? []) as readonly string[]) ofGroups.add(id);
    if (used.size + ofGroups.size === 0) return;
    const offered = new Map<string, ApiObject>();
    for await (const type of cloud.volume.listTypeDefinitions()) {
      offered.set(String(type.name), type);
      if (ofGroups.has(String(type.id))) used.add(String(type.name));
    }
    for (const name of used) {
      const listed = offered.get(name);
      const document = await describeVolumeType(cloud, listed ?? { name });
      const warnings =
        listed === undefined ? ["The volume type is not shown to the project any more: only its name is captured"] : [];
      yield { id: name, name, document, logicalBytes: 0, captures: false, freezes: false, warnings };
    }
  },

  async plan({ cloud }: Context, { document, options }: PlanInput<VolumeTypeDocument>): Promise<Planned> {
    const nothing = { dependsOn: [] };
    const name = String(document.type.name);
    if (!(await cloud.hasService("block-storage")))
      return { action: "conflict", reason: "the target has no service block-storage", ...nothing };
    const chosen = await chooseVolumeType(cloud, options.maps, document);
    if (chosen !== undefined) {
      const reason = `volume type ${chosen.name}, ${chosen.how}`;
      return { action: "reuse", reason, targetId: chosen.id, warnings: chosen.warnings, ...nothing };
    }
    const map = `map it with --map volume-type:${name}=NEW`;
    if (!cloud.roles.has("admin")) {
      const reason = `the target has no volume type ${name} and only an administrator may make it: ${map}`;
      return { action: "conflict", reason, ...nothing };
    }
    if (!document.isComplete) {
      const reason = `the target has no volume type ${name}, and the backup, made without the role admin, does not know all of it: ${map}`;
      return { action: "conflict", reason, ...nothing };
    }
    return { action: "create", reason: "no volume type of that name", warnings: await lostQos(cloud, document), ...nothing };
  },

  async restore(context: Context, { resource, document }: RestoreInput<VolumeTypeDocument>): Promise<Restored> {
    if (resource.action === "reuse") return { targetId: resource.targetId ?? "", stats: EMPTY_STATS };
    const { cloud, ledger, journal } = context;
    const { volume } = cloud;
    const { type, encryption } = document;
    const noted = await journal.find(TYPE, resource.id);
    const known = noted === undefined ? undefined : await ifThere(volume.getType(noted));
    const id =
      known === undefined
        ? await ledger.obtain(
            TYPE,
            resource.id,
            async (mark) => String((await volume.createType({ ...wanted(type), description: mark })).id),
            { name: String(type.name) },
          )
        : String(known.id);
    await journal.note(TYPE, resource.id, id);
    if (encryption !== undefined) await encrypt(cloud, id, encryptionFields(encryption));
    const specs = await qosOf(cloud, document);
    if (specs !== undefined) await volume.giveQosSpecs(String(specs.id), id);
    if (type.is_public === false) await volume.openType(id, cloud.projectId);
    await volume.describeType(id, String(type.description ?? ""));
    return { targetId: id, stats: EMPTY_STATS };
  },

  async verify({ cloud }: Context, { document, resource, targetId }: VerifyInput<VolumeTypeDocument>) {
    const found = await describeVolumeType(cloud, await cloud.volume.getType(targetId));
    const { qosSpecs: _, ...rest } = document;
    // What was different of one that was chosen, the plan said; and that QoS specs which the target lacks are left out.
    const expected = (await qosOf(cloud, document)) === undefined ? rest : document;
    const mismatches = resource.action === "create" ? typeDifferences(expected, found) : [];
    return { level: "metadata" as const, mismatches };
  },

  async undo({ cloud }: Context, { targetId }: UndoInput<VolumeTypeDocument>): Promise<void> {
    await cloud.volume.deleteType(targetId);
  },

  temporaries: ({ cloud }: TemporaryContext): readonly TemporaryKind[] => [
    {
      kind: TYPE,
      order: 0,
      find: async (mark, detail) => {
        const { name } = detail as { name: string };
        const found = await Array.fromAsync(cloud.volume.listTypeDefinitions());
        return found.filter((t) => t.name === name && t.description === mark).map((t) => ({ id: String(t.id), usable: true }));
      },
      remove: (id) => cloud.volume.deleteType(id),
    },
  ],

  coverage: {
    captured: ["*", "extra_specs", "encryption", "QoS specs"],
    restored: [
      "found: mapped, same name",
      "made by an administrator: name, description, is_public, extra_specs, encryption, QoS specs of the same name",
    ],
    roles: { capture: "reader (extra_specs, encryption, QoS specs: admin)", restore: "member (to make one: admin)" },
    reported: {
      id: "one that is made gets another",
      "QoS specs": "found by their name: those that the target lacks are left out",
      "os-volume-type-access": "one that is not public is opened to the restored project",
    },
  },
};

/** Once: Cinder refuses a second time, also where the request of a worker that died was faster. */
async function encrypt(cloud: Cloud, id: string, fields: JsonObject): Promise<void> {
  if ((await cloud.volume.encryptionOf(id)) !== undefined) return;
  try {
    await cloud.volume.encryptType(id, fields);
  } catch (error) {
    if (!CodedError.is(error, "CLOUD_HTTP") || (await cloud.volume.encryptionOf(id)) === undefined) throw error;
  }
}

function wanted({ name, is_public, extra_specs }: ApiObject): JsonObject {
  if (typeof name !== "string" || name === "") throw new CodedError("ASSERTION", "A volume type without a name");
  return { name, extra_specs: extra_specs ?? {}, "os-volume-type-access:is_public": is_public !== false };
}

/** The target's QoS specs of the captured ones' name. */
async function qosOf(cloud: Cloud, { qosSpecs }: VolumeTypeDocument): Promise<ApiObject | undefined> {
  return qosSpecs === undefined ? undefined : await qosSpecsBy(cloud, "name", String(qosSpecs.name));
}

async function lostQos(cloud: Cloud, document: VolumeTypeDocument): Promise<string[]> {
  const { qosSpecs } = document;
  if (qosSpecs === undefined) return [];
  const there = await qosOf(cloud, document);
  if (there === undefined) return [`the target has no QoS specs ${String(qosSpecs.name)}; left out`];
  return fieldDifferences(qosFields(qosSpecs), qosFields(there)).map((d) => `QoS specs ${String(qosSpecs.name)}: ${d}`);
}

/** What is known of a volume type, how two differ, and which type of a target can stand for a captured one. */

import type { RestoreMaps } from "@permafrost/model";
import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError, type JsonObject } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";

/** Document version 1. */
export type VolumeTypeDocument = {
  readonly version: 1;
  /** As Cinder lists it; only the name of one that is not listed (any more). */
  readonly type: ApiObject;
  /** False: extra specs, encryption and QoS are the administrator's to read, and are not all here. */
  readonly isComplete: boolean;
  /** `provider`, `cipher`, `key_size`, `control_location`. */
  readonly encryption?: ApiObject;
  /** `name`, `consumer`, `specs`. */
  readonly qosSpecs?: ApiObject;
};

export interface ChosenVolumeType {
  readonly id: string;
  readonly name: string;
  readonly how: string;
  readonly warnings: readonly string[];
}

const ENCRYPTION = ["provider", "cipher", "key_size", "control_location"] as const;

/** As far as the credentials may read it: a cloud's policy may keep its encryption or QoS specs from its own administrator, too. */
export async function describeVolumeType(cloud: Cloud, type: ApiObject): Promise<VolumeTypeDocument> {
  const known: VolumeTypeDocument = { version: 1, type, isComplete: false };
  if (!cloud.roles.has("admin") || typeof type.id !== "string") return known;
  try {
    const encryption = await cloud.volume.encryptionOf(type.id);
    const qosSpecs = typeof type.qos_specs_id === "string" ? await qosSpecsBy(cloud, "id", type.qos_specs_id) : undefined;
    return {
      ...{ ...known, isComplete: true },
      ...(encryption === undefined ? {} : { encryption }),
      ...(qosSpecs === undefined ? {} : { qosSpecs }),
    };
  } catch (error) {
    if (CodedError.is(error, "FORBIDDEN")) return known;
    throw error;
  }
}

export async function qosSpecsBy(cloud: Cloud, key: "id" | "name", value: string): Promise<ApiObject | undefined> {
  for await (const specs of cloud.volume.listQosSpecs()) if (specs[key] === value) return specs;
  return undefined;
}

/** What a request to make the encryption sends; null is what was not said. */
export function encryptionFields(encryption: ApiObject): JsonObject {
  return Object.fromEntries(ENCRYPTION.flatMap((key) => (encryption[key] == null ? [] : [[key, encryption[key]]])));
}

/** What both sides know of two types, as they are compared: not the names, by which they were found. */
export function typeDifferences(expected: VolumeTypeDocument, found: VolumeTypeDocument): string[] {
  const isKnown = expected.isComplete && found.isComplete;
  return fieldDifferences(comparable(expected, isKnown), comparable(found, isKnown));
}

/** An administrator sees all extra specs, others what bears on how a volume may be used: it is all that a listing without secrets has. */
const SEEN_BY_ALL = ["RESKEY:availability_zones", "multiattach", "replication_enabled"];

function comparable({ type, encryption, qosSpecs }: VolumeTypeDocument, isKnown: boolean): JsonObject {
  const { description, is_public, extra_specs } = type;
  const specs = Object.entries((extra_specs ?? {}) as JsonObject).filter(([key]) => isKnown || SEEN_BY_ALL.includes(key));
  return {
    description: description ?? "",
    is_public: is_public ?? true,
    extra_specs: Object.fromEntries(specs),
    ...(isKnown ? { encryption: encryption === undefined ? {} : encryptionFields(encryption) } : {}),
    ...(isKnown ? { qos: qosSpecs === undefined ? {} : qosFields(qosSpecs) } : {}),
  };
}

/** By name and meaning. */
export function qosFields({ name, consumer, specs }: ApiObject): JsonObject {
  return { name: name ?? "", consumer: consumer ?? "", specs: specs ?? {} };
}

/** What the user calls in the target what the source calls `name`; by either of the kind's names. */
export function mappedTypeName(maps: RestoreMaps, name: string): string | undefined {
  const [map, other] = [maps["volume-type"], maps["cinder.volume-type"]];
  return map?.[name] ?? other?.[name] ?? map?.["*"] ?? other?.["*"];
}

/** Mapped by the user, else of the same name. Throws MAP_TARGET_UNKNOWN. */
export async function chooseVolumeType(
  cloud: Cloud,
  maps: RestoreMaps,
  document: VolumeTypeDocument,
): Promise<ChosenVolumeType | undefined> {
  const name = String(document.type.name);
  const mapped = mappedTypeName(maps, name);
  const wanted = mapped ?? name;
  const all = await Array.fromAsync(cloud.volume.listTypeDefinitions());
  const found = all.find((t) => t.name === wanted);
  if (found !== undefined) {
    // Of one that is gone from the source nothing is known that could be compared.
    const isKnown = document.type.id !== undefined;
    const differences = isKnown ? typeDifferences(document, await describeVolumeType(cloud, found)) : [];
    const warnings = differences.map((d) => `volume type ${d}`);
    return { id: String(found.id), name: String(found.name), how: mapped === undefined ? "of that name" : "mapped", warnings };
  }
  if (mapped === undefined) return undefined;
  throw new CodedError("MAP_TARGET_UNKNOWN", `The target has no volume type ${mapped}, to which ${name} is mapped`, {
    facts: { kind: "volume-type", source: name, target: mapped },
    hint: `Change --map volume-type:${name}=${mapped}.`,
  });
}

/** The document of an image: what is captured of it, and what of that a restore sets and compares. */

import type { RestoreOptions } from "@permafrost/model";
import type { Cloud, Image } from "@permafrost/openstack";
import { fieldDifferences } from "./compare.ts";
import { type EncryptionKey, KEY_POLICY_PROPERTY, KEY_PROPERTY } from "./encryption-key.ts";
import { ifThere } from "./if-there.ts";
import type { PlanScope } from "./resource-type.ts";

/** Document version 1. A type, not an interface: it must be assignable to JSON. */
export type ImageDocument = {
  readonly version: 1;
  readonly name: string;
  readonly status: string;
  readonly visibility: string;
  readonly protected: boolean;
  readonly hidden: boolean;
  readonly diskFormat: string;
  readonly containerFormat: string;
  readonly minDiskGiB: number;
  readonly minRamMiB: number;
  readonly sizeBytes: number;
  readonly hashAlgorithm: string;
  readonly hashValue: string;
  readonly checksum: string;
  readonly tags: readonly string[];
  readonly members: readonly { readonly project: string; readonly status: string }[];
  readonly properties: Readonly<Record<string, string>>;
  /** Of an image of an encrypted volume, as far as the credentials could read it. */
  readonly key?: EncryptionKey;
  /** Names of the images that it refers to as kernel and ramdisk, by id. */
  readonly parts?: Readonly<Record<string, string>>;
};

/** Set by services for their own use; Glance or Nova make them anew, or refuse them. */
export const IMAGE_ID = /^[0-9a-f-]{32,36}$/i;
const SERVICE_PROPERTY =
  /^(os_glance_|owner_(id|project_name|user_name)$|image_location$|instance_uuid$|user_id$|boot_roles$|base_image_ref$|permafrost_|stores$)/;
/** Other images that a guest of this one starts from. */
const PART_PROPERTIES = ["kernel_id", "ramdisk_id"] as const;
/** Signatures name a certificate in the source's key manager; a target that checks them would refuse the image. */
export const SIGNATURE_PROPERTY = /^img_signature/;

/** Nova's image of a volume-backed server: no bytes of its own. */
export function isOfVolumes({ properties, sizeBytes }: Pick<ImageDocument, "properties" | "sizeBytes">): boolean {
  return sizeBytes === 0 && /snapshot_id/.test(properties.block_device_mapping ?? "");
}

export async function partsOf(cloud: Cloud, image: Image): Promise<Record<string, string>> {
  const parts: Record<string, string> = {};
  for (const property of PART_PROPERTIES) {
    const id = image.properties[property];
    if (id === undefined || !IMAGE_ID.test(id)) continue;
    parts[id] = (await ifThere(cloud.image.get(id)))?.name ?? "";
  }
  return parts;
}

/** Kernel and ramdisk come first; those that are not restored are looked up, as one that is shared with the project. */
export async function planParts(
  { properties, parts }: ImageDocument,
  scope: PlanScope,
): Promise<{ readonly dependsOn: string[]; readonly warnings: string[] }> {
  const [dependsOn, warnings]: [string[], string[]] = [[], []];
  for (const property of PART_PROPERTIES) {
    const id = properties[property];
    if (id === undefined || !IMAGE_ID.test(id)) continue;
    const key = `glance.image/${id}`;
    if (scope.includes(key)) {
      dependsOn.push(key);
      continue;
    }
    const name = parts?.[id] ?? "";
    const { targetId } = await scope.resolve({ kind: "glance.image", id, name });
    if (targetId === undefined) warnings.push(`${property}: the target has no image ${name || id}; left out`);
  }
  return { dependsOn, warnings };
}

/**
 * What a restore sets of the properties. `keyId`: where the target's key manager has its key. That the key goes with the image is not said of
 * a key that the restore did not make: another image names it, too.
 */
export function targetProperties(
  document: ImageDocument,
  targets: Readonly<Record<string, string>>,
  keyId: string | undefined,
): Record<string, string> {
  const properties: Record<string, string> = {};
  for (const [name, value] of Object.entries(document.properties)) {
    if (SERVICE_PROPERTY.test(name) || SIGNATURE_PROPERTY.test(name)) continue;
    if (name === KEY_POLICY_PROPERTY && document.key === undefined) continue;
    if ((PART_PROPERTIES as readonly string[]).includes(name) && IMAGE_ID.test(value)) {
      const target = targets[`glance.image/${value}`];
      if (target !== undefined) properties[name] = target;
    } else properties[name] = name === KEY_PROPERTY ? (keyId ?? value) : value;
  }
  return properties;
}

export async function describe(cloud: Cloud, image: Image): Promise<ImageDocument> {
  const members = image.visibility === "shared" ? await cloud.image.members(image.id) : [];
  return {
    version: 1,
    name: image.name,
    status: image.status,
    visibility: image.visibility,
    protected: image.protected,
    hidden: image.hidden,
    diskFormat: image.diskFormat,
    containerFormat: image.containerFormat,
    minDiskGiB: image.minDiskGiB,
    minRamMiB: image.minRamMiB,
    sizeBytes: image.sizeBytes,
    hashAlgorithm: image.hashAlgorithm,
    hashValue: image.hashValue,
    checksum: image.checksum,
    tags: [...image.tags].sort(),
    members: members.map((m) => ({ project: m.memberId, status: m.status })).sort((a, b) => (a.project < b.project ? -1 : 1)),
    properties: image.properties,
  };
}

/** What must be the same after a restore. Who sees it is compared apart. */
export function comparable(d: ImageDocument, properties: Readonly<Record<string, string>>): Record<string, unknown> {
  return {
    name: d.name,
    protected: d.protected,
    hidden: d.hidden,
    diskFormat: d.diskFormat,
    containerFormat: d.containerFormat,
    minDiskGiB: d.minDiskGiB,
    minRamMiB: d.minRamMiB,
    sizeBytes: d.sizeBytes,
    tags: d.tags,
    // Which secret it is, Barbican decides.
    properties: Object.fromEntries(
      Object.entries(properties).filter(([k]) => !SERVICE_PROPERTY.test(k) && !SIGNATURE_PROPERTY.test(k) && k !== KEY_PROPERTY),
    ),
  };
}

/** The projects that an image is offered to, as the target calls them. */
export function membersOf(document: ImageDocument, maps: RestoreOptions["maps"]): string[] {
  return document.members.map(({ project }) => maps.project?.[project] ?? project);
}

/** Who sees it. A member may not publish an image: that it stayed private was said when it was restored. */
export function sharingDifferences(
  document: ImageDocument,
  have: ImageDocument,
  maps: RestoreOptions["maps"],
  ownProjectId: string,
): string[] {
  const mayNot = (document.visibility === "public" || document.visibility === "community") && have.visibility === "private";
  const differences = mayNot ? [] : fieldDifferences({ visibility: document.visibility }, { visibility: have.visibility });
  if (document.visibility !== "shared") return differences;
  const members = membersOf(document, maps).filter((project) => project !== ownProjectId);
  return [
    ...differences,
    ...fieldDifferences({ members: members.sort() }, { members: have.members.map((m) => m.project).sort() }),
  ];
}

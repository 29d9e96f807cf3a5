/** Making an image out of what was captured, marked until it is complete; then what others see of it, and protection last. */

import type { RestoreOptions } from "@permafrost/model";
import type { Cloud, Image } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { counted } from "./counted.ts";
import { hasKey, KEY_POLICY_PROPERTY, KEY_PROPERTY } from "./encryption-key.ts";
import { type ImageDocument, membersOf, targetProperties } from "./glance-image-document.ts";
import { restoredName } from "./name-conflict.ts";
import type { Context, RestoreInput } from "./resource-type.ts";
import { UNFINISHED_MARK } from "./temporaries.ts";

/** The target with its data, private, unprotected and marked as unfinished. Glance takes data once: what broke off is begun again. */
export async function makeImage(
  context: Context,
  mark: string,
  { resource, document, options, targets }: RestoreInput<ImageDocument>,
  keyId: string | undefined,
): Promise<string> {
  const { cloud, reader, signal } = context;
  // Glance would take the key with an image that broke off, and the next attempt needs it: the finished one says so.
  const { [KEY_POLICY_PROPERTY]: _, ...properties } = targetProperties(document, targets, keyId);
  const { id } = await cloud.image.create({
    name: restoredName(document.name, resource, options),
    visibility: "private",
    protected: false,
    ...(document.diskFormat === "" ? {} : { diskFormat: document.diskFormat, containerFormat: document.containerFormat }),
    minDiskGiB: document.minDiskGiB,
    minRamMiB: document.minRamMiB,
    tags: document.tags,
    properties: { ...properties, [UNFINISHED_MARK]: mark },
  });
  const data = resource.streams.data;
  if (data === undefined) return id;
  const bytes = counted(reader.readStream(data, { signal }), context.progress);
  await cloud.image.upload(id, bytes, { sizeBytes: data.sizeBytes, signal });
  await cloud.image.waitFor(id, ["active"], { signal, sizeBytes: data.sizeBytes });
  return id;
}

/** Members, hidden, visibility, and protection last. Returns what could not be done. */
export async function finishImage(
  { cloud }: Context,
  image: Image,
  document: ImageDocument,
  { maps }: RestoreOptions,
): Promise<string[]> {
  const warnings: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      const { code, message } = CodedError.from(error);
      if (code !== "FORBIDDEN" && code !== "NOT_FOUND") throw error;
      warnings.push(`${what}: ${message}`);
    }
  };
  const wanted = document.visibility === "private" ? undefined : document.visibility;
  if (wanted !== undefined && image.visibility !== wanted)
    await attempt(`The image stays ${image.visibility}, not ${wanted}`, () =>
      cloud.image.update(image.id, { visibility: wanted }),
    );
  const known = new Set(
    document.visibility === "shared" && document.members.length > 0
      ? (await cloud.image.members(image.id)).map((m) => m.memberId)
      : [],
  );
  for (const project of membersOf(document, maps)) {
    if (project !== cloud.projectId && !known.has(project))
      await attempt(`Not shared with project ${project}`, () => cloud.image.addMember(image.id, project));
  }
  if (document.hidden !== image.hidden)
    await attempt("The image is not hidden", () => cloud.image.update(image.id, { hidden: document.hidden }));
  if (UNFINISHED_MARK in image.properties) {
    const policy = targetProperties(document, {}, undefined)[KEY_POLICY_PROPERTY];
    const properties = policy === undefined ? {} : { [KEY_POLICY_PROPERTY]: policy };
    await cloud.image.update(image.id, { properties, removeProperties: [UNFINISHED_MARK] });
  }
  if (document.protected && !image.protected)
    await attempt("The image is not protected", () => cloud.image.update(image.id, { protected: true }));
  return warnings;
}

/** Glance hashes what it receives: the service's own proof that the bytes arrived. Throws HASH_MISMATCH. */
export function checkHash(document: ImageDocument, image: Image): void {
  if (document.hashValue === "" || document.hashAlgorithm !== image.hashAlgorithm || document.hashValue === image.hashValue)
    return;
  throw new CodedError(
    "HASH_MISMATCH",
    `The restored image ${image.id} has another ${image.hashAlgorithm} than the backed-up one`,
    {
      facts: { expected: document.hashValue, found: image.hashValue, image: image.id },
    },
  );
}

/** Why the bytes of an encrypted image would be noise in the target, or undefined if they are not. */
export async function lostImageKey(cloud: Cloud, { key, properties }: ImageDocument): Promise<string | undefined> {
  const id = properties[KEY_PROPERTY];
  if (id === undefined) return undefined;
  if (key !== undefined)
    return (await cloud.hasService("key-manager")) ? undefined : "the image is encrypted, and the target has no key manager";
  if (await hasKey(cloud, id)) return undefined;
  return "the image is encrypted, and neither the backup nor the target has its key: its bytes could not be read";
}

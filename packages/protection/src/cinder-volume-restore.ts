/** Making a volume out of what was captured: its bytes by a temporary image, its key by Barbican, then what only an action can set. */

import type { StreamRoot } from "@permafrost/model";
import type { Cloud, Volume } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { hardware, isReadonly, mapped, targetSizeGiB, userMetadata, type VolumeDocument } from "./cinder-volume-document.ts";
import { groupIn, leaveGroup } from "./cinder-volume-group.ts";
import { mappedTypeName } from "./cinder-volume-type-choice.ts";
import { counted } from "./counted.ts";
import { hasKey, KEY_PROPERTY, storeKey, TEMPORARY_KEY } from "./encryption-key.ts";
import { restoredName } from "./name-conflict.ts";
import type { Context, RestoreInput } from "./resource-type.ts";
import { TEMPORARY_UPLOAD, UNFINISHED_MARK, UNFINISHED_VOLUME } from "./temporaries.ts";

/** The target with its bytes, still marked as unfinished. Adopted if an earlier attempt made it. */
export async function makeVolume(
  context: Context,
  { resource, document, options, targets }: RestoreInput<VolumeDocument>,
): Promise<string> {
  const { cloud, ledger, signal } = context;
  const data = resource.streams.data;
  const zone = mapped(options.maps.zone, document.availabilityZone);
  const type = mappedTypeName(options.maps, document.volumeType) ?? document.volumeType;
  const groupId = groupIn(targets, document);
  let imageId: string | undefined;
  const keyId =
    data !== undefined && document.key !== undefined ? await storeKey(context, resource.id, document.key) : document.keyId;
  const volumeId = await ledger.obtain(UNFINISHED_VOLUME, resource.id, async (mark) => {
    if (data !== undefined) imageId = await uploadTemporary(context, resource.id, data, document, keyId);
    const { id } = await cloud.volume.createVolume({
      name: restoredName(document.name, resource, options),
      description: document.description,
      sizeGiB: targetSizeGiB(document, data),
      ...(type === "" ? {} : { volumeType: type }),
      ...(zone === "" ? {} : { availabilityZone: zone }),
      ...(imageId === undefined ? {} : { imageId }),
      ...(groupId === undefined ? {} : { groupId }),
      metadata: { ...userMetadata(document), [UNFINISHED_MARK]: mark },
    });
    return id;
  });
  await cloud.volume.waitForVolume(volumeId, ["available"], { signal, sizeGiB: document.sizeGiB });
  // An adopted volume's image is left to the sweep. So is the volume's own entry: a request that was under way when its worker died may
  // make a second one yet, which keeps its mark.
  if (imageId !== undefined) await ledger.release(TEMPORARY_UPLOAD, resource.id, imageId);
  // Cinder has made the volume a key of its own of it.
  if (keyId !== undefined && document.key !== undefined) await ledger.release(TEMPORARY_KEY, resource.id, keyId);
  return volumeId;
}

/** A temporary image with the volume's bytes and the properties a volume made of it takes over. Verified by Glance's own hash. */
async function uploadTemporary(
  context: Context,
  subject: string,
  data: StreamRoot,
  document: VolumeDocument,
  keyId: string | undefined,
): Promise<string> {
  const { cloud, ledger, reader, signal } = context;
  const imageId = await ledger.obtain(TEMPORARY_UPLOAD, subject, async (name) => {
    const { id } = await cloud.image.create({
      name,
      visibility: "private",
      diskFormat: "raw",
      containerFormat: "bare",
      properties: { ...hardware(document), ...(keyId === undefined ? {} : { [KEY_PROPERTY]: keyId }) },
    });
    return id;
  });
  if ((await cloud.image.get(imageId)).status === "queued") {
    const bytes = counted(reader.readStream(data, { signal }), context.progress);
    await cloud.image.upload(imageId, bytes, { sizeBytes: data.sizeBytes, signal, verifyHash: true });
  }
  await cloud.image.waitFor(imageId, ["active"], { signal, sizeBytes: data.sizeBytes });
  return imageId;
}

/** Image metadata exactly as it was, bootable flag, and our own mark removed last. */
export async function finishVolume({ cloud }: Context, volume: Volume, document: VolumeDocument): Promise<void> {
  const surplus = Object.keys(volume.imageMetadata).filter((k) => !(k in document.imageMetadata));
  for (const key of surplus) await cloud.volume.deleteImageMetadata(volume.id, key);
  if (Object.keys(document.imageMetadata).length > 0) await cloud.volume.setImageMetadata(volume.id, document.imageMetadata);
  if (volume.bootable !== document.bootable) await cloud.volume.setBootable(volume.id, document.bootable);
  if (isReadonly(document) !== (volume.metadata.readonly === "True"))
    await cloud.volume.setReadonly(volume.id, isReadonly(document));
  if (UNFINISHED_MARK in volume.metadata) await cloud.volume.deleteMetadata(volume.id, UNFINISHED_MARK);
}

/** Why the bytes of an encrypted volume would be noise in the target, or undefined if they are not. */
export async function lostKey(cloud: Cloud, { encrypted, key, keyId }: VolumeDocument): Promise<string | undefined> {
  if (!encrypted || key !== undefined) {
    if (key === undefined || (await cloud.hasService("key-manager"))) return undefined;
    return "the volume is encrypted, and the target has no key manager";
  }
  if (keyId !== undefined && (await hasKey(cloud, keyId))) return undefined;
  return "the volume is encrypted, and neither the backup nor the target has its key: its bytes could not be read";
}

/** The volume type decides; only an administrator sees beforehand what it does. What was made is removed, or the next attempt would adopt it. */
export async function withoutEncryption({ cloud, signal }: Context, made: Volume, document: VolumeDocument): Promise<CodedError> {
  await leaveGroup(cloud, made.id, signal);
  await cloud.volume.deleteVolume(made.id);
  await cloud.volume.waitForVolumeGone(made.id, { signal });
  return new CodedError(
    "CONFLICT",
    `The volume type ${made.volumeType} does not encrypt its volumes, and ${document.name || made.id} was encrypted`,
    {
      facts: { type: made.volumeType, volume: document.name },
      hint: `Map it to one that does: --map volume-type:${document.volumeType}=NEW.`,
    },
  );
}

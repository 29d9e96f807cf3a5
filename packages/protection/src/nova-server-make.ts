/**
 * Making a server in the target, once. It carries our mark as its description, which a guest cannot see, until it is in the journal; its
 * volumes stay when it goes until all else is done, so that a failed restore takes no volume with it.
 *
 * Its root disk is uploaded as a private image, from which Nova copies it; the image goes when the server is there. What can be done
 * without it Nova does; only a rebuild needs an image, and takes any. Interleavings: death or silence at any call, and a zombie's request
 * that comes late: it finds the ports taken, or makes a second server that keeps the mark, which the sweep removes.
 */

import { type ApiObject, atLeast, type Cloud } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import { counted } from "./counted.ts";
import { ifThere } from "./if-there.ts";
import type { TemporaryKind } from "./ledger.ts";
import { restoredName } from "./name-conflict.ts";
import { chooseFlavor } from "./nova-flavor-specs.ts";
import { byDevice, imageIdOf, isVolumeBacked, rootVolumeOf, type ServerDocument, textOf } from "./nova-server-document.ts";
import { keyNameOf } from "./nova-server-keypair.ts";
import { hasZone, zoneOf } from "./nova-server-plan.ts";
import type { Context, RestoreInput, TemporaryContext } from "./resource-type.ts";
import { TEMPORARY_UPLOAD } from "./temporaries.ts";

export const UNFINISHED_SERVER = "nova.server";

const HOSTNAME = "2.90";
/** Set by Nova for the image, not for the guest. */
const IMAGE_OF_ANOTHER = /^(kernel_id|ramdisk_id)$/;

/** A server that is there and has started, still marked; `imageId` is the temporary image of its root disk if this attempt uploaded it. */
export async function makeServer(
  context: Context,
  input: RestoreInput<ServerDocument>,
): Promise<{ readonly server: ApiObject; readonly imageId?: string }> {
  const { cloud, ledger } = context;
  const { resource } = input;
  let imageId: string | undefined;
  const id = await ledger.obtain(UNFINISHED_SERVER, resource.id, async (mark) => {
    if (resource.streams.data !== undefined) imageId = await uploadRootDisk(context, input);
    const body = await requestOf(context, input, imageId);
    try {
      return (await cloud.compute.createServer({ ...body.server, description: mark }, body.hints)).id;
    } catch (error) {
      if (!CodedError.is(error, "CONFLICT")) throw error;
      // A port in use: perhaps by the server that the request of a worker that died has made just now.
      const [ours] = await marked(cloud, mark);
      if (ours !== undefined) return String(ours.id);
      throw error;
    }
  });
  const server = await started(context, id, input.document);
  return { server, ...(imageId === undefined ? {} : { imageId }) };
}

/** It runs, or an earlier attempt has stopped it already. Throws RESOURCE_STATE with what Nova says of its failure. */
export async function started({ cloud, signal }: Context, id: string, { flavor }: ServerDocument): Promise<ApiObject> {
  try {
    return await cloud.compute.waitForServer(id, ["ACTIVE", "SHUTOFF"], { signal, sizeGiB: flavor.disk });
  } catch (error) {
    if (!CodedError.is(error, "RESOURCE_STATE")) throw error;
    const fault = (await ifThere(cloud.compute.getServer(id)))?.fault as JsonObject | undefined;
    throw new CodedError("RESOURCE_STATE", `The server could not be started: ${textOf(fault?.message) || error.message}`, {
      facts: error.facts,
      hint: "Nova's scheduler and the compute node's log say why. The server is removed and made again when the restore is tried again.",
      retry: "later",
      cause: error,
    });
  }
}

async function requestOf(
  { cloud }: Context,
  { resource, document, options, targets }: RestoreInput<ServerDocument>,
  uploadedId: string | undefined,
): Promise<{ readonly server: JsonObject; readonly hints?: JsonObject }> {
  const { server, group } = document;
  const version = await cloud.compute.client.microversion();
  const zone = zoneOf(document, options.maps);
  const keyName = await keyNameOf(cloud, document, targets);
  const groupId = group === null ? undefined : targets[`nova.server-group/${String(group.id)}`];
  const imageId = isVolumeBacked(server) ? undefined : (uploadedId ?? targets[`glance.image/${imageIdOf(server)}`]);
  const fields: Record<string, Json> = {
    name: restoredName(String(server.name), resource, options),
    flavorRef: await flavorId(cloud, { resource, document, options, targets }),
    block_device_mapping_v2: devicesOf(document, targets, imageId),
    networks: networksOf(document, targets),
    metadata: server.metadata ?? {},
    tags: server.tags ?? [],
    config_drive: /^(true|1)$/i.test(String(server.config_drive)),
  };
  if (imageId !== undefined) fields.imageRef = imageId;
  if (keyName !== undefined) fields.key_name = keyName;
  if (zone.name !== "" && (zone.isAsked || (await hasZone(cloud, zone.name)))) fields.availability_zone = zone.name;
  const hostname = textOf(server["OS-EXT-SRV-ATTR:hostname"]);
  if (hostname !== "" && atLeast(version, HOSTNAME)) fields.hostname = hostname;
  for (const [field, value] of Object.entries({
    user_data: textOf(server["OS-EXT-SRV-ATTR:user_data"]),
    "OS-DCF:diskConfig": textOf(server["OS-DCF:diskConfig"]),
    accessIPv4: textOf(server.accessIPv4),
    accessIPv6: textOf(server.accessIPv6),
  }))
    if (value !== "") fields[field] = value;
  return { server: fields, ...(groupId === undefined ? {} : { hints: { group: groupId } }) };
}

async function flavorId(cloud: Cloud, { document, options, targets }: RestoreInput<ServerDocument>): Promise<string> {
  const known = targets[`nova.flavor/${document.flavorKey}`];
  if (known !== undefined) return known;
  const chosen = await chooseFlavor(cloud, options.maps, { id: document.flavorKey, specs: document.flavor });
  if (chosen !== undefined) return chosen.id;
  throw new CodedError("PLAN_STALE", `The target has no flavor like ${document.flavor.name} any more`, {
    hint: "Make a new plan.",
  });
}

/** The root disk first, then the volumes in the order of their devices. All volumes stay when the server goes. */
function devicesOf(
  document: ServerDocument,
  targets: RestoreInput<ServerDocument>["targets"],
  imageId: string | undefined,
): Json {
  const root = isVolumeBacked(document.server) ? rootVolumeOf(document) : undefined;
  const local =
    imageId === undefined
      ? []
      : [{ boot_index: 0, source_type: "image", destination_type: "local", uuid: imageId, delete_on_termination: true }];
  const volumes = byDevice(document.attachments).flatMap((attachment) => {
    const id = String(attachment.volumeId);
    const target = targets[`cinder.volume/${id}`];
    if (target === undefined) return [];
    const [device, tag] = [textOf(attachment.device), textOf(attachment.tag)];
    const more = document.devices?.find((d) => d.volumeId === id);
    return [
      {
        boot_index: id === root ? 0 : Math.max(more?.bootIndex ?? -1, -1),
        source_type: "volume",
        destination_type: "volume",
        uuid: target,
        delete_on_termination: false,
        ...(device === "" ? {} : { device_name: device }),
        ...(tag === "" ? {} : { tag }),
        ...(more === undefined || more.diskBus === "" ? {} : { disk_bus: more.diskBus }),
        ...(more === undefined || more.deviceType === "" ? {} : { device_type: more.deviceType }),
      },
    ];
  });
  return [...local, ...volumes.sort((a, b) => (a.boot_index === 0 ? -1 : b.boot_index === 0 ? 1 : 0))];
}

/** The restored ports, in order: they bring addresses and security groups. Without a word Nova would choose a network for a server that had none. */
function networksOf({ interfaces }: ServerDocument, targets: RestoreInput<ServerDocument>["targets"]): Json {
  const ports = interfaces.flatMap(({ port_id, tag }) => {
    const port = targets[`neutron.port/${String(port_id)}`];
    return port === undefined ? [] : [{ port, ...(textOf(tag) === "" ? {} : { tag: textOf(tag) }) }];
  });
  return ports.length === 0 ? "none" : ports;
}

/** A private image of the root disk, with the properties that make the guest's hardware. Verified by Glance's own hash. */
async function uploadRootDisk(context: Context, { resource, document, targets }: RestoreInput<ServerDocument>): Promise<string> {
  const { cloud, ledger, reader, signal } = context;
  const [data, disk] = [resource.streams.data, document.disk];
  if (data === undefined || disk === undefined) throw new CodedError("ASSERTION", `Server ${resource.id} has no root disk`);
  const imageId = await ledger.obtain(TEMPORARY_UPLOAD, resource.id, async (name) => {
    const properties: Record<string, string> = {};
    for (const [property, value] of Object.entries(disk.properties)) {
      const mapped = IMAGE_OF_ANOTHER.test(property) ? targets[`glance.image/${value}`] : value;
      if (mapped !== undefined) properties[property] = mapped;
    }
    const { diskFormat, containerFormat, minDiskGiB, minRamMiB } = disk;
    const fields = { name, visibility: "private", diskFormat, containerFormat, minDiskGiB, minRamMiB, properties };
    return (await cloud.image.create(fields)).id;
  });
  if ((await cloud.image.get(imageId)).status === "queued") {
    const bytes = counted(reader.readStream(data, { signal }), context.progress);
    await cloud.image.upload(imageId, bytes, { sizeBytes: data.sizeBytes, signal, verifyHash: true });
  }
  await cloud.image.waitFor(imageId, ["active"], { signal, sizeBytes: data.sizeBytes });
  return imageId;
}

/** How the ledger finds and removes a server that is half made. */
export function unfinishedServer({ cloud, signal }: TemporaryContext): TemporaryKind {
  return {
    kind: UNFINISHED_SERVER,
    // Before its volumes and the image it is made of.
    order: 0,
    find: async (mark) =>
      (await marked(cloud, mark)).map((s) => ({
        id: String(s.id),
        usable: !/^(ERROR|DELETED|SOFT_DELETED)$/.test(String(s.status)),
      })),
    remove: (id) => removeServer({ cloud, signal }, id),
  };
}

/** Without its volumes: those have an undo of their own, or were there before. */
export async function removeServer({ cloud, signal }: Pick<TemporaryContext, "cloud" | "signal">, id: string): Promise<void> {
  const { compute } = cloud;
  const server = await ifThere(compute.getServer(id));
  if (server === undefined) return;
  if (server.locked === true) await ifThere(compute.unlockServer(id));
  for (const { volumeId, delete_on_termination } of (await ifThere(compute.volumeAttachments(id))) ?? [])
    if (delete_on_termination === true) await ifThere(compute.setDeleteOnTermination(id, String(volumeId), false));
  await compute.deleteServer(id);
  await compute.waitForServerGone(id, { signal });
}

/** Nova filters by description for administrators only. */
async function marked(cloud: Cloud, mark: string): Promise<ApiObject[]> {
  const found: ApiObject[] = [];
  for await (const server of cloud.compute.listServers()) if (server.description === mark) found.push(server);
  return found;
}

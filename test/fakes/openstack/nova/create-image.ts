/**
 * createImage: of a server on its host, an image with the root disk's bytes as they were when it was asked for; of a
 * volume-backed one, an empty image whose `block_device_mapping` names a volume snapshot of every volume attached.
 */

import { VolumeRoutes } from "../cinder-volumes.ts";
import { json, Refusal, type Reply } from "../http.ts";
import { detectFormat, type Image } from "../images.ts";
import { type BlockDevice, isVolumeBacked, type Server } from "./compute.ts";
import { check } from "./json-schema.ts";
import { conflict, fail, type NovaCall } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { createImage } from "./schemas.ts";

const FROM = ["active", "stopped", "paused", "suspended"];
/** Kept as fields of the image, not as properties. */
const FIELDS = ["min_disk", "min_ram", "disk_format", "container_format"];
const NOT_INHERITED = ["cache_in_nova", "bittorrent", "block_device_mapping", "bdm_v2", "root_device_name"];

export class ImageCreation {
  readonly #state: NovaState;
  readonly #cinder: VolumeRoutes;

  constructor(state: NovaState) {
    this.#state = state;
    this.#cinder = new VolumeRoutes(state.cinder);
  }

  run(context: NovaCall, server: Server, body: Record<string, unknown>): Reply {
    check(createImage, body);
    const wanted = body.createImage as { name: string; metadata?: Record<string, string> };
    if (!FROM.includes(server.vmState)) conflict("createImage", server.id, "vm_state", server.vmState);
    if (server.taskState !== null) conflict("createImage", server.id, "task_state", server.taskState);
    const name = wanted.name.trim();
    const image = isVolumeBacked(server)
      ? this.#ofVolumes(context, server, name, wanted.metadata ?? {})
      : this.ofDisk(context, server, name, wanted.metadata ?? {}, "image_uploading");
    if (context.version >= 45) return json(202, { image_id: image.id });
    return { status: 202, headers: { "content-length": "0", location: `${context.call.origin}/images/${image.id}` } };
  }

  /** An image of the root disk. `then` runs when it is there, with the task state still set. */
  ofDisk(
    context: NovaCall,
    server: Server,
    name: string,
    metadata: Record<string, string>,
    taskState: string,
    then: () => void = () => {},
  ): Image {
    const { images, transitions, compute } = this.#state;
    const bytes = server.disk?.clone();
    const diskFormat = bytes === undefined ? "raw" : detectFormat(bytes);
    const own = { instance_uuid: server.id, user_id: context.userId, image_type: "snapshot", ...metadata };
    const image = this.#add(context, server, name, own);
    server.taskState = taskState === "image_uploading" ? "image_snapshot_pending" : taskState;
    const upload = () => {
      if (!compute.servers.has(server.id) || !images.all.has(image.id)) return;
      image.status = "saving";
      server.taskState = taskState;
    };
    const finish = async () => {
      if (!compute.servers.has(server.id)) return;
      if (context.call.fails) images.all.delete(image.id);
      if (images.all.has(image.id) && bytes !== undefined) {
        const containerFormat = server.imageProperties.container_format ?? "bare";
        Object.assign(image, { diskFormat, containerFormat });
        Object.assign(image.properties, {
          image_location: "snapshot",
          image_state: "available",
          owner_id: server.projectId,
        });
        await images.activate(image, bytes);
      }
      server.taskState = null;
      then();
    };
    transitions.start([server.id, image.id], [upload, finish]);
    return image;
  }

  #ofVolumes(context: NovaCall, server: Server, name: string, metadata: Record<string, string>): Image {
    const { cinder, transitions, images } = this.#state;
    const attached = server.devices.filter((device) => device.volumeId !== null);
    const limit = cinder.volumes.quota(context.projectId).snapshots ?? -1;
    const used = cinder.volumes.usage(context.projectId).snapshots ?? 0;
    if (limit >= 0 && used + attached.length > limit) fail(403, "Quota exceeded for resources: snapshots");
    const mapping = server.devices.filter((device) => device.volumeId === null).map((device) => mappingOf(device, {}));
    for (const device of attached) {
      const volume = cinder.volumes.volumes.get(device.volumeId ?? "");
      if (volume === undefined) fail(400, `Volume ${device.volumeId} could not be found.`);
      this.#checkSnapshot(volume, context.projectId);
      const snapshot = cinder.volumes.addSnapshot(volume, {
        projectId: context.projectId,
        userId: context.userId,
        name: `snapshot for ${name}`,
        description: volume.description,
      });
      context.call.created("snapshot", snapshot.id);
      const finish = () => cinder.volumes.setStatus(snapshot, context.call.fails ? "error" : "available");
      transitions.start([snapshot.id], [finish]);
      mapping.push(mappingOf(device, { source_type: "snapshot", destination_type: "volume", snapshot_id: snapshot.id }));
    }
    const image = this.#add(context, server, name, {
      ...metadata,
      ...(server.rootDeviceName === null ? {} : { root_device_name: server.rootDeviceName }),
      block_device_mapping: JSON.stringify(mapping),
      bdm_v2: "True",
    });
    Object.assign(image, { diskFormat: "raw", containerFormat: "bare", size: 0, virtualSize: null, status: "active" });
    image.checksum = "d41d8cd98f00b204e9800998ecf8427e";
    image.hashAlgo = "sha512";
    image.hashValue =
      "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
    image.stores = "file";
    images.touch(image);
    return image;
  }

  #checkSnapshot(volume: { id: string; status: string; size: number; type: { name: string } }, projectId: string): void {
    if (volume.status !== "available" && volume.status !== "in-use") {
      fail(
        400,
        `Invalid volume: Invalid volume: Volume ${volume.id} status must be available or in-use, but current status is: ${volume.status}.`,
      );
    }
    try {
      this.#cinder.checkQuota(projectId, "snapshots", volume.size, volume.type.name);
    } catch (error) {
      // Volume snapshots of earlier volumes stay: Nova does not take them back.
      if (!(error instanceof Refusal)) throw error;
      const told = JSON.parse(String(error.reply.body)) as { overLimit?: { message?: string } };
      fail(403, told.overLimit?.message ?? "Quota exceeded for resources: snapshots");
    }
  }

  #add(context: NovaCall, server: Server, name: string, properties: Record<string, string>): Image {
    const inherited = Object.entries(server.imageProperties).filter(
      ([key]) => !FIELDS.includes(key) && !NOT_INHERITED.includes(key) && !/^(os_glance|img_signature|signature_)/.test(key),
    );
    const foreign = server.projectId !== context.projectId;
    const image = this.#state.images.add(context.projectId, {
      name,
      visibility: foreign ? "shared" : "private",
      minDisk: Number(server.imageProperties.min_disk ?? 0),
      minRam: Number(server.imageProperties.min_ram ?? 0),
      properties: { ...Object.fromEntries(inherited), ...properties, ...(foreign ? { instance_owner: server.projectId } : {}) },
    });
    if (foreign) {
      const now = this.#state.compute.nowMs();
      image.members.set(server.projectId, { status: "pending", createdMs: now, updatedMs: now });
    }
    context.call.created("image", image.id);
    return image;
  }
}

/** One block device as the image's property has it; a volume snapshot's carries less of its volume's. */
function mappingOf(device: BlockDevice, snapshot: Record<string, string>): Record<string, unknown> {
  const isSnapshot = snapshot.snapshot_id !== undefined;
  return {
    source_type: device.sourceType,
    destination_type: device.destinationType,
    guest_format: isSnapshot ? null : device.guestFormat,
    device_type: device.deviceType,
    disk_bus: device.diskBus,
    boot_index: device.bootIndex,
    device_name: device.deviceName,
    delete_on_termination: device.deleteOnTermination,
    snapshot_id: null,
    volume_id: null,
    volume_size: device.volumeSize,
    image_id: isSnapshot ? null : device.imageId,
    no_device: null,
    tag: isSnapshot ? null : device.tag,
    volume_type: isSnapshot ? null : device.volumeType,
    encrypted: null,
    encryption_secret_uuid: null,
    encryption_format: null,
    encryption_options: null,
    ...snapshot,
  };
}

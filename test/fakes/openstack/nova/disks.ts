/**
 * The volumes of servers: reserved when asked for, made from an image or a volume snapshot where a block device says
 * so, attached and detached in the fake Cinder. What Cinder refuses is refused with the sentence Nova makes of it.
 */

import { VolumeRoutes, volumeImageMetadata } from "../cinder-volumes.ts";
import { Refusal } from "../http.ts";
import { cinderTime, uuid } from "../ids.ts";
import type { Volume } from "../volumes.ts";
import { type BlockDevice, POWER, type Server } from "./compute.ts";
import { fail } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";

const PREFIX: Readonly<Record<string, string>> = { virtio: "vd", scsi: "sd", sata: "sd", usb: "sd", ide: "hd" };

export class Disks {
  readonly #state: NovaState;
  readonly #cinder: VolumeRoutes;

  constructor(state: NovaState) {
    this.#state = state;
    this.#cinder = new VolumeRoutes(state.cinder);
  }

  volume(id: string | null): Volume | undefined {
    return id === null ? undefined : this.#state.cinder.volumes.volumes.get(id);
  }

  /** Takes an available volume (or a shared one that is in use) for a server; Cinder's refusal is Nova's 400. */
  reserve(volume: Volume, device: BlockDevice): void {
    const shared = volume.type.extraSpecs.multiattach !== undefined && volume.status === "in-use";
    if (volume.status !== "available" && !shared) {
      fail(
        400,
        `Invalid volume: Invalid input received: Invalid volume: Volume ${volume.id} status must be available or downloading to reserve, but the current status is ${volume.status}. (HTTP 400) (Request-ID: req-${uuid()})`,
      );
    }
    device.attachmentId = uuid();
    if (volume.status === "available") this.#state.cinder.volumes.setStatus(volume, "reserved");
  }

  attach(server: Server, device: BlockDevice): void {
    const volume = this.volume(device.volumeId);
    if (volume === undefined) return;
    device.deviceName ??= this.nextName(server);
    device.attachmentId ??= uuid();
    volume.attachments = volume.attachments.filter((each) => each.attachment_id !== device.attachmentId);
    volume.attachments.push({
      id: volume.id,
      attachment_id: device.attachmentId,
      volume_id: volume.id,
      server_id: server.id,
      host_name: null,
      device: device.deviceName,
      attached_at: cinderTime(this.#state.cinder.volumes.nowMs()),
    });
    this.#state.cinder.volumes.setStatus(volume, "in-use");
  }

  detach(device: BlockDevice): void {
    const volume = this.volume(device.volumeId);
    if (volume === undefined) return;
    volume.attachments = volume.attachments.filter((each) => each.attachment_id !== device.attachmentId);
    this.#state.cinder.volumes.setStatus(volume, volume.attachments.length === 0 ? "available" : "in-use");
  }

  /** Makes the volume of a block device whose source is not a volume; a sentence when that fails. */
  make(server: Server, device: BlockDevice): Volume | string {
    const { volumes } = this.#state.cinder;
    const snapshot = device.snapshotId === null ? undefined : volumes.snapshots.get(device.snapshotId);
    const image = device.imageId === null ? undefined : this.#state.images.all.get(device.imageId);
    const size = device.volumeSize ?? snapshot?.size ?? 1;
    const type =
      device.volumeType === null
        ? ((snapshot && volumes.volumes.get(snapshot.volumeId)?.type) ?? volumes.defaultType)
        : volumes.typeOf(device.volumeType);
    if (type === undefined) return `Volume type ${device.volumeType} could not be found.`;
    if (device.snapshotId !== null && snapshot?.status !== "available") return `Snapshot ${device.snapshotId} is not available.`;
    try {
      this.#cinder.checkQuota(server.projectId, "volumes", size, type.name);
    } catch (error) {
      if (error instanceof Refusal) return overQuota(error);
      throw error;
    }
    const volume = volumes.addVolume({
      projectId: server.projectId,
      userId: server.userId,
      name: "",
      description: "",
      size,
      type,
      snapshotId: snapshot?.id ?? null,
      status: "available",
      bootable: image !== undefined || snapshot?.bootable === true,
      imageMetadata: image === undefined ? snapshot?.imageMetadata : volumeImageMetadata(image),
    });
    const source = image?.bytes ?? snapshot?.bytes;
    if (source !== undefined) volume.bytes = source.clone(size * volumes.bytesPerGib);
    return volume;
  }

  /** The next free device name of a server. */
  nextName(server: Server): string {
    const prefix = PREFIX[server.imageProperties.hw_disk_bus ?? "virtio"] ?? "vd";
    const used = new Set([server.rootDeviceName, ...server.devices.map((device) => device.deviceName)]);
    for (const letter of "abcdefghijklmnopqrstuvwxyz") {
      const name = `/dev/${prefix}${letter}`;
      if (!used.has(name)) return name;
    }
    return `/dev/${prefix}aa`;
  }

  /** Whether the server's disks are on a host now. */
  isPlugged(server: Server): boolean {
    return server.host !== null && server.powerState !== POWER.none;
  }
}

function overQuota(error: Refusal): string {
  const body = JSON.parse(String(error.reply.body)) as { overLimit?: { message?: string } };
  return body.overLimit?.message ?? "quota exceeded";
}

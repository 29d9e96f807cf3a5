/**
 * From what a request and its image say of block devices to the list a server gets, in Nova's order of checks:
 * each entry by itself, the image's own mapping, the boot sequence, then volumes, snapshots, images and sizes.
 */

import { uuid } from "../ids.ts";
import type { Image } from "../images.ts";
import type { BlockDevice, Flavor } from "./compute.ts";
import type { Disks } from "./disks.ts";
import { fail, type NovaCall, truthy } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";

type Wanted = Record<string, unknown>;

const bad = (details: string): never => fail(400, `Block Device Mapping is Invalid: ${details}`);
const text = (value: unknown): string | null => (value === undefined || value === null || value === "" ? null : String(value));
const whole = (value: unknown): number | null => (value === undefined || value === null || value === "" ? null : Number(value));

export function blockDevice(fields: Partial<BlockDevice> & Pick<BlockDevice, "sourceType" | "destinationType">): BlockDevice {
  return {
    uuid: uuid(),
    imageId: null,
    snapshotId: null,
    volumeId: null,
    volumeSize: null,
    bootIndex: null,
    deviceName: null,
    deleteOnTermination: false,
    tag: null,
    diskBus: null,
    deviceType: null,
    guestFormat: null,
    volumeType: null,
    attachmentId: null,
    ...fields,
  };
}

/** The root disk of a server that boots from an image onto its host. */
export function imageRoot(imageId: string): BlockDevice {
  return blockDevice({
    sourceType: "image",
    destinationType: "local",
    imageId,
    deleteOnTermination: true,
    bootIndex: 0,
    deviceType: "disk",
  });
}

/** One entry of `block_device_mapping_v2`. */
export function fromRequest(wanted: Wanted, hasImage: boolean): BlockDevice {
  const sourceType = String(wanted.source_type ?? "");
  const destinationType = text(wanted.destination_type);
  const id = text(wanted.uuid);
  const bootIndex = whole(wanted.boot_index);
  if (sourceType === "") bad("Some required fields are missing");
  if (sourceType === "blank" && id !== null) bad("Invalid device UUID.");
  if (sourceType !== "blank" && id === null) bad("Missing device UUID.");
  if (sourceType === "image" && destinationType === "local" && !(hasImage && bootIndex === 0))
    bad("Mapping image to local is not supported.");
  const volumeType = text(wanted.volume_type);
  if (destinationType === "local" && volumeType !== null)
    bad("Specifying a volume_type with destination_type=local is not supported.");
  if (sourceType === "volume" && volumeType !== null) bad("Specifying volume type to existing volume is not supported.");
  return blockDevice({
    sourceType,
    // Without a destination Nova's own table has none either; a volume is what such an entry becomes.
    destinationType: destinationType ?? (sourceType === "blank" ? "local" : "volume"),
    imageId: sourceType === "image" ? id : null,
    snapshotId: sourceType === "snapshot" ? id : null,
    volumeId: sourceType === "volume" ? id : null,
    volumeSize: whole(wanted.volume_size),
    bootIndex,
    deviceName: text(wanted.device_name),
    deleteOnTermination: truthy(wanted.delete_on_termination),
    tag: text(wanted.tag),
    diskBus: text(wanted.disk_bus),
    deviceType: text(wanted.device_type),
    guestFormat: text(wanted.guest_format),
    volumeType,
  });
}

/** What an image that `createImage` made of a volume-backed server says. */
function fromImage(image: Image | undefined): BlockDevice[] {
  const mapping = image?.properties.block_device_mapping;
  if (mapping === undefined || !truthy(image?.properties.bdm_v2)) return [];
  return (JSON.parse(mapping) as Wanted[]).map((each) => {
    const snapshotId = text(each.snapshot_id);
    const device = blockDevice({
      sourceType: String(each.source_type),
      destinationType: String(each.destination_type),
      snapshotId,
      imageId: text(each.image_id),
      volumeId: text(each.volume_id),
      volumeSize: whole(each.volume_size),
      bootIndex: whole(each.boot_index),
      deviceName: text(each.device_name),
      deleteOnTermination: truthy(each.delete_on_termination),
      tag: text(each.tag),
      diskBus: text(each.disk_bus),
      deviceType: text(each.device_type),
      guestFormat: text(each.guest_format),
      volumeType: text(each.volume_type),
    });
    return device;
  });
}

/** All devices of a server to be: the request's, the image's where the request does not override them, the flavor's. */
export function mergeDevices(requested: readonly BlockDevice[], image: Image | undefined, flavor: Flavor): BlockDevice[] {
  const ofImage = fromImage(image);
  let devices = [...requested];
  if (ofImage.some((device) => device.bootIndex === 0))
    devices = devices.filter((device) => !(device.bootIndex === 0 && device.sourceType === "image"));
  const names = new Set(devices.map((device) => device.deviceName).filter((name) => name !== null));
  devices.push(...ofImage.filter((device) => device.deviceName === null || !names.has(device.deviceName)));
  const blank = (volumeSize: number, guestFormat: string | null) =>
    blockDevice({
      sourceType: "blank",
      destinationType: "local",
      deleteOnTermination: true,
      deviceType: "disk",
      bootIndex: -1,
      guestFormat,
      volumeSize,
    });
  const isBlank = (device: BlockDevice, swap: boolean) =>
    device.sourceType === "blank" && device.destinationType === "local" && (device.guestFormat === "swap") === swap;
  if (flavor.ephemeral > 0 && !devices.some((device) => isBlank(device, false))) devices.push(blank(flavor.ephemeral, null));
  if (flavor.swap > 0 && !devices.some((device) => isBlank(device, true))) devices.push(blank(flavor.swap, "swap"));
  return devices;
}

/** Checks the whole list against Cinder and Glance, and reserves its volumes. */
export function checkDevices(
  state: NovaState,
  disks: Disks,
  context: NovaCall,
  devices: readonly BlockDevice[],
  imageId: string,
): void {
  const order = devices
    .map((device) => device.bootIndex)
    .filter((index): index is number => index !== null && index >= 0)
    .sort((a, b) => a - b);
  if (order.length === 0 || order.some((index, at) => index !== at))
    bad("Boot sequence for the instance and image/block device mapping combination is not valid.");
  const { volumes } = state.cinder;
  for (const device of devices) {
    if (device.volumeType !== null && volumes.typeOf(device.volumeType) === undefined)
      fail(400, `Volume type ${device.volumeType} could not be found.`);
    if (device.imageId !== null) {
      if (device.imageId !== imageId && state.images.visible(device.imageId, context.token) === undefined)
        bad(`failed to get image ${device.imageId}.`);
      if (device.destinationType === "volume" && !device.volumeSize)
        fail(400, "Images with destination_type 'volume' need to have a non-zero size specified");
    } else if (device.snapshotId !== null) {
      const snapshot = volumes.snapshots.get(device.snapshotId);
      if (snapshot === undefined || (!context.admin && snapshot.projectId !== context.projectId))
        bad(`failed to get snapshot ${device.snapshotId}.`);
      device.volumeSize ??= snapshot?.size ?? null;
    } else if (device.sourceType === "blank" && device.destinationType === "volume" && !device.volumeSize)
      fail(400, "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size");
  }
  for (const device of devices.filter((each) => each.sourceType === "volume")) {
    const volume = disks.volume(device.volumeId);
    if (volume === undefined || (!context.admin && volume.projectId !== context.projectId))
      fail(400, `Block Device Mapping is Invalid: failed to get volume ${device.volumeId}.`);
    if (volume.type.extraSpecs.multiattach !== undefined && context.version < 60)
      fail(400, "Multiattach volumes are only supported starting with compute API version 2.60.");
    disks.reserve(volume, device);
    device.volumeSize = volume.size;
  }
}

/**
 * Volumes: list, show, create (blank, from an image, a volume snapshot or a volume), update, delete, metadata.
 *
 * A new volume holds its source's bytes as they were when it was asked for. What Ceph RBD behind Cinder 26 refuses is
 * refused here with the same text: a volume with volume snapshots, a wrong status, a quota.
 */

import { bodyOf, type CinderCall, EMPTY_202, fail, invalid, paginate } from "./cinder-call.ts";
import { json, type Reply } from "./http.ts";
import { UUID } from "./ids.ts";
import type { Image, Images } from "./images.ts";
import type { Transitions } from "./transitions.ts";
import { type Snapshot, type Volume, type Volumes, type VolumeType, volumeLinks, volumeView } from "./volumes.ts";

const DELETABLE = ["available", "error", "error_restoring", "error_extending", "error_managing"];
const NOT_DELETABLE =
  "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.";
const GLANCE_CORE = [
  "signature_verified",
  "image_id",
  "image_name",
  "checksum",
  "container_format",
  "disk_format",
  "min_disk",
  "min_ram",
  "size",
];

export interface CinderState {
  readonly volumes: Volumes;
  readonly images: Images;
  readonly transitions: Transitions;
  readonly pageSize: number;
  /** What deleting a volume snapshot with volumes made from it does: RBD in 2025.1 flattens them; older drivers refuse. */
  readonly snapshotWithClones: "flatten" | "refuse";
  readonly enableForceUpload: boolean;
}

/** Image properties that came with a volume: what an upload of it gives to its image. */
export function customProperties(metadata: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => !GLANCE_CORE.includes(key)));
}

/** What a volume made from an image remembers of it. */
export function volumeImageMetadata(image: Image): Record<string, string> {
  return {
    signature_verified: "False",
    ...image.properties,
    image_id: image.id,
    image_name: image.name ?? "",
    ...(image.checksum === null ? {} : { checksum: image.checksum }),
    container_format: image.containerFormat ?? "",
    disk_format: image.diskFormat ?? "",
    min_disk: String(image.minDisk),
    min_ram: String(image.minRam),
    size: String(image.size),
  };
}

export class VolumeRoutes {
  readonly #state: CinderState;

  constructor(state: CinderState) {
    this.#state = state;
  }

  find(context: CinderCall, id: string): Volume {
    const volume = this.#state.volumes.volumes.get(id);
    if (volume === undefined || (!context.admin && volume.projectId !== context.projectId))
      fail(404, `Volume ${id} could not be found.`);
    return volume;
  }

  async list(context: CinderCall, detailed: boolean): Promise<Reply> {
    const { query } = context.call;
    const everyone = context.admin && ["1", "true", "True"].includes(query.get("all_tenants") ?? "");
    const rows = [...this.#state.volumes.volumes.values()].filter((volume) =>
      everyone ? (query.get("project_id") ?? volume.projectId) === volume.projectId : volume.projectId === context.projectId,
    );
    for (const volume of rows) await this.#state.transitions.poll(volume.id);
    const present = rows.filter((volume) => this.#state.volumes.volumes.has(volume.id) && selected(volume, query));
    const { shown, next } = paginate(
      context,
      present,
      this.#state.pageSize,
      (volume, key) => volumeView(volume, context.view, "show")[key],
      (id) => `Volume ${id} could not be found.`,
    );
    const answer: Record<string, unknown> = {
      volumes: shown.map((volume) =>
        detailed
          ? volumeView(volume, context.view, "show")
          : { id: volume.id, name: volume.name, links: volumeLinks(volume, context.view) },
      ),
    };
    if (next !== undefined) answer.volumes_links = [{ rel: "next", href: next }];
    if (context.view.version >= 3045 && query.get("with_count")?.toLowerCase() === "true") answer.count = present.length;
    return json(200, answer);
  }

  async show(context: CinderCall, id: string): Promise<Reply> {
    await this.#state.transitions.poll(id);
    return json(200, { volume: volumeView(this.find(context, id), context.view, "show") });
  }

  async create(context: CinderCall): Promise<Reply> {
    const { call, view } = context;
    const { volumes, transitions } = this.#state;
    const wanted = await bodyOf(call, "volume");
    const size = checkedSize(wanted);
    checkText(wanted);
    const metadata = checkMetadata(wanted.metadata);
    const sources = ["imageRef", "snapshot_id", "source_volid"].filter(
      (key) => wanted[key] !== undefined && wanted[key] !== null,
    );
    if (sources.length > 1)
      fail(400, "Invalid input received: May specify only one of backup, imageRef, snapshot, source volume");
    const typeName = wanted.volume_type;
    const type = typeof typeName === "string" ? volumes.typeOf(typeName) : undefined;
    if (typeof typeName === "string" && type === undefined)
      fail(
        404,
        UUID.test(typeName)
          ? `Volume type ${typeName} could not be found.`
          : `Volume type with name ${typeName} could not be found.`,
      );
    const snapshot = await this.#snapshotSource(context, wanted.snapshot_id, size);
    const source = await this.#volumeSource(context, wanted.source_volid, size);
    if (sources.length === 0 && size === undefined)
      fail(400, "The server could not comply with the request since it is either malformed or otherwise incorrect.");
    const image = this.#imageSource(context, wanted.imageRef ?? undefined, size);
    const gib = size ?? snapshot?.size ?? source?.size;
    if (gib === undefined) fail(400, "Invalid input received: Volume size 'None' must be an integer and greater than 0");
    const origin = source ?? (snapshot === undefined ? undefined : volumes.volumes.get(snapshot.volumeId));
    const zone =
      typeof wanted.availability_zone === "string" ? wanted.availability_zone : (origin?.zone ?? volumes.zones[0] ?? "nova");
    if (!volumes.zones.includes(zone)) fail(400, `Availability zone '${zone}' is invalid.`);
    if (origin !== undefined && origin.zone !== zone)
      fail(
        400,
        `Invalid input received: Volume must be in the same availability zone as the ${source === undefined ? "snapshot" : "source volume"}`,
      );
    const groupId = (wanted.group_id ?? null) as string | null;
    if (groupId !== null) this.#checkGroup(context, groupId, type);
    const finalType = type ?? origin?.type ?? volumes.defaultType;
    this.checkQuota(context.projectId, "volumes", gib, finalType.name);
    const original = image === undefined ? origin?.encryptionKeyId : (image.properties.cinder_encryption_key_id ?? undefined);
    const cloned =
      finalType.encrypted && original !== undefined
        ? (volumes.cloneKey(original, context.projectId, context.token.user.id) ??
          fail(500, "The server has either erred or is incapable of performing the requested operation."))
        : undefined;
    const volume = volumes.addVolume({
      projectId: context.projectId,
      userId: context.token.user.id,
      size: gib,
      zone,
      type: finalType,
      name: (wanted.name ?? wanted.display_name ?? null) as string | null,
      description: (wanted.description ?? wanted.display_description ?? null) as string | null,
      snapshotId: snapshot?.id ?? null,
      sourceVolid: source?.id ?? null,
      metadata,
      encryptionKeyId: cloned,
      groupId,
    });
    call.created("volume", volume.id);
    const bytes = (snapshot ?? source)?.bytes.clone(gib * volumes.bytesPerGib);
    if (bytes !== undefined) volume.bytes = bytes;
    const view202 = { volume: volumeView(volume, view, "create") };
    const from = snapshot ?? source;
    const inherit = () => {
      if (from === undefined) return;
      volume.bootable = from.bootable;
      if (from.imageMetadata !== undefined) volume.imageMetadata = { ...from.imageMetadata };
    };
    const done = () => {
      inherit();
      volumes.setStatus(volume, call.fails ? "error" : "available");
    };
    if (image === undefined) transitions.start([volume.id], [done]);
    else
      transitions.start(
        [volume.id],
        [() => volumes.setStatus(volume, "downloading"), () => this.#fill(volume, image, call.fails)],
      );
    return json(202, view202);
  }

  #checkGroup(context: CinderCall, id: string, type: VolumeType | undefined): void {
    const group = this.#state.volumes.groups.get(id);
    if (group === undefined || (!context.admin && group.projectId !== context.projectId))
      fail(404, `Group ${id} could not be found.`);
    if (type === undefined) fail(400, "Invalid input received: volume_type must be provided when creating a volume in a group.");
    if (group.volumeTypes.includes(type)) return;
    fail(
      400,
      `Invalid input received: Invalid volume_type provided: ${type.name} (requested type must be supported by this group).`,
    );
  }

  #fill(volume: Volume, image: Image, fails: boolean): void {
    const { volumes } = this.#state;
    // The conversion of other formats is qemu's; the fake has none and says so as Cinder would, with an error.
    if (fails || image.bytes === undefined || (image.diskFormat !== "raw" && image.diskFormat !== "iso")) {
      volumes.setStatus(volume, "error");
      return;
    }
    volume.bytes = image.bytes.clone(volume.size * volumes.bytesPerGib);
    volume.bootable = true;
    volume.imageMetadata = volumeImageMetadata(image);
    volumes.setStatus(volume, "available");
  }

  async update(context: CinderCall, id: string): Promise<Reply> {
    const volume = this.find(context, id);
    const wanted = await bodyOf(context.call, "volume");
    checkText(wanted);
    const name = wanted.name ?? wanted.display_name;
    const description = wanted.description ?? wanted.display_description;
    if (name !== undefined) volume.name = name as string | null;
    if (description !== undefined) volume.description = description as string | null;
    if (wanted.metadata !== undefined) volume.metadata = checkMetadata(wanted.metadata);
    this.#state.volumes.touch(volume);
    return json(200, { volume: volumeView(volume, context.view, "update") });
  }

  async remove(context: CinderCall, id: string, force = false): Promise<Reply> {
    const { volumes, transitions } = this.#state;
    await transitions.settle(id);
    const volume = this.find(context, id);
    const snapshots = [...volumes.snapshots.values()].filter((snapshot) => snapshot.volumeId === id);
    const cascade = context.call.query.get("cascade")?.toLowerCase() === "true";
    const blocked = volume.attachments.length > 0 || volume.groupId !== null || (snapshots.length > 0 && !cascade);
    if (blocked || (!force && !DELETABLE.includes(volume.status))) fail(400, NOT_DELETABLE);
    volumes.setStatus(volume, "deleting");
    for (const snapshot of snapshots) volumes.setStatus(snapshot, "deleting");
    transitions.start(
      [id],
      [
        () => {
          if (context.call.fails) return volumes.setStatus(volume, "error_deleting");
          for (const snapshot of snapshots) volumes.snapshots.delete(snapshot.id);
          volumes.volumes.delete(id);
          volumes.dropKey(volume.encryptionKeyId);
        },
      ],
    );
    for (const snapshot of snapshots) context.call.deleted("snapshot", snapshot.id);
    context.call.deleted("volume", id);
    return EMPTY_202;
  }

  /** Throws Cinder's 413 when one more of `kind` with `gib` would not fit. */
  checkQuota(projectId: string, kind: "volumes" | "snapshots", gib: number, type: string | undefined): void {
    const quota = this.#state.volumes.quota(projectId);
    const used = this.#state.volumes.usage(projectId);
    for (const name of ["gigabytes", `gigabytes_${type}`]) {
      const limit = quota[name] ?? -1;
      if (limit >= 0 && (used[name] ?? 0) + gib > limit) {
        fail(
          413,
          `VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed ${name} quota. Requested ${gib}G, quota is ${limit}G and ${used[name] ?? 0}G has been consumed.`,
        );
      }
    }
    for (const name of [kind, `${kind}_${type}`]) {
      const limit = quota[name] ?? -1;
      if (limit < 0 || (used[name] ?? 0) + 1 <= limit) continue;
      if (kind === "snapshots") fail(413, `SnapshotLimitExceeded: Maximum number of snapshots allowed (${limit}) exceeded`);
      fail(413, `VolumeLimitExceeded: Maximum number of volumes allowed (${limit}) exceeded for quota '${name}'.`);
    }
  }

  async #snapshotSource(context: CinderCall, id: unknown, size: number | undefined): Promise<Snapshot | undefined> {
    if (id === undefined || id === null) return undefined;
    await this.#state.transitions.settle(String(id));
    const snapshot = this.#state.volumes.snapshots.get(String(id));
    if (snapshot === undefined || (!context.admin && snapshot.projectId !== context.projectId))
      fail(404, `Snapshot ${id} could not be found.`);
    if (snapshot.status !== "available")
      fail(400, "Invalid snapshot: Originating snapshot status must be one of 'available' values");
    if (size !== undefined && size < snapshot.size) {
      fail(
        400,
        `Invalid input received: Volume size '${size}'GB cannot be smaller than the snapshot size ${snapshot.size}GB. They must be >= original snapshot size.`,
      );
    }
    return snapshot;
  }

  async #volumeSource(context: CinderCall, id: unknown, size: number | undefined): Promise<Volume | undefined> {
    if (id === undefined || id === null) return undefined;
    await this.#state.transitions.settle(String(id));
    const source = this.find(context, String(id));
    if (source.status !== "available" && source.status !== "in-use")
      fail(400, "Invalid volume: Originating source volume status must be one of 'available, in-use' values");
    if (size !== undefined && size < source.size) {
      fail(
        400,
        `Invalid input received: Volume size '${size}'GB cannot be smaller than original volume size  ${source.size}GB. They must be >= original volume size.`,
      );
    }
    return source;
  }

  #imageSource(context: CinderCall, id: unknown, size: number | undefined): Image | undefined {
    if (id === undefined) return undefined;
    const image = this.#state.images.visible(String(id), context.token);
    if (image === undefined) fail(400, "Invalid image identifier or unable to access requested image.");
    if (image.status !== "active") fail(400, `Invalid input received: Image ${image.id} is not active.`);
    if (size === undefined) return image;
    const gib = Math.ceil((image.size ?? 0) / this.#state.volumes.bytesPerGib);
    if (gib > size) fail(400, `Invalid input received: Size of specified image ${gib}GB is larger than volume size ${size}GB.`);
    if (image.minDisk > size)
      fail(
        400,
        `Invalid input received: Volume size ${size}GB cannot be smaller than the image minDisk size ${image.minDisk}GB.`,
      );
    return image;
  }
}

function checkedSize(wanted: Record<string, unknown>): number | undefined {
  const { size } = wanted;
  if (size === undefined || size === null) return undefined;
  if (typeof size === "string" && !/^[0-9]+$/.test(size)) invalid("size", size, `'${size}' does not match '^[0-9]+$'`);
  if (Number(size) < 1) invalid("size", size, `${size} is less than the minimum of 1`);
  return Number(size);
}

function checkText(wanted: Record<string, unknown>): void {
  for (const key of ["name", "description"]) {
    const value = wanted[key];
    if (typeof value === "string" && value.length > 255)
      fail(400, `Invalid input received: ${key} has ${value.length} characters, more than 255.`);
  }
}

export function checkMetadata(value: unknown): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [key, text] of Object.entries((value ?? {}) as Record<string, unknown>)) {
    if (typeof text !== "string") invalid(key, text, `${text} is not of type 'string'`);
    if (text.length > 255) invalid(key, text, `'${text}' is too long`);
    if (key.length === 0 || key.length > 255 || !/^[a-zA-Z0-9\-_:. /]+$/.test(key))
      invalid("metadata", value, `'${key}' does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'`);
    checked[key] = text;
  }
  return checked;
}

function selected(volume: Volume, query: URLSearchParams): boolean {
  const filters: Record<string, string | null> = {
    name: volume.name,
    status: volume.status,
    bootable: String(volume.bootable),
    availability_zone: volume.zone,
    volume_type_id: volume.type.id,
  };
  for (const [key, value] of Object.entries(filters)) {
    const wanted = query.get(key);
    if (wanted !== null && wanted.toLowerCase() !== (value ?? "").toLowerCase()) return false;
  }
  return metadataSelected(volume.metadata, query);
}

export function metadataSelected(metadata: Record<string, string>, query: URLSearchParams): boolean {
  const wanted = query.get("metadata");
  if (wanted === null) return true;
  // Clients send Python's or JSON's quotes.
  const pairs = JSON.parse(wanted.replaceAll("'", '"')) as Record<string, string>;
  return Object.entries(pairs).every(([key, value]) => metadata[key] === value);
}

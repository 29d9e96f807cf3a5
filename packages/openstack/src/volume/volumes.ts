/** Cinder v3 volumes. https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes */

import { listAll, nextOf } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { type WaitOptions, waitForStatus, waitUntilGone } from "../wait.ts";

export interface Volume {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly status: string;
  readonly sizeGiB: number;
  /** Name; empty without a type. */
  readonly volumeType: string;
  readonly availabilityZone: string;
  /** The wire has the text "true". */
  readonly bootable: boolean;
  readonly encrypted: boolean;
  /** From microversion 3.64. */
  readonly encryptionKeyId: string | undefined;
  readonly multiattach: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly imageMetadata: Readonly<Record<string, string>>;
  readonly snapshotId: string | undefined;
  readonly sourceVolumeId: string | undefined;
  readonly groupId: string | undefined;
  readonly attachments: readonly { readonly serverId: string; readonly attachmentId: string; readonly device: string }[];
  /** Of the listing as an administrator only. */
  readonly projectId: string | undefined;
  readonly createdAt: string;
}

export interface VolumeQuery {
  readonly name?: string;
  readonly status?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** As an administrator: volumes of that project, or of all. */
  readonly projectId?: string;
  readonly allProjects?: boolean;
}

export interface VolumeFields {
  readonly name: string;
  readonly description?: string;
  readonly sizeGiB: number;
  readonly volumeType?: string;
  /** Without one Cinder takes the source's. */
  readonly availabilityZone?: string;
  readonly snapshotId?: string;
  readonly imageId?: string;
  readonly sourceVolumeId?: string;
  /** Only with a type that the group takes. */
  readonly groupId?: string;
  /** Keys are ASCII, values at most 255 characters. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface VolumesApi {
  listVolumes(query?: VolumeQuery): AsyncIterable<Volume>;
  getVolume(id: string): Promise<Volume>;
  /** Status `creating`. Throws QUOTA_EXCEEDED, OUTCOME_UNKNOWN. */
  createVolume(fields: VolumeFields): Promise<Volume>;
  updateVolume(id: string, changes: { readonly name?: string; readonly description?: string }): Promise<Volume>;
  /** Accepted, or already gone. CLOUD_HTTP 400 while its status or a snapshot forbids it. */
  deleteVolume(id: string): Promise<void>;
  /** Merged into what is there. */
  updateMetadata(id: string, metadata: Readonly<Record<string, string>>): Promise<Record<string, string>>;
  deleteMetadata(id: string, key: string): Promise<void>;
  waitForVolume(id: string, wanted: readonly string[], options?: WaitOptions): Promise<Volume>;
  waitForVolumeGone(id: string, options?: WaitOptions): Promise<void>;
}

const PASSING =
  "creating downloading uploading reserved attaching detaching extending retyping maintenance backing-up restoring-backup awaiting-transfer".split(
    " ",
  );
/** Deleting sets `deleting` before it answers (cinder/volume/api.py `delete`); one back in `available` is not going. */
const GOING = ["deleting"];

interface WireVolume {
  id: string;
  name?: string | null;
  description?: string | null;
  status: string;
  size: number;
  volume_type?: string | null;
  availability_zone?: string | null;
  bootable?: string | boolean;
  encrypted?: boolean;
  encryption_key_id?: string | null;
  multiattach?: boolean;
  metadata?: Record<string, string>;
  volume_image_metadata?: Record<string, string>;
  snapshot_id?: string | null;
  source_volid?: string | null;
  group_id?: string | null;
  attachments?: { server_id?: string | null; attachment_id?: string; device?: string | null }[];
  "os-vol-tenant-attr:tenant_id"?: string;
  created_at?: string;
}

interface VolumePage {
  volumes: WireVolume[];
  volumes_links?: { rel?: string; href?: string }[];
}

export function volumesApi(client: ServiceClient): VolumesApi {
  const path = (id: string) => `/volumes/${encodeURIComponent(id)}`;

  async function* listVolumes(query: VolumeQuery = {}): AsyncGenerator<Volume> {
    const found = listAll<VolumePage, WireVolume>(client, {
      path: "/volumes/detail",
      query: {
        name: query.name === "" ? undefined : query.name,
        status: query.status,
        // Read with ast.literal_eval (cinder/api/v3/volumes.py): JSON of text values is such a literal.
        metadata: query.metadata === undefined ? undefined : JSON.stringify(query.metadata),
        project_id: query.projectId,
        all_tenants: query.allProjects === true || query.projectId !== undefined ? 1 : undefined,
      },
      expect: [200],
      items: (page) => page.volumes,
      next: (page) => nextOf(page.volumes_links),
    });
    for await (const wire of found) {
      const volume = volumeFromWire(wire);
      if (matches(volume, query)) yield volume;
    }
  }

  async function getVolume(id: string): Promise<Volume> {
    return volumeFromWire((await client.json<{ volume: WireVolume }>({ method: "GET", path: path(id), expect: [200] })).volume);
  }

  return {
    listVolumes,
    getVolume,
    async createVolume(fields) {
      const volume = {
        name: fields.name,
        description: fields.description,
        size: fields.sizeGiB,
        volume_type: fields.volumeType,
        availability_zone: fields.availabilityZone,
        snapshot_id: fields.snapshotId,
        imageRef: fields.imageId,
        source_volid: fields.sourceVolumeId,
        group_id: fields.groupId,
        metadata: fields.metadata,
      };
      return volumeFromWire(
        (await client.json<{ volume: WireVolume }>({ method: "POST", path: "/volumes", json: { volume }, expect: [202] })).volume,
      );
    },
    async updateVolume(id, changes) {
      return volumeFromWire(
        (await client.json<{ volume: WireVolume }>({ method: "PUT", path: path(id), json: { volume: changes }, expect: [200] }))
          .volume,
      );
    },
    async deleteVolume(id) {
      await client.send({ method: "DELETE", path: path(id), expect: [202, 404] });
    },
    async updateMetadata(id, metadata) {
      const body = await client.json<{ metadata: Record<string, string> }>({
        method: "POST",
        path: `${path(id)}/metadata`,
        json: { metadata },
        idempotent: true,
        expect: [200],
      });
      return body.metadata;
    },
    async deleteMetadata(id, key) {
      await client.send({ method: "DELETE", path: `${path(id)}/metadata/${encodeURIComponent(key)}`, expect: [200, 404] });
    },
    waitForVolume: (id, wanted, options = {}) =>
      waitForStatus({
        clock: client.clock,
        random: client.random,
        kind: "volume",
        id,
        get: () => getVolume(id),
        status: (v) => v.status,
        wanted,
        passing: PASSING,
        options,
      }),
    waitForVolumeGone: (id, options = {}) =>
      waitUntilGone({
        clock: client.clock,
        random: client.random,
        kind: "volume",
        id,
        get: () => getVolume(id),
        status: (v) => v.status,
        passing: GOING,
        options,
      }),
  };
}

export function volumeFromWire(wire: WireVolume): Volume {
  return {
    id: wire.id,
    name: wire.name ?? "",
    description: wire.description ?? "",
    status: wire.status,
    sizeGiB: wire.size,
    volumeType: wire.volume_type ?? "",
    availabilityZone: wire.availability_zone ?? "",
    bootable: wire.bootable === true || wire.bootable === "true",
    encrypted: wire.encrypted === true,
    encryptionKeyId: wire.encryption_key_id ?? undefined,
    multiattach: wire.multiattach === true,
    metadata: wire.metadata ?? {},
    imageMetadata: wire.volume_image_metadata ?? {},
    snapshotId: wire.snapshot_id ?? undefined,
    sourceVolumeId: wire.source_volid ?? undefined,
    groupId: wire.group_id ?? undefined,
    attachments: (wire.attachments ?? []).map((one) => ({
      serverId: one.server_id ?? "",
      attachmentId: one.attachment_id ?? "",
      device: one.device ?? "",
    })),
    projectId: wire["os-vol-tenant-attr:tenant_id"],
    createdAt: wire.created_at ?? "",
  };
}

/** An operator may switch any filter off (`resource_filters.json`): it is then ignored, so each is applied here again. */
function matches(volume: Volume, query: VolumeQuery): boolean {
  if (query.name !== undefined && volume.name !== query.name) return false;
  if (query.status !== undefined && volume.status !== query.status) return false;
  if (query.projectId !== undefined && volume.projectId !== undefined && volume.projectId !== query.projectId) return false;
  return Object.entries(query.metadata ?? {}).every(([key, value]) => volume.metadata[key] === value);
}

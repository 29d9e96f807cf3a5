/**
 * The volumes, volume snapshots, types and quotas of the fake Cinder: records, what counts against a quota, and how
 * they are shown at a microversion. Sizes are whole "GiB" of `bytesPerGib` bytes, so a test may use small ones.
 */

import { randomBytes } from "node:crypto";
import { assert, type Clock } from "@permafrost/std";
import type { KeyStore } from "./barbican/key-store.ts";
import { type BlockGenerator, SparseBytes } from "./bytes.ts";
import { cinderTime, uuid } from "./ids.ts";
import type {
  GroupSnapshot,
  GroupType,
  QosSpecs,
  Snapshot,
  Volume,
  VolumeBackup,
  VolumeGroup,
  VolumeTransfer,
  VolumeType,
} from "./volume-records.ts";

export type {
  GroupSnapshot,
  GroupType,
  QosSpecs,
  Snapshot,
  Volume,
  VolumeBackup,
  VolumeGroup,
  VolumeTransfer,
  VolumeType,
} from "./volume-records.ts";

export type Quota = Record<string, number>;
export const DEFAULT_QUOTA: Readonly<Quota> = {
  volumes: 200,
  snapshots: 200,
  gigabytes: 2000,
  per_volume_gigabytes: -1,
  backups: 50,
  backup_gigabytes: 1000,
  groups: 50,
};

export class Volumes {
  readonly volumes = new Map<string, Volume>();
  readonly snapshots = new Map<string, Snapshot>();
  readonly types: VolumeType[];
  readonly qosSpecs: QosSpecs[] = [];
  readonly backups: VolumeBackup[] = [];
  readonly transfers: VolumeTransfer[] = [];
  readonly groups = new Map<string, VolumeGroup>();
  readonly groupTypes: GroupType[] = [];
  readonly groupSnapshots: GroupSnapshot[] = [];
  readonly zones = ["nova"];
  readonly #quotas = new Map<string, Quota>();
  readonly #clock: Clock;
  #sequence = 0;
  readonly bytesPerGib: number;
  /** Where the keys of encrypted volumes are; without it they are ids of nothing. */
  readonly #keys: KeyStore | undefined;

  constructor(clock: Clock, bytesPerGib: number, keys?: KeyStore) {
    this.#clock = clock;
    this.#keys = keys;
    this.bytesPerGib = bytesPerGib;
    const type = (name: string, description: string, extraSpecs: Record<string, string> = {}): VolumeType => ({
      ...{ id: uuid(), name, description, extraSpecs, isPublic: true, access: new Set<string>() },
      ...{ encryption: undefined, encrypted: false, qosSpecsId: null },
    });
    const luks = { provider: "luks", control_location: "front-end", cipher: "aes-xts-plain64", key_size: 256 };
    this.types = [
      type("standard", "Ceph RBD"),
      type("multiattach", "Ceph RBD, multi-attach", { multiattach: "<is> True" }),
      type("fast", "the same Ceph pool under a second name"),
      { ...type("luks", "encrypted"), encrypted: true, encryption: luks },
      type("__DEFAULT__", "Default Volume Type"),
    ];
  }

  get defaultType(): VolumeType {
    const [first] = this.types;
    assert(first !== undefined, "a cloud has a volume type");
    return first;
  }

  typeOf(nameOrId: string): VolumeType | undefined {
    return this.types.find((type) => type.name === nameOrId || type.id === nameOrId);
  }

  addVolume(fields: Partial<Volume> & Pick<Volume, "projectId" | "userId" | "size">, generator?: BlockGenerator): Volume {
    const volume: Volume = {
      id: uuid(),
      name: null,
      description: null,
      status: "creating",
      zone: "nova",
      type: this.defaultType,
      snapshotId: null,
      sourceVolid: null,
      metadata: {},
      imageMetadata: undefined,
      groupId: null,
      bootable: false,
      readonly: undefined,
      encryptionKeyId: undefined,
      attachments: [],
      createdMs: this.#clock.now(),
      updatedMs: null,
      bytes: new SparseBytes(fields.size * this.bytesPerGib, generator),
      sequence: this.#sequence++,
      ...fields,
    };
    if (volume.type.encrypted) volume.encryptionKeyId ??= this.newKey(volume.projectId, volume.userId);
    this.volumes.set(volume.id, volume);
    return volume;
  }

  /** As castellan makes one for Cinder: a secret of the user's, without a name; a copy has its original's. */
  newKey(projectId: string, creatorId: string): string {
    return this.#addKey(projectId, creatorId, randomBytes(32));
  }

  /** Every volume and image has a key of its own, equal to its source's. Undefined: there is no such key. */
  cloneKey(id: string, projectId: string, creatorId: string): string | undefined {
    if (this.#keys === undefined) return id;
    const original = this.#keys.secret(id);
    if (original?.payload === undefined) return undefined;
    return this.#addKey(projectId, creatorId, original.payload, original.name);
  }

  dropKey(id: string | undefined): void {
    if (id !== undefined) this.#keys?.removeSecret(id);
  }

  #addKey(projectId: string, creatorId: string, payload: Uint8Array, name: string | null = null): string {
    const fields = { name, projectId, creatorId, secretType: "symmetric", algorithm: "aes", bitLength: 256 };
    return this.#keys?.addSecret({ ...fields, payload }).id ?? uuid();
  }

  addSnapshot(volume: Volume, fields: Partial<Snapshot> = {}): Snapshot {
    const snapshot: Snapshot = {
      id: uuid(),
      projectId: volume.projectId,
      userId: volume.userId,
      volumeId: volume.id,
      name: null,
      description: null,
      status: "creating",
      size: volume.size,
      metadata: {},
      imageMetadata: volume.imageMetadata === undefined ? undefined : { ...volume.imageMetadata },
      bootable: volume.bootable,
      createdMs: this.#clock.now(),
      updatedMs: null,
      bytes: volume.bytes.clone(),
      sequence: this.#sequence++,
      ...fields,
    };
    this.snapshots.set(snapshot.id, snapshot);
    return snapshot;
  }

  setStatus(resource: Volume | Snapshot, status: string): void {
    resource.status = status;
    this.touch(resource);
  }

  touch(resource: Volume | Snapshot): void {
    resource.updatedMs = this.#clock.now();
  }

  nowMs(): number {
    return this.#clock.now();
  }

  quota(projectId: string): Quota {
    let quota = this.#quotas.get(projectId);
    if (quota === undefined) {
      quota = { ...DEFAULT_QUOTA };
      for (const { name } of this.types)
        Object.assign(quota, { [`volumes_${name}`]: -1, [`gigabytes_${name}`]: -1, [`snapshots_${name}`]: -1 });
      this.#quotas.set(projectId, quota);
    }
    return quota;
  }

  /** What a project uses now, by quota name. */
  usage(projectId: string): Quota {
    const used: Quota = { volumes: 0, snapshots: 0, gigabytes: 0 };
    const count = (kind: string, size: number, type: string | undefined) => {
      for (const [name, by] of [
        [kind, 1],
        [`${kind}_${type}`, 1],
        ["gigabytes", size],
        [`gigabytes_${type}`, size],
      ] as const)
        used[name] = (used[name] ?? 0) + by;
    };
    used.groups = [...this.groups.values()].filter((group) => group.projectId === projectId).length;
    for (const volume of this.volumes.values())
      if (volume.projectId === projectId) count("volumes", volume.size, volume.type.name);
    for (const snapshot of this.snapshots.values()) {
      if (snapshot.projectId === projectId) count("snapshots", snapshot.size, this.volumes.get(snapshot.volumeId)?.type.name);
    }
    return used;
  }
}

export interface ViewContext {
  /** Microversion, such as 3.66, as major * 1000 + minor. */
  readonly version: number;
  readonly admin: boolean;
  readonly origin: string;
  /** Project id of the URL, with a slash before it; empty when the URL has none. */
  readonly prefix: string;
}

export function volumeLinks(volume: Volume, view: ViewContext): Record<string, string>[] {
  return [
    { rel: "self", href: `${view.origin}/v3${view.prefix}/volumes/${volume.id}` },
    { rel: "bookmark", href: `${view.origin}${view.prefix}/volumes/${volume.id}` },
  ];
}

/** The metadata with what Cinder keeps about the volume itself. */
function shownMetadata(volume: Volume): Record<string, string> {
  const attached = volume.attachments.length > 0;
  const own: Record<string, string> = {};
  if (attached || volume.readonly !== undefined) own.readonly = volume.readonly === true ? "True" : "False";
  if (attached) own.attached_mode = volume.readonly === true ? "ro" : "rw";
  return { ...volume.metadata, ...own };
}

/** `stage`: `create` and `update` show less than `show`, as Cinder does. */
export function volumeView(volume: Volume, view: ViewContext, stage: "create" | "update" | "show"): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    id: volume.id,
    status: volume.status,
    size: volume.size,
    availability_zone: volume.zone,
    created_at: cinderTime(volume.createdMs),
    updated_at: volume.updatedMs === null ? null : cinderTime(volume.updatedMs),
    name: volume.name,
    description: volume.description,
    volume_type: volume.type.name,
    snapshot_id: volume.snapshotId,
    source_volid: volume.sourceVolid,
    metadata: stage === "show" ? shownMetadata(volume) : volume.metadata,
    links: volumeLinks(volume, view),
    user_id: volume.userId,
    bootable: volume.bootable ? "true" : "false",
    encrypted: volume.type.encrypted,
    replication_status: null,
    consistencygroup_id: null,
    multiattach: volume.type.extraSpecs.multiattach === "<is> True",
    attachments: volume.attachments,
  };
  const at = (minor: number) => view.version >= 3000 + minor;
  if (at(13)) fields.group_id = volume.groupId;
  if (at(48)) Object.assign(fields, { shared_targets: false, service_uuid: "b8dd8400-0000-4000-a000-000000000001" });
  if (at(63)) fields.volume_type_id = volume.type.id;
  if (at(64) && volume.encryptionKeyId !== undefined) fields.encryption_key_id = volume.encryptionKeyId;
  if (at(65)) fields.consumes_quota = true;
  if (stage !== "show") return fields;
  fields["os-vol-tenant-attr:tenant_id"] = volume.projectId;
  if (view.admin) {
    fields.migration_status = null;
    fields["os-vol-mig-status-attr:migstat"] = null;
    fields["os-vol-mig-status-attr:name_id"] = null;
    fields["os-vol-host-attr:host"] = "lab@ceph#ceph";
  }
  if (volume.imageMetadata !== undefined) fields.volume_image_metadata = volume.imageMetadata;
  return fields;
}

export function snapshotView(snapshot: Snapshot, view: ViewContext, detailed: boolean): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    id: snapshot.id,
    created_at: cinderTime(snapshot.createdMs),
    updated_at: snapshot.updatedMs === null ? null : cinderTime(snapshot.updatedMs),
    name: snapshot.name,
    description: snapshot.description,
    volume_id: snapshot.volumeId,
    status: snapshot.status,
    size: snapshot.size,
    metadata: snapshot.metadata,
  };
  if (view.version >= 3014) fields.group_snapshot_id = null;
  if (view.version >= 3041) fields.user_id = snapshot.userId;
  if (view.version >= 3065) fields.consumes_quota = true;
  if (!detailed) return fields;
  fields["os-extended-snapshot-attributes:project_id"] = snapshot.projectId;
  fields["os-extended-snapshot-attributes:progress"] = snapshot.status === "available" ? "100%" : "0%";
  return fields;
}

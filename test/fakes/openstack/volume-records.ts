/** What the fake Cinder keeps of each thing: plain records, changed by the routes. */

import type { SparseBytes } from "./bytes.ts";

export interface VolumeType {
  readonly id: string;
  name: string;
  description: string | null;
  readonly extraSpecs: Record<string, string>;
  isPublic: boolean;
  /** Ids of the projects that may use it though it is not public. */
  readonly access: Set<string>;
  encryption: Record<string, unknown> | undefined;
  encrypted: boolean;
  qosSpecsId: string | null;
}

export interface QosSpecs {
  readonly id: string;
  readonly name: string;
  readonly consumer: string;
  readonly specs: Readonly<Record<string, string>>;
}

export interface Volume {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  name: string | null;
  description: string | null;
  status: string;
  size: number;
  zone: string;
  type: VolumeType;
  snapshotId: string | null;
  sourceVolid: string | null;
  metadata: Record<string, string>;
  imageMetadata: Record<string, string> | undefined;
  groupId: string | null;
  bootable: boolean;
  readonly: boolean | undefined;
  encryptionKeyId: string | undefined;
  attachments: Record<string, unknown>[];
  readonly createdMs: number;
  updatedMs: number | null;
  bytes: SparseBytes;
  readonly sequence: number;
}

export interface Snapshot {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly volumeId: string;
  name: string | null;
  description: string | null;
  status: string;
  readonly size: number;
  metadata: Record<string, string>;
  imageMetadata: Record<string, string> | undefined;
  bootable: boolean;
  readonly createdMs: number;
  updatedMs: number | null;
  bytes: SparseBytes;
  readonly sequence: number;
}

export interface GroupType {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly isPublic: boolean;
  readonly groupSpecs: Readonly<Record<string, string>>;
}

export interface VolumeGroup {
  readonly id: string;
  readonly projectId: string;
  name: string | null;
  description: string | null;
  status: string;
  readonly zone: string;
  readonly type: GroupType;
  readonly volumeTypes: readonly VolumeType[];
  readonly createdMs: number;
}

/** What a backup service has put away; in the fake only a record. */
export interface VolumeBackup {
  readonly id: string;
  readonly projectId: string;
  readonly volumeId: string;
  readonly snapshotId: string | null;
  readonly name: string | null;
  readonly description: string | null;
  readonly sizeGib: number;
  readonly container: string;
  readonly isIncremental: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdMs: number;
}

export interface VolumeTransfer {
  readonly id: string;
  readonly volumeId: string;
  readonly sourceProjectId: string;
  readonly name: string | null;
  readonly noSnapshots: boolean;
  readonly createdMs: number;
}

export interface GroupSnapshot {
  readonly id: string;
  readonly projectId: string;
  readonly groupId: string;
  readonly groupTypeId: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly createdMs: number;
}

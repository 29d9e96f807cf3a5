/** The document of a volume: what is captured of it, and what of that must be the same after a restore. Pure. */

import type { Volume } from "@permafrost/openstack";
import type { EncryptionKey } from "./encryption-key.ts";

/** Document version 1. */
export type VolumeDocument = {
  readonly version: 1;
  readonly name: string;
  readonly description: string;
  readonly status: string;
  readonly sizeGiB: number;
  readonly volumeType: string;
  readonly availabilityZone: string;
  readonly bootable: boolean;
  readonly encrypted: boolean;
  /** Of an encrypted volume, as far as the credentials could read it. */
  readonly key?: EncryptionKey;
  readonly keyId?: string;
  readonly multiattach: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly imageMetadata: Readonly<Record<string, string>>;
  readonly groupId?: string;
};

/** Written by Cinder itself. */
const SERVICE_METADATA = /^(readonly|attached_mode|permafrost_.*)$/;
export function describe(v: Volume): VolumeDocument {
  return {
    version: 1,
    name: v.name,
    description: v.description,
    status: v.status,
    sizeGiB: v.sizeGiB,
    volumeType: v.volumeType,
    availabilityZone: v.availabilityZone,
    bootable: v.bootable,
    encrypted: v.encrypted,
    multiattach: v.multiattach,
    metadata: v.metadata,
    imageMetadata: v.imageMetadata,
    ...(v.groupId === undefined ? {} : { groupId: v.groupId }),
  };
}

export function comparable(d: VolumeDocument): Record<string, unknown> {
  const { name, description, sizeGiB, volumeType, availabilityZone, bootable, encrypted, multiattach, imageMetadata } = d;
  return {
    encrypted,
    readonly: isReadonly(d),
    name,
    description,
    sizeGiB,
    volumeType,
    availabilityZone,
    bootable,
    multiattach,
    imageMetadata,
    metadata: userMetadata(d),
  };
}

/** Cinder shows the flag as metadata. */
export function isReadonly(d: VolumeDocument): boolean {
  return d.metadata.readonly === "True";
}

export function userMetadata(d: VolumeDocument): Record<string, string> {
  return Object.fromEntries(Object.entries(d.metadata).filter(([k]) => !SERVICE_METADATA.test(k)));
}

/** The properties a guest needs to start from the volume; the image's own identity is not among them. */
export function hardware(d: VolumeDocument): Record<string, string> {
  return Object.fromEntries(
    Object.entries(d.imageMetadata).filter(
      ([k]) => /^(hw_|os_|img_)/.test(k) && !k.startsWith("os_hash_") && !k.startsWith("os_glance_"),
    ),
  );
}

export function mapped(map: Readonly<Record<string, string>> | undefined, name: string): string {
  return map?.[name] ?? map?.["*"] ?? name;
}

const GIB = 2 ** 30;

/**
 * An encrypted volume's bytes have its header in front: some backends (RBD) give more than the volume's size, and Cinder makes no volume
 * of an image that is larger than it.
 */
export function targetSizeGiB({ encrypted, sizeGiB }: VolumeDocument, data: { readonly sizeBytes: number } | undefined): number {
  return encrypted ? Math.max(sizeGiB, Math.ceil((data?.sizeBytes ?? 0) / GIB)) : sizeGiB;
}

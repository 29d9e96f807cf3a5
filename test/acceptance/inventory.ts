/**
 * What a project holds, as a client that is not ours saw it, and what it ought to hold.
 *
 * The lab's inventory comes from openstacksdk (test/lab/tenants/storage/inventory.py), the fake's from its own state; both have this
 * shape. A manifest is written by whoever made the tenant. Times and the clouds' own bookkeeping are left out.
 */

export interface ImageRow {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly diskFormat: string;
  readonly containerFormat: string;
  readonly minDisk: number;
  readonly minRam: number;
  readonly visibility: string;
  readonly protected: boolean;
  readonly hidden: boolean;
  readonly tags: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  /** Project ids. */
  readonly members: readonly string[];
  readonly sha256?: string;
  readonly bytes?: number;
}

export interface VolumeRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly sizeGib: number;
  readonly status: string;
  readonly type: string;
  readonly zone: string;
  readonly bootable: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly imageMetadata: Readonly<Record<string, string>>;
  readonly sha256?: string;
  readonly bytes?: number;
}

export interface ContainerRow {
  readonly name: string;
  /** Lower-case names: custom metadata, access lists, storage policy. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ObjectRow {
  readonly container: string;
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a static large object, in order. */
  readonly segments?: readonly { readonly path: string; readonly etag: string; readonly bytes: number }[];
  readonly sha256?: string;
  readonly bytes?: number;
}

export interface Inventory {
  readonly projectId: string;
  readonly images: readonly ImageRow[];
  readonly volumes: readonly VolumeRow[];
  readonly containers: readonly ContainerRow[];
  readonly objects: readonly ObjectRow[];
  /** Volume snapshots, volume backups and images that are not active. The tenant of the suite has none of its own. */
  readonly others: readonly { readonly kind: string; readonly id: string; readonly name: string | null }[];
}

export interface ManifestRow {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** What the tenant ought to hold now. */
export interface TenantManifest {
  readonly projects: Readonly<Record<"source" | "target" | "partner", { readonly id: string; readonly name: string }>>;
  readonly images: readonly (ManifestRow & { readonly id: string })[];
  readonly volumes: readonly (ManifestRow & { readonly id: string })[];
  readonly objects: readonly (ManifestRow & { readonly container: string; readonly kind: "plain" | "slo" | "dlo" })[];
}

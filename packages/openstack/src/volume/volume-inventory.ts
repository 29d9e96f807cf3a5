/** What Cinder keeps of volumes beside them, as whole objects in listings; none is addressed by these. */

import type { CollectionSpec } from "../rest/collection.ts";

export const SNAPSHOT_DETAILS: CollectionSpec = {
  service: "block-storage",
  path: "/snapshots/detail",
  singular: "snapshot",
  plural: "snapshots",
};

export const VOLUME_BACKUP_DETAILS: CollectionSpec = {
  service: "block-storage",
  path: "/backups/detail",
  singular: "backup",
  plural: "backups",
};

/** Its older address, which every version has; what it shows grows with the microversion all the same. */
export const VOLUME_TRANSFER_DETAILS: CollectionSpec = {
  service: "block-storage",
  path: "/os-volume-transfer/detail",
  singular: "transfer",
  plural: "transfers",
};

/** From microversion 3.14. */
export const GROUP_SNAPSHOT_DETAILS: CollectionSpec = {
  service: "block-storage",
  path: "/group_snapshots/detail",
  singular: "group_snapshot",
  plural: "group_snapshots",
};

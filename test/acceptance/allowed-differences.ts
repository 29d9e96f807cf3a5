/**
 * What may differ between a project and its restored copy, and why. Everything else must be the same, so this list is
 * part of what the suite proves: read it as the honest small print of a restore.
 */

import type { Kind } from "./compare.ts";

export interface AllowedDifference {
  readonly kind: Kind;
  /** Of the field's path, such as `properties.os_distro`. */
  readonly field: RegExp;
  readonly why: string;
  /** Default: any values. */
  readonly accepts?: (difference: { readonly before: unknown; readonly after: unknown }) => boolean;
}

export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [
  { kind: "image", field: /^id$/, why: "Glance numbers images itself" },
  { kind: "volume", field: /^id$/, why: "Cinder numbers volumes itself" },
  {
    kind: "volume",
    field: /^type$/,
    why: "the suite maps fast to standard",
    accepts: ({ before, after }) => before === "fast" && after === "standard",
  },
  {
    kind: "volume",
    field:
      /^imageMetadata\.(image_id|image_name|checksum|size|min_disk|min_ram|disk_format|container_format|signature_verified)$/,
    why: "Cinder itself writes there which image a volume was made of: for a restored one, the temporary image that brought its bytes",
  },
];

/**
 * What may differ between a project and what a restore made of it, and why. Everything else must be the same, so this list is part of what
 * the suite proves: read it as the honest small print of a restore.
 */

import type { Bytes } from "./inventory.ts";

/** Where a restore went and who asked for it: an administrator into the emptied project, a plain member into a second one. */
export type Scenario = "emptied" | "second";

export interface AllowedDifference {
  readonly type: RegExp;
  /** The whole row may be missing or new, its bytes may differ, or fields whose path matches. */
  readonly field: RegExp | "row" | "bytes";
  /** Of the row's name; default: every row. */
  readonly label?: RegExp;
  readonly why: string;
  /** Default: any values, also inside of lists. Of bytes, it gets their hashes. */
  readonly accepts?: (before: unknown, after: unknown) => boolean;
  readonly only?: readonly Scenario[];
}

/** Where two disks differ; undefined when one is not a disk or they are of different size. */
export function otherMib(before: unknown, after: unknown): number[] | undefined {
  const [a, b] = [before as Bytes | undefined, after as Bytes | undefined];
  if (a?.mib === undefined || b?.mib === undefined || a.bytes !== b.bytes) return undefined;
  const [left, right] = [a.mib, b.mib];
  const numbers = [...new Set([...Object.keys(left), ...Object.keys(right)])].filter((n) => left[n] !== right[n]);
  return numbers.map(Number).sort((x, y) => x - y);
}

/** Lists whose order means something, as `TYPE PATH`. */
export const ORDERED: readonly RegExp[] = [
  /^neutron\.subnet (dns_nameservers|allocation_pools)$/,
  /^swift\.object segments$/,
  /^designate\.zone masters$/,
];

export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [
  { type: /./, field: /(^|\.)(id|uuid)$/, why: "services number things themselves" },
  {
    type: /./,
    field: /(^|\.)(created|updated|created_at|updated_at|launched_at|OS-SRV-USG:launched_at)$/,
    why: "times of the object, not of what it is",
  },
  {
    type: /./,
    field: /(^|\.)(links|self|file|schema|revision_number|direct_url|locations)/,
    why: "addresses and counters of the object itself",
  },
  {
    type: /^(cinder\.volume|nova\.server)$/,
    field: "bytes",
    label: /^(db-root|web-1|worker-1)$/,
    why: "the lab's guest writes a line into MiB 63 of its root disk whenever it starts",
    accepts: (before, after) => otherMib(before, after)?.every((mib) => mib === 63) === true,
  },
];

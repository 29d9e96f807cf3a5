/**
 * Names of the objects of one node, below the prefix that is its own: FORMAT.md A5.
 *
 * `packs/<epoch>-<number>-<name>/<offset>-<version>`: a segment. `made/<epoch>-<number>`: which pack that is. `owner/<epoch>`: who writes.
 * Each key but the first of a new pack follows from what is known before, so that nothing durable hangs on a listing being up to date.
 */

/** Where a segment lies in its pack, and which of two that overlap counts. */
export interface SegmentKey {
  readonly offset: number;
  /** Epoch of the writer × 65,536 + cuts it had made: of segments that overlap the higher counts. */
  readonly version: number;
}

/** A pack's folder: who made it, as which of its packs. */
export interface PackFolder {
  readonly epoch: number;
  readonly number: number;
  readonly name: string;
}

export const CUTS_MAX = 65_536;
const SEGMENT = /^packs\/([0-9a-f]{8})-([0-9a-f]{8})-([\w-]+)\/([0-9a-f]{12})-([0-9a-f]{12})$/;

export const PACKS = "packs/";
export const OWNERS = "owner/";
export const BAD = "bad/";

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

export function folderKey({ epoch, number, name }: PackFolder): string {
  return `${PACKS}${hex(epoch, 8)}-${hex(number, 8)}-${name}/`;
}

export function segmentKey(folder: PackFolder, { offset, version }: SegmentKey): string {
  return `${folderKey(folder)}${hex(offset, 12)}-${hex(version, 12)}`;
}

export function parseSegmentKey(key: string): { readonly folder: PackFolder; readonly segment: SegmentKey } | undefined {
  const [, epoch, number, name, offset, version] = SEGMENT.exec(key) ?? [];
  if (name === undefined) return undefined;
  const int = (text = "") => Number.parseInt(text, 16);
  return {
    folder: { epoch: int(epoch), number: int(number), name },
    segment: { offset: int(offset), version: int(version) },
  };
}

export const madeKey = (epoch: number, number: number) => `made/${hex(epoch, 8)}-${hex(number, 8)}`;
export const ownerKey = (epoch: number) => `${OWNERS}${hex(epoch, 8)}`;
export const releasedKey = (epoch: number) => `${ownerKey(epoch)}-released`;
export const badKey = (name: string) => `${BAD}${name}`;

/** The epoch of an owner's key; undefined for any other. */
export function parseOwnerKey(key: string): number | undefined {
  const match = /^owner\/([0-9a-f]{8})$/.exec(key);
  return match ? Number.parseInt(match[1] as string, 16) : undefined;
}

/**
 * Finds the packs below a prefix: by listing, which may lag, and then key by key where a listing cannot be trusted.
 *
 * What was acknowledged is found whatever the listing leaves out: of each recent owner the packs it made are counted through without gaps
 * (`made/`), and of each pack the segments are followed to where none is. What is listed and gone is dropped: packs are removed from
 * their end.
 */

import { mapPool } from "@permafrost/std";
import type { ObjectBucket } from "./object-bucket.ts";
import { BAD, CUTS_MAX, madeKey, PACKS, type PackFolder, parseSegmentKey, segmentKey } from "./object-keys.ts";
import { textOf } from "./prefix-owner.ts";
import { addSegment, compareSegments, endOf, type Piece, type Segment } from "./segments.ts";

/** A pack as the bucket has it. */
export interface FoundPack {
  readonly folder: PackFolder;
  readonly pieces: Piece[];
  /** Segments of which nothing counts. */
  readonly outdated: readonly Segment[];
}

/** Owners whose packs are counted through: no listing lags over so many restarts. */
export const RECENT_EPOCHS = 8;
const REQUESTS_AT_ONCE = 16;

interface Listed {
  readonly folder: PackFolder;
  readonly segments: Segment[];
}

/** All packs that owners up to `epoch` made and nobody removed or set aside, by name. */
export async function findPacks(bucket: ObjectBucket, epoch: number): Promise<Map<string, FoundPack>> {
  const listed = new Map<string, Listed>();
  for await (const { key, sizeBytes } of bucket.list(PACKS)) {
    const parsed = parseSegmentKey(key);
    if (!parsed) continue;
    const { folder, segment } = parsed;
    const pack = listed.get(folder.name) ?? { folder, segments: [] };
    pack.segments.push({ ...segment, sizeBytes });
    listed.set(folder.name, pack);
  }
  const recent = Array.from({ length: Math.min(epoch, RECENT_EPOCHS) }, (_, i) => epoch - i);
  await mapPool(recent, REQUESTS_AT_ONCE, (one) => addMade(bucket, one, listed));
  for await (const { key } of bucket.list(BAD)) listed.delete(key.slice(BAD.length));
  const found = new Map<string, FoundPack>();
  await mapPool(listed.values(), REQUESTS_AT_ONCE, async (pack) => {
    const known = await followed(bucket, pack);
    if (known.pieces.length > 0) found.set(pack.folder.name, known);
  });
  return found;
}

/** Adds the packs of one owner that are not listed. */
async function addMade(bucket: ObjectBucket, epoch: number, listed: Map<string, Listed>): Promise<void> {
  const numbers = new Set<number>();
  for (const { folder } of listed.values()) if (folder.epoch === epoch) numbers.add(folder.number);
  for (let number = 0; ; number++) {
    if (numbers.has(number)) continue;
    const name = (await textOf(bucket, madeKey(epoch, number)))?.trim();
    if (name === undefined) return;
    if (!listed.has(name)) listed.set(name, { folder: { epoch, number, name }, segments: [] });
  }
}

/** The pack's segments, listed or not, that are there. */
async function followed(bucket: ObjectBucket, { folder, segments }: Listed): Promise<FoundPack> {
  const size = (offset: number, version: number) => bucket.sizeBytes(segmentKey(folder, { offset, version }));
  const known = [...segments].sort(compareSegments);
  // Listed, but removed since: packs go from their end.
  for (let last = known.at(-1); last && (await size(last.offset, last.version)) === undefined; last = known.at(-1)) known.pop();
  let pieces: Piece[] = [];
  const all: Segment[] = [];
  const add = (segment: Segment) => {
    pieces = addSegment(pieces, segment);
    all.push(segment);
  };
  const follow = async (version: number, until: number) => {
    while (endOf(pieces) < until) {
      const offset = endOf(pieces);
      const sizeBytes = await size(offset, version);
      // An empty one is followed by nothing of its version.
      if (!sizeBytes) return;
      add({ offset, version, sizeBytes });
    }
  };
  const first = folder.epoch * CUTS_MAX;
  if (known.length === 0) await follow(first, Number.POSITIVE_INFINITY);
  for (const [i, segment] of known.entries()) {
    const before = known[i - 1]?.version ?? first;
    if (segment.offset > endOf(pieces)) await follow(before, segment.offset);
    if (segment.offset > endOf(pieces)) await follow(segment.version, segment.offset);
    // What the writer of an earlier version added last may not be listed: the later one either saw it, and begins behind it, or cut it.
    add(segment);
  }
  const last = known.at(-1);
  if (last) await follow(last.version, Number.POSITIVE_INFINITY);
  const counted = new Set(pieces.map(({ offset, version }) => `${offset} ${version}`));
  return { folder, pieces, outdated: all.filter(({ offset, version }) => !counted.has(`${offset} ${version}`)) };
}

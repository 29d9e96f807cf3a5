/**
 * What lives at a place in a pack: what the index leads to there, and what it leads to nowhere else that is sound or newer. So an index that
 * lost an entry costs nothing: what it does not name lives.
 */

import { type IndexLocation, RECORD_TYPE_BLOCK, type RecordType } from "@permafrost/format";
import type { NodeIndex } from "./node-index.ts";

/** A record and the place that it is looked at in. */
export interface Placed {
  readonly type: RecordType;
  readonly version: bigint;
  /** Of the index. */
  readonly key: Buffer;
  readonly location: IndexLocation;
}

export interface Living<P extends Placed> {
  readonly placed: P;
  /** The index has an entry of its key. */
  readonly isKnown: boolean;
}

/** Those that live where they are, in the order given. `isIntact`: as far as is known without reading. */
export async function livingOf<P extends Placed>(
  index: NodeIndex,
  isIntact: (location: IndexLocation) => boolean,
  all: readonly P[],
): Promise<Living<P>[]> {
  const blocks = await index.blocksAt(all.filter(({ type }) => type === RECORD_TYPE_BLOCK).map(({ key }) => key));
  const living: Living<P>[] = [];
  let next = 0;
  for (const placed of all) {
    const isBlock = placed.type === RECORD_TYPE_BLOCK;
    const at = isBlock ? blocks[next++] : await index.recordAt(placed.key);
    const version = isBlock ? undefined : (at as { readonly version?: bigint } | undefined)?.version;
    if (lives(placed, at, version, isIntact)) living.push({ placed, isKnown: at !== undefined });
  }
  return living;
}

function lives(
  { location, version }: Placed,
  at: IndexLocation | undefined,
  versionThere: bigint | undefined,
  isIntact: (location: IndexLocation) => boolean,
): boolean {
  if (!at || isSamePlace(at, location)) return true;
  if (versionThere !== undefined && versionThere !== version) return versionThere < version;
  return !isIntact(at);
}

function isSamePlace(a: IndexLocation, b: IndexLocation): boolean {
  return a.offset === b.offset && Buffer.compare(a.packId, b.packId) === 0;
}

/** The two listings of a container: its current objects and, where it is versioned, the older ones. */

import { addStats, EMPTY_STATS, type StreamRoot, type StreamStats } from "@permafrost/model";
import type { ListedObject } from "@permafrost/openstack";
import { besideParent, encodeListing, readListing, whileReadable } from "@permafrost/repository";
import { mapPool } from "@permafrost/std";
import type { Context } from "./resource-type.ts";
import { type CapturedObject, captureObject, type ObjectEntry } from "./swift-object.ts";
import { deletion, olderVersions } from "./swift-versions.ts";

/** Objects read at once. */
const OBJECTS_AT_ONCE = 8;
/** Objects whose results are kept in order while others are under way. */
const BATCH = 64;

export interface CapturedListings {
  readonly streams: Readonly<Record<string, StreamRoot>>;
  readonly stats: StreamStats;
  /** Containers that large objects and static links need, sorted. */
  readonly containers: readonly string[];
  readonly warnings: readonly string[];
  readonly isUnchanged: boolean;
}

export async function captureListings(
  context: Context,
  {
    container,
    versioned,
    parent,
  }: { readonly container: string; readonly versioned: boolean; readonly parent: Readonly<Record<string, StreamRoot>> },
): Promise<CapturedListings> {
  const { cloud, signal } = context;
  const tally = { stats: EMPTY_STATS, kept: 0, read: 0, containers: new Set<string>(), warnings: [] as string[] };
  const add = ({ entry, stats, unchanged, warning }: CapturedObject): ObjectEntry | undefined => {
    if (warning !== undefined) tally.warnings.push(warning);
    tally.stats = addStats(tally.stats, stats);
    if (unchanged) tally.kept++;
    else tally.read++;
    for (const c of entry?.segmentContainers ?? []) tally.containers.add(c);
    return entry;
  };
  const write = async <R extends { readonly name: string }>(
    name: string,
    rows: AsyncIterable<R>,
    capture: (row: R, previous: ObjectEntry | undefined) => Promise<CapturedObject>,
  ): Promise<StreamRoot> => {
    const before = parent[name];
    const old =
      before === undefined ? undefined : whileReadable(readListing<ObjectEntry>(context.reader, before, signal), signal);
    const entries = inOrder(besideParent(rows, old), ([row, previous]) => capture(row, previous), add);
    const written = await context.writer.writeStream(encodeListing(entries), { chunking: "content", signal });
    tally.stats = addStats(tally.stats, { ...written.stats, logicalBytes: 0, readBytes: 0, zeroBytes: 0 });
    return written.root;
  };
  const streams: Record<string, StreamRoot> = {};
  const objects: AsyncIterable<ListedObject> = cloud.object.listObjects(container, { signal });
  streams.listing = await write("listing", objects, (row, previous) => captureObject(context, container, row, previous));
  if (versioned) {
    const rows = olderVersions(cloud.object.listVersions(container, { signal }));
    streams.versions = await write("versions", rows, async (row, previous) => {
      if (row.isDeleteMarker) return { entry: deletion(row), stats: EMPTY_STATS, unchanged: true };
      const captured = await captureObject(context, container, { ...row, name: row.object }, previous);
      return captured.entry === undefined ? captured : { ...captured, entry: { ...captured.entry, name: row.name } };
    });
  }
  return {
    streams,
    stats: tally.stats,
    containers: [...tally.containers].sort(),
    warnings: tally.warnings,
    isUnchanged: tally.read === 0 && tally.kept > 0,
  };
}

/** What `capture` makes of the rows, in their order, several at once. */
async function* inOrder<R>(
  rows: AsyncIterable<R>,
  capture: (row: R) => Promise<CapturedObject>,
  add: (captured: CapturedObject) => ObjectEntry | undefined,
): AsyncIterable<ObjectEntry> {
  let batch: R[] = [];
  const flush = async function* (): AsyncIterable<ObjectEntry> {
    const results = await mapPool(batch, OBJECTS_AT_ONCE, capture);
    batch = [];
    for (const result of results) {
      const entry = add(result);
      if (entry !== undefined) yield entry;
    }
  };
  for await (const row of rows) {
    batch.push(row);
    if (batch.length >= BATCH) yield* flush();
  }
  yield* flush();
}

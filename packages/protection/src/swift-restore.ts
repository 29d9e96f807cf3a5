/**
 * The current objects of a container, put there in the order in which they need each other: plain ones and links that need nothing, then
 * static large objects, then static links. What lacks a part is tried again as long as that helps.
 */

import type { StreamRoot } from "@permafrost/model";
import type { ListedObject } from "@permafrost/openstack";
import { besideParent, readListing } from "@permafrost/repository";
import { CodedError, mapPool } from "@permafrost/std";
import type { Context } from "./resource-type.ts";
import type { ObjectEntry } from "./swift-object.ts";
import { restoreObject } from "./swift-object-restore.ts";
import type { Retelling } from "./swift-retelling.ts";

const OBJECTS_AT_ONCE = 8;
const ROUNDS = ["plain", "large", "link"] as const;

export async function restoreObjects(
  context: Context,
  {
    container,
    listing,
    retold,
  }: { readonly container: string; readonly listing: StreamRoot | undefined; readonly retold: Retelling },
): Promise<{ readonly bytes: number; readonly warnings: readonly string[] }> {
  const { cloud, reader, signal } = context;
  const result = { bytes: 0, warnings: [] as string[] };
  if (listing === undefined) return result;
  const refused = new Map<ObjectEntry, CodedError>();
  const put = async ([entry, there]: readonly [ObjectEntry, ListedObject | undefined]): Promise<void> => {
    try {
      const done = await restoreObject(context, { container, entry, retold, there });
      refused.delete(entry);
      result.bytes += done.bytes;
      if (done.warning !== undefined) result.warnings.push(done.warning);
    } catch (error) {
      if (!CodedError.is(error, "SEGMENTS_MISSING")) throw error;
      refused.set(entry, error);
    }
  };
  const seen = new Set<string>(["plain"]);
  for (const round of ROUNDS) {
    if (!seen.has(round)) continue;
    const entries = entriesOf(readListing<ObjectEntry>(reader, listing, signal), round, seen);
    await mapPool(besideParent(entries, cloud.object.listObjects(container, { signal })), OBJECTS_AT_ONCE, put);
  }
  for (let before = Number.POSITIVE_INFINITY; refused.size > 0 && refused.size < before; ) {
    before = refused.size;
    await mapPool([...refused.keys()], OBJECTS_AT_ONCE, (entry) => put([entry, undefined]));
  }
  // The parts may be in a container that is being restored beside this one: everything else is there, and again costs little.
  if (refused.size > 0) throw refusedObjects(container, [...refused.values()]);
  return result;
}

async function* entriesOf(
  entries: AsyncIterable<ObjectEntry>,
  round: (typeof ROUNDS)[number],
  seen: Set<string>,
): AsyncIterable<ObjectEntry> {
  for await (const entry of entries) {
    const own = roundOf(entry);
    seen.add(own);
    if (own === round) yield entry;
  }
}

function roundOf(entry: ObjectEntry): (typeof ROUNDS)[number] {
  if (entry.kind === "slo") return "large";
  return entry.kind === "symlink" && entry.headers["x-symlink-target-etag"] !== undefined ? "link" : "plain";
}

function refusedObjects(container: string, refused: readonly CodedError[]): CodedError {
  const [first] = refused;
  return new CodedError(
    "SEGMENTS_MISSING",
    `${refused.length} objects of ${container} lack what they are made of or point to, the first: ${first?.message}`,
    { facts: { container, objects: refused.length }, hint: first?.hint ?? "", retry: "later", cause: first },
  );
}

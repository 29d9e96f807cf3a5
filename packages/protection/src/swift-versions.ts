/**
 * Older versions of a container's objects (X-Versions-Enabled): a second listing beside that of the current ones, in which each name has
 * its versions from the oldest to the newest. They are put back one after another, a deletion as a deletion, before the current objects;
 * their ids and times are the target's own.
 *
 * A worker that died while it put them is followed by one that looks which are there: what is there in the right order stays, what is
 * not (a request of the dead one that came late) is removed, and only in a container that the restore made.
 */

import type { ListedVersion } from "@permafrost/openstack";
import { besideParent } from "@permafrost/repository";
import { CodedError, mapPool } from "@permafrost/std";
import type { Context } from "./resource-type.ts";
import type { ObjectEntry } from "./swift-object.ts";
import { restoreObject } from "./swift-object-restore.ts";
import type { Retelling } from "./swift-retelling.ts";

/** Between an object's name and the id of its version in the entry's name: sorts before everything, and is in no name. */
const SEPARATOR = "\0";
const NAMES_AT_ONCE = 8;
const ROUNDS_MAX = 3;

interface Versions<V> {
  readonly name: string;
  /** The oldest first. */
  readonly versions: readonly V[];
}

/** Rows of all versions that are not the current object, each with the name of its entry; the oldest of a name first. */
export async function* olderVersions(
  rows: AsyncIterable<ListedVersion>,
): AsyncIterable<ListedVersion & { readonly object: string }> {
  for await (const { versions } of byName(rows, (row) => row.name))
    for (const row of [...versions].reverse())
      if (row.versionId !== "null" && (!row.isLatest || row.isDeleteMarker))
        yield { ...row, name: row.name + SEPARATOR + row.versionId, object: row.name };
}

/** The row of a deletion. */
export function deletion(row: ListedVersion): ObjectEntry {
  const { name, etag, sizeBytes, contentType, lastModified } = row;
  return { name, kind: "deleted", etag, sizeBytes, contentType, lastModified, headers: {} };
}

export interface RestoreVersionsOptions {
  readonly container: string;
  readonly entries: () => AsyncIterable<ObjectEntry>;
  readonly retold: Retelling;
  /** The restore made the container: what is in it and should not be may go. */
  readonly isOurs: boolean;
}

/** Returns warnings. The container's versioning is on. */
export async function restoreVersions(
  context: Context,
  { container, entries, retold, isOurs }: RestoreVersionsOptions,
): Promise<string[]> {
  const warnings = new Set<string>();
  // A request whose answer was lost may have been applied twice: seen by looking again.
  for (let round = 1; round <= ROUNDS_MAX; round++)
    if (!(await putVersions(context, { container, entries: entries(), retold, isOurs }, warnings))) break;
  return [...warnings];
}

/** Whether it had anything to do. */
async function putVersions(
  context: Context,
  options: Omit<RestoreVersionsOptions, "entries"> & { readonly entries: AsyncIterable<ObjectEntry> },
  warnings: Set<string>,
): Promise<boolean> {
  const { cloud, signal } = context;
  const { container, entries, retold, isOurs } = options;
  const there = newestLast(byName(cloud.object.listVersions(container, { signal }), (row) => row.name));
  let changed = false;
  await mapPool(besideParent(byName(entries, objectName), there), NAMES_AT_ONCE, async ([{ name, versions }, found]) => {
    const have = found?.versions ?? [];
    let same = 0;
    while (same < versions.length && isSame(versions[same], have[same])) same++;
    const rest = have.slice(same);
    if (!isOurs) {
      if (rest.length > 0 && same < versions.length)
        warnings.add(`${container}/${name}: its older versions are not restored, for the target has versions of its own`);
      if (rest.length > 0) return;
    }
    // After all older versions there is the current object, if an earlier attempt put it.
    const current = same === versions.length ? rest.findLast((row) => !row.isDeleteMarker) : undefined;
    const surplus = rest.filter((row) => row !== current).reverse();
    changed ||= surplus.length > 0 || same < versions.length;
    for (const { versionId } of surplus) await cloud.object.deleteObject(container, name, { query: { "version-id": versionId } });
    for (const entry of versions.slice(same)) {
      const warning = await putVersion(context, container, name, entry, retold);
      if (warning !== undefined) warnings.add(warning);
    }
  });
  return changed;
}

async function putVersion(
  context: Context,
  container: string,
  name: string,
  entry: ObjectEntry,
  retold: Retelling,
): Promise<string | undefined> {
  if (entry.kind === "deleted") return void (await context.cloud.object.deleteObject(container, name));
  try {
    return (await restoreObject(context, { container, entry, name, retold, there: undefined })).warning;
  } catch (error) {
    // Of an older version of a large object the segments may be long gone: that is how the source was.
    if (!CodedError.is(error, "SEGMENTS_MISSING")) throw error;
    return `${container}/${name}: the version of ${entry.lastModified} is not restored: ${error.message}`;
  }
}

/** Differences between the older versions in the target and those captured. */
export async function versionDifferences(
  { cloud, signal }: Context,
  container: string,
  entries: AsyncIterable<ObjectEntry>,
): Promise<string[]> {
  const differences: string[] = [];
  const there = newestLast(byName(cloud.object.listVersions(container, { signal }), (row) => row.name));
  for await (const [{ name, versions }, found] of besideParent(byName(entries, objectName), there)) {
    const have = (found?.versions ?? []).filter((row) => row.versionId !== "null" && (!row.isLatest || row.isDeleteMarker));
    if (versions.length !== have.length || !versions.every((entry, i) => isSame(entry, have[i])))
      differences.push(`${container}/${name}: older versions: expected ${shown(versions)}, found ${shown(have)}`);
  }
  return differences;
}

/** All versions of these objects. The container's versioning is off. */
export async function removeVersions({ cloud, signal }: Context, container: string, names: AsyncIterable<string>): Promise<void> {
  const ours = new Set(await Array.fromAsync(names));
  await mapPool(cloud.object.listVersions(container, { signal }), NAMES_AT_ONCE, async ({ name, versionId }) => {
    if (ours.has(name)) await cloud.object.deleteObject(container, name, { query: { "version-id": versionId } });
  });
}

export function objectName(entry: Pick<ObjectEntry, "name">): string {
  return entry.name.split(SEPARATOR)[0] ?? entry.name;
}

function isSame(entry: ObjectEntry | undefined, row: ListedVersion | undefined): boolean {
  if (entry === undefined || row === undefined) return false;
  if (entry.kind === "deleted" || row.isDeleteMarker) return entry.kind === "deleted" && row.isDeleteMarker;
  if (entry.kind === "slo") return entry.sloEtag !== undefined && row.sloEtag === entry.sloEtag;
  return row.sloEtag === undefined && row.etag === entry.etag && row.sizeBytes === entry.sizeBytes;
}

function shown(versions: readonly { readonly etag: string }[]): string {
  return versions.length === 0 ? "none" : versions.map(({ etag }) => etag).join(", ");
}

/** Neighbours of one name together. One name's versions are few enough to hold. */
async function* byName<V>(rows: AsyncIterable<V>, nameOf: (row: V) => string): AsyncIterable<Versions<V>> {
  let [name, versions]: [string, V[]] = ["", []];
  for await (const row of rows) {
    if (versions.length > 0 && nameOf(row) !== name) {
      yield { name, versions };
      versions = [];
    }
    name = nameOf(row);
    versions.push(row);
  }
  if (versions.length > 0) yield { name, versions };
}

async function* newestLast<V>(groups: AsyncIterable<Versions<V>>): AsyncIterable<Versions<V>> {
  for await (const { name, versions } of groups) yield { name, versions: [...versions].reverse() };
}

/** One object of a container: how it is captured, restored and verified, by what it is: plain, static or dynamic large object. */

import { EMPTY_STATS, type StreamStats, type VerifyLevel } from "@permafrost/model";
import type { ListedObject, ObjectHeaders } from "@permafrost/openstack";
import { CodedError, canonicalJson } from "@permafrost/std";
import { fieldDifferences, firstDifference } from "./compare.ts";
import { counted } from "./glance-image.ts";
import type { ListingEntry } from "./listing.ts";
import type { Context } from "./resource-type.ts";

/** A row of a container's listing as stored. */
export interface ObjectEntry extends ListingEntry {
  readonly kind: "object" | "slo" | "dlo";
  /** As the container's listing gave them; together they prove that nothing changed. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly lastModified: string;
  /** Kept headers, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** `slo`: the containers its segments are in. */
  readonly segmentContainers?: readonly string[];
}

interface SloSegment {
  readonly path?: string;
  readonly [key: string]: unknown;
}

const KEPT_HEADER =
  /^(x-object-meta-|content-encoding$|content-disposition$|content-language$|cache-control$|expires$|x-delete-at$|x-object-manifest$|x-robots-tag$)/;

export interface CapturedObject {
  /** Undefined: the object vanished between listing and reading, as an expiring one does. */
  readonly entry: ObjectEntry | undefined;
  readonly stats: StreamStats;
  readonly unchanged: boolean;
  readonly warning?: string;
}

export async function captureObject(
  context: Context,
  container: string,
  listed: ListedObject,
  previous: ObjectEntry | undefined,
): Promise<CapturedObject> {
  if (previous !== undefined && isUnchanged(listed, previous)) {
    return { entry: previous, stats: { ...EMPTY_STATS, logicalBytes: previous.content?.sizeBytes ?? 0 }, unchanged: true };
  }
  try {
    const retold = previous === undefined ? undefined : await sameContent(context, container, listed, previous);
    if (retold !== undefined) return retold;
    // The manifest of a static large object as it can be put again; the object's own bytes for all others.
    const got = await context.cloud.object.getObject(container, listed.name, {
      query: { "multipart-manifest": "get", format: "raw" },
      signal: context.signal,
    });
    const kind = kindOf(got.headers);
    const manifest: Uint8Array[] = [];
    const body = kind === "slo" ? collected(got.body, manifest) : got.body;
    const root = previous?.content;
    const written = await context.writer.writeStream(body, {
      chunking: "content",
      signal: context.signal,
      onProgress: context.progress,
      ...(root === undefined ? {} : { parent: root }),
    });
    const entry: ObjectEntry = {
      name: listed.name,
      kind,
      // What was read may be newer than the listing. A static large object's row is of the whole object, not of its manifest.
      etag: kind === "slo" ? listed.etag : etagOf(got.headers) || listed.etag,
      sizeBytes: kind === "slo" ? listed.sizeBytes : written.root.sizeBytes,
      contentType: got.headers["content-type"] ?? listed.contentType,
      lastModified: listed.lastModified,
      headers: kept(got.headers),
      content: written.root,
      ...(kind === "slo" ? { segmentContainers: segmentContainers(manifest) } : {}),
    };
    return { entry, stats: written.stats, unchanged: false };
  } catch (error) {
    if (!CodedError.is(error, "NOT_FOUND")) throw error;
    return {
      entry: undefined,
      stats: EMPTY_STATS,
      unchanged: false,
      warning: `${container}/${listed.name} was gone before it could be read`,
    };
  }
}

/**
 * The object with new metadata and the content it had, when the listing's etag says that only its headers can have changed, as after a
 * POST: nothing is downloaded. A static large object's manifest is small and read anew.
 */
async function sameContent(
  context: Context,
  container: string,
  listed: ListedObject,
  previous: ObjectEntry,
): Promise<CapturedObject | undefined> {
  const { content } = previous;
  if (content === undefined || previous.kind === "slo") return undefined;
  if (listed.etag !== previous.etag || listed.sizeBytes !== previous.sizeBytes) return undefined;
  const headers = await headOf(context, container, listed.name, previous.kind);
  const kind = kindOf(headers);
  // Replaced since the listing, or by an object of another kind with the same bytes.
  if (kind !== previous.kind || etagOf(headers) !== listed.etag) return undefined;
  const entry: ObjectEntry = {
    ...previous,
    contentType: headers["content-type"] ?? listed.contentType,
    lastModified: listed.lastModified,
    headers: kept(headers),
  };
  return { entry, stats: { ...EMPTY_STATS, logicalBytes: content.sizeBytes }, unchanged: true };
}

/** Of the object itself, with the etag of its own bytes: a dynamic large object is asked for as a manifest. */
async function headOf({ cloud }: Context, container: string, name: string, kind: "object" | "dlo"): Promise<ObjectHeaders> {
  return await cloud.object.headObject(container, name, kind === "dlo" ? { query: { "multipart-manifest": "get" } } : {});
}

function kindOf(headers: ObjectHeaders): ObjectEntry["kind"] {
  if (headers["x-static-large-object"]?.toLowerCase() === "true") return "slo";
  return headers["x-object-manifest"] === undefined ? "object" : "dlo";
}

function etagOf(headers: ObjectHeaders): string {
  return (headers.etag ?? "").replaceAll('"', "");
}

export interface RestoreObjectOptions {
  readonly container: string;
  readonly entry: ObjectEntry;
  /** Before the names of other containers. */
  readonly prefix: string;
  /** What the target's listing has under this name, such as from an attempt that died: equal objects are not written again. */
  readonly there: ListedObject | undefined;
}

/** Throws SEGMENTS_MISSING for a static large object whose segments are not there, or are not what its manifest says. */
export async function restoreObject(
  context: Context,
  { container, entry, prefix, there }: RestoreObjectOptions,
): Promise<{ readonly bytes: number; readonly warning?: string }> {
  const { cloud, clock, reader, signal, progress } = context;
  const content = entry.content;
  if (content === undefined) throw new CodedError("LISTING_BROKEN", `${container}/${entry.name} has no content in the backup`);
  if (hasExpired(entry, clock.now())) return { bytes: 0, warning: `${container}/${entry.name} has expired and is not restored` };
  const headers = targetHeaders(entry, prefix);
  if (entry.kind === "slo") {
    const manifest = await readAll(reader.readStream(content, { signal }));
    try {
      await cloud.object.putManifest(container, entry.name, prefixed(manifest, prefix), headers, { signal });
    } catch (error) {
      if (!CodedError.is(error, "CLOUD_HTTP") || error.facts.status !== 400) throw error;
      throw new CodedError("SEGMENTS_MISSING", `${container}/${entry.name}: ${error.message}`, {
        facts: { container, object: entry.name },
        hint: "Restore the containers that hold its segments, too.",
        retry: "later",
        cause: error,
      });
    }
  } else if (there === undefined || !(await isThere(context, container, entry, there, headers))) {
    await cloud.object.putObject(container, entry.name, counted(reader.readStream(content, { signal }), progress), {
      sizeBytes: content.sizeBytes,
      headers,
      // The listing's etag of a plain object is the MD5 of its bytes: Swift itself refuses other bytes with 422.
      ...(entry.kind === "object" ? { etag: entry.etag } : {}),
      signal,
    });
  }
  return { bytes: content.sizeBytes };
}

/** Whether the target's object of that name is this one already: its bytes by etag, its headers by asking. */
async function isThere(
  context: Context,
  container: string,
  entry: ObjectEntry,
  there: ListedObject,
  expected: Readonly<Record<string, string>>,
): Promise<boolean> {
  if (entry.kind === "slo" || there.etag !== entry.etag || there.sizeBytes !== entry.sizeBytes) return false;
  try {
    const got = await headOf(context, container, entry.name, entry.kind);
    const found = { ...kept(got), "content-type": got["content-type"] ?? "" };
    return kindOf(got) === entry.kind && etagOf(got) === entry.etag && canonicalJson(found) === canonicalJson({ ...expected });
  } catch (error) {
    if (CodedError.is(error, "NOT_FOUND")) return false;
    throw error;
  }
}

function targetHeaders(entry: ObjectEntry, prefix: string): Record<string, string> {
  const manifest = entry.headers["x-object-manifest"];
  return {
    ...entry.headers,
    "content-type": entry.contentType,
    ...(manifest === undefined ? {} : { "x-object-manifest": prefix + manifest }),
  };
}

function hasExpired(entry: ObjectEntry, nowMs: number): boolean {
  const deleteAt = entry.headers["x-delete-at"];
  return deleteAt !== undefined && Number(deleteAt) * 1000 <= nowMs;
}

export async function verifyObject(
  context: Context,
  container: string,
  entry: ObjectEntry,
  level: VerifyLevel,
  prefix: string,
): Promise<string[]> {
  const { cloud, clock, reader, signal } = context;
  if (hasExpired(entry, clock.now())) return [];
  const what = `${container}/${entry.name}`;
  const named = (differences: readonly string[]) => differences.map((d) => `${what}: ${d}`);
  try {
    // Without a query: Swift 2.35 answers 500 to HEAD of a static large object with format=raw.
    const got = await cloud.object.headObject(container, entry.name);
    const found: Record<string, string> = { ...kept(got), "content-type": got["content-type"] ?? "" };
    // Headers that are there and should not be count, too.
    const surplus = Object.fromEntries(Object.keys(found).map((name) => [name, null]));
    const differences = named(fieldDifferences({ ...surplus, ...targetHeaders(entry, prefix) }, found));
    if ((got["x-static-large-object"]?.toLowerCase() === "true") !== (entry.kind === "slo"))
      differences.push(`${what}: is ${entry.kind === "slo" ? "no" : "a"} static large object`);
    if (level === "metadata") return differences;
    if (entry.kind === "slo") {
      // Swift compared each segment's etag with the manifest when it took that: equal manifests prove what the segments' own etags prove.
      if (entry.content === undefined) return differences;
      const raw = await cloud.object.getObject(container, entry.name, {
        query: { "multipart-manifest": "get", format: "raw" },
        signal,
      });
      const want = segmentsOf(prefixed(await readAll(reader.readStream(entry.content, { signal })), prefix));
      const have = segmentsOf(await readAll(raw.body));
      differences.push(...named(fieldDifferences({ segments: want }, { segments: have })));
      return differences;
    }
    // Of its own bytes, also for a dynamic large object, whose plain etag is made of its segments'.
    const etag = etagOf(entry.kind === "dlo" ? await headOf(context, container, entry.name, "dlo") : got);
    if (etag !== entry.etag) differences.push(`${what}: etag: expected ${entry.etag}, found ${etag}`);
    if (level === "hash" || entry.content === undefined) return differences;
    const raw = await cloud.object.getObject(container, entry.name, { query: { "multipart-manifest": "get" }, signal });
    const differs = await firstDifference(reader.readStream(entry.content, { signal }), raw.body, context.progress);
    if (differs !== undefined) differences.push(`${what}: data: first difference at byte ${differs}`);
    return differences;
  } catch (error) {
    if (!CodedError.is(error, "NOT_FOUND")) throw error;
    return [`${what}: is not in the target`];
  }
}

/** Size and etag equal, and the time of its data or metadata too: a POST of metadata changes the listing's time. */
function isUnchanged(listed: ListedObject, previous: ObjectEntry): boolean {
  return (
    listed.etag === previous.etag && listed.sizeBytes === previous.sizeBytes && listed.lastModified === previous.lastModified
  );
}

function kept(headers: ObjectHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((h): h is [string, string] => h[1] !== undefined && KEPT_HEADER.test(h[0])),
  );
}

async function* collected(bytes: AsyncIterable<Uint8Array>, into: Uint8Array[]): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    into.push(Buffer.from(chunk));
    yield chunk;
  }
}

/** A manifest is at most 8 MiB (Swift's `max_manifest_size`). */
async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(bytes, (chunk) => Buffer.from(chunk)));
}

function segmentContainers(manifest: readonly Uint8Array[]): string[] {
  const paths = segmentsOf(Buffer.concat(manifest)).map((s) => s.path ?? "");
  return [...new Set(paths.map((path) => path.split("/")[1] ?? "").filter((c) => c !== ""))].sort();
}

function segmentsOf(manifest: Uint8Array): SloSegment[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(manifest).toString("utf8"));
    if (Array.isArray(parsed)) return parsed as SloSegment[];
  } catch (error) {
    throw new CodedError("BAD_RESPONSE", "A static large object's manifest is not JSON", { cause: error });
  }
  throw new CodedError("BAD_RESPONSE", "A static large object's manifest is not a list");
}

/** The manifest with its segments' containers retold. */
function prefixed(manifest: Uint8Array, prefix: string): Uint8Array {
  if (prefix === "") return manifest;
  const segments = segmentsOf(manifest).map((s) => (s.path === undefined ? s : { ...s, path: `/${prefix}${s.path.slice(1)}` }));
  return Buffer.from(JSON.stringify(segments), "utf8");
}

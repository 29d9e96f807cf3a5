/**
 * One object of a container as captured, by what it is: plain, static or dynamic large object, symlink, or the mark of a deletion
 * among the versions. Every read asks for the thing itself (`symlink=get`, a manifest as such): following a link would keep the bytes of
 * something else under its name.
 */

import { EMPTY_STATS, type StreamStats } from "@permafrost/model";
import type { ListedObject, ObjectHeaders, Query } from "@permafrost/openstack";
import type { ListingEntry } from "@permafrost/repository";
import { CodedError } from "@permafrost/std";
import type { Context } from "./resource-type.ts";
import { segmentContainers } from "./swift-manifest.ts";

/** A row of a container's listing as stored. */
export interface ObjectEntry extends ListingEntry {
  readonly kind: "object" | "slo" | "dlo" | "symlink" | "deleted";
  /** As the container's listing gave them; together they prove that nothing changed. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly lastModified: string;
  /** Kept headers, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** `slo`: the containers its segments are in; a static `symlink`: the one it points into. */
  readonly segmentContainers?: readonly string[];
  /** `slo`: its etag; a static `symlink`: that of the static large object it points to. */
  readonly sloEtag?: string;
  /** A static `symlink` whose target is no longer what it says. */
  readonly broken?: boolean;
}

const KEPT_HEADER =
  /^(x-object-meta-|content-encoding$|content-disposition$|content-language$|cache-control$|expires$|x-delete-at$|x-object-manifest$|x-robots-tag$|x-symlink-target(-account|-etag)?$)/;

/** Of the thing itself. Swift 2.35 answers 500 to HEAD of a static large object with format=raw. */
const ITSELF: Query = { "multipart-manifest": "get", symlink: "get" };

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
    return retold ?? (await readObject(context, container, listed, previous));
  } catch (error) {
    if (!CodedError.is(error, "NOT_FOUND")) throw error;
    const warning = `${container}/${listed.name} was gone before it could be read`;
    return { entry: undefined, stats: EMPTY_STATS, unchanged: false, warning };
  }
}

async function readObject(
  context: Context,
  container: string,
  listed: ListedObject,
  previous: ObjectEntry | undefined,
): Promise<CapturedObject> {
  const { cloud, signal } = context;
  const query = { ...ITSELF, format: "raw", ...versionQuery(listed.versionId) };
  const got = await cloud.object.getObject(container, listed.name, { query, signal });
  const kind = kindOf(got.headers);
  // Versioning began, or the object was replaced, since the listing: what is there now is the link that Swift keeps to a version.
  const newer = kind === "symlink" ? versionIn(got.headers["x-symlink-target"]) : undefined;
  if (newer !== undefined) {
    for await (const _ of got.body);
    return await readObject(context, container, { ...listed, versionId: newer }, previous);
  }
  const headers = { ...kept(got.headers), ...(await expiryOf(context, container, listed)) };
  const common = { name: listed.name, kind, contentType: got.headers["content-type"] ?? listed.contentType, headers };
  const row = { etag: listed.etag, sizeBytes: listed.sizeBytes, lastModified: listed.lastModified };
  if (kind === "symlink") {
    for await (const _ of got.body);
    return await linkEntry(context, container, { ...common, ...row }, listed.sloEtag);
  }
  const manifest: Uint8Array[] = [];
  const root = previous?.content;
  const written = await context.writer.writeStream(kind === "slo" ? collected(got.body, manifest) : got.body, {
    chunking: "content",
    signal,
    onProgress: context.progress,
    ...(root === undefined ? {} : { parent: root }),
  });
  // What was read may be newer than the listing. A static large object's row is of the whole object, not of its manifest.
  const facts =
    kind === "slo"
      ? {
          ...row,
          segmentContainers: segmentContainers(manifest),
          ...(listed.sloEtag === undefined ? {} : { sloEtag: listed.sloEtag }),
        }
      : { ...row, etag: etagOf(got.headers) || listed.etag, sizeBytes: written.root.sizeBytes };
  return { entry: { ...common, ...facts, content: written.root }, stats: written.stats, unchanged: false };
}

/** A version does not say when it expires: the link to the current one does. */
async function expiryOf({ cloud }: Context, container: string, listed: ListedObject): Promise<Record<string, string>> {
  if (listed.versionId === undefined || isOldVersion(listed)) return {};
  const at = (await cloud.object.headObject(container, listed.name, { query: { symlink: "get" } }))["x-delete-at"];
  return at === undefined ? {} : { "x-delete-at": at };
}

function isOldVersion(listed: ListedObject): boolean {
  return "isLatest" in listed && listed.isLatest === false;
}

/** A static link is only worth keeping as one while its target is what it says. */
async function linkEntry(
  { cloud }: Context,
  container: string,
  entry: ObjectEntry,
  sloEtag: string | undefined,
): Promise<CapturedObject> {
  const done = { stats: EMPTY_STATS, unchanged: false };
  if (entry.headers["x-symlink-target-etag"] === undefined) return { ...done, entry };
  const { container: into, own } = linkTarget(entry.headers);
  const more = { ...(own ? { segmentContainers: [into] } : {}), ...(sloEtag === undefined ? {} : { sloEtag }) };
  try {
    await cloud.object.headObject(container, entry.name);
    return { ...done, entry: { ...entry, ...more } };
  } catch (error) {
    if (!CodedError.is(error, "NOT_FOUND") && !CodedError.is(error, "CONFLICT") && !CodedError.is(error, "FORBIDDEN"))
      throw error;
    const warning = `${container}/${entry.name} is a link to an object that is no longer what the link says; it cannot be restored`;
    return { ...done, entry: { ...entry, broken: true }, warning };
  }
}

/** The container that a link points into, and whether it is of the link's own account, as far as the link says. */
export function linkTarget(headers: ObjectEntry["headers"]): { readonly container: string; readonly own: boolean } {
  const [container = ""] = (headers["x-symlink-target"] ?? "").split("/");
  return { container: decodeURIComponent(container), own: headers["x-symlink-target-account"] === undefined };
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
  const headers = await headItself(context, container, listed.name, previous.kind);
  // Replaced since the listing, or by an object of another kind with the same bytes.
  if (kindOf(headers) !== previous.kind || etagOf(headers) !== listed.etag) return undefined;
  const entry: ObjectEntry = {
    ...previous,
    contentType: headers["content-type"] ?? listed.contentType,
    lastModified: listed.lastModified,
    headers: kept(headers),
  };
  return { entry, stats: { ...EMPTY_STATS, logicalBytes: content.sizeBytes }, unchanged: true };
}

/**
 * With the etag of its own bytes: a dynamic large object is asked for as a manifest, a link as a link, and of what versioning keeps, the
 * current version.
 */
export async function headItself(
  { cloud }: Context,
  container: string,
  name: string,
  kind: ObjectEntry["kind"],
): Promise<ObjectHeaders> {
  // The manifest of a static one has another type and another etag than itself.
  const query: Query = kind === "slo" ? { symlink: "get" } : ITSELF;
  const headers = await cloud.object.headObject(container, name, { query });
  const version = versionIn(headers["x-symlink-target"]);
  if (version === undefined) return headers;
  const current = await cloud.object.headObject(container, name, { query: { ...query, ...versionQuery(version) } });
  return { ...current, "x-delete-at": headers["x-delete-at"] };
}

function versionQuery(versionId: string | undefined): Query {
  return versionId === undefined ? {} : { "version-id": versionId };
}

/** The version that a link of object versioning points to. A question mark of a name is quoted. */
function versionIn(target: string | undefined): string | undefined {
  return /\?version-id=(.+)$/.exec(target ?? "")?.[1];
}

export function kindOf(headers: ObjectHeaders): ObjectEntry["kind"] {
  if (headers["x-symlink-target"] !== undefined) return "symlink";
  if (headers["x-static-large-object"]?.toLowerCase() === "true") return "slo";
  return headers["x-object-manifest"] === undefined ? "object" : "dlo";
}

export function etagOf(headers: ObjectHeaders): string {
  return (headers.etag ?? "").replaceAll('"', "");
}

/** Size and etag equal, and the time of its data or metadata too: a POST of metadata changes the listing's time. */
function isUnchanged(listed: ListedObject, previous: ObjectEntry): boolean {
  return (
    listed.etag === previous.etag && listed.sizeBytes === previous.sizeBytes && listed.lastModified === previous.lastModified
  );
}

export function kept(headers: ObjectHeaders): Record<string, string> {
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

/** One object put into a container, and compared there. What is there already, equal in bytes and headers, is not sent again. */

import type { VerifyLevel } from "@permafrost/model";
import type { ListedObject } from "@permafrost/openstack";
import { CodedError, canonicalJson } from "@permafrost/std";
import { fieldDifferences, firstDifference } from "./compare.ts";
import { counted } from "./counted.ts";
import type { Context } from "./resource-type.ts";
import { prefixed, readAll, segmentsOf } from "./swift-manifest.ts";
import { etagOf, headItself, kept, kindOf, linkTarget, type ObjectEntry } from "./swift-object.ts";
import type { Retelling } from "./swift-retelling.ts";

export interface RestoreObjectOptions {
  readonly container: string;
  readonly entry: ObjectEntry;
  /** Its name, if the entry's is that of a version. */
  readonly name?: string;
  readonly retold: Retelling;
  /** What the target's listing has under this name, such as from an attempt that died: equal objects are not written again. */
  readonly there: ListedObject | undefined;
}

/** Throws SEGMENTS_MISSING for a static large object or link whose segments or target are not there, or are not what it says. */
export async function restoreObject(
  context: Context,
  options: RestoreObjectOptions,
): Promise<{ readonly bytes: number; readonly warning?: string }> {
  const { cloud, clock, reader, signal, progress } = context;
  const { container, entry, retold, there } = options;
  const name = options.name ?? entry.name;
  if (hasExpired(entry, clock.now())) return { bytes: 0, warning: `${container}/${name} has expired and is not restored` };
  if (entry.broken === true)
    return { bytes: 0, warning: `${container}/${name} is not restored: it was a link to what was no longer there` };
  const headers = targetHeaders(entry, retold);
  if (there !== undefined && (await isThere(context, container, entry, there, headers)))
    return { bytes: entry.content?.sizeBytes ?? 0 };
  if (entry.kind === "symlink") {
    await putLink(context, container, name, entry, headers);
    return { bytes: 0 };
  }
  const content = entry.content;
  if (content === undefined) throw new CodedError("LISTING_BROKEN", `${container}/${name} has no content in the backup`);
  if (entry.kind === "slo") {
    const manifest = await readAll(reader.readStream(content, { signal }));
    try {
      await cloud.object.putManifest(container, name, prefixed(manifest, retold.prefix), headers, { signal });
    } catch (error) {
      if (!CodedError.is(error, "CLOUD_HTTP") || error.facts.status !== 400) throw error;
      throw missing(`${container}/${name}`, error, "Restore the containers that hold its segments, too.");
    }
  } else {
    await cloud.object.putObject(container, name, counted(reader.readStream(content, { signal }), progress), {
      sizeBytes: content.sizeBytes,
      headers,
      // The listing's etag of a plain object is the MD5 of its bytes: Swift itself refuses other bytes with 422.
      ...(entry.kind === "object" ? { etag: entry.etag } : {}),
      signal,
    });
  }
  return { bytes: content.sizeBytes };
}

/** A static link to a static large object names the etag of its manifest, which is another in every cluster: it is looked up. */
async function putLink(
  { cloud, signal }: Context,
  container: string,
  name: string,
  entry: ObjectEntry,
  headers: Record<string, string>,
): Promise<void> {
  try {
    let etag: string | undefined;
    if (entry.sloEtag !== undefined) {
      const [into = "", ...rest] = (headers["x-symlink-target"] ?? "").split("/");
      const target = await cloud.object.headObject(decodeURIComponent(into), decodeURIComponent(rest.join("/")));
      if (etagOf(target) !== entry.sloEtag)
        throw new CodedError("CONFLICT", `the target is another large object: ${etagOf(target)} instead of ${entry.sloEtag}`);
      etag = target["x-manifest-etag"];
    }
    const asked = etag === undefined ? headers : { ...headers, "x-symlink-target-etag": etag };
    await cloud.object.putObject(container, name, new Uint8Array(0), { sizeBytes: 0, headers: asked, signal });
  } catch (error) {
    if (!CodedError.is(error, "CONFLICT") && !CodedError.is(error, "NOT_FOUND")) throw error;
    throw missing(
      `${container}/${name}`,
      error,
      `Restore the container ${linkTarget(headers).container}, into which it points, too.`,
    );
  }
}

function missing(object: string, cause: CodedError, hint: string): CodedError {
  return new CodedError("SEGMENTS_MISSING", `${object}: ${cause.message}`, { facts: { object }, hint, retry: "later", cause });
}

/** Whether the target's object of that name is this one already: its bytes by etag, its headers by asking. */
async function isThere(
  context: Context,
  container: string,
  entry: ObjectEntry,
  there: ListedObject,
  expected: Readonly<Record<string, string>>,
): Promise<boolean> {
  const same =
    entry.kind === "slo"
      ? entry.sloEtag !== undefined && there.sloEtag === entry.sloEtag
      : there.etag === entry.etag && there.sizeBytes === entry.sizeBytes;
  if (!same) return false;
  try {
    const got = await headItself(context, container, there.name, entry.kind);
    if (kindOf(got) !== entry.kind || (entry.kind !== "slo" && entry.kind !== "symlink" && etagOf(got) !== entry.etag))
      return false;
    return (
      canonicalJson(comparable(entry, { ...kept(got), "content-type": got["content-type"] ?? "" })) ===
      canonicalJson(comparable(entry, expected))
    );
  } catch (error) {
    if (CodedError.is(error, "NOT_FOUND")) return false;
    throw error;
  }
}

/** Without the etag of a manifest, which no two clusters share. */
function comparable(entry: ObjectEntry, headers: Readonly<Record<string, string>>): Record<string, string> {
  if (entry.kind !== "symlink" || entry.sloEtag === undefined) return { ...headers };
  const { "x-symlink-target-etag": _, ...rest } = headers;
  return rest;
}

function targetHeaders(entry: ObjectEntry, retold: Retelling): Record<string, string> {
  const headers: Record<string, string> = { ...entry.headers, "content-type": entry.contentType };
  const { "x-object-manifest": manifest, "x-symlink-target": link, "x-symlink-target-account": account } = entry.headers;
  if (manifest !== undefined) headers["x-object-manifest"] = retold.prefix + manifest;
  if (link === undefined) return headers;
  delete headers["x-symlink-target-account"];
  const owner = account === undefined ? undefined : retold.account(decodeURIComponent(account));
  if (owner !== undefined) headers["x-symlink-target-account"] = owner;
  else headers["x-symlink-target"] = encodeURIComponent(retold.prefix) + link;
  return headers;
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
  retold: Retelling,
): Promise<string[]> {
  const { cloud, clock, reader, signal } = context;
  if (hasExpired(entry, clock.now()) || entry.broken === true) return [];
  const what = `${container}/${entry.name}`;
  const named = (differences: readonly string[]) => differences.map((d) => `${what}: ${d}`);
  try {
    const got = await headItself(context, container, entry.name, entry.kind);
    const found = comparable(entry, { ...kept(got), "content-type": got["content-type"] ?? "" });
    // Headers that are there and should not be count, too.
    const surplus = Object.fromEntries(Object.keys(found).map((name) => [name, null]));
    const differences = named(fieldDifferences({ ...surplus, ...comparable(entry, targetHeaders(entry, retold)) }, found));
    const kind = kindOf(got);
    if ((kind === "slo") !== (entry.kind === "slo"))
      differences.push(`${what}: is ${entry.kind === "slo" ? "no" : "a"} static large object`);
    if (level === "metadata" || entry.kind === "symlink") return differences;
    if (entry.kind === "slo") {
      // Swift compared each segment's etag with the manifest when it took that: equal manifests prove what the segments' own etags prove.
      if (entry.content === undefined) return differences;
      const raw = await cloud.object.getObject(container, entry.name, {
        query: { "multipart-manifest": "get", format: "raw" },
        signal,
      });
      const want = segmentsOf(prefixed(await readAll(reader.readStream(entry.content, { signal })), retold.prefix));
      const have = segmentsOf(await readAll(raw.body));
      differences.push(...named(fieldDifferences({ segments: want }, { segments: have })));
      return differences;
    }
    // Of its own bytes, also for a dynamic large object, whose plain etag is made of its segments'.
    if (etagOf(got) !== entry.etag) differences.push(`${what}: etag: expected ${entry.etag}, found ${etagOf(got)}`);
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

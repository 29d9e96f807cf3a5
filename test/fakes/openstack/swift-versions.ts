/**
 * Object versioning of the fake Swift. The modern mode (`X-Versions-Enabled`, object_versioning.py) keeps every version under an id and
 * shows them with `?versions` and `?version-id`; the legacy ones (`X-Versions-Location`, `X-History-Location`, legacy.py) copy what is
 * replaced into another container.
 */

import { SparseBytes } from "./bytes.ts";
import type { Call, Reply } from "./http.ts";
import { swiftIso, swiftTimestamp } from "./ids.ts";
import { objectRow } from "./swift-listing.ts";
import {
  type Account,
  type Container,
  compareNames,
  md5,
  type SwiftObject,
  type SwiftStore,
  swiftPage,
  swiftRefuse,
  swiftSay,
  type Version,
} from "./swift-store.ts";
import { quoted } from "./swift-symlinks.ts";

export const DELETE_MARKER_TYPE = "application/x-deleted;swift_versions_deleted=1";
const TEXT_409 = "text/html; charset=UTF-8";

/** The headers of a container's PUT or POST that switch versioning. */
export function switchVersioning(call: Call, container: Container): void {
  const enabled = call.header("x-versions-enabled");
  const [stack, history] = [call.header("x-versions-location"), call.header("x-history-location")];
  const legacy = container.headers["x-versions-location"] ?? container.headers["x-history-location"];
  if (enabled !== undefined) {
    if (legacy !== undefined)
      swiftSay(
        400,
        "Cannot enable object versioning on a container that is already using the legacy versioned writes feature.",
        TEXT_409,
      );
    const on = ["true", "1", "yes", "on", "t", "y"].includes(enabled.toLowerCase());
    // Switched off before it was ever on: only the flag is kept.
    container.versioning = { enabled: on };
  }
  const drop = () => {
    delete container.headers["x-versions-location"];
    delete container.headers["x-history-location"];
  };
  const removes = ["x-remove-versions-location", "x-remove-history-location"].some((h) => (call.header(h) ?? "") !== "");
  if (stack !== undefined && stack !== "" && history !== undefined && history !== "")
    swiftSay(400, "Only one of X-Versions-Location or X-History-Location may be specified");
  const location = stack || history;
  if (location !== undefined && location !== "") {
    drop();
    container.headers[stack ? "x-versions-location" : "x-history-location"] = location;
  } else if (removes || stack !== undefined || history !== undefined) drop();
}

export function versioningHeaders(container: Container): Record<string, string> {
  return container.versioning === undefined ? {} : { "x-versions-enabled": container.versioning.enabled ? "True" : "False" };
}

export function hasVersions(container: Container): boolean {
  return [...container.versions.values()].some((versions) => versions.length > 0);
}

/** Rows of `?versions`, in order: by name, the newest first. */
export function versionRows(container: Container, accountId: string): { name: string; json: Record<string, unknown> }[] {
  const names = [...new Set([...container.objects.keys(), ...container.versions.keys()])].sort(compareNames);
  return names.flatMap((name) => {
    const current = container.objects.get(name);
    const versions = [...(container.versions.get(name) ?? [])].reverse();
    const nulls = current !== undefined && current.versionId === undefined ? [current] : [];
    return [
      ...nulls.map((object) => ({ name, json: { ...objectRow(object, accountId), version_id: "null", is_latest: true } })),
      ...versions.map((version, index) => {
        const latest = current === undefined ? index === 0 && version.object === undefined : current.versionId === version.id;
        return { name, json: { ...versionRow(name, version, accountId), version_id: version.id, is_latest: latest } };
      }),
    ];
  });
}

function versionRow(name: string, version: Version, accountId: string): Record<string, unknown> {
  if (version.object !== undefined) return objectRow(version.object, accountId);
  return {
    name,
    bytes: 0,
    hash: md5(""),
    content_type: DELETE_MARKER_TYPE,
    last_modified: swiftIso(version.timestampMs),
  };
}

/** Cuts the rows as the query asks. */
export function versionPage<R extends { name: string; json: Record<string, unknown> }>(rows: readonly R[], call: Call): R[] {
  const { query } = call;
  const [marker, after] = [query.get("marker"), query.get("version_marker")];
  if (marker === null && after !== null) swiftSay(400, "version_marker param requires marker", TEXT_409);
  const limit = Number(query.get("limit") ?? 10_000);
  const past = (row: R): boolean => {
    // Swift 2.35 gives such a marker to the versions as it is, which all sort before it: only what has no version is past it.
    if (after === "null" && row.json.version_id !== "null") return false;
    if (marker === null || marker === "") return true;
    const order = compareNames(row.name, marker);
    if (order !== 0) return order > 0;
    const id = String(row.json.version_id);
    if (after === null || id === "null") return false;
    return id < after;
  };
  return rows.filter((row) => row.name.startsWith(query.get("prefix") ?? "") && past(row)).slice(0, limit);
}

/** The version that `?version-id` asks for; undefined without that. A delete marker is 404. */
export function askedVersion(call: Call, container: Container, name: string): SwiftObject | undefined {
  const id = call.query.get("version-id");
  if (id === null || id === "") return undefined;
  if (call.method === "POST") swiftSay(400, "POST to a specific version is not allowed", TEXT_409);
  if (container.versioning === undefined && id !== "null")
    swiftSay(400, "version-aware operations require that the container is versioned", TEXT_409);
  const current = container.objects.get(name);
  if (id === "null") return current === undefined || current.versionId !== undefined ? swiftRefuse(404) : current;
  if (!/^\d+(\.\d+)?$/.test(id)) swiftSay(400, "Invalid version parameter", TEXT_409);
  const version = container.versions.get(name)?.find((each) => each.id === id);
  if (version?.object === undefined)
    return swiftRefuse(404, version === undefined ? {} : { "x-object-version-id": id, "content-type": DELETE_MARKER_TYPE });
  return version.object;
}

/** `x-object-version-id` and where the version is, for GET and HEAD in a container that has ever been versioned. */
export function versionHeaders(call: Call, account: Account, container: Container, object: SwiftObject): Record<string, string> {
  if (container.versioning === undefined) return {};
  const id = object.versionId;
  if (id === undefined) return { "x-object-version-id": "null" };
  if (call.query.has("version-id")) return { "x-object-version-id": id };
  const location = `/v1/${account.id}/${quoted(`${container.name}/${object.name}`)}?version-id=${id}`;
  return { "x-object-version-id": id, "content-location": location };
}

/** What a link led to somewhere else has no version here. */
export function foreignVersion(container: Container): Record<string, string> {
  return container.versioning === undefined ? {} : { "x-object-version-id": "null" };
}

export function deleteVersion(call: Call, account: Account, container: Container, name: string, id: string): Reply {
  const current = container.objects.get(name);
  if (id === "null") {
    if (current === undefined) return swiftPage(404);
    container.objects.delete(name);
    return gone(call, account, container, name, {});
  }
  if (container.versioning === undefined)
    swiftSay(400, "version-aware operations require that the container is versioned", TEXT_409);
  const versions = container.versions.get(name) ?? [];
  if (!versions.some((each) => each.id === id)) return swiftPage(404);
  container.versions.set(
    name,
    versions.filter((each) => each.id !== id),
  );
  if (current?.versionId === id) container.objects.delete(name);
  const latest = container.objects.get(name)?.versionId ?? "null";
  return gone(call, account, container, name, { "x-object-version-id": id, "x-object-current-version-id": latest });
}

function gone(call: Call, account: Account, container: Container, name: string, headers: Record<string, string>): Reply {
  call.deleted("object", `${account.id}/${container.name}/${name}`);
  return { status: 204, headers: { "content-type": TEXT_409, "content-length": "0", ...headers } };
}

/** Before a PUT in a container of a legacy mode: what is there goes into the other container. 412 if that is not there. */
export function archive(store: SwiftStore, account: Account, container: Container, name: string): Container | undefined {
  const location = container.headers["x-versions-location"] ?? container.headers["x-history-location"];
  if (location === undefined) return undefined;
  const holder = account.containers.get(decodeURIComponent(location).split("/")[0] ?? "");
  const current = store.object(container, name);
  if (current === undefined) return holder;
  if (holder === undefined) return swiftRefuse(412);
  const { timestampMs: _, versionId: _id, ...copy } = current;
  store.putObject(holder, { ...copy, name: `${archivePrefix(name)}${swiftTimestamp(current.timestampMs)}` });
  return holder;
}

/** A DELETE in a container of a legacy mode. Undefined: an ordinary one goes on. */
export function legacyDelete(
  call: Call,
  store: SwiftStore,
  account: Account,
  container: Container,
  name: string,
): Reply | undefined {
  if (container.headers["x-history-location"] !== undefined) {
    const holder = archive(store, account, container, name) ?? swiftRefuse(412);
    const marker = { bytes: new SparseBytes(0), etag: md5(""), contentType: DELETE_MARKER_TYPE, headers: {} };
    store.putObject(holder, { name: `${archivePrefix(name)}${swiftTimestamp(store.now() + 1)}`, ...marker });
    return undefined;
  }
  const location = container.headers["x-versions-location"];
  const holder = location === undefined ? undefined : account.containers.get(decodeURIComponent(location).split("/")[0] ?? "");
  if (holder === undefined) return undefined;
  const previous = store
    .listed(holder)
    .filter((each) => each.name.startsWith(archivePrefix(name)))
    .at(-1);
  if (previous === undefined || previous.contentType === DELETE_MARKER_TYPE) return undefined;
  const { timestampMs: _, versionId: _id, ...copy } = previous;
  store.putObject(container, { ...copy, name });
  holder.objects.delete(previous.name);
  return gone(call, account, container, name, {});
}

/** Length of the name in three hexadecimal digits, the name, a slash. */
function archivePrefix(name: string): string {
  return `${Buffer.byteLength(name).toString(16).padStart(3, "0")}${name}/`;
}

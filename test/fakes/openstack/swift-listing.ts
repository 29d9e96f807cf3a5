/** Swift listings: accounts and containers as text or JSON with marker, end_marker, prefix, delimiter, limit, reverse. */

import type { Call, Reply } from "./http.ts";
import { swiftIso } from "./ids.ts";
import { type Container, compareNames, type SwiftObject, swiftSay } from "./swift-store.ts";
import { linkRow, quoted } from "./swift-symlinks.ts";

const LISTING_LIMIT = 10_000;

interface Row {
  readonly name: string;
  readonly json: Record<string, unknown>;
}

/** Cuts sorted rows as the query asks, folding what lies behind a delimiter. */
function cut(rows: readonly Row[], query: URLSearchParams): Row[] {
  const asked = query.get("limit");
  const limit = asked !== null && /^\d+$/.test(asked) ? Number(asked) : LISTING_LIMIT;
  if (limit > LISTING_LIMIT) swiftSay(412, `Maximum limit is ${LISTING_LIMIT}`, "text/html; charset=UTF-8");
  const reverse = ["true", "yes", "on", "1", "t", "y"].includes(query.get("reverse") ?? "");
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const marker = query.get("marker") ?? "";
  const endMarker = query.get("end_marker") ?? "";
  const past = (name: string, edge: string) => (reverse ? compareNames(name, edge) < 0 : compareNames(name, edge) > 0);
  const out: Row[] = [];
  for (const row of reverse ? [...rows].reverse() : rows) {
    if (out.length >= limit) break;
    if (!row.name.startsWith(prefix)) continue;
    const at = delimiter === "" ? -1 : row.name.indexOf(delimiter, prefix.length);
    const name = at < 0 ? row.name : row.name.slice(0, at + delimiter.length);
    if (marker !== "" && !past(name, marker)) continue;
    if (endMarker !== "" && !past(endMarker, name)) continue;
    if (at < 0) out.push(row);
    else if (out.at(-1)?.name !== name) out.push({ name, json: { subdir: name } });
  }
  return out;
}

/** `headers` are the account's or container's own. */
function listing(call: Call, rows: readonly Row[], headers: Record<string, string>): Reply {
  const shown = cut(rows, call.query);
  const wants = call.query.get("format") ?? ((call.header("accept") ?? "").includes("application/json") ? "json" : "plain");
  if (wants === "json") {
    return listRows(shown, headers);
  }
  const text = shown.map((row) => `${row.name}\n`).join("");
  const plain = { ...headers, "content-type": "text/plain; charset=utf-8", vary: "Accept" };
  return text === ""
    ? { status: 204, headers: { ...plain, "content-length": "0" } }
    : { status: 200, headers: plain, body: text };
}

export function listContainers(
  call: Call,
  containers: readonly Container[],
  headers: Record<string, string>,
  usage: (container: Container) => { count: number; bytes: number },
): Reply {
  const rows = containers.map((container) => ({
    name: container.name,
    json: {
      name: container.name,
      ...usage(container),
      last_modified: swiftIso(container.changedMs),
      storage_policy: container.policy,
    },
  }));
  rows.sort((a, b) => compareNames(a.name, b.name));
  return listing(call, rows, headers);
}

export function listedBytes(object: SwiftObject): number {
  return object.slo?.size ?? object.bytes.size;
}

/** What a listing says of an object. */
export function objectRow(object: SwiftObject, accountId: string): Record<string, unknown> {
  return {
    bytes: listedBytes(object),
    hash: object.etag,
    name: object.name,
    content_type: object.contentType,
    last_modified: swiftIso(object.timestampMs),
    ...(object.slo === undefined ? {} : { slo_etag: `"${object.slo.etag}"` }),
    ...(object.link === undefined ? {} : linkRow(accountId, object.link)),
  };
}

/** The row of an object that a versioned container links to: its link shows the version, and hides what the version itself may be. */
function versionedRow(object: SwiftObject, container: Container, accountId: string): Record<string, unknown> {
  const { symlink_path: _, symlink_etag: _etag, symlink_bytes: _bytes, ...row } = objectRow(object, accountId);
  if (object.versionId === undefined) return objectRow(object, accountId);
  const path = `/v1/${accountId}/${quoted(`${container.name}/${object.name}`)}?version-id=${object.versionId}`;
  return { ...row, symlink_path: path, version_symlink: true };
}

export function listObjects(
  call: Call,
  { objects, container, accountId }: { objects: readonly SwiftObject[]; container: Container; accountId: string },
  headers: Record<string, string>,
): Reply {
  const rows = objects.map((object) => ({ name: object.name, json: versionedRow(object, container, accountId) }));
  return listing(call, rows, headers);
}

/** Rows that are cut already, as JSON. */
export function listRows(rows: readonly Row[], headers: Record<string, string>): Reply {
  return { status: 200, headers: { ...headers, "content-type": "application/json; charset=utf-8" }, body: asciiJson(rows) };
}

function asciiJson(rows: readonly Row[]): string {
  return JSON.stringify(rows.map((row) => row.json)).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Large objects of the fake Swift: static ones (a manifest of segments, ranges, inline data, nested manifests) and
 * dynamic ones (everything under a prefix). Both read as one byte source; a segment that is gone or changed fails the
 * read, at once when it is the first and in mid-body when it is a later one, as in Swift.
 */

import { SparseBytes } from "./bytes.ts";
import { type ByteSource, parseRange, type Reply, slice } from "./http.ts";
import { listedBytes } from "./swift-listing.ts";
import {
  type Account,
  type Container,
  md5,
  type Segment,
  type SwiftObject,
  type SwiftStore,
  swiftRefuse,
  swiftSay,
} from "./swift-store.ts";

const KEYS = ["path", "etag", "size_bytes", "range", "data"];
const MAX_SEGMENTS = 1000;

export interface StaticLargeObject {
  readonly etag: string;
  readonly size: number;
  readonly segments: readonly Segment[];
}

/** Checks a manifest as sent; the problems are worded as Swift's. */
export function readManifest(store: SwiftStore, account: Account, body: Buffer): { slo: StaticLargeObject } | { errors: string } {
  let entries: unknown;
  try {
    entries = JSON.parse(body.toString("utf8"));
  } catch {
    entries = undefined;
  }
  if (!Array.isArray(entries)) swiftSay(400, "Manifest must be valid JSON.\n", "text/html; charset=UTF-8");
  if (entries.length > MAX_SEGMENTS) swiftSay(413, `Number of object-backed segments must be <= ${MAX_SEGMENTS}`);
  const segments: Segment[] = [];
  const errors: string[] = [];
  for (const [index, entry] of (entries as Record<string, unknown>[]).entries()) {
    const extra = Object.keys(entry).filter((key) => !KEYS.includes(key));
    if (extra.length > 0) swiftSay(400, `Index ${index}: extraneous keys ${extra.map((key) => `"${key}"`).join(", ")}\n`);
    if (typeof entry.data === "string") {
      segments.push({ data: entry.data });
      continue;
    }
    const path = String(entry.path ?? "");
    const found = locate(store, account, path);
    if (found === undefined) {
      errors.push(`${path}, 404 Not Found`);
      continue;
    }
    const hash = found.slo?.etag ?? found.etag;
    const size = listedBytes(found);
    if (typeof entry.etag === "string" && entry.etag.replaceAll('"', "") !== hash) errors.push(`${path}, Etag Mismatch`);
    if (entry.size_bytes !== undefined && entry.size_bytes !== null && Number(entry.size_bytes) !== size)
      errors.push(`${path}, Size Mismatch`);
    if (size === 0) errors.push(`${path}, Too Small; each segment must be at least 1 byte.`);
    const segment: Segment = { path, hash, bytes: size, contentType: found.contentType, lastModifiedMs: found.timestampMs };
    const range = typeof entry.range === "string" ? normalRange(entry.range, size) : undefined;
    if (range === null) errors.push(`${path}, Unsatisfiable Range`);
    segments.push({
      ...segment,
      ...(typeof range === "string" ? { range } : {}),
      ...(found.slo === undefined ? {} : { subSlo: true }),
    });
  }
  if (errors.length > 0) return { errors: errors.join("\n") };
  const parts = segments.map((each) => {
    if (each.data !== undefined) return md5(Buffer.from(each.data, "base64"));
    return each.range === undefined ? (each.hash ?? "") : `${each.hash}:${each.range};`;
  });
  return { slo: { etag: md5(parts.join("")), size: segments.reduce((sum, each) => sum + lengthOf(each), 0), segments } };
}

function normalRange(range: string, size: number): string | null {
  const parsed = parseRange(`bytes=${range}`, size);
  return typeof parsed === "string" ? null : `${parsed.first}-${parsed.last}`;
}

function lengthOf(segment: Segment): number {
  if (segment.data !== undefined) return Buffer.from(segment.data, "base64").length;
  const parsed = segment.range === undefined ? "whole" : parseRange(`bytes=${segment.range}`, segment.bytes ?? 0);
  return typeof parsed === "string" ? (segment.bytes ?? 0) : parsed.last - parsed.first + 1;
}

/** The manifest as Swift keeps it, and shows it with `multipart-manifest=get`. */
export function storedManifest(slo: StaticLargeObject): Buffer {
  const rows = slo.segments.map((each) =>
    each.data !== undefined
      ? { data: each.data }
      : {
          name: each.path,
          bytes: each.bytes,
          hash: each.hash,
          content_type: each.contentType,
          last_modified: `${new Date(Math.ceil((each.lastModifiedMs ?? 0) / 1000) * 1000).toISOString().slice(0, 19)}.000000`,
          ...(each.range === undefined ? {} : { range: each.range }),
          ...(each.subSlo === true ? { sub_slo: true } : {}),
        },
  );
  return Buffer.from(JSON.stringify(rows));
}

/** The manifest in the form that can be PUT again. */
export function rawManifest(slo: StaticLargeObject): Buffer {
  const rows = slo.segments.map((each) =>
    each.data !== undefined
      ? { data: each.data }
      : { etag: each.hash, path: each.path, ...(each.range === undefined ? {} : { range: each.range }), size_bytes: each.bytes },
  );
  return Buffer.from(JSON.stringify(rows));
}

export function locate(store: SwiftStore, account: Account, path: string): SwiftObject | undefined {
  const [, container = "", name = ""] = /^\/?([^/]+)\/(.+)$/s.exec(path) ?? [];
  const holder = account.containers.get(container);
  return holder === undefined ? undefined : store.object(holder, name);
}

/** What reading the object gives, its etag (quoted when it is not the MD5 of the bytes) and its parts joined. */
export function contentOf(
  store: SwiftStore,
  account: Account,
  object: SwiftObject,
): { source: ByteSource; etag: string; large: boolean } {
  if (object.slo !== undefined) {
    return {
      source: join(object.slo.segments.map((each) => segmentSource(store, account, each))),
      etag: `"${object.slo.etag}"`,
      large: true,
    };
  }
  const manifest = object.headers["x-object-manifest"];
  if (manifest === undefined) return { source: object.bytes.clone(), etag: object.etag, large: false };
  const parts = dynamicSegments(store, account, decodeURIComponent(manifest));
  return {
    source: join(parts.map((part) => ({ size: listedBytes(part), open: () => contentOf(store, account, part).source }))),
    etag: `"${md5(parts.map((part) => part.slo?.etag ?? part.etag).join(""))}"`,
    large: true,
  };
}

function dynamicSegments(store: SwiftStore, account: Account, manifest: string): SwiftObject[] {
  const cut = manifest.indexOf("/");
  const holder: Container | undefined = account.containers.get(manifest.slice(0, cut));
  const prefix = manifest.slice(cut + 1);
  return holder === undefined
    ? []
    : store.listed(holder).filter((each) => each.name.startsWith(prefix) && store.object(holder, each.name) !== undefined);
}

interface Part {
  readonly size: number;
  /** Undefined when the segment is not what the manifest says. */
  open(): ByteSource | undefined;
}

function segmentSource(store: SwiftStore, account: Account, segment: Segment): Part {
  const size = lengthOf(segment);
  if (segment.data !== undefined) return { size, open: () => SparseBytes.from(Buffer.from(segment.data ?? "", "base64")) };
  return {
    size,
    open: () => {
      const found = locate(store, account, segment.path ?? "");
      if (found === undefined || (found.slo?.etag ?? found.etag) !== segment.hash) return undefined;
      const whole = contentOf(store, account, found).source;
      const parsed = segment.range === undefined ? "whole" : parseRange(`bytes=${segment.range}`, whole.size);
      return typeof parsed === "string" ? whole : slice(whole, parsed.first, parsed.last);
    },
  };
}

function join(parts: readonly Part[]): ByteSource {
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return {
    size,
    read(offset, length) {
      const out: Uint8Array[] = [];
      let start = 0;
      for (const [index, part] of parts.entries()) {
        const from = Math.max(offset, start);
        const to = Math.min(offset + length, start + part.size);
        if (from < to) {
          const source = part.open();
          if (source === undefined && index === 0) return swiftRefuse(409);
          if (source === undefined) throw new RangeError(`segment ${index} is not what the manifest says`);
          out.push(source.read(from - start, to - from));
        }
        start += part.size;
      }
      return Buffer.concat(out);
    },
  };
}

/** The answer of a manifest PUT with `heartbeat=on`: always 202, the truth in the body, as JSON for who accepts it. */
export function heartbeat(status: string, lines: Record<string, string>, errors: string, json: boolean): Reply {
  const rows = errors.split("\n").filter((row) => row !== "");
  // slo.py's get_response_body: each error is the segment's path and what is wrong with it.
  const pairs = rows.map((row) => [row.slice(0, row.lastIndexOf(", ")), row.slice(row.lastIndexOf(", ") + 2)]);
  const head = Object.entries(lines)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join("");
  const outcome = json
    ? JSON.stringify({ ...lines, "Response Status": status, Errors: pairs })
    : `${head}Response Status: ${status}\nErrors:\n${errors}`;
  return {
    status: 202,
    headers: { "content-type": json ? "application/json" : "text/plain" },
    chunked: true,
    body: ` \r\n\r\n${outcome}`,
  };
}

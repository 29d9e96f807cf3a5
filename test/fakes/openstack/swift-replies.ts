/** Answers of the fake Swift that are more than an object's bytes: a manifest, several ranges, the link to a version. */

import { type ByteSource, type Call, parseRange, type Reply } from "./http.ts";
import { httpDate } from "./ids.ts";
import { rawManifest } from "./swift-large.ts";
import { listedBytes } from "./swift-listing.ts";
import { type Container, md5, type SwiftObject, swiftPage } from "./swift-store.ts";
import { quoted } from "./swift-symlinks.ts";

/** `?symlink=get` of a current version: the link that Swift keeps in its place. */
export function versionLink(container: Container, object: SwiftObject): Reply {
  const target = `${quoted(`${container.name}/${object.name}`)}?version-id=${object.versionId}`;
  return {
    status: 200,
    headers: {
      "content-type": object.contentType,
      ...object.headers,
      "x-symlink-target": target,
      "x-symlink-target-etag": object.etag,
      "x-symlink-target-bytes": String(listedBytes(object)),
      "x-object-version-id": object.versionId ?? "null",
      "last-modified": httpDate(object.timestampMs),
      etag: md5(""),
      "content-length": "0",
    },
  };
}

export function manifestReply(call: Call, object: SwiftObject, headers: Record<string, string>): Reply {
  if (object.slo === undefined) return { status: 200, headers: { ...headers, etag: object.etag }, body: object.bytes.clone() };
  if (call.query.get("format") === "raw") {
    // Swift 2.35 reads the manifest's body to make the raw form, and a HEAD has none: seen on the lab.
    if (call.method === "HEAD")
      return {
        status: 500,
        headers: { "content-type": "text/html; charset=UTF-8" },
        body: "<html><h1>Internal Error</h1></html>",
      };
    const raw = rawManifest(object.slo);
    return { status: 200, headers: { ...headers, etag: md5(raw) }, body: raw };
  }
  return {
    status: 200,
    headers: { ...headers, etag: object.etag, "content-type": "application/json; charset=utf-8" },
    body: object.bytes.clone(),
  };
}

export function multipart(header: string, source: ByteSource, headers: Record<string, string>): Reply {
  const boundary = md5(header + String(source.size));
  const out: Uint8Array[] = [];
  for (const each of header.replace(/^bytes=/, "").split(",")) {
    const range = parseRange(`bytes=${each.trim()}`, source.size);
    if (typeof range === "string") continue;
    const head = `--${boundary}\r\nContent-Type: ${headers["content-type"]}\r\nContent-Range: bytes ${range.first}-${range.last}/${source.size}\r\n\r\n`;
    out.push(Buffer.from(head), source.read(range.first, range.last - range.first + 1), Buffer.from("\r\n"));
  }
  if (out.length === 0)
    return { status: 416, headers: { ...headers, "content-range": `bytes */${source.size}` }, body: swiftPage(416).body ?? "" };
  return {
    status: 206,
    headers: { ...headers, "content-type": `multipart/byteranges;boundary=${boundary}` },
    body: Buffer.concat([...out, Buffer.from(`--${boundary}--`)]),
  };
}

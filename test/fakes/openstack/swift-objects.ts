/** Swift objects: PUT, GET, HEAD, POST, DELETE with conditions, ranges, expiry, metadata rules and large objects. */

import { createHash } from "node:crypto";
import { SparseBytes } from "./bytes.ts";
import { type Call, parseRange, type Reply, slice } from "./http.ts";
import { httpDate, swiftTimestamp } from "./ids.ts";
import { contentOf, heartbeat, locate, readManifest, storedManifest } from "./swift-large.ts";
import { listedBytes } from "./swift-listing.ts";
import { manifestReply, multipart, versionLink } from "./swift-replies.ts";
import {
  type Account,
  type Container,
  md5,
  type SwiftObject,
  type SwiftStore,
  swiftPage,
  swiftRefuse,
  swiftSay,
} from "./swift-store.ts";
import { follow, linkHeaders, linkOf, linkPath, linkType, type Place } from "./swift-symlinks.ts";
import { archive, askedVersion, deleteVersion, foreignVersion, legacyDelete, versionHeaders } from "./swift-versions.ts";

const KEPT = ["content-encoding", "content-disposition", "x-object-manifest"];
const TYPES: Readonly<Record<string, string>> = {
  txt: "text/plain",
  html: "text/html",
  json: "application/json",
  png: "image/png",
  jpg: "image/jpeg",
  gz: "application/x-tar",
  pdf: "application/pdf",
  xml: "application/xml",
};
const HTML = "text/html; charset=UTF-8";

/** x-object-meta-* and their kin from a request, checked against Swift's limits. */
export function metadataOf(call: Call, prefix: string): Record<string, string> {
  const found: Record<string, string> = {};
  let total = 0;
  for (const [name, value] of Object.entries(call.headers)) {
    if (!name.startsWith(prefix) || value === undefined) continue;
    const text = String(value);
    const short = name.slice(prefix.length);
    if (short.length > 128) swiftSay(400, `Metadata name too long: ${name}`);
    if (text.length > 256) swiftSay(400, `Metadata value longer than 256: ${name}`);
    total += short.length + text.length;
    if (text !== "") found[name] = text;
  }
  if (Object.keys(found).length > 90) swiftSay(400, "Too many metadata items; max 90");
  if (total > 4096) swiftSay(400, "Total metadata too large. Max 4096");
  return found;
}

export class ObjectRoutes {
  readonly #store: SwiftStore;

  constructor(store: SwiftStore) {
    this.#store = store;
  }

  async handle(call: Call, account: Account, container: Container, name: string): Promise<Reply> {
    if (name.length > 1024) swiftSay(400, `Object name length of ${name.length} longer than 1024`, HTML);
    switch (call.method) {
      case "PUT":
        return this.#put(call, account, container, name);
      case "GET":
      case "HEAD":
        return this.#get(call, account, container, name);
      case "POST":
        return this.#post(call, account, container, name);
      case "DELETE":
        return this.#delete(call, account, container, name);
      default:
        return swiftPage(405);
    }
  }

  #find(container: Container, name: string): SwiftObject {
    return this.#store.object(container, name) ?? swiftRefuse(404);
  }

  async #put(call: Call, account: Account, container: Container, name: string): Promise<Reply> {
    const condition = call.header("if-none-match");
    if (condition !== undefined && condition !== "*") swiftSay(400, "If-None-Match only supports *");
    if (condition === "*" && this.#store.object(container, name) !== undefined) swiftRefuse(412);
    const headers = { ...metadataOf(call, "x-object-meta-"), ...this.#kept(call) };
    const contentType = call.header("content-type") ?? TYPES[/\.([a-z]+)$/.exec(name)?.[1] ?? ""] ?? "application/octet-stream";
    if (call.query.has("version-id")) swiftSay(501, "The fake has no PUT of a version.");
    archive(this.#store, account, container, name);
    if (call.query.get("multipart-manifest") === "put")
      return this.#putManifest(call, account, container, { name, contentType, headers });
    const bytes = new SparseBytes(0);
    const hash = createHash("md5");
    for await (const piece of call.pieces()) {
      hash.update(piece);
      bytes.write(bytes.size, piece);
    }
    const etag = hash.digest("hex");
    if (call.header("x-symlink-target") !== undefined && bytes.size > 0)
      swiftSay(400, "Symlink requests require a zero byte body");
    const link = linkOf(call, this.#store, account, container, name);
    const wanted = call.header("etag")?.replaceAll('"', "").toLowerCase();
    const lastModified = { "last-modified": httpDate(this.#store.now()) };
    if (wanted !== undefined && wanted !== etag) return swiftPage(422, lastModified);
    this.#checkQuota(container, name, bytes.size);
    const type = link === undefined ? contentType : (call.header("content-type") ?? linkType(this.#store, account, link));
    const linked = link === undefined ? {} : { link };
    const stored = this.#store.putObject(container, { name, bytes, etag, contentType: type, headers, ...linked });
    call.created("object", `${account.id}/${container.name}/${name}`);
    const version = stored.versionId === undefined ? {} : { "x-object-version-id": stored.versionId };
    return { status: 201, headers: { "content-type": HTML, etag, ...lastModified, ...version } };
  }

  async #putManifest(
    call: Call,
    account: Account,
    container: Container,
    fields: Pick<SwiftObject, "name" | "contentType" | "headers">,
  ): Promise<Reply> {
    const beats = call.query.get("heartbeat") === "on";
    const wantsJson = (call.header("accept") ?? "").includes("application/json");
    const read = readManifest(this.#store, account, await call.body());
    if ("errors" in read) {
      if (!beats) swiftSay(400, `Errors:\n${read.errors}\n`);
      return heartbeat(
        "400 Bad Request",
        {
          "Response Body":
            "Bad Request\nThe server could not comply with the request since it is either malformed or otherwise incorrect.",
        },
        read.errors,
        wantsJson,
      );
    }
    const { slo } = read;
    const wanted = call.header("etag")?.replaceAll('"', "").toLowerCase();
    if (wanted !== undefined && wanted !== slo.etag) return swiftPage(422);
    const stored = storedManifest(slo);
    // Clients that send JSON by habit get what Swift gives them: the type is the object's, not the manifest's.
    this.#store.putObject(container, { ...fields, bytes: SparseBytes.from(stored), etag: md5(stored), slo });
    call.created("object", `${account.id}/${container.name}/${fields.name}`);
    const lastModified = httpDate(this.#store.now());
    if (beats)
      return heartbeat(
        "201 Created",
        { Etag: `"${slo.etag}"`, "Last Modified": lastModified, "Response Body": "" },
        "",
        wantsJson,
      );
    return { status: 201, headers: { "content-type": HTML, etag: `"${slo.etag}"`, "last-modified": lastModified } };
  }

  #get(call: Call, account: Account, container: Container, name: string): Reply {
    const asked = askedVersion(call, container, name) ?? this.#find(container, name);
    const itself = call.query.get("symlink") === "get";
    if (itself && asked.versionId !== undefined && !call.query.has("version-id")) return versionLink(container, asked);
    const start: Place = { account, container, object: asked };
    const place = itself ? start : follow(call, this.#store, start);
    const { object } = place;
    const { source, etag, large } = contentOf(this.#store, place.account, object);
    const followed = place.location === undefined ? {} : { "content-location": place.location };
    const headers: Record<string, string> = {
      "content-type": object.contentType,
      ...(object.versionId === undefined ? object.headers : withoutExpiry(object.headers)),
      ...(place.location === undefined ? versionHeaders(call, account, container, object) : foreignVersion(container)),
      ...followed,
      ...(object.link === undefined ? {} : linkHeaders(object.link)),
      etag,
      "last-modified": httpDate(object.timestampMs),
      "x-timestamp": swiftTimestamp(object.timestampMs),
      "accept-ranges": "bytes",
    };
    if (object.slo !== undefined) headers["x-static-large-object"] = "True";
    if (call.query.get("multipart-manifest") === "get" && large) return manifestReply(call, object, headers);
    if (object.slo !== undefined) headers["x-manifest-etag"] = object.etag;
    const plainEtag = etag.replaceAll('"', "");
    const listed = (header: string | undefined) => header?.split(",").map((each) => each.trim().replaceAll('"', ""));
    const ifMatch = listed(call.header("if-match"));
    if (ifMatch !== undefined && !ifMatch.includes("*") && !ifMatch.includes(plainEtag))
      return { ...swiftPage(412, { etag, "last-modified": headers["last-modified"] ?? "" }), body: "" };
    const ifNoneMatch = listed(call.header("if-none-match"));
    if (ifNoneMatch?.some((each) => each === "*" || each === plainEtag) === true)
      return { status: 304, headers: { ...headers, "content-length": "0" } };
    const range = call.method === "GET" ? parseRange(call.header("range"), source.size) : "whole";
    if (range === "outside")
      return { status: 416, headers: { ...headers, "content-range": `bytes */${source.size}` }, body: swiftPage(416).body ?? "" };
    if (range === "multiple") return multipart(call.header("range") ?? "", source, headers);
    if (typeof range === "string") {
      if (call.method === "GET" && source.size > 0) source.read(0, 1);
      return { status: 200, headers, body: source };
    }
    source.read(range.first, 1);
    return {
      status: 206,
      headers: { ...headers, "content-range": `bytes ${range.first}-${range.last}/${source.size}` },
      body: slice(source, range.first, range.last),
    };
  }

  #post(call: Call, account: Account, container: Container, name: string): Reply {
    if (call.query.has("version-id")) askedVersion(call, container, name);
    if (call.header("x-symlink-target") !== undefined) swiftSay(400, "A PUT request is required to set a symlink target");
    const object = this.#find(container, name);
    object.headers = { ...metadataOf(call, "x-object-meta-"), ...this.#kept(call) };
    object.contentType = call.header("content-type") ?? object.contentType;
    object.timestampMs = this.#store.now();
    if (object.link === undefined) return swiftPage(202);
    const location = { location: linkPath(account.id, object.link) };
    return {
      status: 307,
      headers: { "content-type": HTML, ...location },
      body: "The requested POST was applied to a symlink. POST directly to the target to apply requested metadata.",
    };
  }

  #delete(call: Call, account: Account, container: Container, name: string): Reply {
    const id = call.query.get("version-id");
    if (id !== null && id !== "") return deleteVersion(call, account, container, name, id);
    if (container.versioning?.enabled === true) {
      // The marker is written before the object goes, also for one that is not there.
      const marker = { "x-object-version-id": this.#store.addDeleteMarker(container, name) };
      if (this.#store.object(container, name) === undefined) return swiftPage(404, marker);
      container.objects.delete(name);
      call.deleted("object", `${account.id}/${container.name}/${name}`);
      return { status: 204, headers: { "content-type": HTML, "content-length": "0", ...marker } };
    }
    const object = this.#find(container, name);
    const popped = legacyDelete(call, this.#store, account, container, name);
    if (popped !== undefined) return popped;
    const gone = (holder: Container, each: string) => {
      holder.objects.delete(each);
      call.deleted("object", `${account.id}/${holder.name}/${each}`);
    };
    if (call.query.get("multipart-manifest") !== "delete") {
      gone(container, name);
      return { status: 204, headers: { "content-type": HTML, "content-length": "0" } };
    }
    let [deleted, missing] = [1, 0];
    for (const segment of object.slo?.segments ?? []) {
      if (segment.path === undefined) continue;
      const [, holderName = "", each = ""] = /^\/?([^/]+)\/(.+)$/s.exec(segment.path) ?? [];
      const holder = account.containers.get(holderName);
      if (holder === undefined || locate(this.#store, account, segment.path) === undefined) missing++;
      else {
        gone(holder, each);
        deleted++;
      }
    }
    gone(container, name);
    const body = `Number Deleted: ${deleted}\nNumber Not Found: ${missing}\nResponse Body: \nResponse Status: 200 OK\nErrors:\n`;
    return { status: 200, headers: { "content-type": "text/plain" }, chunked: true, body };
  }

  #kept(call: Call): Record<string, string> {
    const kept: Record<string, string> = {};
    for (const name of KEPT) {
      const value = call.header(name);
      if (value !== undefined && value !== "") kept[name] = value;
    }
    const after = call.header("x-delete-after");
    const at = call.header("x-delete-at");
    const now = Math.floor(this.#store.now() / 1000);
    if (after !== undefined) {
      if (!/^-?\d+$/.test(after)) swiftSay(400, "Non-integer X-Delete-After");
      if (Number(after) <= 0) swiftSay(400, "X-Delete-After in past");
      kept["x-delete-at"] = String(now + Number(after));
    } else if (at !== undefined && at !== "") {
      if (!/^\d+$/.test(at)) swiftSay(400, "Non-integer X-Delete-At");
      if (Number(at) < now) swiftSay(400, "X-Delete-At in past");
      kept["x-delete-at"] = at;
    }
    return kept;
  }

  #checkQuota(container: Container, name: string, size: number): void {
    const bytes = container.headers["x-container-meta-quota-bytes"];
    const count = container.headers["x-container-meta-quota-count"];
    const others = [...container.objects.values()].filter((each) => each.name !== name);
    const used = others.reduce((sum, each) => sum + listedBytes(each), 0);
    if ((bytes !== undefined && used + size > Number(bytes)) || (count !== undefined && others.length + 1 > Number(count)))
      swiftSay(413, "Upload exceeds quota.", HTML);
  }
}

/** A version does not expire; the link to the current one does. */
function withoutExpiry(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { "x-delete-at": _, ...rest } = headers;
  return rest;
}

/**
 * Swift of the fake cloud, after Swift 2.35 (2025.1): routing, accounts and containers, /info. Containers keep their
 * storage policy for life, merge metadata on POST, and are deleted only when empty.
 */

import { type Call, json, Refusal, type Reply, type ServiceHandler } from "./http.ts";
import { httpDate, swiftTimestamp } from "./ids.ts";
import { listContainers, listedBytes, listObjects, listRows } from "./swift-listing.ts";
import { metadataOf, ObjectRoutes } from "./swift-objects.ts";
import {
  type Account,
  authorize,
  type Container,
  POLICIES,
  type SwiftStore,
  swiftPage,
  swiftRefuse,
  swiftSay,
} from "./swift-store.ts";
import { hasVersions, switchVersioning, versioningHeaders, versionPage, versionRows } from "./swift-versions.ts";
import type { Identities } from "./tokens.ts";

const HTML = "text/html; charset=UTF-8";
const EMPTY_204: Reply = { status: 204, headers: { "content-type": HTML, "content-length": "0" } };
const CONTAINER_HEADERS = ["x-container-read", "x-container-write", "x-container-sync-to", "x-container-sync-key"];

export class Swift implements ServiceHandler {
  readonly #store: SwiftStore;
  readonly #ids: Identities;
  readonly #objects: ObjectRoutes;

  constructor(store: SwiftStore, ids: Identities) {
    this.#store = store;
    this.#ids = ids;
    this.#objects = new ObjectRoutes(store);
  }

  unauthorized(call: Call): Reply {
    return swiftPage(401, { "www-authenticate": `Swift realm="${call.path.split("/")[2] ?? ""}"` });
  }

  async handle(call: Call): Promise<Reply> {
    const stamp = { "x-trans-id": `tx${this.#ids.newId().slice(0, 21)}-${Math.floor(this.#store.now() / 1000).toString(16)}` };
    try {
      const reply = await this.#route(call);
      return { ...reply, headers: { ...stamp, ...reply.headers } };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // HEAD has no page.
      const body = call.method === "HEAD" ? "" : (error.reply.body ?? "");
      throw new Refusal({ ...error.reply, headers: { ...stamp, ...error.reply.headers }, body });
    }
  }

  async #route(call: Call): Promise<Reply> {
    if (call.path === "/info") return info();
    if (call.path === "/healthcheck") return { status: 200, headers: { "content-type": "text/plain" }, body: "OK" };
    const [, v1, accountId = "", containerName, ...rest] = decodePath(call.path).split("/");
    if (v1 !== "v1" || accountId === "") return swiftPage(404);
    const token = this.#ids.check(call.header("x-auth-token"));
    if (token !== undefined) call.identify(token);
    if (call.header("x-auth-token") !== undefined && token === undefined) return this.unauthorized(call);
    const objectName = rest.join("/");
    if (containerName === undefined || containerName === "") return this.#account(call, accountId);
    const account = this.#store.account(accountId);
    const container = account.containers.get(containerName);
    if (objectName === "") return this.#container(call, account, containerName, container);
    const reads = call.method === "GET" || call.method === "HEAD";
    authorize(call, accountId, container, reads ? "read" : "write");
    if (container === undefined) return swiftPage(404);
    return this.#objects.handle(call, account, container, objectName);
  }

  async #account(call: Call, id: string): Promise<Reply> {
    authorize(call, id, undefined, "own");
    const account = this.#store.account(id);
    if (call.method === "POST" && call.query.has("bulk-delete")) return this.#bulkDelete(call, account);
    if (call.method === "POST" || call.method === "PUT") checkAccountQuota(call);
    if (call.method === "POST") {
      mergeHeaders(account.headers, call, "account", []);
      return EMPTY_204;
    }
    if (call.method === "DELETE") return swiftPage(403);
    if (call.method === "PUT") {
      mergeHeaders(account.headers, call, "account", []);
      return swiftPage(202);
    }
    if (call.method !== "GET" && call.method !== "HEAD")
      return swiftPage(405, { allow: "OPTIONS, HEAD, DELETE, PUT, POST, GET" });
    const headers = this.#accountHeaders(account);
    if (call.method === "HEAD")
      return { status: 204, headers: { ...headers, "content-type": "text/plain; charset=utf-8", "content-length": "0" } };
    return listContainers(call, [...account.containers.values()], headers, (container) => this.#usage(container));
  }

  async #container(call: Call, account: Account, name: string, container: Container | undefined): Promise<Reply> {
    if (call.method === "PUT") return this.#putContainer(call, account, name, container);
    const reads = call.method === "GET" || call.method === "HEAD";
    const access = authorize(call, account.id, container, reads ? "list" : "own");
    if (container === undefined) return swiftPage(404);
    if (call.method === "POST") {
      switchVersioning(call, container);
      mergeHeaders(container.headers, call, "container", CONTAINER_HEADERS);
      container.changedMs = this.#store.now();
      return EMPTY_204;
    }
    if (call.method === "DELETE") {
      if (hasVersions(container)) return { ...swiftPage(409), body: "Delete all versions before deleting container." };
      if (this.#store.listed(container).some((each) => this.#store.object(container, each.name) !== undefined))
        return swiftPage(409);
      account.containers.delete(name);
      call.deleted("container", `${account.id}/${name}`);
      return EMPTY_204;
    }
    const shown = Object.entries(container.headers).filter(
      ([key]) => access === "owner" || (!key.startsWith("x-container-read") && !key.startsWith("x-container-write")),
    );
    const { count, bytes } = this.#usage(container);
    const headers: Record<string, string> = {
      ...Object.fromEntries(shown),
      ...versioningHeaders(container),
      "x-container-object-count": String(count),
      "x-container-bytes-used": String(bytes),
      "x-timestamp": swiftTimestamp(container.createdMs),
      "last-modified": httpDate(container.changedMs),
      "accept-ranges": "bytes",
      "x-storage-policy": container.policy,
    };
    if (call.method === "HEAD")
      return { status: 204, headers: { ...headers, "content-type": "text/plain; charset=utf-8", "content-length": "0" } };
    if (call.query.has("versions")) return listRows(versionPage(versionRows(container, account.id), call), headers);
    return listObjects(call, { objects: this.#store.listed(container), container, accountId: account.id }, headers);
  }

  #putContainer(call: Call, account: Account, name: string, present: Container | undefined): Reply {
    authorize(call, account.id, undefined, "own");
    if (Buffer.byteLength(name) > 256) swiftSay(400, `Container name length of ${Buffer.byteLength(name)} longer than 256`, HTML);
    const policy = call.header("x-storage-policy");
    const known = POLICIES.find((each) => each.toLowerCase() === policy?.toLowerCase());
    if (policy !== undefined && policy !== "" && known === undefined) swiftSay(400, `Invalid X-Storage-Policy '${policy}'`);
    if (present !== undefined && known !== undefined && known !== present.policy) return swiftPage(409);
    metadataOf(call, "x-container-meta-");
    const container = present ?? this.#store.addContainer(account, name, known ?? POLICIES[0]);
    switchVersioning(call, container);
    mergeHeaders(container.headers, call, "container", CONTAINER_HEADERS);
    if (present !== undefined) return swiftPage(202);
    call.created("container", `${account.id}/${name}`);
    return { status: 201, headers: { "content-type": HTML, "content-length": "0" } };
  }

  async #bulkDelete(call: Call, account: Account): Promise<Reply> {
    const counts = { deleted: 0, missing: 0 };
    const errors: [string, string][] = [];
    for (const line of (await call.body()).toString("utf8").split("\n")) {
      const path = decodePath(line.trim()).replace(/^\//, "");
      if (path === "") continue;
      const cut = path.indexOf("/");
      const [holderName, name] = cut < 0 ? [path, ""] : [path.slice(0, cut), path.slice(cut + 1)];
      const holder = account.containers.get(holderName);
      if (holder === undefined || (name !== "" && this.#store.object(holder, name) === undefined)) counts.missing++;
      else if (name === "" && holder.objects.size > 0) errors.push([line.trim(), "409 Conflict"]);
      else {
        if (name === "") account.containers.delete(holderName);
        else holder.objects.delete(name);
        call.deleted(name === "" ? "container" : "object", `${account.id}/${path}`);
        counts.deleted++;
      }
    }
    const status = errors.length > 0 ? "400 Bad Request" : "200 OK";
    return {
      ...json(200, {
        "Response Status": status,
        "Response Body": "",
        "Number Deleted": counts.deleted,
        "Number Not Found": counts.missing,
        Errors: errors,
      }),
      chunked: true,
    };
  }

  #usage(container: Container): { count: number; bytes: number } {
    const objects = this.#store.listed(container);
    return { count: objects.length, bytes: objects.reduce((sum, each) => sum + listedBytes(each), 0) };
  }

  #accountHeaders(account: Account): Record<string, string> {
    const headers: Record<string, string> = { ...account.headers };
    const total = { containers: 0, count: 0, bytes: 0 };
    for (const policy of POLICIES) {
      const own = [...account.containers.values()].filter((each) => each.policy === policy);
      const used = own.map((each) => this.#usage(each));
      const [count, bytes] = [used.reduce((sum, each) => sum + each.count, 0), used.reduce((sum, each) => sum + each.bytes, 0)];
      total.containers += own.length;
      total.count += count;
      total.bytes += bytes;
      const prefix = `x-account-storage-policy-${policy}`;
      Object.assign(headers, {
        [`${prefix}-container-count`]: String(own.length),
        [`${prefix}-object-count`]: String(count),
        [`${prefix}-bytes-used`]: String(bytes),
      });
    }
    return {
      ...headers,
      "x-account-container-count": String(total.containers),
      "x-account-object-count": String(total.count),
      "x-account-bytes-used": String(total.bytes),
      "x-timestamp": swiftTimestamp(account.createdMs),
      "accept-ranges": "bytes",
      "x-account-project-domain-id": "default",
    };
  }
}

/** Only a reseller's administrator sets an account's limits (account_quotas.py). */
function checkAccountQuota(call: Call): void {
  const sets = Object.keys(call.headers).some((name) => /^x-(remove-)?account-(meta-)?quota-/.test(name));
  if (sets && call.token?.roles.has("ResellerAdmin") !== true) swiftRefuse(403);
}

/** POST merges: a value sets, an empty value or X-Remove-… removes, what is not named stays. */
function mergeHeaders(into: Record<string, string>, call: Call, kind: "account" | "container", named: readonly string[]): void {
  const sent = metadataOf(call, `x-${kind}-meta-`);
  for (const [name, raw] of Object.entries(call.headers)) {
    const value = String(raw ?? "");
    if (name.startsWith(`x-remove-${kind}-`)) delete into[`x-${name.slice("x-remove-".length)}`];
    else if (name.startsWith(`x-${kind}-meta-`) || named.includes(name)) {
      if (value === "") delete into[name];
      else into[name] = sent[name] ?? value;
    }
  }
}

function decodePath(path: string): string {
  try {
    const decoded = decodeURIComponent(path);
    if (!decoded.includes("\0")) return decoded;
  } catch {
    // Not UTF-8: refused below like a NUL.
  }
  return swiftRefuseText();
}

function swiftRefuseText(): never {
  swiftSay(412, "Invalid UTF8 or contains NULL", HTML);
}

function info(): Reply {
  return json(200, {
    swift: {
      version: "2.35.1",
      strict_cors_mode: true,
      policies: [
        { name: "gold", aliases: "gold", default: true },
        { name: "silver", aliases: "silver" },
      ],
      allow_account_management: true,
      account_autocreate: true,
      max_file_size: 5_368_709_122,
      max_meta_name_length: 128,
      max_meta_value_length: 256,
      max_meta_count: 90,
      max_meta_overall_size: 4096,
      max_header_size: 8192,
      max_object_name_length: 1024,
      container_listing_limit: 10_000,
      account_listing_limit: 10_000,
      max_account_name_length: 256,
      max_container_name_length: 256,
    },
    slo: {
      max_manifest_segments: 1000,
      max_manifest_size: 8_388_608,
      yield_frequency: 10,
      min_segment_size: 1,
      allow_async_delete: true,
    },
    account_quotas: {},
    container_quotas: {},
    symlink: { symloop_max: 2, static_links: true },
    versioned_writes: { allowed_flags: ["x-versions-location", "x-history-location"] },
    object_versioning: {},
    bulk_delete: { max_deletes_per_request: 10_000, max_failed_deletes: 1000 },
  });
}

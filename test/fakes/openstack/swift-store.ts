/**
 * Accounts, containers and objects of the fake Swift, with who may touch them.
 *
 * Header values are kept as the bytes that came (latin1 strings), so UTF-8 metadata survives. Names order by their
 * UTF-8 bytes, as in Swift's databases.
 */

import { createHash } from "node:crypto";
import type { Clock } from "@permafrost/std";
import type { SparseBytes } from "./bytes.ts";
import type { Call } from "./http.ts";
import { Refusal, type Reply } from "./http.ts";

/** One entry of a static large object's manifest. */
export interface Segment {
  /** `/container/object`; absent for inline data. */
  readonly path?: string;
  /** Etag of the segment object as it must be (the SLO etag of a nested SLO). */
  readonly hash?: string;
  readonly bytes?: number;
  readonly contentType?: string;
  readonly lastModifiedMs?: number;
  readonly range?: string;
  readonly subSlo?: boolean;
  /** Base64. */
  readonly data?: string;
}

export interface SwiftObject {
  readonly name: string;
  readonly bytes: SparseBytes;
  /** MD5 of what is stored (of the manifest, for an SLO). */
  readonly etag: string;
  contentType: string;
  /** x-object-meta-*, content-encoding, content-disposition, x-delete-at, x-object-manifest. */
  headers: Record<string, string>;
  timestampMs: number;
  readonly slo?: { readonly etag: string; readonly size: number; readonly segments: readonly Segment[] };
  /** A symlink: what it points to. */
  readonly link?: Link;
  /** In a container with object versioning; absent for the version `null`. */
  versionId?: string;
}

export interface Link {
  /** `container/object`, quoted as Swift keeps it. */
  readonly target: string;
  readonly account?: string;
  /** Of a static link. */
  readonly etag?: string;
  readonly bytes?: number;
  /** Of a static link to a static large object. */
  readonly sloEtag?: string;
}

/** One version of an object; without an object it is a delete marker. */
export interface Version {
  readonly id: string;
  readonly object?: SwiftObject;
  readonly timestampMs: number;
}

export interface Container {
  readonly name: string;
  readonly policy: string;
  /** x-container-meta-*, x-container-read, x-container-write, sync headers. */
  headers: Record<string, string>;
  readonly objects: Map<string, SwiftObject>;
  /** Object versioning (X-Versions-Enabled), once it was ever switched on. */
  versioning?: { enabled: boolean };
  /** By name, oldest first; the current one is among them unless its id is `null`. */
  readonly versions: Map<string, Version[]>;
  readonly createdMs: number;
  changedMs: number;
}

export interface Account {
  readonly id: string;
  headers: Record<string, string>;
  readonly containers: Map<string, Container>;
  readonly createdMs: number;
}

export const POLICIES = ["gold", "silver"];
const TEXTS: Readonly<Record<number, [string, string]>> = {
  202: ["Accepted", "The request is accepted for processing."],
  401: ["Unauthorized", "This server could not verify that you are authorized to access the document you requested."],
  403: ["Forbidden", "Access was denied to this resource."],
  404: ["Not Found", "The resource could not be found."],
  405: ["Method Not Allowed", "The method is not allowed for this resource."],
  409: ["Conflict", "There was a conflict when trying to complete your request."],
  412: ["Precondition Failed", "A precondition for this request was not met."],
  413: ["Request Entity Too Large", "The body of your request was too large for this server."],
  416: ["Requested Range Not Satisfiable", "The Range requested is not available."],
  422: ["Unprocessable Entity", "Unable to process the contained instructions"],
};

/** Swift's own page for a status. */
export function swiftPage(status: number, headers: Record<string, string> = {}): Reply {
  const text = TEXTS[status];
  const body = text === undefined ? "" : `<html><h1>${text[0]}</h1><p>${text[1]}</p></html>`;
  return { status, headers: { "content-type": "text/html; charset=UTF-8", ...headers }, body };
}

export function swiftRefuse(status: number, headers: Record<string, string> = {}): never {
  throw new Refusal(swiftPage(status, headers));
}

/** A refusal with its own words. */
export function swiftSay(status: number, text: string, type = "text/plain"): never {
  throw new Refusal({ status, headers: { "content-type": type }, body: text });
}

export class SwiftStore {
  readonly accounts = new Map<string, Account>();
  readonly #clock: Clock;
  #lastVersion = 0;
  /** How long an expired object is still listed, as it is until the expirer comes by. */
  expirerLagMs = 30_000;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  account(id: string): Account {
    let account = this.accounts.get(id);
    if (account === undefined) {
      account = { id, headers: {}, containers: new Map(), createdMs: this.now() };
      this.accounts.set(id, account);
    }
    return account;
  }

  addContainer(account: Account, name: string, policy = "gold", headers: Record<string, string> = {}): Container {
    const times = { createdMs: this.now(), changedMs: this.now() };
    const container: Container = { name, policy, headers, objects: new Map(), versions: new Map(), ...times };
    account.containers.set(name, container);
    return container;
  }

  putObject(container: Container, object: Omit<SwiftObject, "timestampMs">): SwiftObject {
    const stored: SwiftObject = { ...object, timestampMs: this.now() };
    if (container.versioning?.enabled === true) {
      this.versionCurrent(container, stored.name);
      stored.versionId = this.#nextVersionId();
      this.addVersion(container, stored.name, { id: stored.versionId, object: stored, timestampMs: stored.timestampMs });
    }
    container.objects.set(stored.name, stored);
    return stored;
  }

  /** Gives what was put while versioning was off a version of its own, before it is replaced. */
  versionCurrent(container: Container, name: string): void {
    const current = container.objects.get(name);
    if (current === undefined || current.versionId !== undefined) return;
    current.versionId = this.#nextVersionId(current.timestampMs);
    this.addVersion(container, name, { id: current.versionId, object: current, timestampMs: current.timestampMs });
  }

  /** The id of the marker that says an object was deleted. */
  addDeleteMarker(container: Container, name: string): string {
    this.versionCurrent(container, name);
    const id = this.#nextVersionId();
    this.addVersion(container, name, { id, timestampMs: this.now() });
    return id;
  }

  addVersion(container: Container, name: string, version: Version): void {
    container.versions.set(name, [...(container.versions.get(name) ?? []), version]);
  }

  /** Swift's timestamps have five decimals, and no two of ours are the same. */
  #nextVersionId(ms = this.now()): string {
    this.#lastVersion = Math.max(this.#lastVersion + 1, Math.floor(ms) * 100);
    const text = String(this.#lastVersion).padStart(15, "0");
    return `${text.slice(0, -5)}.${text.slice(-5)}`;
  }

  /** The object, unless it has expired. */
  object(container: Container, name: string): SwiftObject | undefined {
    const object = container.objects.get(name);
    return object === undefined || this.#expiresMs(object) <= this.now() ? undefined : object;
  }

  /** Objects that a listing shows, in order; drops those the expirer has had time to remove. */
  listed(container: Container): SwiftObject[] {
    for (const object of container.objects.values()) {
      if (this.#expiresMs(object) + this.expirerLagMs <= this.now()) container.objects.delete(object.name);
    }
    return [...container.objects.values()].sort((a, b) => compareNames(a.name, b.name));
  }

  #expiresMs(object: SwiftObject): number {
    const at = object.headers["x-delete-at"];
    return at === undefined ? Number.POSITIVE_INFINITY : Number(at) * 1000;
  }
}

export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}

export function md5(bytes: Uint8Array | string): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** Whether a call may do `what` here: the account's operators may everything, others what an ACL gives them. */
export function authorize(
  call: Call,
  accountId: string,
  container: Container | undefined,
  what: "read" | "list" | "write" | "own",
): "owner" | "granted" {
  const { token } = call;
  const owns =
    token !== undefined &&
    (token.roles.has("ResellerAdmin") ||
      (token.project !== undefined &&
        accountId === `AUTH_${token.project.id}` &&
        ["admin", "member", "swiftoperator"].some((role) => token.roles.has(role))));
  if (owns) return "owner";
  if (what !== "own" && container !== undefined) {
    const acl = (container.headers[what === "write" ? "x-container-write" : "x-container-read"] ?? "")
      .split(",")
      .map((each) => each.trim());
    const anonymous = acl.some((each) => /^\.r(ef(errer)?)?:\*$/.test(each));
    if (what === "read" && anonymous) return "granted";
    if (what === "list" && anonymous && acl.includes(".rlistings")) return "granted";
    if (token !== undefined && acl.some((entry) => matches(entry, token.project, token.user, token.roles))) return "granted";
  }
  return swiftRefuse(
    token === undefined ? 401 : 403,
    token === undefined ? { "www-authenticate": `Swift realm="${accountId}"` } : {},
  );
}

function matches(
  entry: string,
  project: { id: string; name: string } | undefined,
  user: { id: string; name: string },
  roles: ReadonlySet<string>,
): boolean {
  if (entry === "" || entry.startsWith(".r")) return false;
  const cut = entry.indexOf(":");
  if (cut < 0) return [...roles].some((role) => role.toLowerCase() === entry.toLowerCase());
  const [who, what] = [entry.slice(0, cut), entry.slice(cut + 1)];
  return (
    (who === "*" || who === project?.id || who === project?.name) && (what === "*" || what === user.id || what === user.name)
  );
}

/**
 * Symlinks of the fake Swift (swift/common/middleware/symlink.py): a dynamic link names a path, a static one also the etag that it must
 * have. A GET goes where the link points, at most two links far; `?symlink=get` gives the link itself.
 */

import type { Call } from "./http.ts";
import {
  type Account,
  authorize,
  type Container,
  type Link,
  md5,
  type SwiftObject,
  type SwiftStore,
  swiftRefuse,
  swiftSay,
} from "./swift-store.ts";

export const EMPTY_MD5 = md5("");
const LINKS_MAX = 2;

export interface Place {
  readonly account: Account;
  readonly container: Container;
  readonly object: SwiftObject;
  /** Where it was found, if a link was followed. */
  readonly location?: string;
}

/** Reads the headers of a PUT; undefined if it is no link. Throws Swift's refusals. */
export function linkOf(call: Call, store: SwiftStore, account: Account, container: Container, name: string): Link | undefined {
  const target = call.header("x-symlink-target");
  if (target === undefined) return undefined;
  const form = "X-Symlink-Target header must be of the form <container name>/<object name>";
  const [, holder = "", object = ""] = /^([^/]+)\/(.+)$/s.exec(decodeURIComponent(target)) ?? [];
  if (holder === "" || object === "") swiftSay(412, form);
  const owner = call.header("x-symlink-target-account");
  const accountId = owner === undefined ? account.id : decodeURIComponent(owner);
  if (accountId === account.id && holder === container.name && object === name) swiftSay(400, "Symlink cannot target itself");
  const etag = call.header("x-symlink-target-etag")?.replaceAll('"', "");
  const plain: Link = { target: quoted(`${holder}/${object}`), ...(owner === undefined ? {} : { account: quoted(accountId) }) };
  if (etag === undefined || etag === "") return plain;
  const there = find(store, accountId, `${holder}/${object}`);
  if (there === undefined) swiftSay(409, "X-Symlink-Target does not exist");
  authorize(call, accountId, there.container, "read");
  const end = follow(call, store, there, etag, false);
  const { slo } = end.object;
  return {
    ...plain,
    etag,
    bytes: slo?.size ?? (end.object.link === undefined ? end.object.bytes.size : 0),
    ...(slo === undefined ? {} : { sloEtag: slo.etag }),
  };
}

/** The type of a link whose PUT named none: a static one's is its target's. */
export function linkType(store: SwiftStore, account: Account, link: Link): string {
  const target = find(store, link.account ?? account.id, decodeURIComponent(link.target));
  return link.etag === undefined ? "application/symlink" : (target?.object.contentType ?? "application/octet-stream");
}

export function linkHeaders(link: Link): Record<string, string> {
  return {
    "x-symlink-target": link.target,
    ...(link.account === undefined ? {} : { "x-symlink-target-account": link.account }),
    ...(link.etag === undefined ? {} : { "x-symlink-target-etag": link.etag, "x-symlink-target-bytes": String(link.bytes) }),
  };
}

/** What a container's listing says of a link beside what it says of every object. */
export function linkRow(accountId: string, link: Link): Record<string, unknown> {
  return {
    symlink_path: linkPath(accountId, link),
    ...(link.etag === undefined ? {} : { symlink_etag: link.etag, symlink_bytes: link.bytes }),
    ...(link.sloEtag === undefined ? {} : { slo_etag: `"${link.sloEtag}"` }),
  };
}

export function linkPath(accountId: string, link: Link): string {
  return `/v1/${link.account ?? accountId}/${link.target}`;
}

/** The object that a chain of links ends at. `soft`: dynamic links are followed, too. */
export function follow(call: Call, store: SwiftStore, from: Place, etag?: string, soft = true): Place {
  let [place, wanted] = [from, etag];
  for (let followed = 0; ; followed++) {
    const { link } = place.object;
    if (link === undefined || (link.etag === undefined && !soft)) break;
    const found = link.etag ?? EMPTY_MD5;
    if (wanted !== undefined && wanted !== found) swiftSay(409, "X-Symlink-Target-Etag headers do not match");
    if (followed >= LINKS_MAX) swiftSay(409, `Too many levels of symbolic links, maximum allowed is ${LINKS_MAX}`);
    const accountId = decodeURIComponent(link.account ?? place.account.id);
    const next = find(store, accountId, decodeURIComponent(link.target));
    const location = linkPath(place.account.id, link);
    if (next === undefined) return swiftRefuse(404, { "content-location": location });
    authorize(call, accountId, next.container, "read");
    [place, wanted] = [{ ...next, location }, link.etag];
  }
  const final = place.object.etag;
  if (wanted !== undefined && wanted !== final)
    swiftSay(409, `Object Etag '${final}' does not match X-Symlink-Target-Etag header '${wanted}'`);
  return place;
}

function find(store: SwiftStore, accountId: string, path: string): Place | undefined {
  const account = store.accounts.get(accountId);
  const cut = path.indexOf("/");
  const container = account?.containers.get(path.slice(0, cut));
  const object = container === undefined ? undefined : store.object(container, path.slice(cut + 1));
  if (account === undefined || container === undefined || object === undefined) return undefined;
  return { account, container, object };
}

/** As wsgi_quote: everything but letters, digits, `_.-~/`. */
export function quoted(path: string): string {
  return encodeURIComponent(path)
    .replaceAll("%2F", "/")
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * Who may do what in Barbican 2025.1, which still enforces its old default policy: the role `creator` writes, `creator` and `observer`
 * read, `audit` sees only that a secret is there, `admin` may all in its own project; who is on an access list may read.
 */

import type { TokenRecord } from "../tokens.ts";
import type { Secret, SecretContainer } from "./key-store.ts";

/** `see` is everything but the payload; `change` what comes after the creation, such as metadata. */
export type Action = "see" | "decrypt" | "fill" | "change" | "delete" | "see-acl";

const READERS = ["admin", "observer", "creator"];

function hasOne(token: TokenRecord, roles: readonly string[]): boolean {
  return roles.some((role) => token.roles.has(role));
}

export function mayList(token: TokenRecord): boolean {
  return hasOne(token, READERS);
}

export function mayCreate(token: TokenRecord): boolean {
  return hasOne(token, ["admin", "creator"]);
}

export function mayDo(token: TokenRecord, of: Secret | SecretContainer, action: Action): boolean {
  const isListed = of.acl?.users.includes(token.user.id) ?? false;
  if (isListed && (action === "see" || action === "decrypt")) return true;
  if (of.projectId !== token.project?.id) return false;
  const isOwn = token.roles.has("creator") && of.creatorId === token.user.id;
  if (isOwn || token.roles.has("admin")) return true;
  const isOpen = of.acl?.projectAccess ?? true;
  switch (action) {
    case "see":
      return isOpen && hasOne(token, [...READERS, "audit"]);
    case "decrypt":
      return isOpen && hasOne(token, READERS);
    case "fill":
      return token.roles.has("creator");
    case "see-acl":
      return hasOne(token, READERS);
    case "change":
      return isOpen && token.roles.has("creator");
    case "delete":
      return isOpen && "payload" in of && token.roles.has("creator");
  }
}

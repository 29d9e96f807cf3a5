/** Who may read a Barbican secret or container: users beside the project's members, or instead of them. */

import { type Cloud, type CollectionSpec, type KeyManagerKind, readAcl, setAcl } from "@permafrost/openstack";
import { CodedError, canonicalJson, type Json, type JsonObject } from "@permafrost/std";

export const ACL_REFERENCES = { "acl.users[]": { kind: "keystone.user", optional: true } } as const;

/** In place of a list that the credentials may not read. */
const UNREADABLE = "unreadable";

/** `{ acl }`, or nothing for what Barbican gives to everything: the project's members may read. */
export async function describeAcl(cloud: Cloud, kind: KeyManagerKind, id: string): Promise<JsonObject> {
  const read = await readable(readAcl(cloud, kind, id));
  if (read === undefined) return { acl: UNREADABLE };
  const acl = plain(read.read);
  return acl === undefined ? {} : { acl };
}

/** What a backup could not have of the list. */
export function aclWarnings({ acl }: JsonObject): string[] {
  return acl === UNREADABLE ? ["who may read it is not known: only its creator may see the access list"] : [];
}

/** What becomes of a list that names its creator without saying so. */
export function privateWarnings({ acl }: JsonObject, cloud: Cloud): string[] {
  return plain(acl)?.["project-access"] === false
    ? [`it is private to its creator, and in the target that is ${cloud.userName}`]
    : [];
}

/** Sets what was captured, its users replaced already, if it is not so. */
export async function restoreAcl(cloud: Cloud, kind: KeyManagerKind, id: string, acl: Json | undefined): Promise<void> {
  const want = plain(acl);
  if (want === undefined) return;
  const have = plain((await readAcl(cloud, kind, id)).read);
  if (canonicalJson(have ?? null) !== canonicalJson(want)) await setAcl(cloud, kind, id, { read: want });
}

/** A service that uses the secret, as Octavia does, lets itself in: more users than were captured are no difference. */
export async function aclDifferences(cloud: Cloud, kind: KeyManagerKind, id: string, acl: Json | undefined): Promise<string[]> {
  if (acl === UNREADABLE) return [];
  const everybody = { users: [], "project-access": true };
  const [want, have] = [plain(acl) ?? everybody, plain((await readAcl(cloud, kind, id)).read) ?? everybody];
  const missing = (want.users as readonly string[]).filter((user) => !(have.users as readonly string[]).includes(user));
  return missing.length === 0 && want["project-access"] === have["project-access"]
    ? []
    : [`acl: expected ${canonicalJson(want)}, found ${canonicalJson(have)}`];
}

function plain(acl: Json | undefined): JsonObject | undefined {
  if (typeof acl !== "object" || acl === null) return undefined;
  const { users, "project-access": access } = acl as { users?: readonly string[]; "project-access"?: boolean };
  if (access !== false && (users ?? []).length === 0) return undefined;
  return { users: [...(users ?? [])].sort(), "project-access": access !== false };
}

/** An access list lets us see what another project has, and nothing in it says whose it is: only our own is listed. */
export async function isListed(cloud: Cloud, spec: CollectionSpec, { id, name }: JsonObject): Promise<boolean> {
  const query = typeof name === "string" && name !== "" ? { name } : {};
  for await (const own of cloud.collection(spec).list(query)) if (own.id === id) return true;
  return false;
}

/** What the role may not see is not there. */
export async function readable<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (CodedError.is(error, "FORBIDDEN") || CodedError.is(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

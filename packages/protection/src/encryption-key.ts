/**
 * The key of an encrypted volume, or of an image of one: a secret of Barbican's that the service names by its id. Without it the captured
 * bytes are noise, so it is part of their document, which is sealed. Cinder copies the key that an image names into a new secret for the
 * volume it makes; so a restore gives the target's Barbican the key, lets the temporary image name it, and takes it away again. An image
 * that stays keeps its key: it is temporary only as long as no finished image names it. The copy has the name of its original, and no
 * secret can be renamed: so the name is one that may stay, and no key that a volume or a finished image names is ever removed.
 */

import { type Cloud, readSecretPayload, SECRETS } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { readable } from "./barbican-acl.ts";
import { TEMPORARY_PREFIX, type TemporaryKind } from "./ledger.ts";
import type { Context } from "./resource-type.ts";

/** As it is in a document. A type, not an interface: it must be assignable to JSON. */
export type EncryptionKey = {
  readonly algorithm: string;
  readonly bitLength: number;
  readonly secretType: string;
  /** Base64. */
  readonly payload: string;
};

export const TEMPORARY_KEY = "barbican.secret.key";
/** What keys that a restore made are called, in place of the prefix of what is removed again. */
export const KEY_NAME_PREFIX = "permafrost-key-";
export const KEY_PROPERTY = "cinder_encryption_key_id";
export const KEY_POLICY_PROPERTY = "cinder_encryption_key_deletion_policy";
const OCTETS = "application/octet-stream";

/** Undefined when the credentials may not read it, when it is gone, or without a Barbican: said by `why`. */
export async function readKey(cloud: Cloud, id: string): Promise<{ readonly key?: EncryptionKey; readonly why: string }> {
  if (!(await cloud.hasService("key-manager"))) return { why: "the cloud has no key manager that can be asked" };
  try {
    const secret = await cloud.collection(SECRETS).get(id);
    const payload = await readSecretPayload(cloud, id, OCTETS);
    const { algorithm, bit_length, secret_type } = secret;
    const key = {
      algorithm: typeof algorithm === "string" ? algorithm : "",
      bitLength: typeof bit_length === "number" ? bit_length : 0,
      secretType: typeof secret_type === "string" ? secret_type : "symmetric",
      payload,
    };
    return { key, why: "" };
  } catch (error) {
    if (CodedError.is(error, "FORBIDDEN")) return { why: "the credentials may not read its key" };
    if (CodedError.is(error, "NOT_FOUND")) return { why: `its key ${id} is not in the key manager` };
    throw error;
  }
}

/** Whether the target's key manager has the key under the id that it had in the source. */
export async function hasKey(cloud: Cloud, id: string): Promise<boolean> {
  if (!(await cloud.hasService("key-manager"))) return false;
  return (await readable(cloud.collection(SECRETS).get(id))) !== undefined;
}

/** The id of the key in the target's key manager, in the ledger until it is released or an image keeps it. */
export async function storeKey({ cloud, ledger }: Context, subject: string, key: EncryptionKey): Promise<string> {
  return await ledger.obtain(TEMPORARY_KEY, subject, async (name) => {
    const secret = await cloud.collection(SECRETS).create({
      name: keyName(name),
      secret_type: key.secretType,
      ...(key.algorithm === "" ? {} : { algorithm: key.algorithm }),
      ...(key.bitLength === 0 ? {} : { bit_length: key.bitLength }),
      payload: key.payload,
      payload_content_type: OCTETS,
      payload_content_encoding: "base64",
    });
    return String(secret.id);
  });
}

function keyName(name: string): string {
  return name.replace(TEMPORARY_PREFIX, KEY_NAME_PREFIX);
}

/** Keys that belong to the project's volumes and images: who restores those restores them. */
export async function serviceKeys(cloud: Cloud): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  if (await cloud.hasService("block-storage"))
    for await (const { encryptionKeyId } of cloud.volume.listVolumes({}))
      if (encryptionKeyId !== undefined) keys.add(encryptionKeyId);
  if (await cloud.hasService("image"))
    for await (const { properties } of cloud.image.list({ owner: cloud.projectId }))
      if (properties[KEY_PROPERTY] !== undefined) keys.add(properties[KEY_PROPERTY]);
  return keys;
}

/** `isKept`: a volume or a finished image names it. */
export function temporaryKey(cloud: Cloud, isKept: (keyId: string) => Promise<boolean>): TemporaryKind {
  const secrets = cloud.collection(SECRETS);
  return {
    kind: TEMPORARY_KEY,
    order: 4,
    find: async (name) => {
      const found: { id: string; usable: boolean }[] = [];
      for await (const secret of secrets.list({ name: keyName(name) }))
        if (secret.name === keyName(name) && !(await isKept(String(secret.id))))
          found.push({ id: String(secret.id), usable: true });
      return found;
    },
    remove: async (id) => await secrets.delete(id),
  };
}

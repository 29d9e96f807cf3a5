/**
 * Barbican: secrets and containers. An object has no id but a URL (`secret_ref`), whose last part serves as one, and nothing is
 * wrapped in an envelope. https://docs.openstack.org/barbican/latest/api/
 */

import { CodedError, type JsonObject } from "@permafrost/std";
import type { Cloud } from "../cloud.ts";
import type { CollectionSpec } from "../rest/collection.ts";

export const SECRETS: CollectionSpec = {
  service: "key-manager",
  path: "/secrets",
  singular: "",
  plural: "secrets",
  href: "secret_ref",
  listQuery: { limit: 100 },
};

export const SECRET_CONTAINERS: CollectionSpec = {
  service: "key-manager",
  path: "/containers",
  singular: "",
  plural: "containers",
  href: "container_ref",
  listQuery: { limit: 100 },
};

export type KeyManagerKind = "secrets" | "containers";

/** What a URL of Barbican's names, or undefined if it is no such URL. */
export function parseKeyManagerHref(href: string): { readonly kind: KeyManagerKind; readonly id: string } | undefined {
  const [, kind, id] = /\/(secrets|containers)\/([0-9a-f-]{36})\/?$/i.exec(href) ?? [];
  return id === undefined ? undefined : { kind: kind as KeyManagerKind, id };
}

/** The URL by which other services of this cloud are told of it. Throws SERVICE_MISSING. */
export async function keyManagerHref(cloud: Cloud, kind: KeyManagerKind, id: string): Promise<string> {
  return `${await cloud.service("key-manager").endpoint()}/${kind}/${id}`;
}

/** The payload in base64, as the service decrypts it. Throws NOT_FOUND (also for a secret without payload), FORBIDDEN. */
export async function readSecretPayload(cloud: Cloud, id: string, contentType: string): Promise<string> {
  const reply = await cloud.service("key-manager").stream({
    method: "GET",
    path: `/secrets/${encodeURIComponent(id)}/payload`,
    headers: { accept: contentType },
    expect: [200],
  });
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of reply.body as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > PAYLOAD_BYTES_MAX)
      throw new CodedError("BAD_RESPONSE", `secret ${id} has a payload of more than ${PAYLOAD_BYTES_MAX} bytes`);
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts).toString("base64");
}

/** Barbican's own limit is 20,000 (`max_allowed_secret_in_bytes`); an operator may raise it. */
const PAYLOAD_BYTES_MAX = 4 * 2 ** 20;

/** Who may read it. */
export async function readAcl(cloud: Cloud, kind: KeyManagerKind, id: string): Promise<JsonObject> {
  return await cloud.service("key-manager").json<JsonObject>({ method: "GET", path: `/${kind}/${id}/acl`, expect: [200] });
}

/** Replaces the list as a whole. */
export async function setAcl(cloud: Cloud, kind: KeyManagerKind, id: string, acl: JsonObject): Promise<void> {
  await cloud.service("key-manager").send({ method: "PUT", path: `/${kind}/${id}/acl`, json: acl, expect: [200] });
}

/** Free keys and values that a user gave a secret. */
export async function readSecretMetadata(cloud: Cloud, id: string): Promise<JsonObject> {
  const call = { method: "GET", path: `/secrets/${id}/metadata`, expect: [200] } as const;
  const { metadata } = await cloud.service("key-manager").json<{ metadata?: JsonObject }>(call);
  return metadata ?? {};
}

/** Replaces them as a whole. */
export async function setSecretMetadata(cloud: Cloud, id: string, metadata: JsonObject): Promise<void> {
  const service = cloud.service("key-manager");
  await service.send({ method: "PUT", path: `/secrets/${id}/metadata`, json: { metadata }, expect: [200, 201] });
}

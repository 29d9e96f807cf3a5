/**
 * barbican.secret with its payload (documents are sealed), free metadata and access list. It is made empty and filled after it is in the
 * journal: a payload can be written once, and byte for byte only by a request of its own. Ids and URLs are new; who refers to a secret is
 * told its new URL.
 */

import { type Cloud, readSecretMetadata, readSecretPayload, SECRETS, setSecretMetadata } from "@permafrost/openstack";
import { canonicalJson, type JsonObject } from "@permafrost/std";
import {
  ACL_REFERENCES,
  aclDifferences,
  aclWarnings,
  describeAcl,
  isListed,
  privateWarnings,
  readable,
  restoreAcl,
} from "./barbican-acl.ts";
import { isLike } from "./declared/comparable.ts";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";
import { serviceKeys } from "./encryption-key.ts";
import type { RestoreInput } from "./resource-type.ts";

export const barbicanSecret = declaredType({
  type: "barbican.secret",
  noun: "secret",
  collection: SECRETS,
  create: ["name", "secret_type", "algorithm", "bit_length", "mode", "expiration"],
  references: ACL_REFERENCES,
  uncompared: { expiration: "Barbican may answer it in another spelling" },
  mark: "content",
  reported: {
    payload: "one that the credentials may not read is not captured",
    consumers: "whoever uses the secret registers again",
    "keys of encrypted volumes and images": "they are in the document of their volume or image",
  },
  listQuery: () => ({}),
  isOwned: () => true,
  derivedIds: serviceKeys,
  hooks: {
    describe: async ({ cloud }, { id, content_types }) => {
      const secretId = String(id);
      const type = typeOf(content_types);
      const payload = type === undefined ? undefined : await readable(readSecretPayload(cloud, secretId, type));
      const metadata = (await readable(readSecretMetadata(cloud, secretId))) ?? {};
      return {
        ...(payload === undefined ? {} : { payload }),
        ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
        ...(await describeAcl(cloud, "secrets", secretId)),
      };
    },
    warnings: (secret) => [
      ...(typeOf(secret.content_types) !== undefined && secret.payload === undefined
        ? ["the payload may not be read with these credentials: the secret cannot be restored"]
        : []),
      ...aclWarnings(secret),
    ],
    owned: async ({ cloud }, secret) => await isListed(cloud, SECRETS, secret),
    plan: async ({ clock, cloud }, { document: { object } }, _scope, planned) => {
      if (planned.action !== "create") return planned;
      const { expiration, content_types, payload } = object;
      if (typeof expiration === "string" && Date.parse(utc(expiration)) <= clock.now())
        return { ...planned, action: "skip", reason: `it expired at ${expiration}` };
      if (typeOf(content_types) !== undefined && payload === undefined)
        return { ...planned, action: "conflict", reason: "the backup could not read its payload" };
      const type = typeOf(content_types);
      const other =
        type === undefined || type === filledAs(type)
          ? []
          : [
              `its content type will be ${filledAs(type)}, not ${type}: the service takes that only in the request that makes a secret`,
            ];
      return { ...planned, warnings: [...(planned.warnings ?? []), ...other, ...privateWarnings(object, cloud)] };
    },
    // Ours has no payload yet: that comes when it is in the journal.
    alike: async (_context, object, like) => typeOf(object.content_types) === undefined && isLike({}, object, like),
    made: async ({ cloud }, input, secret) => {
      const { object } = inTarget(input);
      const { payload, content_types } = input.document.object;
      const type = typeOf(content_types);
      if (typeof payload === "string" && type !== undefined && typeOf(secret.content_types) === undefined)
        await fill(cloud, input.targetId, filledAs(type), Buffer.from(payload, "base64"));
      if (object.metadata !== undefined) await setSecretMetadata(cloud, input.targetId, object.metadata as JsonObject);
      await restoreAcl(cloud, "secrets", input.targetId, object.acl);
      return [];
    },
    differences: async ({ cloud }, input, found) => {
      const { object } = inTarget(input);
      const type = typeOf(found.content_types);
      const payload = type === undefined ? undefined : await readSecretPayload(cloud, input.targetId, type);
      const metadata = await readSecretMetadata(cloud, input.targetId);
      const said = typeOf(object.content_types);
      const captured = said === undefined ? undefined : filledAs(said);
      return [
        // Never the bytes themselves.
        ...(payload === object.payload ? [] : ["payload: expected the captured bytes, found others"]),
        ...(type === captured ? [] : [`content type: expected ${captured}, found ${type}`]),
        ...(canonicalJson(metadata) === canonicalJson(object.metadata ?? {})
          ? []
          : ["metadata: expected the captured, found other"]),
        ...(await aclDifferences(cloud, "secrets", input.targetId, object.acl)),
      ];
    },
  },
});

function inTarget({ document, targets }: RestoreInput<DeclaredDocument>): { readonly object: JsonObject } {
  return withTargets(document.object, ACL_REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
}

/** Undefined for a secret without payload. */
function typeOf(contentTypes: unknown): string | undefined {
  const type = (contentTypes as { default?: unknown } | null | undefined)?.default;
  return typeof type === "string" ? type : undefined;
}

/** A secret that is made empty can be filled with these types only; the bytes are the same. */
function filledAs(contentType: string): string {
  return contentType === "text/plain" ? contentType : "application/octet-stream";
}

/** Barbican says no zone and means UTC. */
function utc(time: string): string {
  return /(Z|[+-]\d\d:\d\d)$/.test(time) ? time : `${time}Z`;
}

async function fill(cloud: Cloud, id: string, contentType: string, payload: Uint8Array): Promise<void> {
  await cloud.service("key-manager").send({
    method: "PUT",
    path: `/secrets/${encodeURIComponent(id)}`,
    headers: { "content-type": contentType },
    body: payload,
    expect: [204],
  });
}

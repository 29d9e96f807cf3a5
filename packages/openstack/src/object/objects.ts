/**
 * Swift objects: plain ones, and large ones by their manifest. https://docs.openstack.org/api-ref/object-store/#objects
 * A plain object's etag is the MD5 of its bytes: it is verified while reading, and sent while writing where the caller
 * knows it, so that Swift refuses other bytes with 422 and keeps nothing.
 */

import { CodedError } from "@permafrost/std";
import { type Download, openDownload, type SourceHash } from "../http/download.ts";
import type { HeaderMap } from "../http/exchange.ts";
import type { Query, ServiceClient } from "../http/service-client.ts";
import type { RequestBody } from "../http/transport.ts";
import { unquoted } from "./containers.ts";
import { objectPath } from "./names.ts";

export type ObjectHeaders = Readonly<Record<string, string | undefined>>;

export interface GetObjectOptions {
  /** `{"multipart-manifest": "get", format: "raw"}` gives the manifest of a large object, `{symlink: "get"}` a link itself. */
  readonly query?: Query | undefined;
  readonly sizeBytes?: number | undefined;
  /** Only this version: another is SOURCE_CHANGED. */
  readonly etag?: string | undefined;
  readonly range?: { readonly start: number; readonly end: number } | undefined;
  /** Default true: MD5 of a plain object against its etag. */
  readonly verifyHash?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PutObjectOptions {
  /** Without it the body is chunked. */
  readonly sizeBytes?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** MD5 in hex: HASH_MISMATCH if other bytes arrive. */
  readonly etag?: string | undefined;
  readonly query?: Query | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ObjectsApi {
  headObject(container: string, name: string, options?: { readonly query?: Query }): Promise<ObjectHeaders>;
  /** Resolves when the answer has begun. Throws NOT_FOUND; the body throws what `openDownload` does. */
  getObject(container: string, name: string, options?: GetObjectOptions): Promise<Download>;
  /** Resolves when Swift has the object; an aborted or short body leaves none. */
  putObject(container: string, name: string, body: RequestBody, options?: PutObjectOptions): Promise<{ readonly etag: string }>;
  /** A static large object from the JSON that `format=raw` gave. Its segments must be there: CLOUD_HTTP 400 names those that are not. */
  putManifest(
    container: string,
    name: string,
    manifest: Uint8Array,
    headers?: Readonly<Record<string, string>>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<{ readonly etag: string }>;
  /** Replaces the object's metadata. Idempotent. */
  postObject(container: string, name: string, headers: Readonly<Record<string, string>>): Promise<void>;
  /** Gone already is success. A large object's segments stay unless the query says `multipart-manifest: delete`. */
  deleteObject(container: string, name: string, options?: { readonly query?: Query }): Promise<void>;
}

/** Swift answers a PUT when a quorum of its disks has everything. */
const PUT_ANSWER_MS = 15 * 60_000;

export function objectsApi(client: ServiceClient): ObjectsApi {
  return {
    async headObject(container, name, options = {}) {
      return (
        await client.send({
          method: "HEAD",
          path: objectPath(container, name),
          query: options.query,
          headers: { accept: "*/*" },
          expect: [200, 204],
        })
      ).headers;
    },
    async getObject(container, name, options = {}) {
      return await openDownload(client, {
        path: objectPath(container, name),
        query: options.query,
        sizeBytes: options.sizeBytes,
        etag: options.etag,
        range: options.range,
        hash: options.verifyHash === false ? undefined : (headers) => hashOf(headers, options.query),
        signal: options.signal,
      });
    },
    async putObject(container, name, body, options = {}) {
      const headers: Record<string, string> = { "content-type": "application/octet-stream", ...options.headers };
      if (options.sizeBytes !== undefined) headers["content-length"] = String(options.sizeBytes);
      if (options.etag !== undefined) headers.etag = options.etag;
      try {
        const reply = await client.send({
          method: "PUT",
          path: objectPath(container, name),
          query: options.query,
          headers,
          body,
          expect: [201],
          headersTimeoutMs: PUT_ANSWER_MS,
          signal: options.signal,
        });
        return { etag: unquoted(reply.headers.etag ?? "") };
      } catch (error) {
        if (!CodedError.is(error) || error.facts.status !== 422) throw error;
        throw new CodedError("HASH_MISMATCH", `${container}/${name}: Swift received other bytes than the etag says`, {
          facts: { ...error.facts, expected: options.etag },
          hint: "The data was damaged on the way; nothing was stored: send it again.",
          retry: "later",
          cause: error,
        });
      }
    },
    async putManifest(container, name, manifest, headers, options = {}) {
      const reply = await client.send({
        method: "PUT",
        path: objectPath(container, name),
        // With the heartbeat Swift sends spaces while it looks at a thousand segments, and the status at the end of a 202.
        query: { "multipart-manifest": "put", heartbeat: "on" },
        headers: { "content-type": "application/octet-stream", ...headers },
        body: manifest,
        expect: [201, 202],
        headersTimeoutMs: PUT_ANSWER_MS,
        signal: options.signal,
      });
      if (reply.status === 201) return { etag: unquoted(reply.headers.etag ?? "") };
      return manifestOutcome(reply.text, `${container}/${name}`);
    },
    async postObject(container, name, headers) {
      await client.send({ method: "POST", path: objectPath(container, name), headers, idempotent: true, expect: [202] });
    },
    async deleteObject(container, name, options = {}) {
      await client.send({ method: "DELETE", path: objectPath(container, name), query: options.query, expect: [200, 204, 404] });
    },
  };
}

/**
 * The MD5 that an answer's etag promises: of plain bytes, and of a manifest given as such in raw form. A large object's etag is
 * one of etags (swift/common/middleware/slo.py), and the non-raw manifest is given with the object's.
 */
function hashOf(headers: HeaderMap, query: Query | undefined): SourceHash | undefined {
  const value = unquoted(headers.etag ?? "");
  if (!/^[0-9a-f]{32}$/.test(value)) return undefined;
  const asManifest = query?.["multipart-manifest"] === "get";
  const isStatic = headers["x-static-large-object"]?.toLowerCase() === "true";
  if (isStatic && !(asManifest && query?.format === "raw")) return undefined;
  if (headers["x-object-manifest"] !== undefined && !asManifest) return undefined;
  return { algorithm: "md5", value };
}

function manifestOutcome(text: string, what: string): { readonly etag: string } {
  let outcome: { "Response Status"?: string; Etag?: string; Errors?: [string, string][]; "Response Body"?: string };
  try {
    outcome = JSON.parse(text);
  } catch (cause) {
    throw new CodedError("BAD_RESPONSE", `PUT of the manifest ${what} gave no JSON`, {
      facts: { start: text.slice(0, 120) },
      retry: "later",
      cause,
    });
  }
  const status = Number.parseInt(outcome["Response Status"] ?? "", 10);
  if (status === 201) return { etag: unquoted(outcome.Etag ?? "") };
  const errors = (outcome.Errors ?? []).slice(0, 5).map(([segment, error]) => `${segment}: ${error}`);
  throw new CodedError("CLOUD_HTTP", `PUT of the manifest ${what}: ${outcome["Response Status"]} ${errors.join("; ")}`, {
    facts: { method: "PUT", status, object: what, message: errors.join("; ") || outcome["Response Body"] },
    hint: "All segments must be stored, with the sizes and etags the manifest names.",
    retry: status >= 500 ? "later" : "never",
  });
}

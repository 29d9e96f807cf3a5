/**
 * The bytes of an image. Glance takes data once, of a queued image; it puts the image back to queued when an upload fails
 * (glance/api/v2/image_data.py `_restore`) or leaves it saving: the caller deletes it and begins again.
 */

import { createHash } from "node:crypto";
import { CodedError } from "@permafrost/std";
import { type Download, openDownload, type SourceHash } from "../http/download.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { type Image, imageFromWire } from "./images.ts";

export interface ImageDownloadOptions {
  /** `image.sizeBytes`: another length is SOURCE_CHANGED. */
  readonly sizeBytes?: number | undefined;
  /** Verified when the last byte has come. */
  readonly hash?: SourceHash | undefined;
  readonly range?: { readonly start: number; readonly end: number } | undefined;
  readonly onResume?: ((receivedBytes: number, cause: CodedError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImageUploadOptions {
  /** Sent as Content-Length; without it the body is chunked. Another count of bytes fails the upload. */
  readonly sizeBytes?: number | undefined;
  /** Hash the bytes on the way and compare with what Glance computed. */
  readonly verifyHash?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImageDataApi {
  /** Opens at the first read. FORBIDDEN for a deactivated image; see `openDownload` for the errors. */
  download(id: string, options?: ImageDownloadOptions): AsyncIterable<Uint8Array>;
  openImageDownload(id: string, options?: ImageDownloadOptions): Promise<Download>;
  /** Resolves with the image as Glance has it. Throws HASH_MISMATCH, CONFLICT (not queued), QUOTA_EXCEEDED, and the source's own error. */
  upload(id: string, data: AsyncIterable<Uint8Array>, options?: ImageUploadOptions): Promise<Image>;
}

const OCTETS = "application/octet-stream";
/** Glance answers when its store has everything. */
const UPLOAD_ANSWER_MS = 30 * 60_000;

export function imageDataApi(client: ServiceClient): ImageDataApi {
  const path = (id: string) => `/images/${encodeURIComponent(id)}`;
  const open = async (id: string, options: ImageDownloadOptions = {}): Promise<Download> =>
    // 204: the image has no data, or its store has lost it (glance_store.NotFound).
    await openDownload(client, { path: `${path(id)}/file`, contentType: OCTETS, ...options });
  return {
    async *download(id, options) {
      yield* (await open(id, options)).body;
    },
    openImageDownload: open,
    async upload(id, data, options = {}) {
      const hash = options.verifyHash === true ? createHash("sha512") : undefined;
      let sent = 0;
      async function* counting(): AsyncGenerator<Uint8Array> {
        for await (const chunk of data) {
          sent += chunk.length;
          hash?.update(chunk);
          yield chunk;
        }
      }
      await client.send({
        method: "PUT",
        path: `${path(id)}/file`,
        headers: {
          "content-type": OCTETS,
          ...(options.sizeBytes === undefined ? {} : { "content-length": String(options.sizeBytes) }),
        },
        body: counting(),
        expect: [204],
        headersTimeoutMs: UPLOAD_ANSWER_MS,
        signal: options.signal,
      });
      const image = imageFromWire(await client.json({ method: "GET", path: path(id), expect: [200], signal: options.signal }));
      const found = image.hashAlgorithm === "sha512" ? hash?.digest("hex") : undefined;
      // An import flow may still be copying: then neither size nor hash is known yet.
      const settled = image.status === "active";
      if (settled && (image.sizeBytes !== sent || (found !== undefined && image.hashValue !== found))) {
        throw new CodedError("HASH_MISMATCH", `image ${id} is not what was uploaded`, {
          facts: { image: id, sentBytes: sent, sizeBytes: image.sizeBytes, expected: found, found: image.hashValue },
          hint: "The data was damaged on the way: delete the image and upload it again.",
          retry: "later",
        });
      }
      return image;
    },
  };
}

/**
 * ObjectBucket in a Swift container, over Swift's own API with Keystone's tokens.
 *
 * Swift checks each object against its MD5 as it arrives, and keeps one with `If-None-Match: *` from being replaced. Its listings lag
 * behind; what packs need does not hang on them. The client repeats what may pass by itself.
 */

import { createHash } from "node:crypto";
import type { Cloud } from "@permafrost/openstack";
import { bucketError, type ObjectBucket } from "@permafrost/packs";
import { CodedError } from "@permafrost/std";

/** Codes of the client that say nothing about the object: another time it may work. */
const PASSING = ["CLOUD_UNREACHABLE", "OVER_LIMIT", "DOWNLOAD_TRUNCATED", "BAD_RESPONSE", "HASH_MISMATCH"];
const STATUS: Readonly<Record<string, number>> = { NOT_FOUND: 404, FORBIDDEN: 403, AUTH_FAILED: 401, QUOTA_EXCEEDED: 413 };

/** The container of that name in the cloud's project; it must be there. Closes the cloud with it. */
export function swiftBucket(cloud: Cloud, container: string): ObjectBucket {
  const { object } = cloud;
  const put = (key: string, bytes: Uint8Array, headers: Readonly<Record<string, string>>) =>
    object.putObject(container, key, bytes, {
      sizeBytes: bytes.length,
      etag: createHash("md5").update(bytes).digest("hex"),
      headers,
    });
  return {
    put: (key, bytes) =>
      mapped("put", key, async () => {
        await put(key, bytes, {});
      }),
    putNew: (key, bytes) =>
      mapped("putNew", key, async () => {
        try {
          await put(key, bytes, { "if-none-match": "*" });
          return true;
        } catch (error) {
          if (CodedError.is(error) && error.facts.status === 412) return false;
          throw error;
        }
      }),
    get: (key, offset, length) =>
      mapped("get", key, async () => {
        if (length === 0) return Buffer.alloc(0);
        const range = { start: offset, end: offset + length };
        const { body } = await object.getObject(container, key, { range, verifyHash: false });
        return Buffer.concat(await Array.fromAsync(body));
      }),
    sizeBytes: (key) =>
      mapped("head", key, async () => {
        try {
          return Number((await object.headObject(container, key))["content-length"] ?? 0);
        } catch (error) {
          if (CodedError.is(error, "NOT_FOUND")) return undefined;
          throw error;
        }
      }),
    async *list(prefix) {
      try {
        for await (const { name, sizeBytes } of object.listObjects(container, { prefix })) yield { key: name, sizeBytes };
      } catch (error) {
        throw failure("list", prefix, error);
      }
    },
    delete: (key) => mapped("delete", key, () => object.deleteObject(container, key)),
    close: () => cloud.close(),
  };
}

async function mapped<T>(operation: string, key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failure(operation, key, error);
  }
}

function failure(operation: string, key: string, error: unknown): CodedError {
  if (!CodedError.is(error)) return CodedError.from(error);
  const { code, facts } = error;
  if (code === "NOT_FOUND" && operation !== "get") {
    return new CodedError("PACK_DENIED", "the container is not there", {
      facts: { operation, requestId: facts.requestId },
      hint: "Make the container first, or check its name, cloud and project.",
      retry: "elsewhere",
    });
  }
  const status = PASSING.includes(code) ? undefined : (STATUS[code] ?? (typeof facts.status === "number" ? facts.status : 416));
  const requestId = typeof facts.requestId === "string" ? facts.requestId : undefined;
  return bucketError({ operation, key, status, reason: code, requestId, cause: error });
}

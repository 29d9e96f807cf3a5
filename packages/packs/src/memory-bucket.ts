/**
 * ObjectBucket in memory, with the faults of an object store: for tests.
 *
 * `onCall` sees each call before it is applied and after: what it throws then is a call that was not applied, or one whose answer was lost.
 * Listings show the bucket as it was `listingLagChanges` changes ago.
 */

import { bucketError } from "./errors.ts";
import type { ListedKey, ObjectBucket } from "./object-bucket.ts";

export type BucketCall = "put" | "putNew" | "get" | "sizeBytes" | "list" | "delete";

export interface MemoryBucketOptions {
  readonly onCall?: (call: BucketCall, key: string, at: "before" | "after") => void | Promise<void>;
}

export interface MemoryBucket extends ObjectBucket {
  /** What is there, to be looked at and changed behind the bucket's back. */
  readonly objects: Map<string, Buffer>;
  /** How many changes listings lag behind. */
  listingLagChanges: number;
  /** Calls so far. */
  readonly calls: Map<BucketCall, number>;
  /** Another client of the same objects, with faults of its own. */
  client(options: MemoryBucketOptions): ObjectBucket;
}

/** A failure as a bucket raises it when the store does not answer. */
export function noAnswer(call: BucketCall, key: string): Error {
  return bucketError({ operation: call, key, status: undefined, reason: "ECONNRESET" });
}

/** An empty bucket. */
export function memoryBucket(options: MemoryBucketOptions = {}): MemoryBucket {
  const objects = new Map<string, Buffer>();
  /** Changes, newest last: how the key was listed before. */
  const changes: { readonly key: string; readonly before: number | undefined }[] = [];
  const calls = new Map<BucketCall, number>();
  const state = { listingLagChanges: 0 };
  const set = (key: string, bytes: Buffer | undefined) => {
    changes.push({ key, before: objects.get(key)?.length });
    if (bytes === undefined) objects.delete(key);
    else objects.set(key, bytes);
  };
  const listed = (prefix: string): ListedKey[] => {
    const sizes = new Map([...objects].map(([key, bytes]): [string, number | undefined] => [key, bytes.length]));
    const late = changes.slice(Math.max(0, changes.length - state.listingLagChanges));
    for (const { key, before } of late.reverse()) sizes.set(key, before);
    return [...sizes]
      .flatMap(([key, sizeBytes]) => (key.startsWith(prefix) && sizeBytes !== undefined ? [{ key, sizeBytes }] : []))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  };
  const client = ({ onCall }: MemoryBucketOptions): ObjectBucket => {
    const step = async <T>(call: BucketCall, key: string, work: () => T): Promise<T> => {
      calls.set(call, (calls.get(call) ?? 0) + 1);
      await onCall?.(call, key, "before");
      const result = work();
      await onCall?.(call, key, "after");
      return result;
    };
    return {
      put: (key, bytes) => step("put", key, () => set(key, Buffer.from(bytes))),
      putNew: (key, bytes) =>
        step("putNew", key, () => {
          if (objects.has(key)) return false;
          set(key, Buffer.from(bytes));
          return true;
        }),
      get: (key, offset, length) =>
        step("get", key, () => {
          const bytes = objects.get(key);
          if (!bytes) throw bucketError({ operation: "get", key, status: 404, reason: "NoSuchKey" });
          if (offset + length > bytes.length) throw bucketError({ operation: "get", key, status: 416, reason: "InvalidRange" });
          return Buffer.from(bytes.subarray(offset, offset + length));
        }),
      sizeBytes: (key) => step("sizeBytes", key, () => objects.get(key)?.length),
      async *list(prefix) {
        yield* await step("list", prefix, () => listed(prefix));
      },
      delete: (key) =>
        step("delete", key, () => {
          if (objects.has(key)) set(key, undefined);
        }),
      async close() {},
    };
  };
  return Object.assign(state, { objects, calls, client, ...client(options) });
}

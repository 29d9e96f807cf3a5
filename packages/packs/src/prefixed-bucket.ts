/** The part of a bucket below a prefix, as a bucket: several nodes may share one, each with a prefix of its own. */

import type { ObjectBucket } from "./object-bucket.ts";

/** `prefix` ends in `/`, or is empty. */
export function prefixedBucket(bucket: ObjectBucket, prefix: string): ObjectBucket {
  if (prefix === "") return bucket;
  return {
    put: (key, bytes) => bucket.put(prefix + key, bytes),
    putNew: (key, bytes) => bucket.putNew(prefix + key, bytes),
    get: (key, offset, length) => bucket.get(prefix + key, offset, length),
    sizeBytes: (key) => bucket.sizeBytes(prefix + key),
    async *list(below) {
      for await (const { key, sizeBytes } of bucket.list(prefix + below)) yield { key: key.slice(prefix.length), sizeBytes };
    },
    delete: (key) => bucket.delete(prefix + key),
    close: () => bucket.close(),
  };
}

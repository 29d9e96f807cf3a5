export { type DiskPackStoreOptions, openDiskPacks } from "./disk.ts";
export { bucketError } from "./errors.ts";
export {
  CRASH_MODES,
  type CrashMode,
  type MemoryPackStore,
  type MemoryPackStoreOptions,
  memoryPacks,
  type PackOperation,
} from "./memory.ts";
export { type BucketCall, type MemoryBucket, type MemoryBucketOptions, memoryBucket, noAnswer } from "./memory-bucket.ts";
export { type ObjectPackStore, type ObjectPackStoreOptions, openObjectPacks } from "./object.ts";
export type { ListedKey, ObjectBucket } from "./object-bucket.ts";
export type { PackInfo, PackName, PackSpace, PackStore } from "./packs.ts";
export type { PrefixOwner } from "./prefix-owner.ts";
export { prefixedBucket } from "./prefixed-bucket.ts";
export { openS3Bucket, type S3BucketOptions } from "./s3.ts";

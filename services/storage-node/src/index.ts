export { type StorageNodeConfig, storageNodeConfig } from "./config.ts";
export { main, type StorageNodeOptions, startStorageNode } from "./main.ts";
export { openBucket } from "./open-bucket.ts";

export { captureUpload, checkPath, type TreeEntry, type UploadedEntry } from "./input-upload.ts";
export { type ListingEntry, readListing } from "./listing.ts";
export { resourceTypes } from "./resource-types.ts";
export { runTask } from "./run-task.ts";
export type { TaskEnvironment } from "./task-environment.ts";

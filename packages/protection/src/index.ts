export { captureUpload, checkPath, type TreeEntry, type UploadedEntry } from "./input-upload.ts";
export { resourceTypes } from "./resource-types.ts";
export { runTask } from "./run-task.ts";
export type { TaskEnvironment } from "./task-environment.ts";

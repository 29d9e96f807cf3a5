export { openEngine, type StorageEngine, type StorageStats } from "./engine.ts";
export type { IndexHome } from "./index-home.ts";
export { openStorage, type StorageOptions } from "./open-storage.ts";
export { type EngineOptions, engineOptions } from "./options.ts";
export type { RecoveryReport } from "./recovery.ts";
export type { ScrubFinding, ScrubPace } from "./scrub.ts";

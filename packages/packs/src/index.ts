export { type DiskPackStoreOptions, openDiskPacks } from "./disk.ts";
export {
  CRASH_MODES,
  type CrashMode,
  type MemoryPackStore,
  type MemoryPackStoreOptions,
  memoryPacks,
  type PackOperation,
} from "./memory.ts";
export type { PackInfo, PackName, PackSpace, PackStore } from "./packs.ts";

export type { Kv, KvOperation } from "./kv.ts";
export { destroyLevelKv, type LevelKvOptions, openLevelKv } from "./level.ts";
export { type MemoryKv, type MemoryKvOptions, memoryKv } from "./memory.ts";

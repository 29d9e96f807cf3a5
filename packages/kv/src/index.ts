export type { Kv, KvOperation } from "./kv.ts";

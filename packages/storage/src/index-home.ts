/** Where the index lives and how it is made anew: it may be thrown away at any time, for the packs hold all it says. */

import { mkdir } from "node:fs/promises";
import { destroyLevelKv, type Kv, type LevelKvOptions, openLevelKv } from "@permafrost/kv";
import type { StartCount } from "./start-count.ts";

export interface IndexHome {
  /** Whether the last processes that opened it died of it, as far as one can tell; it is then better made anew. */
  isSuspect(): Promise<boolean>;
  /** Opens it, empty if there is none. KV_CORRUPT, KV_LOCKED, KV_FAILED. */
  open(): Promise<Kv>;
  /** Removes it; it is not open. */
  destroy(): Promise<void>;
  /** It was closed. */
  release(): Promise<void>;
}

/** The index in a directory of its own; `starts` counts the starts that it did not survive. */
export function levelIndexHome(directory: string, options: LevelKvOptions, starts: StartCount): IndexHome {
  return {
    isSuspect: async () => (await starts.failed()) >= FAILED_STARTS_MAX,
    async open() {
      await mkdir(directory, { recursive: true });
      await starts.begin();
      try {
        return await openLevelKv(directory, options);
      } catch (error) {
        // An error is an answer: what is counted is the death of the process.
        await starts.undo();
        throw error;
      }
    },
    async destroy() {
      await destroyLevelKv(directory);
      await starts.end();
    },
    release: () => starts.end(),
  };
}

/** LevelDB aborts the whole process on some damages, at each start anew. */
const FAILED_STARTS_MAX = 2;

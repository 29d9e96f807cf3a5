/** Where the index lives and how it is made anew: it may be thrown away at any time, for the packs hold all it says. */

import { mkdir } from "node:fs/promises";
import { destroyLevelKv, type Kv, type LevelKvOptions, openLevelKv } from "@permafrost/kv";

export interface IndexHome {
  /** Opens it, empty if there is none. KV_CORRUPT, KV_LOCKED, KV_FAILED. */
  open(): Promise<Kv>;
  /** Removes it; it is not open. */
  destroy(): Promise<void>;
}

/** The index in a directory of its own. */
export function levelIndexHome(directory: string, options: LevelKvOptions): IndexHome {
  return {
    async open() {
      await mkdir(directory, { recursive: true });
      return openLevelKv(directory, options);
    },
    destroy: () => destroyLevelKv(directory),
  };
}

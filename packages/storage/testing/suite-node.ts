/** A node in a directory of its own, as the suite of BlockStore wants it opened. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenedStore } from "@permafrost/blocks/testing";
import type { BlockId } from "@permafrost/model";
import { openStorage, type StorageOptions } from "../src/index.ts";

/** `damage` changes the stored bytes of a block; it is given the node's directory. */
export async function suiteNode(
  given: Partial<StorageOptions>,
  damage: (id: BlockId, directory: string) => Promise<void> | void,
): Promise<OpenedStore> {
  const directory = await mkdtemp(join(tmpdir(), "permafrost-storage-"));
  const options = { directory, commitWindowMs: 0, keepFreeBytes: 0, ...given };
  let store = await openStorage(options);
  return {
    store,
    async reopen() {
      await store.close();
      store = await openStorage(options);
      return store;
    },
    damage: async (_repositoryId, id) => await damage(id, directory),
    close: () => rm(directory, { recursive: true }),
  };
}

/** The places of bodies behind headers that name the block; FORMAT.md A2. */
export function* bodiesOf(bytes: Buffer, id: BlockId): Generator<number> {
  for (let at = bytes.indexOf(id); at >= 0; at = bytes.indexOf(id, at + 1))
    if (bytes.toString("latin1", at - 32, at - 28) === "PFR1") yield at + 96;
}

/**
 * Opens one node's storage in a directory: `node.json`, `packs/`, `index/`, `condemned/`, `starting`. The lock of the index keeps a second process
 * out (KV_LOCKED); it is taken before any pack is touched.
 */

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openDiskPacks } from "@permafrost/packs";
import { CodedError, randomId } from "@permafrost/std";
import { openEngine, type StorageEngine } from "./engine.ts";
import { levelIndexHome } from "./index-home.ts";
import { readNodeId, writeNodeId } from "./node-identity.ts";
import { type EngineOptions, engineOptions } from "./options.ts";
import { nodeIdOfPacks } from "./recovery.ts";
import { StartCount } from "./start-count.ts";

export interface StorageOptions extends Partial<EngineOptions> {
  /** Made if it is not there; belongs to this node alone. */
  readonly directory: string;
  /** Memory of the index for entries read; default 32 MiB. */
  readonly indexCacheBytes?: number;
}

/**
 * Opens the node's storage, first making packs and index agree. Close it to seal what is open.
 * Throws KV_LOCKED (another process has it), STORE_FOREIGN (a pack of another node), STORE_GONE (a node was here, its packs
 * and index are not), NODE_IDENTITY_BAD, FORMAT_UNKNOWN.
 */
export async function openStorage(storage: StorageOptions): Promise<StorageEngine> {
  const options = engineOptions(storage);
  const { directory } = storage;
  await mkdir(directory, { recursive: true });
  const packs = await openDiskPacks(join(directory, "packs"));
  const indexDirectory = join(directory, "index");
  // The index is there before node.json is: without it and without packs, what this node had is elsewhere or lost.
  if (!existsSync(indexDirectory) && (await readNodeId(directory)) !== undefined && (await packs.list()).length === 0) {
    throw new CodedError("STORE_GONE", "the node's packs and index are gone; node.json says that it had some", {
      facts: { directory },
      hint: "Is a disk not mounted? If they are really lost, remove node.json to start as a new, empty node.",
    });
  }
  const identify = async () => {
    const known = await readNodeId(directory);
    if (known !== undefined) return known;
    const nodeId = (await nodeIdOfPacks(packs)) ?? randomId(options.random);
    await writeNodeId(directory, nodeId);
    return nodeId;
  };
  const cache = storage.indexCacheBytes === undefined ? {} : { cacheBytes: storage.indexCacheBytes };
  const home = levelIndexHome(indexDirectory, cache, new StartCount(directory, options.clock));
  const condemned = await openDiskPacks(join(directory, "condemned"));
  return openEngine(identify, { packs, home, condemned }, options);
}

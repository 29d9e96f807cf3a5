/**
 * Opens one node's storage in a directory: `node.json`, `packs/`, `index/`, `condemned/`, `starting`; with its packs in a bucket `gateway.json`
 * in place of `packs/`. The lock of the index keeps a second process out (KV_LOCKED); it is taken before any pack is touched.
 */

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type ObjectBucket, openDiskPacks, openObjectPacks } from "@permafrost/packs";
import { CodedError, randomId } from "@permafrost/std";
import { openEngine, type StorageEngine } from "./engine.ts";
import { claimPacks } from "./gateway.ts";
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
  /** Packs are kept there, and not in the directory. */
  readonly objects?: ObjectStorage;
}

export interface ObjectStorage {
  /** All of it is this node's; closed with the storage. */
  readonly bucket: ObjectBucket;
  /** Whether packs may be taken from a gateway that did not end in order. */
  readonly takeOver?: boolean;
  /** What the packs may use; default: no limit but the store's own. */
  readonly capacityBytes?: number;
}

/** A PUT takes longer than an fsync and costs money: batches are larger, and wait longer for company. */
const OBJECT_COMMITS = { commitWindowMs: 20, commitBytes: 16 * 1024 * 1024 };

/**
 * Opens the node's storage, first making packs and index agree. Close it to seal what is open.
 * Throws KV_LOCKED (another process has it), STORE_FOREIGN (a pack of another node), STORE_GONE (a node was here, its packs
 * and index are not), NODE_IDENTITY_BAD, FORMAT_UNKNOWN; with packs in a bucket also STORE_OWNED (another gateway has them), BUCKET_UNFIT,
 * PACK_FENCED, PACK_DENIED, PACK_UNREACHABLE.
 */
export async function openStorage(storage: StorageOptions): Promise<StorageEngine> {
  const { directory, objects } = storage;
  const options = engineOptions(objects ? { ...OBJECT_COMMITS, ...storage } : storage);
  await mkdir(directory, { recursive: true });
  const indexDirectory = join(directory, "index");
  const cache = storage.indexCacheBytes === undefined ? {} : { cacheBytes: storage.indexCacheBytes };
  const home = levelIndexHome(indexDirectory, cache, new StartCount(directory, options.clock));
  const condemned = await openDiskPacks(join(directory, "condemned"));
  if (objects) {
    const { capacityBytes } = objects;
    const { clock, random } = options;
    const packs = openObjectPacks(objects.bucket, { clock, random, ...(capacityBytes === undefined ? {} : { capacityBytes }) });
    const takeOver = objects.takeOver ?? false;
    return openEngine(() => claimPacks({ directory, packs, condemned, takeOver, random }), { packs, home, condemned }, options);
  }
  const packs = await openDiskPacks(join(directory, "packs"));
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
  return openEngine(identify, { packs, home, condemned }, options);
}

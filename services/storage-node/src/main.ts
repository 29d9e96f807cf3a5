/** A storage node as a process: packs, in its directory or in a bucket, with their index, served as BlockService. It knows no key. */

import { parseArgs } from "node:util";
import { blockService, startServer } from "@permafrost/rpc";
import { checkListen, createLogger, type Lifecycle, loadConfig, readEnvironment, runService } from "@permafrost/runtime";
import { CodedError } from "@permafrost/std";
import { type ObjectStorage, openStorage } from "@permafrost/storage";
import { type PacksConfig, type StorageNodeConfig, storageNodeConfig } from "./config.ts";
import { openBucket } from "./open-bucket.ts";
import { scrubPeriodically } from "./scrubbing.ts";

const HOUR_MS = 3_600_000;
const WEEK_HOURS = 7 * 24;

export interface StorageNodeOptions {
  /** Makes the index anew from the packs before serving. */
  readonly rebuildIndex?: boolean;
  /** Packs in a bucket may be taken from a node that did not end in order. */
  readonly takeOver?: boolean;
}

/** Starts a storage node; returns where it listens. Parts are stopped by `lifecycle`: first the server, then the store. */
export async function startStorageNode(
  config: StorageNodeConfig,
  lifecycle: Lifecycle,
  options: StorageNodeOptions = {},
): Promise<{ readonly address: string }> {
  checkListen(config);
  const logger = createLogger({ name: config.name ?? "storage-node", level: config.log.level });
  const { packBytes, reserveBytes } = config.storage;
  const objects = await objectStorage(config.packs, options.takeOver ?? false);
  const store = await openStorage({
    directory: config.dataDirectory,
    packBytesMax: packBytes,
    ...(reserveBytes === undefined ? {} : { keepFreeBytes: reserveBytes }),
    ...(objects === undefined ? {} : { objects }),
  });
  await lifecycle.onStop("store", () => store.close());
  if (options.rebuildIndex) {
    logger.info("Making the index anew from the packs");
    await store.rebuildIndex();
  }
  const { everyHours = config.packs.kind === "disk" ? WEEK_HOURS : 0, bytesPerSecondMax } = config.scrub;
  if (everyHours > 0) {
    const scrubbing = scrubPeriodically(store, { everyMs: everyHours * HOUR_MS, bytesPerSecondMax }, logger);
    await lifecycle.onStop("scrub", () => scrubbing.stop());
  }
  const server = await startServer({
    listen: config.listen,
    tokenFile: config.tokenFile,
    ...(config.readTokenFile === undefined ? {} : { readTokenFile: config.readTokenFile }),
    ...(config.tls === undefined ? {} : { tls: config.tls }),
    services: [blockService(store)],
    logger,
    drainMs: 5_000,
  });
  await lifecycle.onStop("block API", () => server.stop());
  const [status] = await store.status();
  logger.info({ address: server.address, ...status }, "Listening");
  return { address: server.address };
}

async function objectStorage(packs: PacksConfig, takeOver: boolean): Promise<ObjectStorage | undefined> {
  const bucket = await openBucket(packs);
  if (bucket === undefined || packs.kind === "disk") return undefined;
  return { bucket, takeOver, ...(packs.capacityBytes === undefined ? {} : { capacityBytes: packs.capacityBytes }) };
}

/** `storage-node --config FILE [--rebuild-index] [--take-over]`. */
export async function main(argv: readonly string[]): Promise<void> {
  await runService(
    async (lifecycle) => {
      const { values } = parseArgs({
        args: [...argv],
        options: { config: { type: "string" }, "rebuild-index": { type: "boolean" }, "take-over": { type: "boolean" } },
      });
      if (values.config === undefined) throw new CodedError("USAGE", "A storage node needs --config FILE");
      const config = loadConfig(storageNodeConfig, values.config, {
        env: readEnvironment(),
        envPrefix: "PERMAFROST_STORAGE_NODE_",
      });
      await startStorageNode(config, lifecycle, {
        rebuildIndex: values["rebuild-index"] ?? false,
        takeOver: values["take-over"] ?? false,
      });
    },
    { name: "storage-node" },
  );
}

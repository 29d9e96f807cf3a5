/** The storage node's configuration file. */

import { pathSetting, serviceSettings, z } from "@permafrost/runtime";

const MIB = 1024 * 1024;

export const storageNodeConfig = z.strictObject({
  ...serviceSettings,
  /** Packs, index and the node's identity; one process at a time. */
  dataDirectory: pathSetting,
  storage: z
    .strictObject({
      /** A pack is sealed when it reaches this size. */
      packBytes: z
        .int()
        .min(8 * MIB)
        .max(4096 * MIB)
        .default(256 * MIB),
      /** Free bytes of the disk that blocks leave alone; below it the node answers STORE_FULL. Default: one pack and 5 % of the disk. */
      reserveBytes: z.int().min(0).exactOptional(),
    })
    .default({ packBytes: 256 * MIB }),
});

export type StorageNodeConfig = z.output<typeof storageNodeConfig>;

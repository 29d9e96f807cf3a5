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
  /** Reading all packs again in the background, to find what the disk has lost. */
  scrub: z
    .strictObject({
      /** From the end of one to the start of the next; 0: never. */
      everyHours: z
        .number()
        .min(0)
        .default(7 * 24),
      bytesPerSecondMax: z
        .int()
        .min(MIB)
        .default(64 * MIB),
    })
    .default({ everyHours: 7 * 24, bytesPerSecondMax: 64 * MIB }),
});

export type StorageNodeConfig = z.output<typeof storageNodeConfig>;

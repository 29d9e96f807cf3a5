/** The storage node's configuration file. */

import { pathSetting, serviceSettings, z } from "@permafrost/runtime";

const MIB = 1024 * 1024;

/** What both object stores have. */
const objectSettings = {
  /** Below it all keys are this node's; each node has one of its own. */
  prefix: z
    .string()
    .regex(
      /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/,
      "must be words of letters, digits, -, _ and . with / between",
    )
    .max(128),
  /** What the packs may use; default: no limit but the store's own. */
  capacityBytes: z.int().min(MIB).exactOptional(),
};

export const packsSetting = z.discriminatedUnion("kind", [
  /** Files in `packs/` of the data directory. */
  z.strictObject({ kind: z.literal("disk") }),
  z.strictObject({
    kind: z.literal("s3"),
    endpoint: z.url({ protocol: /^https?$/ }),
    region: z.string().min(1).default("us-east-1"),
    bucket: z.string().min(1),
    accessKeyId: z.string().min(1),
    /** The secret key that goes with it: one line, readable by its owner only. */
    secretKeyFile: pathSetting,
    /** The authority that signed the endpoint's certificate, if the system does not know it. */
    caFile: pathSetting.exactOptional(),
    ...objectSettings,
  }),
  z.strictObject({
    kind: z.literal("swift"),
    /** A cloud of clouds.yaml; default as the OpenStack client's: OS_CLOUD, OS_* or the only one. */
    cloud: z.string().min(1).exactOptional(),
    /** clouds.yaml to read before the standard places. */
    configFile: pathSetting.exactOptional(),
    container: z.string().min(1),
    ...objectSettings,
  }),
]);

export const storageNodeConfig = z.strictObject({
  ...serviceSettings,
  /** The token of callers that may only read: the coordinator of a second site that copies restore points. */
  readTokenFile: pathSetting.exactOptional(),
  /** Index and the node's identity, and the packs if they are on disk; one process at a time. */
  dataDirectory: pathSetting,
  packs: packsSetting.default({ kind: "disk" }),
  storage: z
    .strictObject({
      /** A pack is sealed when it reaches this size. */
      packBytes: z
        .int()
        .min(8 * MIB)
        .max(4096 * MIB)
        .default(256 * MIB),
      /** Free bytes of the disk, or of `capacityBytes`, that blocks leave alone; below it the node answers STORE_FULL. Default: one pack and 5 %. */
      reserveBytes: z.int().min(0).exactOptional(),
    })
    .default({ packBytes: 256 * MIB }),
  /** Reading all packs again in the background, to find what the disk has lost. */
  scrub: z
    .strictObject({
      /** From the end of one to the start of the next; 0: never. Default: a week on disk, never in an object store, which looks after its own. */
      everyHours: z.number().min(0).exactOptional(),
      bytesPerSecondMax: z
        .int()
        .min(MIB)
        .default(64 * MIB),
    })
    .default({ bytesPerSecondMax: 64 * MIB }),
});

export type PacksConfig = z.output<typeof packsSetting>;
export type StorageNodeConfig = z.output<typeof storageNodeConfig>;

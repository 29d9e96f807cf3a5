/** The worker's configuration file. */

import { addressSetting, clusterSettings, pathSetting, serviceSettings, z } from "@permafrost/runtime";

/** `0.0.0.0` and `[::]`: good to listen on, no place to send a client to. */
const ALL_ADDRESSES = /^(0\.0\.0\.0|\[[0:]+\]):/;

export const workerConfig = z
  .strictObject({
    ...serviceSettings,
    ...clusterSettings,
    /** Where clients reach this worker, when that is not where it listens: behind a name, or listening on all addresses. */
    advertise: addressSetting.exactOptional(),
    /** Tasks at once. */
    slots: z.int().min(1).max(64).default(2),
    openstack: z.strictObject({ configFile: pathSetting.exactOptional() }).default({}),
  })
  .refine(({ listen, advertise }) => advertise !== undefined || !ALL_ADDRESSES.test(listen), {
    path: ["advertise"],
    message: "is missing: clients cannot be sent to the address of all interfaces",
  });

export type WorkerConfig = z.output<typeof workerConfig>;

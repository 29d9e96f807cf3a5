/** The worker's configuration file. */

import { clusterSettings, pathSetting, serviceSettings, z } from "@permafrost/runtime";

export const workerConfig = z.strictObject({
  ...serviceSettings,
  ...clusterSettings,
  /** Where clients reach this worker, when that is not where it listens: behind a name, or listening on all addresses. */
  advertise: z.string().min(1).exactOptional(),
  /** Tasks at once. */
  slots: z.int().min(1).max(64).default(2),
  openstack: z.strictObject({ configFile: pathSetting.exactOptional() }).default({}),
});

export type WorkerConfig = z.output<typeof workerConfig>;

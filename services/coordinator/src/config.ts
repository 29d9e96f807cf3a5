/** The coordinator's configuration file. */

import { clusterSettings, serviceSettings, z } from "@permafrost/runtime";

export const coordinatorConfig = z.strictObject({ ...serviceSettings, ...clusterSettings });

export type CoordinatorConfig = z.output<typeof coordinatorConfig>;

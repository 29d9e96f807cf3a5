/** The coordinator's configuration file. */

import { clusterSettings, serviceSettings, sitesSetting, z } from "@permafrost/runtime";

export const coordinatorConfig = z.strictObject({ ...serviceSettings, ...clusterSettings, sites: sitesSetting.default({}) });

export type CoordinatorConfig = z.output<typeof coordinatorConfig>;

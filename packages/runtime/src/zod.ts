/** The schema language of configuration files, in the one version that `loadConfig` understands. */

export { z } from "zod";

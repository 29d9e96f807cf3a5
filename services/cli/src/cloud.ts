/**
 * Which cloud a command means. Credentials stay where the workers are: a name goes over the wire, and a worker looks
 * it up in its own clouds.yaml, or for `envvars` in its own OS_* variables.
 */

import type { CliContext } from "./context.ts";
import { usageError } from "./failure.ts";

/** The option, else OS_CLOUD, else `envvars` when OS_AUTH_URL is set. Throws USAGE. */
export function resolveCloud(flag: string | undefined, option: string, context: CliContext): string {
  const { OS_CLOUD, OS_AUTH_URL } = context.env;
  const cloud = flag ?? (OS_CLOUD || (OS_AUTH_URL ? "envvars" : undefined));
  if (!cloud)
    throw usageError(
      "No cloud",
      `Name one of clouds.yaml with ${option} or OS_CLOUD, or set OS_AUTH_URL and the other OS_* variables.`,
    );
  return cloud;
}

/** The option, else OS_PROJECT_NAME, else the older OS_TENANT_NAME; empty means the project of the credentials. */
export function resolveProject(flag: string | undefined, context: CliContext): string {
  return flag ?? (context.env.OS_PROJECT_NAME || context.env.OS_TENANT_NAME || "");
}

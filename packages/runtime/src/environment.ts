/**
 * The only place that reads the process's environment; everything else is given what it needs.
 * Also the directories that follow from it, by the XDG rules and systemd's.
 */

import { homedir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A copy that does not change when somebody sets a variable later. */
export function readEnvironment(): Environment {
  return Object.freeze({ ...process.env });
}

export interface Directories {
  readonly config: string;
  /** What must survive a restart: data, keyrings, tokens. */
  readonly state: string;
  /** What may be deleted at any time. */
  readonly cache: string;
}

/**
 * `permafrost` under the XDG directories of this user. A service started by systemd with `StateDirectory=` and its kin gets exactly those.
 * As XDG wants it, a variable that is not an absolute path is ignored.
 */
export function defaultDirectories(environment: Environment): Directories {
  const home = environment.HOME || homedir();
  const directory = (systemd: string, xdg: string, fallback: string) => {
    // systemd lists several directories with colons; the first is the service's own.
    const own = environment[systemd]?.split(":")[0];
    if (own?.startsWith("/")) return own;
    const base = environment[xdg];
    return join(base?.startsWith("/") ? base : join(home, fallback), "permafrost");
  };
  return {
    config: directory("CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME", ".config"),
    state: directory("STATE_DIRECTORY", "XDG_STATE_HOME", ".local/state"),
    cache: directory("CACHE_DIRECTORY", "XDG_CACHE_HOME", ".cache"),
  };
}

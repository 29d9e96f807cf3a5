/** Open clouds, kept between tasks: one login per cloud and project, not one per task. */

import type { CloudTarget } from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import type { Clock, Random } from "@permafrost/std";

export interface CloudsOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** clouds.yaml to read before the standard places. */
  readonly configFile?: string;
  readonly clock: Clock;
  readonly random: Random;
}

export class Clouds {
  readonly #options: CloudsOptions;
  readonly #open = new Map<string, Promise<Cloud>>();

  constructor(options: CloudsOptions) {
    this.#options = options;
  }

  async open(target: CloudTarget): Promise<Cloud> {
    const key = JSON.stringify([target.cloud, target.project ?? ""]);
    const known = this.#open.get(key);
    if (known !== undefined) return await known;
    const { environment, configFile, clock, random } = this.#options;
    const opening = (async () => {
      const env = configFile === undefined ? environment : { ...environment, OS_CLIENT_CONFIG_FILE: configFile };
      const config = await loadCloud(target.cloud, { env });
      return await openCloud(config, { clock, random, ...(target.project === undefined ? {} : { project: target.project }) });
    })();
    this.#open.set(key, opening);
    opening.catch(() => this.#open.delete(key));
    return await opening;
  }

  async close(): Promise<void> {
    for (const opening of this.#open.values()) await (await opening.catch(() => undefined))?.close();
  }
}

/**
 * The configuration files that `up` writes for its roles: the same YAML that an operator writes for a cluster of
 * several hosts. Paths are absolute; secrets only as files.
 */

import { join } from "node:path";
import { stringify } from "yaml";
import { type Layout, writePrivateFile } from "./layout.ts";

export interface RoleOptions {
  /** `nats://host:port`. */
  readonly natsUrl: string;
  readonly natsTokenFile: string;
  /** A clouds.yaml for the workers; default: where the OpenStack client looks. */
  readonly osConfigFile?: string;
  readonly logLevel: string;
}

/** Writes one file per role, named as `addresses` names them, into the layout's config directory; answers the files by name. */
export async function writeRoleConfigs(
  layout: Layout,
  addresses: ReadonlyMap<string, string>,
  options: RoleOptions,
): Promise<ReadonlyMap<string, string>> {
  const nodes = [...addresses].flatMap(([name, address]) => (name.startsWith("storage-node-") ? [{ address }] : []));
  const cluster = {
    nats: { servers: [options.natsUrl], tokenFile: options.natsTokenFile },
    nodes,
    replication: { replicas: 1, writeQuorum: 1 },
    keyring: layout.keyringDirectory,
  };
  const openstack = options.osConfigFile === undefined ? {} : { openstack: { configFile: options.osConfigFile } };
  const files = new Map<string, string>();
  for (const [name, listen] of addresses) {
    const common = { name, listen, tokenFile: layout.tokenFile, log: { level: options.logLevel } };
    const own = name.startsWith("storage-node-")
      ? { dataDirectory: join(layout.storageDirectory, name) }
      : { ...cluster, ...(name === "coordinator" ? {} : openstack) };
    const file = join(layout.configDirectory, `${name}.yaml`);
    await writePrivateFile(file, `# Written by \`permafrost up\` at each start.\n${stringify({ ...common, ...own })}`);
    files.set(name, file);
  }
  return files;
}

/**
 * The configuration files that `up` writes for its roles: the same YAML that an operator writes for a cluster of
 * several hosts. Paths are absolute; secrets only as files.
 */

import { join } from "node:path";
import { stringify } from "yaml";
import { type Layout, writePrivateFile } from "./layout.ts";

export interface RoleFiles {
  readonly storageNode: string;
  readonly coordinator: string;
  /** One per worker. */
  readonly workers: readonly string[];
}

export interface RoleAddresses {
  readonly storageNode: string;
  readonly coordinator: string;
  readonly workers: readonly string[];
  /** `nats://host:port`. */
  readonly nats: string;
}

export interface RoleOptions {
  readonly natsTokenFile: string;
  /** A clouds.yaml for the workers; default: where the OpenStack client looks. */
  readonly osConfigFile?: string;
  readonly logLevel: string;
}

/** Writes one file per role into the layout's config directory. */
export async function writeRoleConfigs(layout: Layout, addresses: RoleAddresses, options: RoleOptions): Promise<RoleFiles> {
  const common = (name: string, listen: string) => ({
    name,
    listen,
    tokenFile: layout.tokenFile,
    log: { level: options.logLevel },
  });
  const cluster = {
    nats: { servers: [addresses.nats], tokenFile: options.natsTokenFile },
    nodes: [{ address: addresses.storageNode }],
    replication: { replicas: 1, writeQuorum: 1 },
    keyring: layout.keyringDirectory,
  };
  const write = async (name: string, config: object) => {
    const file = join(layout.configDirectory, `${name}.yaml`);
    await writePrivateFile(file, `# Written by \`permafrost up\` at each start.\n${stringify(config)}`);
    return file;
  };
  const openstack = options.osConfigFile === undefined ? {} : { openstack: { configFile: options.osConfigFile } };
  return {
    storageNode: await write("storage-node-1", {
      ...common("storage-node-1", addresses.storageNode),
      dataDirectory: join(layout.storageDirectory, "node-1"),
    }),
    coordinator: await write("coordinator", { ...common("coordinator", addresses.coordinator), ...cluster }),
    workers: await Promise.all(
      addresses.workers.map((listen, at) =>
        write(`worker-${at + 1}`, { ...common(`worker-${at + 1}`, listen), ...cluster, ...openstack }),
      ),
    ),
  };
}

/**
 * The embedded cluster: nats-server, a storage node, a coordinator and workers as children of one process, on loopback,
 * in one data directory. The roles are the same programs with the same configuration files as on several hosts.
 *
 * Started in the order in which they need each other, each waited for; stopped in reverse. A child that ends is started
 * again. Ports are chosen once per start, so a child that comes back is where the others look for it.
 */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type NatsServer, startNatsServer } from "@permafrost/jobs";
import { ensureTokenFile } from "@permafrost/runtime";
import { type Clock, CodedError } from "@permafrost/std";
import { KeptProcess } from "./kept-process.ts";
import { layoutOf, makeLayout, writePrivateFile } from "./layout.ts";
import { takeLock } from "./lock.ts";
import { assertFree, freePort } from "./ports.ts";
import { type RoleFiles, writeRoleConfigs } from "./role-config.ts";

export interface UpOptions {
  readonly dataDirectory: string;
  readonly workers: number;
  /** `host:port` of the coordinator; default: loopback and a free port. */
  readonly listen?: string;
  readonly osConfigFile?: string;
  readonly logLevel: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly say: (text: string) => void;
  /** Whether the service at `address` answers its health check. */
  readonly isHealthy: (address: string) => Promise<boolean>;
}

export interface RunningCluster {
  readonly address: string;
  readonly clientFile: string;
  /** The children that run, by name. */
  pids(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";

/** Throws ALREADY_RUNNING, LISTEN_FAILED, DATA_DIRECTORY_UNUSABLE, ROLE_FAILED, NATS_SERVER_MISSING; nothing is left running then. */
export async function startCluster(options: UpOptions): Promise<RunningCluster> {
  const layout = layoutOf(options.dataDirectory);
  await makeLayout(layout);
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    stops.push(await takeLock(layout.lockFile, layout.root));
    if (options.listen !== undefined) await assertFree(options.listen);
    const port = async () => `${HOST}:${await freePort(HOST)}`;
    const natsTokenFile = join(layout.root, "nats-token");
    await ensureTokenFile(layout.tokenFile);

    const nats = await KeptNats.start(layout.natsDirectory, await ensureTokenFile(natsTokenFile), options);
    stops.push(() => nats.stop());
    const addresses = {
      nats: nats.url,
      storageNode: await port(),
      coordinator: options.listen ?? (await port()),
      workers: await Promise.all(Array.from({ length: options.workers }, port)),
    };
    const files = await writeRoleConfigs(layout, addresses, {
      natsTokenFile,
      logLevel: options.logLevel,
      ...(options.osConfigFile === undefined ? {} : { osConfigFile: options.osConfigFile }),
    });

    const children: KeptProcess[] = [];
    for (const role of roles(files, addresses)) {
      const child = new KeptProcess({
        name: role.name,
        command: process.execPath,
        args: [MAIN, role.command, "--config", role.file, "--with-parent"],
        env: options.env,
        logFile: join(layout.logDirectory, `${role.name}.log`),
        isHealthy: () => options.isHealthy(role.address),
        clock: options.clock,
        say: options.say,
      });
      stops.push(() => child.stop());
      await child.start();
      children.push(child);
    }

    await writePrivateFile(
      layout.clientFile,
      `${JSON.stringify({ address: addresses.coordinator, tokenFile: layout.tokenFile })}\n`,
    );
    stops.push(() => rm(layout.clientFile, { force: true }));
    const pids = () => {
      const known = children.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid] as const]));
      return Object.fromEntries([["nats-server", nats.pid] as const, ...known]);
    };
    return { address: addresses.coordinator, clientFile: layout.clientFile, pids, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const MAIN = new URL("../main.ts", import.meta.url).pathname;

function roles(files: RoleFiles, addresses: { storageNode: string; coordinator: string; workers: readonly string[] }) {
  return [
    { name: "storage-node-1", command: "storage-node", file: files.storageNode, address: addresses.storageNode },
    { name: "coordinator", command: "coordinator", file: files.coordinator, address: addresses.coordinator },
    ...files.workers.map((file, at) => ({
      name: `worker-${at + 1}`,
      command: "worker",
      file,
      address: addresses.workers[at] ?? "",
    })),
  ];
}

/** The nats-server, started again on the same port when it ends. */
class KeptNats {
  readonly #directory: string;
  readonly #token: string;
  readonly #options: UpOptions;
  readonly #stopping = new AbortController();
  #server: NatsServer;
  #keeping: Promise<void> = Promise.resolve();

  private constructor(directory: string, token: string, options: UpOptions, server: NatsServer) {
    this.#directory = directory;
    this.#token = token;
    this.#options = options;
    this.#server = server;
  }

  static async start(directory: string, token: string, options: UpOptions): Promise<KeptNats> {
    const server = await startNatsServer({ storeDirectory: directory, token, ownGroup: true, clock: options.clock });
    const kept = new KeptNats(directory, token, options, server);
    kept.#keeping = kept.#keep();
    return kept;
  }

  get url(): string {
    return this.#server.url;
  }

  get pid(): number {
    return this.#server.pid;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#server.stop();
    await this.#keeping;
    await this.#server.stop();
  }

  async #keep(): Promise<void> {
    const { clock, say } = this.#options;
    const { port } = this.#server;
    for (;;) {
      await this.#server.exited;
      if (this.#stopping.signal.aborted) return;
      say("nats-server ended; starting it again.");
      while (!this.#stopping.signal.aborted) {
        try {
          this.#server = await startNatsServer({
            storeDirectory: this.#directory,
            token: this.#token,
            port,
            ownGroup: true,
            clock,
          });
          say("nats-server is up again.");
          break;
        } catch (error) {
          say(`${CodedError.from(error).message}; trying again.`);
          await clock.sleep(RESTART_MS, this.#stopping.signal).catch(() => undefined);
        }
      }
    }
  }
}

const RESTART_MS = 2_000;

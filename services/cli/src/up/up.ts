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
import { writeRoleConfigs } from "./role-config.ts";

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
  /** A port of loopback that is free; default: any. */
  readonly pickPort?: () => Promise<number>;
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
const PORT_ATTEMPTS_MAX = 5;

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
    const natsTokenFile = join(layout.root, "nats-token");
    await ensureTokenFile(layout.tokenFile);
    const nats = await KeptNats.start(layout.natsDirectory, await ensureTokenFile(natsTokenFile), options);
    stops.push(() => nats.stop());

    const pickPort = options.pickPort ?? (() => freePort(HOST));
    const pick = async () => `${HOST}:${await pickPort()}`;
    const roles = await chooseRoles(options, pick);
    const addresses = new Map(roles.map(({ name, address }) => [name, address]));
    const children: KeptProcess[] = [];
    for (const role of roles) {
      for (let attempt = 1; ; attempt++) {
        // Written anew for each: a role that had to move is found by those that start after it.
        const files = await writeRoleConfigs(layout, addresses, { natsTokenFile, natsUrl: nats.url, ...options });
        const child = new KeptProcess({
          name: role.name,
          command: process.execPath,
          args: [MAIN, role.command, "--config", files.get(role.name) ?? "", "--with-parent"],
          env: options.env,
          logFile: join(layout.logDirectory, `${role.name}.log`),
          isHealthy: () => options.isHealthy(addresses.get(role.name) ?? ""),
          clock: options.clock,
          say: options.say,
        });
        try {
          // A stranger on the port may call itself healthy, another cluster's role for one.
          await assertFree(addresses.get(role.name) ?? "");
          await child.start();
        } catch (error) {
          // Another program may take a port between our look and the child's start.
          const lostPort = CodedError.is(error) && [error.code, error.facts.reason].includes("LISTEN_FAILED");
          if (!lostPort || role.isExplicit || attempt === PORT_ATTEMPTS_MAX) throw error;
          addresses.set(role.name, await pick());
          continue;
        }
        stops.push(() => child.stop());
        children.push(child);
        break;
      }
    }

    const coordinator = addresses.get("coordinator") ?? "";
    await writePrivateFile(layout.clientFile, `${JSON.stringify({ address: coordinator, tokenFile: layout.tokenFile })}\n`);
    stops.push(() => rm(layout.clientFile, { force: true }));
    const pids = () => {
      const known = children.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid] as const]));
      return Object.fromEntries([["nats-server", nats.pid] as const, ...known]);
    };
    return { address: coordinator, clientFile: layout.clientFile, pids, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const MAIN = new URL("../main.ts", import.meta.url).pathname;

interface Role {
  readonly name: string;
  readonly command: "storage-node" | "coordinator" | "worker";
  readonly address: string;
  /** Whether the user chose the address; then no other will do. */
  readonly isExplicit: boolean;
}

/** In the order in which they start. */
async function chooseRoles(options: UpOptions, pick: () => Promise<string>): Promise<Role[]> {
  const roles: Role[] = [{ name: "storage-node-1", command: "storage-node", address: await pick(), isExplicit: false }];
  const address = options.listen ?? (await pick());
  roles.push({ name: "coordinator", command: "coordinator", address, isExplicit: options.listen !== undefined });
  for (let at = 1; at <= options.workers; at++) {
    roles.push({ name: `worker-${at}`, command: "worker", address: await pick(), isExplicit: false });
  }
  return roles;
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

/**
 * A real cluster on loopback for tests: nats-servers, storage nodes, coordinators and workers as processes of their own, from
 * configuration files as an operator writes them. Roles are killed and started again by name. `close` ends every process it
 * started and removes the directory; nothing else is ever signalled.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ControlConnection, connectControl, connectInput, type InputConnection } from "@permafrost/client";
import type { TlsFiles } from "@permafrost/rpc";
import { ensureTokenFile } from "@permafrost/runtime";
import { CodedError, retry, systemClock } from "@permafrost/std";
import { parse, stringify } from "yaml";
import { BusServers } from "./bus-servers.ts";

const MAIN = fileURLToPath(new URL("../../services/cli/src/main.ts", import.meta.url));
/** Of a busy machine on which every role starts at once. */
const START_MS = 60_000;

export interface ClusterOptions {
  readonly nodes?: number;
  readonly workers?: number;
  /** Default 1, called `coordinator`; more are `coordinator-2` and so on. */
  readonly coordinators?: number;
  /** Default 1. Three keep every stream three times. */
  readonly natsServers?: 1 | 3;
  readonly replicas?: number;
  readonly writeQuorum?: number;
  readonly slots?: number;
  /** Text of the workers' clouds.yaml. */
  readonly cloudsYaml?: string;
  /** Added to every storage node's configuration. */
  readonly storage?: Readonly<Record<string, unknown>>;
  /** Mutual TLS: the files of each role, by its name, and those of the clients as `client`. */
  readonly tls?: (name: string) => TlsFiles;
  /** The address that a role has, by its name; default 127.0.0.1. */
  readonly host?: (name: string) => string;
}

interface Role {
  readonly kind: "storage-node" | "coordinator" | "worker";
  readonly config: string;
  readonly address: string;
  child: ChildProcess | undefined;
}

export class Cluster {
  readonly directory: string;
  readonly token: string;
  /** The first coordinator. */
  readonly control: ControlConnection;
  /** Every coordinator. */
  readonly controls: readonly ControlConnection[];
  readonly bus: BusServers;
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #inputs: InputConnection[] = [];
  readonly #tls: { readonly tls?: TlsFiles };

  private constructor(
    directory: string,
    token: string,
    roles: ReadonlyMap<string, Role>,
    bus: BusServers,
    tls: { readonly tls?: TlsFiles },
  ) {
    this.directory = directory;
    this.token = token;
    this.#roles = roles;
    this.bus = bus;
    this.#tls = tls;
    const connect = (name: string) => connectControl({ address: this.addressOf(name), token, ...tls });
    this.control = connect("coordinator");
    const others = [...roles].filter(([name, { kind }]) => kind === "coordinator" && name !== "coordinator");
    this.controls = [this.control, ...others.map(([name]) => connect(name))];
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const { nodes = 1, workers = 1, coordinators = 1, natsServers = 1, replicas = 1, writeQuorum = 1, slots = 2 } = options;
    const directory = await mkdtemp(join(tmpdir(), "permafrost-cluster-"));
    await mkdir(join(directory, "keyring"), { mode: 0o700 });
    const tokenFile = join(directory, "token");
    const token = await ensureTokenFile(tokenFile);
    const natsTokenFile = join(directory, "nats-token");
    const natsToken = await ensureTokenFile(natsTokenFile);
    if (options.cloudsYaml !== undefined) await writeFile(join(directory, "clouds.yaml"), options.cloudsYaml, { mode: 0o600 });
    const ports = await freePorts(nodes + workers + coordinators + 2 * natsServers);
    const port = () => ports.pop() ?? 0;
    const natsPorts = Array.from({ length: natsServers }, () => [port(), port()] as const);
    const bus = await BusServers.start(directory, natsToken, natsPorts);
    const tlsOf = (name: string) => (options.tls === undefined ? {} : { tls: options.tls(name) });
    const roles = new Map<string, Role>();
    const add = async (name: string, kind: Role["kind"], config: object) => {
      const address = `${options.host?.(name) ?? "127.0.0.1"}:${port()}`;
      const file = join(directory, `${name}.yaml`);
      const common = { name, listen: address, tokenFile, log: { level: "info" }, ...tlsOf(name) };
      await writeFile(file, stringify({ ...common, ...config }));
      roles.set(name, { kind, config: file, address, child: undefined });
      return address;
    };
    const nodeAddresses: string[] = [];
    for (let i = 1; i <= nodes; i++) {
      const storage = options.storage === undefined ? {} : { storage: options.storage };
      nodeAddresses.push(await add(`node-${i}`, "storage-node", { dataDirectory: join(directory, `node-${i}`), ...storage }));
    }
    const cluster = new Cluster(directory, token, roles, bus, tlsOf("client"));
    try {
      await Promise.all(nodeAddresses.map((_, i) => cluster.startRole(`node-${i + 1}`)));
      const shared = {
        nats: { servers: bus.urls, tokenFile: natsTokenFile, replicas: natsServers },
        // With their ids, so that a coordinator or worker starts also while a node is down.
        nodes: nodeAddresses.map((address, i) => ({ address, id: nodeId(join(directory, `node-${i + 1}`)) })),
        replication: { replicas, writeQuorum },
        keyring: join(directory, "keyring"),
      };
      const coordinatorNames = Array.from({ length: coordinators }, (_, i) => (i === 0 ? "coordinator" : `coordinator-${i + 1}`));
      for (const name of coordinatorNames) await add(name, "coordinator", shared);
      const openstack = options.cloudsYaml === undefined ? {} : { openstack: { configFile: join(directory, "clouds.yaml") } };
      for (let i = 1; i <= workers; i++) await add(`worker-${i}`, "worker", { ...shared, slots, ...openstack });
      const whole = new Cluster(directory, token, roles, bus, tlsOf("client"));
      const workerNames = Array.from({ length: workers }, (_, i) => `worker-${i + 1}`);
      await Promise.all([...coordinatorNames, ...workerNames].map((name) => whole.startRole(name)));
      return whole;
    } catch (error) {
      // Nobody else could end what runs already.
      await cluster.close();
      throw error;
    }
  }

  addressOf(name: string): string {
    return this.#roles.get(name)?.address ?? "127.0.0.1:1";
  }

  nodeDirectory(number: number): string {
    return join(this.directory, `node-${number}`);
  }

  log(name: string): string {
    return readFileSync(join(this.directory, `${name}.log`), "utf8");
  }

  /** The configuration file of a role. */
  configOf(name: string): string {
    return this.#role(name).config;
  }

  /** Starts a role's process, with more arguments if given, and waits until it serves. */
  async startRole(name: string, ...args: string[]): Promise<void> {
    const role = this.#role(name);
    const log = openSync(join(this.directory, `${name}.log`), "a");
    const child = spawn(process.execPath, [MAIN, role.kind, "--config", role.config, ...args], {
      stdio: ["ignore", log, log],
      env: { ...process.env, NO_COLOR: "1" },
    });
    role.child = child;
    const probe = connectControl({ address: role.address, token: this.token, timeoutMs: 1_000, ...this.#tls });
    const deadline = systemClock.monotonic() + START_MS;
    try {
      while (!(await probe.health().catch(() => false))) {
        if (child.exitCode !== null || child.signalCode !== null || systemClock.monotonic() > deadline)
          throw new CodedError("ROLE_FAILED", `${name} does not start:\n${this.log(name).slice(-2_000)}`);
        await systemClock.sleep(50);
      }
    } finally {
      probe.close();
    }
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(name: string): Promise<void> {
    const child = this.#role(name).child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGKILL");
    await gone;
  }

  /** SIGSTOP, as when its machine hangs; SIGCONT with `isStopped` false. Nothing if it does not run. */
  pause(name: string, isStopped: boolean): void {
    const child = this.#role(name).child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null)
      child.kill(isStopped ? "SIGSTOP" : "SIGCONT");
  }

  /** Adds to a role's configuration file; for its next start. */
  async reconfigure(name: string, settings: object): Promise<void> {
    const file = this.#role(name).config;
    await writeFile(file, stringify({ ...(parse(readFileSync(file, "utf8")) as object), ...settings }));
  }

  /** The process of a role that runs. */
  pidOf(name: string): number | undefined {
    const child = this.#role(name).child;
    return child === undefined || child.exitCode !== null || child.signalCode !== null ? undefined : child.pid;
  }

  /** Stops the bus, deletes all it stored, and starts it empty where it was. */
  async wipeBus(): Promise<void> {
    await this.bus.wipe();
  }

  async input(control = this.control): Promise<InputConnection["input"]> {
    // A bus that was just wiped or restarted is found again by everyone within seconds.
    const { address } = await retry(() => control.sessions.locateWorker({}), {
      attemptsMax: 60,
      delayMs: 500,
      delayMsMax: 500,
    });
    const connection = connectInput({ address, token: this.token, ...this.#tls });
    this.#inputs.push(connection);
    return connection.input;
  }

  /** Ends every process; the directory with its logs stays only if asked for. */
  async close({ keepDirectory = false } = {}): Promise<void> {
    for (const input of this.#inputs) input.close();
    for (const control of this.controls) control.close();
    await Promise.all([...this.#roles.keys()].map((name) => this.kill(name)));
    await this.bus.close();
    if (!keepDirectory) await rm(this.directory, { recursive: true, force: true });
  }

  #role(name: string): Role {
    const role = this.#roles.get(name);
    if (role === undefined) throw new CodedError("ASSERTION", `no role ${name}`);
    return role;
  }
}

function nodeId(directory: string): string {
  const { nodeId: id } = JSON.parse(readFileSync(join(directory, "node.json"), "utf8")) as { nodeId: string };
  return id;
}

/** Ports that were free on all of loopback a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
      return server;
    }),
  );
  const ports = servers.map((s) => {
    const address = s.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return ports;
}

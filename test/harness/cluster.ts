/**
 * A real cluster on loopback for tests: nats-server, storage nodes, coordinator and workers as processes of their own, from
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
import { type NatsServer, startNatsServer } from "@permafrost/jobs";
import type { TlsFiles } from "@permafrost/rpc";
import { ensureTokenFile } from "@permafrost/runtime";
import { CodedError, retry, systemClock } from "@permafrost/std";
import { parse, stringify } from "yaml";

const MAIN = fileURLToPath(new URL("../../services/cli/src/main.ts", import.meta.url));
const START_MS = 20_000;

export interface ClusterOptions {
  readonly nodes?: number;
  readonly workers?: number;
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
  readonly control: ControlConnection;
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #inputs: InputConnection[] = [];
  #nats: NatsServer | undefined;
  readonly #natsToken: string;
  readonly #natsPort: number;
  readonly #tls: { readonly tls?: TlsFiles };

  private constructor(
    directory: string,
    token: string,
    roles: ReadonlyMap<string, Role>,
    nats: NatsServer,
    natsToken: string,
    tls: { readonly tls?: TlsFiles },
  ) {
    this.directory = directory;
    this.token = token;
    this.#roles = roles;
    this.#nats = nats;
    this.#natsToken = natsToken;
    this.#natsPort = nats.port;
    this.#tls = tls;
    this.control = connectControl({ address: this.addressOf("coordinator"), token, ...tls });
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const { nodes = 1, workers = 1, replicas = 1, writeQuorum = 1, slots = 2 } = options;
    const directory = await mkdtemp(join(tmpdir(), "permafrost-cluster-"));
    await mkdir(join(directory, "keyring"), { mode: 0o700 });
    const tokenFile = join(directory, "token");
    const token = await ensureTokenFile(tokenFile);
    const natsTokenFile = join(directory, "nats-token");
    const natsToken = await ensureTokenFile(natsTokenFile);
    if (options.cloudsYaml !== undefined) await writeFile(join(directory, "clouds.yaml"), options.cloudsYaml, { mode: 0o600 });
    const nats = await startNatsServer({ storeDirectory: join(directory, "nats"), token: natsToken });
    const ports = await freePorts(nodes + workers + 1);
    const tlsOf = (name: string) => (options.tls === undefined ? {} : { tls: options.tls(name) });
    const roles = new Map<string, Role>();
    const add = async (name: string, kind: Role["kind"], config: object) => {
      const address = `${options.host?.(name) ?? "127.0.0.1"}:${ports.pop()}`;
      const file = join(directory, `${name}.yaml`);
      const common = { name, listen: address, tokenFile, log: { level: "info" }, ...tlsOf(name) };
      await writeFile(file, stringify({ ...common, ...config }));
      roles.set(name, { kind, config: file, address, child: undefined });
      return address;
    };
    for (let i = 1; i <= nodes; i++) {
      const storage = options.storage === undefined ? {} : { storage: options.storage };
      await add(`node-${i}`, "storage-node", { dataDirectory: join(directory, `node-${i}`), ...storage });
    }
    const cluster = new Cluster(directory, token, roles, nats, natsToken, tlsOf("client"));
    try {
      for (let i = 1; i <= nodes; i++) await cluster.startRole(`node-${i}`);
      const shared = {
        nats: { servers: [nats.url], tokenFile: natsTokenFile },
        // With their ids, so that a coordinator or worker starts also while a node is down.
        nodes: cluster.nodes,
        replication: { replicas, writeQuorum },
        keyring: join(directory, "keyring"),
      };
      await add("coordinator", "coordinator", shared);
      const openstack = options.cloudsYaml === undefined ? {} : { openstack: { configFile: join(directory, "clouds.yaml") } };
      for (let i = 1; i <= workers; i++) await add(`worker-${i}`, "worker", { ...shared, slots, ...openstack });
      const whole = new Cluster(directory, token, roles, nats, natsToken, tlsOf("client"));
      for (const name of ["coordinator", ...Array.from({ length: workers }, (_, i) => `worker-${i + 1}`)])
        await whole.startRole(name);
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

  /** Address and id of each storage node, as it is now. */
  get nodes(): readonly { readonly address: string; readonly id: string }[] {
    const names = [...this.#roles].filter(([, { kind }]) => kind === "storage-node").map(([name]) => name);
    return names.map((name) => ({ address: this.addressOf(name), id: nodeId(join(this.directory, name)) }));
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

  /** Tells these roles of the storage nodes as they are now, and starts them: what an operator does when a node was replaced. */
  async startWithNodes(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.reconfigure(name, { nodes: this.nodes });
      await this.startRole(name);
    }
  }

  /** Stops the bus, deletes all it stored, and starts it empty on the same port. */
  async wipeBus(): Promise<void> {
    await this.#nats?.stop();
    await rm(join(this.directory, "nats"), { recursive: true, force: true });
    this.#nats = await startNatsServer({
      storeDirectory: join(this.directory, "nats"),
      token: this.#natsToken,
      port: this.#natsPort,
    });
  }

  async input(): Promise<InputConnection["input"]> {
    // A bus that was just wiped or restarted is found again by everyone within seconds.
    const { address } = await retry(() => this.control.sessions.locateWorker({}), {
      attemptsMax: 60,
      delayMs: 500,
      delayMsMax: 500,
    });
    const connection = connectInput({ address, token: this.token, ...this.#tls });
    this.#inputs.push(connection);
    return connection.input;
  }

  async close(): Promise<void> {
    for (const input of this.#inputs) input.close();
    this.control.close();
    await Promise.all([...this.#roles.keys()].map((name) => this.kill(name)));
    await this.#nats?.stop();
    await rm(this.directory, { recursive: true, force: true });
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

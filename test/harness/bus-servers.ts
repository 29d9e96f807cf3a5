/**
 * The bus of a test's cluster: one nats-server, or three that keep streams together. Each has an address of loopback of its own, so that no
 * outgoing connection of another process can take the port of one that is away.
 */

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type NatsServer, startNatsServer } from "@permafrost/jobs";

export class BusServers {
  readonly urls: readonly string[];
  readonly #directory: string;
  readonly #token: string;
  /** Per server: for clients, for the others. */
  readonly #ports: readonly (readonly [number, number])[];
  readonly #servers: (NatsServer | undefined)[];

  private constructor(directory: string, token: string, ports: readonly (readonly [number, number])[]) {
    this.#directory = directory;
    this.#token = token;
    this.#ports = ports;
    this.#servers = ports.map(() => undefined);
    this.urls = ports.map(([port], i) => `nats://${hostOf(i)}:${port}`);
  }

  /** As many servers as there are pairs of ports. */
  static async start(directory: string, token: string, ports: readonly (readonly [number, number])[]): Promise<BusServers> {
    const bus = new BusServers(directory, token, ports);
    try {
      await bus.#startAll();
    } catch (error) {
      await bus.close();
      throw error;
    }
    return bus;
  }

  get count(): number {
    return this.#ports.length;
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(i: number): Promise<void> {
    const server = this.#servers[i];
    if (server === undefined) return;
    this.pause(i, false);
    process.kill(server.pid, "SIGKILL");
    await server.exited;
    this.#servers[i] = undefined;
  }

  /** SIGTERM, as for an upgrade. */
  async stop(i: number): Promise<void> {
    await this.#servers[i]?.stop();
    this.#servers[i] = undefined;
  }

  /** Starts one that is away, and waits until it serves: for as long as most of the others run. */
  async startOne(i: number): Promise<void> {
    const [port, clusterPort] = this.#ports[i] ?? [0, 0];
    const members = this.#ports.map(([, memberPort], n) => `${hostOf(n)}:${memberPort}`);
    this.#servers[i] = await startNatsServer({
      storeDirectory: this.#folder(i),
      token: this.#token,
      host: hostOf(i),
      port,
      ...(this.count === 1 ? {} : { cluster: { name: `bus-${i + 1}`, port: clusterPort, members } }),
    });
  }

  pause(i: number, isStopped: boolean): void {
    const server = this.#servers[i];
    if (server === undefined) return;
    try {
      process.kill(server.pid, isStopped ? "SIGSTOP" : "SIGCONT");
    } catch {
      // It has ended by itself.
    }
  }

  /** Who said last that it leads the servers' own metadata; the first one if nobody did. */
  async leader(): Promise<number> {
    const said = await Promise.all(
      this.#ports.map(async (_, i) => {
        const log = await readFile(join(this.#folder(i), "nats-server.log"), "utf8").catch(() => "");
        const lines = log.split("\n").filter((line) => line.includes("Self is new JetStream cluster metadata leader"));
        // `[pid] 2026/11/27 21:30:00.123456 [INF] ...`
        return (
          lines
            .at(-1)
            ?.replace(/^\[\d+\] /, "")
            .slice(0, 26) ?? ""
        );
      }),
    );
    return said.indexOf([...said].sort().at(-1) ?? "");
  }

  /** Stops all, deletes what they stored, and starts them empty. */
  async wipe(): Promise<void> {
    await this.close();
    await Promise.all(this.#ports.map((_, i) => rm(this.#folder(i), { recursive: true, force: true })));
    await this.#startAll();
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#servers.map(async (_, i) => {
        if (this.#servers[i] !== undefined) this.pause(i, false);
        await this.stop(i);
      }),
    );
  }

  async #startAll(): Promise<void> {
    // All of them, so that none that did start is missed by `close`.
    const started = await Promise.allSettled(this.#ports.map((_, i) => this.startOne(i)));
    const failed = started.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #folder(i: number): string {
    return join(this.#directory, this.count === 1 ? "nats" : `nats-${i + 1}`);
  }
}

/** The only server is where it always was. */
function hostOf(i: number): string {
  return `127.0.0.${i + 1}`;
}

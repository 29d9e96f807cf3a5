/**
 * A nats-server of our own as a child process: for the embedded cluster and for tests.
 *
 * It listens on loopback only and wants a token, which is written into a configuration file that only this user can read (never on
 * a command line, where everyone can see it). JetStream syncs every message to the disk before acknowledging it, where the server can (2.10 or later).
 * The child is stopped with SIGTERM, then SIGKILL; a server left behind by a crashed parent is found by its pid file and ended first.
 */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Clock, CodedError, systemClock } from "@permafrost/std";
import { connectBus } from "./nats/bus.ts";
import { isVersionEnough } from "./nats/connection.ts";

export interface NatsServerOptions {
  /** Holds the configuration, pid file, log and JetStream's files; created when absent. */
  readonly storeDirectory: string;
  /** An address of loopback; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one is chosen. */
  readonly port?: number;
  readonly token: string;
  /** Default: `nats-server` on PATH, or in Debian's place for servers. */
  readonly program?: string;
  /** In a process group of its own: Ctrl-C on the terminal does not reach it, and it ends when its starter says so. Default false. */
  readonly ownGroup?: boolean;
  /** It is one of several that keep streams together: none of them is ready before most of them run, so they are started at the same time. */
  readonly cluster?: NatsClusterMember;
  readonly clock?: Clock;
}

export interface NatsClusterMember {
  /** Unique in its cluster. */
  readonly name: string;
  /** For the other members, on the same address. */
  readonly port: number;
  /** `host:port` of every member, for members. */
  readonly members: readonly string[];
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process has ended, whoever ended it. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

const READY_MS_MAX = 15_000;
/** A member waits for the others, and for their election. */
const MEMBER_READY_MS_MAX = 60_000;
const STOP_MS_MAX = 5_000;
const POLL_MS = 50;
/** What nats-server recommends at most; `VALUE_BYTES_MAX` fits in. */
const PAYLOAD_BYTES = 8 * 1024 * 1024;

/** Starts a server and waits until JetStream answers. Throws NATS_SERVER_MISSING or NATS_SERVER_FAILED. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const clock = options.clock ?? systemClock;
  const { storeDirectory } = options;
  const programs =
    options.program === undefined ? ["nats-server", "/usr/sbin/nats-server", "/usr/local/sbin/nats-server"] : [options.program];
  const { program, version } = await findNatsServer(programs);
  await mkdir(storeDirectory, { recursive: true, mode: 0o700 });
  const pidFile = join(storeDirectory, "nats-server.pid");
  await endLeftover(pidFile, clock);
  const host = options.host ?? "127.0.0.1";
  const port = options.port === undefined || options.port === 0 ? await freePort(host) : options.port;
  const configFile = join(storeDirectory, "nats-server.conf");
  await writeFile(configFile, configuration(options, version, `${host}:${port}`, pidFile), { mode: 0o600 });
  await chmod(configFile, 0o600);
  const child = spawn(program, ["-c", configFile], { stdio: "ignore", detached: options.ownGroup ?? false });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const stop = () => stopChild(child, exited, clock);
  try {
    await waitUntilReady(child, `${host}:${port}`, options, clock);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `nats://${host}:${port}`, port, pid: child.pid ?? 0, exited, stop };
}

/** The first program that answers, and its version. Debian puts servers where an ordinary user's PATH does not look. */
async function findNatsServer(programs: readonly string[]): Promise<{ program: string; version: string }> {
  for (const program of programs) {
    try {
      const { stdout } = await promisify(execFile)(program, ["--version"], { timeout: READY_MS_MAX });
      return { program, version: /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? "0" };
    } catch {
      // not here; the next place may have it
    }
  }
  throw new CodedError("NATS_SERVER_MISSING", `${programs[0]} was not found`, {
    hint: "Install nats-server (`apt-get install nats-server` on Debian and Ubuntu, `brew install nats-server` on macOS), or name a running server in the nats block.",
  });
}

function configuration(options: NatsServerOptions, version: string, address: string, pidFile: string): string {
  const { storeDirectory, token } = options;
  const text = (value: string) => JSON.stringify(value);
  // Servers before 2.10 do not know the setting: they sync every two minutes, which the bus's promise allows.
  const sync = isVersionEnough(version, [2, 10, 0]) ? ", sync_interval: always" : "";
  return [
    `listen: ${text(address)}`,
    `max_payload: ${PAYLOAD_BYTES}`,
    `pid_file: ${text(pidFile)}`,
    `log_file: ${text(join(storeDirectory, "nats-server.log"))}`,
    "logfile_size_limit: 10485760",
    `authorization { token: ${text(token)} }`,
    `jetstream { store_dir: ${text(join(storeDirectory, "store"))}${sync} }`,
    ...(options.cluster === undefined ? [] : membership(options.cluster, options.host ?? "127.0.0.1", token)),
    "",
  ].join("\n");
}

/** Members want the same token of each other as clients do. */
function membership({ name, port, members }: NatsClusterMember, host: string, token: string): string[] {
  const text = (value: string) => JSON.stringify(value);
  const routes = members.map((member) => text(`nats-route://member:${encodeURIComponent(token)}@${member}`));
  return [
    `server_name: ${text(name)}`,
    `cluster { name: permafrost, listen: ${text(`${host}:${port}`)}, routes: [${routes.join(", ")}]`,
    `  authorization { user: member, password: ${text(token)}, timeout: 5 } }`,
  ];
}

/** A port that nobody listens on at the moment; the server reports a clash if someone is faster. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

async function waitUntilReady(child: ChildProcess, address: string, options: NatsServerOptions, clock: Clock): Promise<void> {
  const { token, storeDirectory: directory, cluster } = options;
  const deadline = clock.monotonic() + (cluster === undefined ? READY_MS_MAX : MEMBER_READY_MS_MAX);
  let failure: unknown;
  while (child.exitCode === null && child.signalCode === null && child.pid !== undefined && clock.monotonic() < deadline) {
    try {
      const bus = await connectBus({ servers: address, token, name: "readiness", clock });
      await bus.close();
      // Another process may own the port: then ours has ended or is about to.
      await clock.sleep(0);
      if (child.exitCode === null) return;
    } catch (error) {
      failure = error;
      await clock.sleep(POLL_MS);
    }
  }
  const log = await readFile(join(directory, "nats-server.log"), "utf8").catch(() => "");
  const lastLine = log.trimEnd().split("\n").at(-1) ?? "";
  throw new CodedError("NATS_SERVER_FAILED", `nats-server did not become ready on ${address}: ${lastLine}`, {
    facts: { address, directory },
    hint: `See nats-server.log in ${directory}; a port in use or a directory that cannot be written are usual causes.`,
    cause: failure,
  });
}

async function stopChild(child: ChildProcess, exited: Promise<void>, clock: Clock): Promise<void> {
  const isOver = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  if (isOver()) return;
  child.kill("SIGTERM");
  const timer = new AbortController();
  await Promise.race([exited, clock.sleep(STOP_MS_MAX, timer.signal).catch(() => undefined)]);
  timer.abort();
  if (!isOver()) child.kill("SIGKILL");
  await exited;
}

/** Ends a server that outlived its parent, if the pid file still names a nats-server. */
async function endLeftover(pidFile: string, clock: Clock): Promise<void> {
  const pid = Number(await readFile(pidFile, "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 1) return;
  const isServer = async () => (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim() === "nats-server";
  for (let waitedMs = 0; await isServer(); waitedMs += POLL_MS) {
    if (waitedMs % STOP_MS_MAX === 0) process.kill(pid, waitedMs === 0 ? "SIGTERM" : "SIGKILL");
    await clock.sleep(POLL_MS);
  }
  await rm(pidFile, { force: true });
}

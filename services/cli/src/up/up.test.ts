import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@permafrost/std";
import { afterAll, expect, test } from "vitest";
import { isServing } from "../connect.ts";
import { isAlive } from "./lock.ts";
import { freePort } from "./ports.ts";
import { startCluster } from "./up.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "permafrost-up-"));
const data = join(scratch, "data");
const ups: Up[] = [];

const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OS_|PERMAFROST_)/.test(name))),
  PERMAFROST_DATA: data,
  PERMAFROST_REPOSITORY: "test",
  PERMAFROST_PASSPHRASE_FILE: join(scratch, "passphrase"),
  PATH: `${process.env.PATH}:/usr/sbin`,
};

/** A running `permafrost up`. */
class Up {
  readonly process: ChildProcess;
  readonly ended: Promise<number>;
  said = "";

  constructor(...args: string[]) {
    this.process = spawn(process.execPath, [MAIN, "up", "-f", "json", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.process.once("exit", (code) => resolve(code ?? 1)));
    this.process.stderr?.on("data", (chunk) => {
      this.said += chunk;
    });
    ups.push(this);
  }

  /** What it prints once it is up. */
  async ready(): Promise<{ address: string; client_file: string }> {
    return new Promise((resolve, reject) => {
      this.process.stdout?.once("data", (chunk) => resolve(JSON.parse(String(chunk))));
      void this.ended.then((code) => reject(new Error(`up ended with ${code}: ${this.said}`)));
    });
  }

  async hears(text: string): Promise<void> {
    for (let turn = 0; turn < 600 && !this.said.includes(text); turn++) await systemClock.sleep(50);
    expect(this.said).toContain(text);
  }

  /** Process ids of its children, by the role in their arguments. */
  async children(): Promise<Map<string, number>> {
    const { stdout } = await run("ps", ["-ww", "-o", "pid=,args=", "--ppid", String(this.process.pid)]);
    const found = new Map<string, number>();
    for (const line of stdout.split("\n")) {
      const role = /(nats-server|storage-node|coordinator|worker)(?: |$)/.exec(line)?.[1];
      if (role !== undefined) found.set(role, Number.parseInt(line, 10));
    }
    return found;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    if (this.process.exitCode === null) this.process.kill(signal);
    return this.ended;
  }
}

afterAll(async () => {
  for (const up of ups) await up.stop();
  await rm(scratch, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, args: readonly string[], input?: Buffer): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env, timeout: 60_000, encoding: "latin1", maxBuffer: 64 * 1024 * 1024 } as const;
    const child = execFile(file, args, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}

const permafrost = (...args: string[]) => run(process.execPath, [MAIN, ...args]);
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("a cluster in one directory: up, backups and restores, a crash, down, and up again", { timeout: 180_000 }, async () => {
  writeFileSync(join(scratch, "passphrase"), "correct horse\n", { mode: 0o600 });
  const up = new Up("--workers", "1");
  const { address, client_file: clientFile } = await up.ready();
  expect(JSON.parse(readFileSync(clientFile, "utf8"))).toEqual({ address, tokenFile: join(data, "token") });
  expect([data, clientFile, join(data, "token"), join(data, "keyring")].map(mode)).toEqual(["700", "600", "600", "700"]);
  const children = await up.children();
  expect([...children.keys()].sort()).toEqual(["coordinator", "nats-server", "storage-node", "worker"]);

  // A second one on the same directory, and one on the port of the first.
  const second = await permafrost("up");
  expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("(ALREADY_RUNNING)")]);
  const clash = await permafrost("up", "--data", join(scratch, "other"), "--listen", address);
  expect([clash.code, clash.stderr]).toEqual([1, expect.stringContaining("(LISTEN_FAILED)")]);

  // Errors that have exit codes of their own.
  expect((await permafrost("repository", "init", "test", "-f", "json")).code).toBe(0);
  const missing = await permafrost("check", "--repository", "nowhere");
  expect([missing.code, missing.stderr]).toEqual([10, expect.stringContaining("nowhere")]);
  writeFileSync(join(scratch, "wrong"), "incorrect horse\n", { mode: 0o600 });
  expect((await permafrost("repository", "unlock", "test", "--passphrase-file", join(scratch, "wrong"))).code).toBe(12);

  // A stream, there and back.
  const bytes = Buffer.concat([
    Buffer.alloc(3_000_000, 0),
    Buffer.from(Array.from({ length: 500_000 }, (_, at) => (at * 7919) % 251)),
  ]);
  const backup = await run(process.execPath, [MAIN, "backup", "--input", "stream", "--name", "dump", "-f", "json"], bytes);
  expect([backup.code, backup.stderr]).toEqual([0, ""]);
  expect(JSON.parse(backup.stdout)).toMatchObject({ state: "succeeded", input: "stream", logical_size: bytes.length });
  const back = await permafrost("restore", "latest", "--name", "dump", "--to-stdout", "-q");
  expect([back.code, Buffer.from(back.stdout, "latin1").equals(bytes)]).toEqual([0, true]);

  // The worker dies; the cluster goes on.
  process.kill(children.get("worker") ?? 0, "SIGKILL");
  await up.hears("worker-1 is up again.");
  expect(up.said).toContain("worker-1 ended (SIGKILL)");

  // A tree, there and back.
  const tree = join(scratch, "tree");
  mkdirSync(join(tree, "sub"), { recursive: true });
  writeFileSync(join(tree, "sub", "datei-ü"), bytes.subarray(2_900_000));
  writeFileSync(join(tree, "sub.txt"), "beside");
  expect(await permafrost("backup", "--input", "fs", tree, "-q", "-f", "csv", "-c", "state")).toMatchObject({
    code: 0,
    stderr: "",
  });
  const target = join(scratch, "restored");
  expect((await permafrost("restore", "latest", "--to-path", target)).code).toBe(0);
  expect((readdirSync(target, { recursive: true }) as string[]).sort()).toEqual(["sub", "sub.txt", "sub/datei-ü"]);
  expect(readFileSync(join(target, "sub", "datei-ü")).equals(bytes.subarray(2_900_000))).toBe(true);
  expect((await permafrost("check", "--read-data")).code).toBe(0);

  // Down: children, lock and client file are gone. Up again: everything is there.
  const pids = [...(await up.children()).values()];
  expect(await up.stop("SIGINT")).toBe(0);
  expect([pids.filter(isAlive), existsSync(clientFile), existsSync(join(data, "up.lock"))]).toEqual([[], false, false]);
  const again = new Up();
  await again.ready();
  const sessions = JSON.parse((await permafrost("sessions", "--kind", "backup", "-f", "json")).stdout);
  expect(sessions.map((one: { input: string; state: string }) => [one.input, one.state])).toEqual([
    ["fs", "succeeded"],
    ["stream", "succeeded"],
  ]);

  // Killed without a word: the children notice, and the next start takes over what is left.
  const orphans = [...(await again.children()).entries()].filter(([role]) => role !== "nats-server").map(([, pid]) => pid);
  again.process.kill("SIGKILL");
  for (let turn = 0; turn < 400 && orphans.some(isAlive); turn++) await systemClock.sleep(50);
  expect(orphans.filter(isAlive)).toEqual([]);
  const third = new Up("-q");
  await third.ready();
  expect((await permafrost("restore", "latest", "--name", "dump", "--to-stdout", "-q")).stdout).toHaveLength(bytes.length);
  expect([await third.stop(), third.said]).toEqual([0, ""]);
});

test("a port in use by another program is an error that names it", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    const ended = await permafrost("up", "--data", join(scratch, "clash"), "--listen", `127.0.0.1:${port}`);
    expect([ended.code, ended.stderr]).toEqual([
      1,
      expect.stringContaining(`Cannot listen on 127.0.0.1:${port}: another process listens there`),
    ]);
    expect(existsSync(join(scratch, "clash", "up.lock"))).toBe(false);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("an internal port that another program took is given up for another one", { timeout: 60_000 }, async () => {
  // It hangs up on whoever calls, so that closing it waits for nobody.
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const taken = typeof address === "object" && address !== null ? address.port : 0;
  let picks = 0;
  const cluster = await startCluster({
    dataDirectory: join(scratch, "taken"),
    workers: 1,
    logLevel: "info",
    env,
    clock: systemClock,
    say: () => {},
    // Whoever took it says that all is well, as another cluster's role would.
    isHealthy: async (address) => address === `127.0.0.1:${taken}` || isServing(address),
    pickPort: async () => (picks++ === 0 ? taken : await freePort("127.0.0.1")),
  });
  try {
    expect(Object.keys(cluster.pids()).sort()).toEqual(["coordinator", "nats-server", "storage-node-1", "worker-1"]);
    expect(picks).toBe(4);
  } finally {
    await cluster.stop();
    await new Promise((resolve) => server.close(resolve));
  }
});

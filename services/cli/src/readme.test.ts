import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type NatsServer, startNatsServer } from "@permafrost/jobs";
import { systemClock } from "@permafrost/std";
import { afterAll, expect, test } from "vitest";
import { freePort } from "./up/ports.ts";

/** The cluster of several hosts that README.md describes, with its own configuration files, moved to this machine. */

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const README = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
const directory = mkdtempSync(join(tmpdir(), "permafrost-readme-"));
const children: { readonly process: ChildProcess; readonly ended: Promise<unknown> }[] = [];
let nats: NatsServer | undefined;

const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OS_|PERMAFROST_)/.test(name))),
  PATH: `${process.env.PATH}:/usr/sbin`,
};

afterAll(async () => {
  for (const child of children) child.process.kill("SIGTERM");
  await Promise.all(children.map((child) => child.ended));
  await nats?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The yaml block of README.md whose first line names that file. */
function example(file: string): string {
  const block = [...README.matchAll(/```yaml\n(.*?)```/gs)]
    .map((match) => match[1] ?? "")
    .find((text) => text.startsWith(`# ${file}`));
  expect(block).toBeDefined();
  return block ?? "";
}

function makeCertificates(): void {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test-ca");
  openssl("req", ...curve, "-keyout", "host.key", "-out", "host.csr", "-subj", "/CN=host");
  writeFileSync(join(directory, "extensions"), "subjectAltName=IP:127.0.0.1\n");
  openssl(
    "x509",
    "-req",
    "-in",
    "host.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-out",
    "host.crt",
    "-days",
    "2",
    "-extfile",
    "extensions",
  );
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}

function run(args: readonly string[], input?: Buffer): Promise<{ code: number; stdout: Buffer; stderr: string }> {
  return new Promise((resolve) => {
    const options = { env, timeout: 60_000, encoding: "buffer", maxBuffer: 64 * 1024 * 1024 } as const;
    const child = execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, stdout, stderr: stderr.toString() }),
    );
    child.stdin?.end(input);
  });
}

test("three storage nodes, a coordinator and a worker with mutual TLS; one node may be lost", { timeout: 150_000 }, async () => {
  makeCertificates();
  mkdirSync(join(directory, "keyring"), { mode: 0o700 });
  writeFileSync(join(directory, "token"), `${"0123456789abcdef".repeat(4)}\n`, { mode: 0o600 });
  writeFileSync(join(directory, "nats-token"), `${"fedcba9876543210".repeat(4)}\n`, { mode: 0o600 });
  writeFileSync(join(directory, "clouds.yaml"), "clouds: {}\n", { mode: 0o600 });
  nats = await startNatsServer({ storeDirectory: join(directory, "nats"), token: "fedcba9876543210".repeat(4) });

  const ports = new Map<string, number>();
  for (const host of ["10.0.0.10:7100", "10.0.0.11:7101", "10.0.0.12:7101", "10.0.0.13:7101", "10.0.0.21:7102"]) {
    ports.set(host, await freePort("127.0.0.1"));
  }
  const here = (text: string) =>
    text
      .replaceAll(/10\.0\.0\.\d+:71\d\d/g, (host) => `127.0.0.1:${ports.get(host)}`)
      .replace("nats://10.0.0.5:4222", nats?.url ?? "")
      .replaceAll("/etc/permafrost", directory);
  const start = (role: string, name: string, config: string) => {
    const file = join(directory, `${name}.yaml`);
    writeFileSync(file, config);
    const child = spawn(process.execPath, [MAIN, role, "--config", file], { env, stdio: "ignore" });
    children.push({ process: child, ended: new Promise((resolve) => child.once("exit", resolve)) });
    return child;
  };
  const node = example("storage-node.yaml");
  const nodes = [1, 2, 3].map((at) => {
    const own = node.replace("storage-1", `storage-${at}`).replace("10.0.0.11", `10.0.0.1${at}`);
    return start("storage-node", `storage-${at}`, here(own).replace("/var/lib/permafrost", join(directory, `data-${at}`)));
  });
  const tls = [
    "--tls-ca",
    join(directory, "ca.crt"),
    "--tls-cert",
    join(directory, "host.crt"),
    "--tls-key",
    join(directory, "host.key"),
  ];
  const client = ["--address", `127.0.0.1:${ports.get("10.0.0.10:7100")}`, "--token-file", join(directory, "token"), ...tls];
  const until = async (works: () => Promise<boolean>) => {
    for (let turn = 0; turn < 60 && !(await works()); turn++) await systemClock.sleep(250);
    expect(await works()).toBe(true);
  };
  // The nodes first: who asks a node for its id at the start needs it to be there.
  for (const host of ["10.0.0.11:7101", "10.0.0.12:7101", "10.0.0.13:7101"]) {
    await until(() => answers(ports.get(host) ?? 0));
  }
  start("coordinator", "coordinator", here(example("coordinator.yaml")));
  start("worker", "worker", here(example("worker.yaml")));
  await until(async () => (await run(["repository", "list", ...client])).code === 0);

  writeFileSync(join(directory, "passphrase"), "correct horse\n", { mode: 0o600 });
  const init = await run([
    "repository",
    "init",
    "production",
    "--passphrase-file",
    join(directory, "passphrase"),
    ...client,
    "--json",
  ]);
  expect([init.code, init.stderr]).toEqual([0, ""]);
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251));
  const backup = () =>
    run(["backup", "--repository", "production", "--input", "stream", "--name", "mysql", ...client, "-q"], bytes);
  // A worker is known a moment after it listens.
  await until(async () => (await backup()).code === 0);
  nodes[2]?.kill("SIGKILL");
  const restored = await run(["restore", "latest", "--repository", "production", "--name", "mysql", "--to-stdout", ...client]);
  expect([restored.code, restored.stdout.equals(bytes)]).toEqual([0, true]);

  // Without the certificates the CLI talks to nobody but this machine, and a role listens nowhere else.
  const stranger = await run(["sessions", "--address", "10.0.0.10:7100", "--token-file", join(directory, "token")]);
  expect([stranger.code, stranger.stderr]).toEqual([
    2,
    expect.stringContaining("needs mutual TLS; missing: --tls-ca, --tls-cert, --tls-key"),
  ]);
  const open = here(node)
    .replace(/127\.0\.0\.1:\d+/, "0.0.0.0:0")
    .replace(/^tls:.*\n/m, "");
  writeFileSync(join(directory, "open.yaml"), open.replace("/var/lib/permafrost", join(directory, "data-open")));
  const refused = await run(["storage-node", "--config", join(directory, "open.yaml")]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("LISTEN_NEEDS_TLS")]);
  expect(refused.stderr).toContain("tls.certFile");
});

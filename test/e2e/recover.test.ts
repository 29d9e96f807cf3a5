/**
 * The disaster: the bus is empty, the coordinator's keyring is gone, every index is deleted, one of three nodes with all its disk. What is left
 * are packs on two nodes and the recovery key on paper. `permafrost recover` brings back every restore point.
 */

import { spawn } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { backupStream, PASSPHRASE, readStream } from "../harness/session.ts";

const MAIN = fileURLToPath(new URL("../../services/cli/src/main.ts", import.meta.url));
const NODES = [1, 2, 3];
const MIB = 1024 * 1024;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: NODES.length, replicas: 2, writeQuorum: 2 });
}, 60_000);
afterAll(async () => await cluster?.close());

/** The program, with the cluster's address; its exit code and what it printed. */
async function permafrost(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const token = join(cluster.directory, "cli-token");
  await writeFile(token, `${cluster.token}\n`, { mode: 0o600 });
  const where = ["--address", cluster.addressOf("coordinator"), "--token-file", token];
  const child = spawn(process.execPath, [MAIN, ...args, ...where], { stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (data) => {
    text.stdout += data;
  });
  child.stderr.on("data", (data) => {
    text.stderr += data;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, ...text };
}

it("packs on two of three nodes and the recovery key are enough", async () => {
  const secret = { kind: { $case: "passphrase" as const, value: PASSPHRASE } };
  const { recoveryKey } = await cluster.control.repositories.initRepository({ name: "acme", secret });
  const keyFile = join(cluster.directory, "recovery-key");
  await writeFile(keyFile, `${recoveryKey}\n`);
  const bytes = new Map<string, Buffer>();
  for (const name of ["one", "two"]) {
    const data = Buffer.from(systemRandom.bytes(5 * MIB));
    const { id } = await backupStream(cluster, name, [data]);
    bytes.set(id, data);
  }

  for (const role of ["coordinator", "worker-1", ...NODES.map((n) => `node-${n}`)]) await cluster.kill(role);
  await cluster.wipeBus();
  await rm(join(cluster.directory, "keyring"), { recursive: true });
  for (const n of NODES) await rm(join(cluster.nodeDirectory(n), "index"), { recursive: true });
  await rm(cluster.nodeDirectory(2), { recursive: true });

  for (const n of NODES) await cluster.startRole(`node-${n}`);
  await cluster.startWithNodes("coordinator", "worker-1");

  await writeFile(join(cluster.directory, "other-key"), `${recoveryKey.replace(/^./, (c) => (c === "A" ? "B" : "A"))}\n`);
  const wrong = await permafrost("recover", "acme", "--recovery-key-file", join(cluster.directory, "other-key"));
  expect(wrong.code).not.toBe(0);
  expect(wrong.stderr).not.toMatch(/ at .*\.ts/);

  const { code, stdout, stderr } = await permafrost("recover", "acme", "--recovery-key-file", keyFile, "--read-data", "--json");
  expect([code, stderr.includes("Damaged")]).toEqual([0, false]);
  const rows = JSON.parse(stdout) as { id: string; whole: boolean }[];
  expect(rows.map(({ id, whole }) => [id, whole]).sort()).toEqual([...bytes.keys()].map((id) => [id, true]).sort());
  for (const [id, data] of bytes) expect((await readStream(cluster, id)).equals(data)).toBe(true);
  expect((await permafrost("recover", "acme", "--recovery-key-file", keyFile)).stdout).toMatch(
    /2 restore points in .*: 2 whole, 0 copies made again/,
  );
}, 120_000);

/**
 * The disaster: the bus is empty, the coordinator's keyring is gone, every index is deleted, one of three nodes with all its disk. What is left
 * are packs on two nodes and the recovery key on paper. `permafrost recover` brings back every restore point.
 */

import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { permafrost } from "../harness/command.ts";
import { backupStream, PASSPHRASE, readStream } from "../harness/session.ts";

const NODES = [1, 2, 3];
const MIB = 1024 * 1024;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: NODES.length, replicas: 2, writeQuorum: 2 });
}, 60_000);
afterAll(async () => await cluster?.close());

it("packs on two of three nodes and the recovery key are enough", async () => {
  const secret = { kind: { $case: "passphrase" as const, value: PASSPHRASE } };
  const { recoveryKey } = await cluster.control.repositories.initRepository({ name: "acme", secret });
  const keyFile = join(cluster.directory, "recovery-key");
  await writeFile(keyFile, `${recoveryKey}\n`);
  const other = await cluster.control.repositories.initRepository({ name: "other", secret });
  const bytes = new Map<string, Buffer>();
  for (const name of ["one", "two"]) {
    const data = Buffer.from(systemRandom.bytes(5 * MIB));
    const { id } = await backupStream(
      cluster,
      name,
      (async function* () {
        yield data;
      })(),
    );
    bytes.set(id, data);
  }

  for (const role of ["coordinator", "worker-1", ...NODES.map((n) => `node-${n}`)]) await cluster.kill(role);
  await cluster.wipeBus();
  await rm(join(cluster.directory, "keyring"), { recursive: true });
  for (const n of NODES) await rm(join(cluster.nodeDirectory(n), "index"), { recursive: true });
  await rm(cluster.nodeDirectory(2), { recursive: true });

  // Before any node is back, and with fewer nodes than copies are to be kept.
  await cluster.startRole("coordinator");
  const away = await permafrost(cluster, "recover", "--recovery-key-file", keyFile);
  expect([away.code, away.stderr]).toEqual([1, expect.stringContaining("NODES_UNAVAILABLE")]);
  await cluster.kill("coordinator");
  const configuration = cluster.configOf("coordinator");
  const before = readFileSync(configuration, "utf8");
  await cluster.reconfigure("coordinator", { nodes: [{ address: cluster.addressOf("node-1"), id: "0".repeat(32) }] });
  await expect(cluster.startRole("coordinator")).rejects.toThrow(/2 replicas with a quorum of 2 do not fit 1 nodes/);
  await writeFile(configuration, before);

  for (const n of NODES) await cluster.startRole(`node-${n}`);
  const nodes = NODES.map((n) => ({
    address: cluster.addressOf(`node-${n}`),
    id: (JSON.parse(readFileSync(join(cluster.nodeDirectory(n), "node.json"), "utf8")) as { nodeId: string }).nodeId,
  }));
  for (const role of ["coordinator", "worker-1"]) {
    await cluster.reconfigure(role, { nodes });
    await cluster.startRole(role);
  }

  const otherKeyFile = join(cluster.directory, "other-key");
  for (const [key, why] of [
    [other.recoveryKey, "WRONG_KEY"],
    [recoveryKey.replace(/^./, (c) => (c === "A" ? "B" : "A")), "RECOVERY_KEY_MALFORMED"],
  ] as const) {
    await writeFile(otherKeyFile, `${key}\n`);
    const wrong = await permafrost(cluster, "recover", "acme", "--recovery-key-file", otherKeyFile);
    expect([wrong.code, wrong.stderr.includes(why)]).toEqual([12, true]);
    expect(wrong.stderr).not.toMatch(/ at .*\.ts/);
  }

  const { code, stdout, stderr } = await permafrost(cluster, "recover", "--recovery-key-file", keyFile, "--read-data", "--json");
  expect([code, stderr.includes("Damaged")]).toEqual([0, false]);
  expect(stderr).toMatch(/2 restore points in .*: 2 whole, [1-9]\d* copies made again/);
  const rows = JSON.parse(stdout) as { id: string; whole: boolean }[];
  expect(rows.map(({ id, whole }) => [id, whole]).sort()).toEqual([...bytes.keys()].map((id) => [id, true]).sort());
  for (const [id, data] of bytes) expect((await readStream(cluster, id)).equals(data)).toBe(true);
  expect((await permafrost(cluster, "recover", "acme", "--recovery-key-file", keyFile)).stdout).toMatch(
    /2 restore points in .*: 2 whole, 0 copies made again/,
  );
}, 120_000);

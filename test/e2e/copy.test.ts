/**
 * A second site: two clusters with nothing in common. The far one's coordinator pulls the near one's restore points with a token that only reads; then
 * the near one is destroyed, and everything is restored from the far one alone.
 */

import { join } from "node:path";
import { saveSecret } from "@permafrost/repository";
import { systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { permafrost } from "../harness/command.ts";
import { backupStream, initRepository, PASSPHRASE, readStream } from "../harness/session.ts";

const MIB = 1024 * 1024;
let near: Cluster;
let far: Cluster;

beforeAll(async () => {
  near = await Cluster.start({ nodes: 2, replicas: 2, writeQuorum: 2 });
  far = await Cluster.start();
}, 120_000);
afterAll(async () => {
  await near?.close();
  await far?.close();
});

async function backup(name: string, data: Buffer): Promise<string> {
  async function* bytes() {
    yield data;
  }
  return (await backupStream(near, name, bytes())).id;
}

it("has what the first one had, restorable when that one is gone", async () => {
  await initRepository(near);
  await initRepository(far);
  const first = Buffer.from(systemRandom.bytes(6 * MIB));
  const second = Buffer.from(first);
  second.set(systemRandom.bytes(50_000), 3 * MIB);
  const ids = [await backup("disk", first), await backup("disk", second)];

  const keyring = join(far.directory, "paris");
  await saveSecret(keyring, "acme", { kind: "passphrase", value: PASSPHRASE });
  const paris = {
    nodes: [1, 2].map((n) => ({ address: near.addressOf(`node-${n}`) })),
    replication: { replicas: 2, writeQuorum: 2 },
    tokenFile: near.readTokenFile,
    keyring,
  };
  await far.reconfigure("coordinator", { sites: { paris } });
  await far.kill("coordinator");
  await far.startRole("coordinator");

  const copy = ["copy", "--from", "paris", "--repository", "acme", "--json"];
  const unknown = await permafrost(far, "copy", "--from", "rome", "--repository", "acme");
  expect([unknown.code, unknown.stderr.includes("SITE_UNKNOWN")]).toEqual([1, true]);
  const { code, stdout, stderr } = await permafrost(far, ...copy);
  expect([code, stderr]).toEqual([0, expect.stringContaining("2 restore points: 2 copied, 0 there already")]);
  const rows = JSON.parse(stdout) as { origin: string; copy: string; outcome: string; read_size: number }[];
  expect(rows.map(({ origin, outcome }) => [origin, outcome])).toEqual(ids.map((id) => [id, "copied"]));
  expect(rows[0]?.read_size).toBeGreaterThan(5 * MIB);
  expect(rows[1]?.read_size).toBeLessThan(2 * MIB);
  expect((await permafrost(far, ...copy)).stderr).toContain("0 copied, 2 there already; 0 B transferred");
  // The near site's nodes were asked for nothing that they refuse, and nothing was asked that writes.
  expect(far.log("coordinator")).not.toMatch(/READ_ONLY/);

  await near.close();
  for (const [at, data] of [first, second].entries()) expect((await readStream(far, rows[at]?.copy)).equals(data)).toBe(true);
  const { code: whole } = await permafrost(far, "check", "--repository", "acme", "--read-data");
  expect(whole).toBe(0);
  const away = await permafrost(far, ...copy);
  expect([away.code, away.stderr.includes("NODE_UNREACHABLE") || away.stderr.includes("NODES_UNAVAILABLE")]).toEqual([1, true]);
}, 180_000);

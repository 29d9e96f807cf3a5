/** Storage nodes that lose their disks, or are away: backups go on, and with a repair after each every restore point outlives all of them. */

import { rm } from "node:fs/promises";
import { systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { backupStream, ended, initRepository, readStream } from "../harness/session.ts";

const NODES = [1, 2, 3];
const MIB = 1024 * 1024;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({
    nodes: NODES.length,
    replicas: 2,
    writeQuorum: 2,
    storage: { packBytes: 8 * MIB, reserveBytes: MIB },
  });
  await initRepository(cluster);
}, 60_000);
afterAll(async () => await cluster?.close());

/** A new, empty node takes the place of this one, and the others learn of it, as an operator does it. */
async function replace(number: number): Promise<void> {
  for (const role of ["coordinator", "worker-1", `node-${number}`]) await cluster.kill(role);
  const before = cluster.nodes[number - 1]?.id;
  await rm(cluster.nodeDirectory(number), { recursive: true });
  await cluster.startRole(`node-${number}`);
  expect(cluster.nodes[number - 1]?.id).not.toBe(before);
  await cluster.startWithNodes("coordinator", "worker-1");
}

const repair = async () => {
  const { sessionId } = await cluster.control.sessions.startRepair({ repository: "acme" });
  return await ended(cluster, sessionId);
};

it("lose nothing", async () => {
  const bytes = new Map<string, Buffer>();
  for (const name of ["one", "two"]) {
    const data = Buffer.from(systemRandom.bytes(6 * MIB));
    const { id } = await backupStream(cluster, name, [data]);
    bytes.set(id, data);
  }
  for (const number of NODES) {
    await replace(number);
    // At once, before any repair: all restore points are known, and whole on the nodes that are left.
    const { sessions } = await cluster.control.sessions.listSessions({ repository: "acme", pageSize: 0, pageToken: "" });
    const known = sessions.map(({ id }) => id);
    for (const [id, data] of bytes) {
      expect(known).toContain(id);
      expect((await readStream(cluster, id)).equals(data)).toBe(true);
    }
    const session = await repair();
    expect(session).toMatchObject({ kind: "repair", state: "succeeded" });
    expect(Number(session.repair?.copies)).toBeGreaterThan(20);
    expect(session.repair).toMatchObject({ lostBlocks: 0n, shortBlocks: 0n });
    expect(Number((await repair()).repair?.copies)).toBe(0);
  }
  const { sessionId } = await cluster.control.sessions.startCheck({ repository: "acme", sessionIds: [], readData: true });
  expect(await ended(cluster, sessionId)).toMatchObject({ state: "succeeded" });
}, 180_000);

it("that are away for a while stop no backup, and have their part after a repair", async () => {
  await cluster.kill("node-2");
  const data = Buffer.from(systemRandom.bytes(6 * MIB));
  const { id } = await backupStream(cluster, "while one is away", [data]);
  expect((await readStream(cluster, id)).equals(data)).toBe(true);
  await cluster.startRole("node-2");
  const session = await repair();
  expect(session.state).toBe("succeeded");
  expect(Number(session.repair?.copies)).toBeGreaterThan(20);
  for (const role of ["node-1", "coordinator", "worker-1"]) await cluster.kill(role);
  for (const role of ["coordinator", "worker-1"]) await cluster.startRole(role);
  expect((await readStream(cluster, id)).equals(data)).toBe(true);
  const second = await backupStream(cluster, "while another is away", [data]);
  expect((await readStream(cluster, second.id)).equals(data)).toBe(true);
}, 120_000);

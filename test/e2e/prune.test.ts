/** A prune on a real cluster: disks get their bytes back, restore points lose none, also when it is killed in the middle. */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { CodedError, systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { backupStream, ended, initRepository, readStream } from "../harness/session.ts";

const NODES = 3;
const MIB = 1024 * 1024;
let cluster: Cluster;

beforeAll(async () => {
  // Small packs, so that there are many to clear.
  cluster = await Cluster.start({
    nodes: NODES,
    replicas: 2,
    writeQuorum: 2,
    storage: { packBytes: 8 * MIB, reserveBytes: MIB },
  });
  await initRepository(cluster);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
});

async function* chunks(bytes: Buffer, size = 100_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Bytes of packs on all nodes' disks. */
async function packBytes(): Promise<number> {
  let bytes = 0;
  for (let n = 1; n <= NODES; n++) {
    const folder = join(cluster.nodeDirectory(n), "packs");
    for (const file of await readdir(folder)) bytes += (await stat(join(folder, file)).catch(() => ({ size: 0 }))).size;
  }
  return bytes;
}

const prune = async (graceMs = 0n) =>
  (await cluster.control.sessions.startPrune({ repository: "acme", graceMs, unusedPercentMax: 100, dryRun: false })).sessionId;
const forget = (id: string) => cluster.control.sessions.forgetSession({ sessionIds: [id], dryRun: false, force: false });
const random = (mib: number) => Buffer.from(systemRandom.bytes(mib * MIB));

describe("a prune of a cluster", () => {
  const shared = random(12);
  const mine = Buffer.concat([shared, random(12)]);

  it("gives disks the bytes back that only a forgotten restore point had, and a check finds all others whole", async () => {
    const gone = await backupStream(cluster, "gone", chunks(Buffer.concat([shared, random(40)])));
    const kept = await backupStream(cluster, "kept", chunks(mine));
    const before = await packBytes();
    await forget(gone.id);
    const session = await ended(cluster, await prune());
    expect(session).toMatchObject({ kind: "prune", state: "succeeded", resources: NODES });
    // 40 MiB twice, less what stays in packs that are still being written to or are nearly all in use.
    expect(Number(session.prune?.freedBytes)).toBeGreaterThan(60 * MIB);
    const after = await packBytes();
    expect(before - after).toBeGreaterThan(60 * MIB);
    expect((await readStream(cluster, kept.id)).equals(mine)).toBe(true);
    const { sessionId } = await cluster.control.sessions.startCheck({ repository: "acme", sessionIds: [], readData: true });
    expect(await ended(cluster, sessionId)).toMatchObject({ state: "succeeded" });
    await expect(readStream(cluster, gone.id)).rejects.toThrow();
  }, 60_000);

  it("killed with everything else while it runs goes on, loses nothing, and leaves nothing", async () => {
    for (const victim of ["node-1", "coordinator", "node-2"]) {
      const gone = await backupStream(cluster, `gone with ${victim}`, chunks(random(30)));
      await forget(gone.id);
      const id = await prune();
      await new Promise((resolve) => setTimeout(resolve, 60));
      await cluster.kill(victim);
      await cluster.startRole(victim);
      const session = await ended(cluster, id);
      // A node that does not answer ends a prune; a coordinator that dies is followed by one that goes on.
      expect(["succeeded", "failed"]).toContain(session.state);
      if (session.state === "failed")
        expect(session.failure?.code).toMatch(/^(NODE|STORE|REMOTE|NODES|QUORUM)_|^DEADLINE|^CANCELLED/);
      expect((await readStream(cluster, "latest").catch(() => Buffer.alloc(0))).length).toBeGreaterThan(0);
    }
    const { prune: report } = await ended(cluster, await prune());
    expect(report?.condemnedBlocks).toBe(0n);
    const kept = (await cluster.control.sessions.listSessions({ repository: "acme", pageSize: 0, pageToken: "" })).sessions.find(
      ({ sourceName }) => sourceName === "kept",
    );
    expect((await readStream(cluster, kept?.id)).equals(mine)).toBe(true);
  }, 120_000);

  it("runs beside backups that need again what it is about to delete", async () => {
    const again = random(8);
    for (let n = 0; n < 4; n++) {
      const gone = await backupStream(cluster, "again", chunks(again));
      await forget(gone.id);
      await ended(cluster, await prune(3_600_000n));
      const [session] = await Promise.all([
        backupStream(cluster, "other", chunks(Buffer.concat([random(1), again]))),
        prune().then((id) => ended(cluster, id)),
      ]);
      expect((await readStream(cluster, session.id)).subarray(MIB).equals(again)).toBe(true);
      await forget(session.id);
    }
  }, 120_000);

  it("is refused while another one runs", async () => {
    const answers = await Promise.allSettled(Array.from({ length: 4 }, () => prune()));
    for (const answer of answers)
      if (answer.status === "rejected") expect(CodedError.from(answer.reason).code).toBe("PRUNE_RUNNING");
      else await ended(cluster, answer.value);
  }, 60_000);
});

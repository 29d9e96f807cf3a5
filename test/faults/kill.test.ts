/** Roles that die in the middle of a backup: the session goes on, nothing is lost, nothing is left in the cloud. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { backupStream, backupTenant, ended, initRepository, readStream, resources, restoreTenant } from "../harness/session.ts";
import { differences, noise, type SmallTenant, smallTenant, temporariesLeft } from "../harness/tenant.ts";

let tenant: SmallTenant;
let cluster: Cluster;

beforeEach(async () => {
  tenant = await smallTenant();
}, 60_000);

afterEach(async () => {
  await cluster?.close();
  await tenant?.cloud.close();
});

async function start(options: Parameters<typeof Cluster.start>[0]): Promise<void> {
  cluster = await Cluster.start({ ...options, cloudsYaml: tenant.cloudsYaml });
  await initRepository(cluster);
}

async function succeedsAndRestores(sessionId: string): Promise<void> {
  const session = await ended(cluster, sessionId, 150_000);
  const failed = (await resources(cluster, sessionId)).filter((r) => r.state !== "succeeded").map((r) => [r.name, r.failure]);
  expect(failed).toEqual([]);
  expect(session).toMatchObject({ state: "succeeded", warnings: [] });
  expect(temporariesLeft(tenant)).toEqual([]);
  for (const kind of ["snapshot", "volume", "image"]) expect(tenant.cloud.journal.foreignDeleted(kind)).toEqual([]);
  const restore = await ended(cluster, await restoreTenant(cluster, "target"), 150_000);
  expect(restore).toMatchObject({ state: "succeeded" });
  expect(differences(tenant)).toEqual([]);
}

// Death at every single call is proved without processes in every-call.test.ts; here it is a real process that dies.
describe("a worker killed", () => {
  it.each([
    ["as its temporary image was asked for", { service: "volume" as const, method: "POST", path: /\/action$/ }],
    ["while it removes a temporary object", { service: "volume" as const, method: "DELETE", path: /\/volumes\// }],
  ])(
    "%s: another takes the task over",
    async (_name, match) => {
      await start({ workers: 2, slots: 1 });
      let killed = "";
      tenant.cloud.faults.add({
        match,
        action: {
          hookAfter: async () => {
            // Whichever holds the task: the one whose log says so last.
            const holds = (name: string) =>
              cluster
                .log(name)
                .split("\n")
                .filter((l) => /Claimed|Done|Failed/.test(l))
                .at(-1)
                ?.includes("Claimed") === true;
            killed = holds("worker-1") ? "worker-1" : "worker-2";
            await cluster.kill(killed);
          },
        },
      });
      const sessionId = await backupTenant(cluster, "source");
      await succeedsAndRestores(sessionId);
      expect(killed).toMatch(/^worker-/);
    },
    240_000,
  );
});

describe("a coordinator killed", () => {
  it("mid-session is followed by its next start", async () => {
    await start({});
    const killed = Promise.withResolvers<void>();
    tenant.cloud.faults.add({
      match: { service: "image", method: "GET", path: /\/file$/ },
      action: { hookAfter: () => cluster.kill("coordinator").then(killed.resolve) },
    });
    const sessionId = await backupTenant(cluster, "source");
    await killed.promise;
    await cluster.startRole("coordinator");
    await succeedsAndRestores(sessionId);
  }, 240_000);
});

describe("with three nodes, two of which must acknowledge", () => {
  it("a node killed mid-session costs nothing, and a rotten replica is served from another", async () => {
    await start({ nodes: 3, replicas: 3, writeQuorum: 2 });
    tenant.cloud.faults.add({
      match: { service: "image", method: "GET", path: /\/file$/ },
      action: { hookAfter: () => cluster.kill("node-2") },
    });
    const sessionId = await backupTenant(cluster, "source");
    await succeedsAndRestores(sessionId);
    await cluster.startRole("node-2");
    await rot(cluster.nodeDirectory(1));
    const { sessionId: check } = await cluster.control.sessions.startCheck({
      repository: "acme",
      sessionIds: [],
      readData: true,
    });
    expect(await ended(cluster, check, 120_000)).toMatchObject({ state: "succeeded" });
  }, 300_000);
});

describe("with one node", () => {
  it("a flipped bit is found and named, and never restored as data", async () => {
    await start({});
    expect(await ended(cluster, await backupTenant(cluster, "source"))).toMatchObject({ state: "succeeded" });
    await rot(cluster.nodeDirectory(1));
    const { sessionId } = await cluster.control.sessions.startCheck({ repository: "acme", sessionIds: [], readData: true });
    const check = await ended(cluster, sessionId, 120_000);
    expect(check.state).toBe("failed");
    const damaged = (await resources(cluster, sessionId)).filter((r) => r.state === "failed");
    expect(damaged.length).toBeGreaterThan(0);
    for (const r of damaged) expect(r.failure?.code).toMatch(/BLOCK_CORRUPT|BLOCK_MISSING/);
  }, 240_000);

  it("that is full: a clear error, and the last restore point stays", async () => {
    await start({});
    async function* bytes(): AsyncIterable<Uint8Array> {
      yield noise("before", 500_000);
    }
    expect(await backupStream(cluster, "dump", bytes())).toMatchObject({ state: "succeeded" });
    await cluster.kill("node-1");
    await cluster.reconfigure("node-1", { storage: { reserveBytes: 2 ** 50 } });
    await cluster.startRole("node-1");
    const refused = await backupTenant(cluster, "source").then(
      async (id) => (await ended(cluster, id)).failure,
      (error: unknown) => CodedError.from(error),
    );
    expect(refused?.code).toMatch(/^(STORE_FULL|QUORUM_LOST)$/);
    expect(refused?.message).not.toMatch(/ at .*\.ts/);
    expect((await readStream(cluster)).equals(noise("before", 500_000))).toBe(true);
  }, 120_000);
});

/** Flips one bit in the middle of every pack's larger records. */
async function rot(directory: string): Promise<void> {
  const packs = join(directory, "packs");
  let flipped = 0;
  for (const name of await readdir(packs)) {
    if (!name.endsWith(".pack")) continue;
    const bytes = await readFile(join(packs, name));
    for (let at = 64; at + 128 < bytes.length && bytes.toString("latin1", at, at + 4) === "PFR1"; ) {
      const length = bytes.readUInt32LE(at + 8);
      if (length > 30_000) {
        const middle = at + 128 + Math.floor(length / 2);
        bytes[middle] = (bytes[middle] ?? 0) ^ 1;
        flipped++;
      }
      at += 128 + Math.ceil(length / 8) * 8;
    }
    await writeFile(join(packs, name), bytes);
  }
  expect(flipped).toBeGreaterThan(0);
}

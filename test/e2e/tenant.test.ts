/** The main job on a real cluster and the fake cloud: back up, again, restore into another project, every byte compared. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { backupTenant, ended, initRepository, resources, restoreTenant } from "../harness/session.ts";
import { differences, type SmallTenant, smallTenant, temporariesLeft } from "../harness/tenant.ts";

let tenant: SmallTenant;
let cluster: Cluster;

beforeAll(async () => {
  tenant = await smallTenant();
  cluster = await Cluster.start({ cloudsYaml: tenant.cloudsYaml });
  await initRepository(cluster);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  await tenant?.cloud.close();
});

describe("a tenant", () => {
  it("is backed up whole, with its consistency window, and leaves nothing behind", async () => {
    const session = await ended(cluster, await backupTenant(cluster, "source"));
    expect(session.failure).toBeUndefined();
    expect(session).toMatchObject({ state: "succeeded", resources: 7, succeeded: 7, warnings: [] });
    const types = (await resources(cluster, session.id)).map((r) => [r.type, r.name, r.consistency, r.sourceHash]);
    expect(types).toEqual([
      ["cinder.volume", "boot", "crash", "none"],
      ["cinder.volume", "full", "crash", "none"],
      ["cinder.volume", "sparse", "crash", "none"],
      ["glance.image", "raw image", "immutable", "verified"],
      ["glance.image", "second", "immutable", "verified"],
      ["swift.container", "files", "fuzzy", "verified"],
      ["swift.container", "segments", "fuzzy", "verified"],
    ]);
    expect(temporariesLeft(tenant)).toEqual([]);
    expect(tenant.cloud.journal.foreignDeleted("volume")).toEqual([]);
    expect(tenant.cloud.journal.foreignDeleted("image")).toEqual([]);
  }, 60_000);

  it("is backed up again without downloading what did not change", async () => {
    await tenant.change();
    const mark = tenant.cloud.journal.mark();
    const session = await ended(cluster, await backupTenant(cluster, "source"));
    expect(session).toMatchObject({ state: "succeeded", resources: 8 });
    const all = await resources(cluster, session.id);
    const of = (name: string) => all.find((r) => r.name === name);
    expect(of("raw image")).toMatchObject({ sourceHash: "skipped", stats: { readBytes: 0n, newBlocks: 0n } });
    expect(of("segments")).toMatchObject({ sourceHash: "skipped", stats: { readBytes: 0n } });
    expect(of("sparse")?.stats?.newBlocks).toBe(0n);
    // One changed block and the pages above it.
    expect(of("full")?.stats?.newBlocks).toBe(1n);
    expect(tenant.cloud.journal.find({ service: "object", method: "GET", path: /\/files\/.+/ }, mark)).toHaveLength(1);
    expect(temporariesLeft(tenant)).toEqual([]);
  }, 60_000);

  it("is planned without touching the target", async () => {
    const mark = tenant.cloud.journal.mark();
    const session = await ended(cluster, await restoreTenant(cluster, "target", { dryRun: true }));
    expect(session).toMatchObject({ state: "succeeded", dryRun: true });
    expect((await resources(cluster, session.id)).map((r) => r.action)).toEqual(Array(8).fill("create"));
    for (const kind of ["image", "volume", "snapshot", "container", "object"])
      expect(tenant.cloud.journal.created(kind, mark)).toEqual([]);
  }, 60_000);

  it("is restored into another project, every byte and field", async () => {
    const session = await ended(cluster, await restoreTenant(cluster, "target"));
    const all = await resources(cluster, session.id);
    expect(all.filter((r) => r.state !== "succeeded").map((r) => [r.name, r.failure])).toEqual([]);
    expect(session).toMatchObject({ state: "succeeded", resources: 8, succeeded: 8 });
    expect(all.map((r) => r.verified)).toEqual(Array(8).fill("data"));
    expect(differences(tenant)).toEqual([]);
    expect(temporariesLeft(tenant)).toEqual([]);
  }, 120_000);

  it("is checked, and a second restore meets what is there", async () => {
    const { sessionId } = await cluster.control.sessions.startCheck({ repository: "acme", sessionIds: [], readData: true });
    expect(await ended(cluster, sessionId)).toMatchObject({ state: "succeeded" });
    const again = await ended(cluster, await restoreTenant(cluster, "target", { onConflict: "skip" }));
    expect(again).toMatchObject({ state: "succeeded", skipped: 8 });
    const refused = await ended(cluster, await restoreTenant(cluster, "target", { onConflict: "fail", dryRun: true }));
    expect(refused).toMatchObject({ state: "partial", failed: 8 });
  }, 60_000);
});

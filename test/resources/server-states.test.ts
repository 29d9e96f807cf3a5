/** Servers that are not simply running, and targets that lack something. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { noise } from "../harness/tenant.ts";
import { mismatches, restoreAll, type ServerTenant, seedServers } from "./server-tenant.ts";
import { named, TwoProjects } from "./two-projects.ts";

const INCLUDE = ["nova.flavor", "nova.keypair", "nova.server-group", "cinder.volume", "nova.server"];
// Each is a whole backup and restore: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let two: TwoProjects;
let tenant: ServerTenant;

beforeEach(async () => {
  two = await TwoProjects.start();
  tenant = await seedServers(two);
});
afterEach(async () => await two.close());

const source = (id: string) => {
  const server = two.fake.read.server(id);
  if (server === undefined) throw new Error(`no server ${id}`);
  return server;
};
const target = (name: string) => two.fake.read.servers(two.targetId).find((s) => s.name === name);
const warningsOf = (backup: Awaited<ReturnType<TwoProjects["backup"]>>, name: string) =>
  (backup.found.find((r) => r.name === name)?.warnings ?? []).join("; ");

describe("a server that is", () => {
  it("stopped is restored stopped", async () => {
    for (const id of [tenant.imageServer, tenant.volumeServer]) Object.assign(source(id), { vmState: "stopped", powerState: 4 });
    const restoration = await restoreAll(two, await two.backup(INCLUDE));
    expect(await mismatches(two, restoration)).toEqual([]);
    expect([target("pictured")?.vmState, target("voluminous")?.vmState]).toEqual(["stopped", "stopped"]);
  });

  it("paused or suspended is restored stopped, without its memory, and the backup says so", async () => {
    Object.assign(source(tenant.imageServer), { vmState: "paused", powerState: 3 });
    Object.assign(source(tenant.volumeServer), { vmState: "suspended", powerState: 4 });
    const backup = await two.backup(INCLUDE);
    expect(warningsOf(backup, "pictured")).toContain("its memory is not backed up");
    expect(warningsOf(backup, "voluminous")).toContain("its memory is not backed up");
    const restoration = await restoreAll(two, backup);
    expect(await mismatches(two, restoration)).toEqual([]);
    expect([target("pictured")?.vmState, target("voluminous")?.vmState]).toEqual(["stopped", "stopped"]);
  });

  it("shelved has its root disk in the image that shelving made, which stays", async () => {
    const disk = noise("shelved", 50_000);
    Object.assign(source(tenant.imageServer), { vmState: "shelved_offloaded", powerState: 4, host: null });
    const image = await two.fake.seed.image({
      project: two.sourceId,
      name: "pictured-shelved",
      bytes: disk,
      properties: { instance_uuid: tenant.imageServer, image_type: "snapshot" },
    });
    const backup = await two.backup(INCLUDE);
    expect(named(backup, "pictured")).toMatchObject({ state: "succeeded", consistency: "immutable" });
    expect(two.fake.read.image(image.id)?.status).toBe("active");
    await restoreAll(two, backup);
    expect(target("pictured")?.vmState).toBe("stopped");
    expect(
      Buffer.from(target("pictured")?.disk?.read() ?? [])
        .subarray(0, disk.length)
        .equals(disk),
    ).toBe(true);
  });

  it.each(["error", "building", "rescued"])("%s has its metadata backed up, and begins as its image", async (vmState) => {
    Object.assign(source(tenant.imageServer), { vmState });
    const backup = await two.backup(INCLUDE);
    expect(warningsOf(backup, "pictured")).toContain("only its metadata is backed up");
    expect(named(backup, "pictured").streams).toEqual({});
    const restoration = await restoreAll(two, backup);
    const planned = restoration.planned.find((r) => r.name === "pictured");
    expect([planned?.action, planned?.warnings.join()]).toEqual(["create", expect.stringContaining("begins as the image")]);
    expect(target("pictured")?.metadata).toEqual({ tier: "gold", owner: "ann" });
  });

  it("busy at the moment is waited for", async () => {
    source(tenant.imageServer).taskState = "image_uploading";
    let asked = 0;
    two.fake.faults.add({
      match: { service: "compute", method: "POST", path: /\/action$/ },
      times: Number.POSITIVE_INFINITY,
      action: {
        hook: () => {
          if (++asked === 2) source(tenant.imageServer).taskState = null;
        },
      },
    });
    const backup = await two.backup(INCLUDE);
    expect(named(backup, "pictured").state).toBe("succeeded");
  });
});

describe("a target", () => {
  const planOf = (r: Awaited<ReturnType<typeof restoreAll>>, name: string) => r.planned.find((p) => p.name === name);

  it("without such a flavor: a conflict that says how to map it, and the map", async () => {
    const own = two.fake.seed.flavor({ name: "own.large", ram: 300, vcpus: 3, disk: 2 });
    source(tenant.imageServer).flavor = own;
    const backup = await two.backup(INCLUDE);
    two.fake.compute.flavors.delete(own.id);
    const restoration = await restoreAll(two, backup);
    expect(planOf(restoration, "own.large")).toMatchObject({
      action: "conflict",
      actionReason: expect.stringContaining("--map nova.flavor:own.large=NEW"),
    });
    expect(planOf(restoration, "pictured")?.action).toBe("conflict");
    expect(target("pictured")).toBeUndefined();
    const mapped = { maps: { "nova.flavor": { "own.large": "lab.small" } }, onConflict: "reuse" as const };
    const again = await restoreAll(two, backup, mapped);
    expect(await mismatches(two, again, mapped)).toEqual([]);
    expect(target("pictured")?.flavor.name).toBe("lab.small");
  });

  it("whose flavor has another name but the same specs: that one", async () => {
    const own = two.fake.seed.flavor({ name: "own.large", ram: 300, vcpus: 3, disk: 2 });
    source(tenant.imageServer).flavor = own;
    const backup = await two.backup(INCLUDE);
    two.fake.compute.flavors.delete(own.id);
    two.fake.seed.flavor({ name: "their.large", ram: 300, vcpus: 3, disk: 2 });
    const restoration = await restoreAll(two, backup);
    expect(planOf(restoration, "own.large")).toMatchObject({
      action: "reuse",
      actionReason: expect.stringContaining("same specs"),
    });
    expect(target("pictured")?.flavor.name).toBe("their.large");
  });

  it("whose user has another key under that name: a conflict, and the server comes without", async () => {
    two.fake.seed.keyPair({
      userId: two.cloud("target").userId,
      name: "ann",
      publicKey: `ssh-ed25519 ${Buffer.from("the key of somebody else").toString("base64")} other`,
    });
    const restoration = await restoreAll(two, await two.backup(INCLUDE));
    expect(planOf(restoration, "ann")).toMatchObject({
      action: "conflict",
      actionReason: expect.stringContaining("another key"),
    });
    expect(planOf(restoration, "pictured")?.warnings.join()).toContain("no keypair ann");
    expect(target("pictured")?.keyName).toBeNull();
  });

  it("without the zone that was asked for: a conflict, and the map", async () => {
    two.fake.compute.zones.push("west");
    Object.assign(source(tenant.imageServer), { pinnedZone: "west", zone: "west" });
    const backup = await two.backup(INCLUDE);
    two.fake.compute.zones.pop();
    expect(planOf(await restoreAll(two, backup), "pictured")?.actionReason).toContain("no availability zone west");
    await restoreAll(two, backup, { maps: { zone: { west: "nova" } }, onConflict: "reuse" });
    expect(target("pictured")?.pinnedZone).toBe("nova");
  });

  it("where a server cannot be started: what Nova says of it, and nothing left but what was made", async () => {
    const backup = await two.backup(INCLUDE);
    two.fake.faults.add({ match: { service: "compute", method: "POST", path: /\/servers$/ }, action: { fail: true } });
    await expect(restoreAll(two, backup)).rejects.toMatchObject({
      code: "RESOURCE_STATE",
      message: expect.stringContaining("No valid host was found"),
    });
  });
});

it("restores only the server when its volumes are left out, and says what is missing", async () => {
  const backup = await two.backup(["nova.flavor", "nova.server"]);
  const restoration = await restoreAll(two, backup);
  expect(restoration.planned.find((r) => r.name === "voluminous")).toMatchObject({ action: "conflict" });
  const pictured = restoration.planned.find((r) => r.name === "pictured");
  expect(pictured?.warnings.join()).toContain("volume extra (/dev/vdb) is neither restored nor in the target: it is left out");
  expect(pictured?.warnings.join()).toContain("no server group apart");
  expect(target("pictured")?.devices).toHaveLength(1);
});

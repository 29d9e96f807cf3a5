/** Servers with all that belongs to them, from one project into another: every field, the bytes of every disk, and back again. */

import type { FreezeResult, ResourceResult } from "@permafrost/model";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { noise } from "../harness/tenant.ts";
import {
  DATA_VOLUME,
  DISK,
  EXTRA_VOLUME,
  mismatches,
  ROOT_VOLUME,
  restoreAll,
  type ServerTenant,
  seedServers,
  undoAll,
} from "./server-tenant.ts";
import { named, TwoProjects } from "./two-projects.ts";

// Each is a whole backup and restore: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let two: TwoProjects;
let tenant: ServerTenant;

beforeEach(async () => {
  two = await TwoProjects.start();
  tenant = await seedServers(two);
});
afterEach(async () => await two.close());

const INCLUDE = ["nova.flavor", "nova.keypair", "nova.server-group", "cinder.volume", "nova.server"];
const target = (name: string) => two.fake.read.servers(two.targetId).find((s) => s.name === name);

function nothingLeft(projectId: string): void {
  const { read } = two.fake;
  expect(read.images(projectId).map((i) => i.name)).toEqual([]);
  expect(read.snapshots(projectId).map((s) => s.name)).toEqual([]);
  expect(read.volumes(projectId).filter((v) => v.name?.startsWith("permafrost-tmp"))).toEqual([]);
}

describe("two servers, both ways", () => {
  it("restores every field and every byte, and takes it back", async () => {
    const mark = two.fake.journal.mark();
    Object.assign(two.fake.read.server(tenant.imageServer)?.imageProperties ?? {}, { os_version: "13" });
    const backup = await two.backup(INCLUDE);
    nothingLeft(two.sourceId);
    expect(two.fake.journal.leaked("snapshot", mark)).toEqual([]);
    const restoration = await restoreAll(two, backup);
    expect(restoration.planned.filter((r) => r.action === "conflict")).toEqual([]);
    // A newer Nova does not show what it does not know of an image.
    delete target("pictured")?.imageProperties.os_version;
    expect(await mismatches(two, restoration)).toEqual([]);

    const { read } = two.fake;
    const [was, is] = [read.server(tenant.imageServer), target("pictured")];
    for (const field of ["name", "description", "metadata", "tags", "hostname", "keyName", "configDrive", "pinnedZone"] as const)
      expect([field, is?.[field]]).toEqual([field, was?.[field]]);
    for (const field of ["vmState", "lockedReason", "diskConfig", "accessIPv4", "accessIPv6"] as const)
      expect([field, is?.[field]]).toEqual([field, was?.[field]]);
    expect(is?.lockedBy).toBe("owner");
    expect(is?.flavor.name).toBe("lab.nano");
    expect(is?.imageProperties).toMatchObject({ hw_vif_model: "e1000", os_distro: "debian" });
    // A member cannot read user_data, and is told so.
    expect(is?.userData).toBeNull();
    expect(backup.found.find((r) => r.name === "pictured")?.warnings.join()).toContain("user_data");
    expect(two.fake.compute.groupOf(is?.id ?? "")).toMatchObject({
      name: "apart",
      policy: "anti-affinity",
      rules: { max_server_per_host: 3 },
      projectId: two.targetId,
    });
    expect(Buffer.compare(is?.disk?.read() ?? DISK, was?.disk?.read() ?? DISK)).toBe(0);
    const devices = (of: typeof is) =>
      of?.devices.map((d) => [
        read.volume(d.volumeId ?? "")?.name,
        d.deviceName,
        d.tag,
        d.deleteOnTermination,
        d.bootIndex === 0 ? 0 : -1,
      ]);
    expect(devices(is)).toEqual(devices(was));
    expect(devices(target("voluminous"))).toEqual(devices(read.server(tenant.volumeServer)));

    const bytes = Object.fromEntries(two.fake.read.volumes(two.targetId).map((v) => [v.name, Buffer.from(v.bytes.read())]));
    expect(bytes.root?.equals(ROOT_VOLUME)).toBe(true);
    expect(bytes.data?.equals(DATA_VOLUME)).toBe(true);
    expect(bytes.extra?.equals(EXTRA_VOLUME)).toBe(true);
    nothingLeft(two.targetId);

    await undoAll(two, restoration);
    expect(two.fake.read.servers(two.targetId)).toEqual([]);
    expect(two.fake.read.volumes(two.targetId)).toEqual([]);
    expect([...two.fake.compute.groups.values()].filter((g) => g.projectId === two.targetId)).toEqual([]);
    expect(two.fake.compute.keyPairs.has(`${two.cloud("target").userId}/ann`)).toBe(false);
    expect(two.fake.read.servers(two.sourceId)).toHaveLength(2);
  });

  it("freezes the volumes of a volume-backed server by one image of it", async () => {
    const mark = two.fake.journal.mark();
    const backup = await two.backup(INCLUDE);
    const requests = two.fake.journal.entries(mark).filter((e) => e.method === "POST");
    const images = requests.filter((e) => e.service === "compute" && e.path.endsWith("/action"));
    // One image each; Cinder is asked for the one volume only that no image freezes.
    expect(images).toHaveLength(2);
    expect(requests.filter((e) => e.path.endsWith("/snapshots"))).toHaveLength(1);
    for (const name of ["root", "data", "extra"])
      expect(named(backup, name)).toMatchObject({ state: "succeeded", consistency: "crash" });
    expect(await two.document(named(backup, "voluminous"))).toMatchObject({
      devices: [
        { volumeId: tenant.root, bootIndex: 0 },
        { volumeId: tenant.data, bootIndex: -1 },
      ],
    });
  });

  it("says quiesced only where Nova must", async () => {
    const server = two.fake.read.server(tenant.volumeServer);
    Object.assign(server?.imageProperties ?? {}, { hw_qemu_guest_agent: "yes", os_require_quiesce: "yes" });
    const backup = await two.backup(INCLUDE);
    expect(["voluminous", "root", "data", "extra", "pictured"].map((n) => named(backup, n).consistency)).toEqual([
      ...["quiesced", "quiesced", "quiesced"],
      ...["crash", "crash"],
    ]);
  });

  it("downloads no root disk that the image's hash proves unchanged, and only changed blocks of one that is not", async () => {
    const first = await two.backup(INCLUDE);
    const second = await two.backup(INCLUDE, first);
    expect(named(second, "pictured")).toMatchObject({ sourceHash: "skipped", streams: named(first, "pictured").streams });
    two.fake.seed.writeServerDisk(tenant.imageServer, 0, noise("again", 512));
    const third = await two.backup(INCLUDE, second);
    expect(named(third, "pictured").sourceHash).toBe("verified");
    expect(named(third, "pictured").streams.data).not.toEqual(named(first, "pictured").streams.data);
  });

  it("leaves servers stopped when told so, and keeps the user's own volumes on undo", async () => {
    const backup = await two.backup(INCLUDE);
    const restoration = await restoreAll(two, backup, { powerOn: "never" });
    expect(await mismatches(two, restoration, { powerOn: "never" })).toEqual([]);
    expect(two.fake.read.servers(two.targetId).map((s) => s.vmState)).toEqual(["stopped", "stopped"]);
    // Of the servers alone: volumes that go with their server stay until they are taken back themselves.
    for (const name of ["pictured", "voluminous"]) await two.undo(named2(restoration.made, name), restoration.sessionId);
    expect(
      two.fake.read
        .volumes(two.targetId)
        .map((v) => [v.name, v.status])
        .sort(),
    ).toEqual([
      ["data", "available"],
      ["extra", "available"],
      ["root", "available"],
    ]);
  });
});

function named2(made: ReadonlyMap<string, ResourceResult>, name: string): ResourceResult {
  const found = made.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

describe("a freeze that Nova refuses", () => {
  it("fails the server clearly when the quota of volume snapshots is used up", async () => {
    two.fake.seed.quota("source", { snapshots: 1 });
    const sessionId = two.session();
    const source = { cloud: "source" };
    const selection = { include: ["cinder.volume", "nova.server"], exclude: [] };
    const { resources } = await two.run<{ resources: { id: string; freezes: boolean }[] }>(sessionId, {
      kind: "discover",
      source,
      selection,
    });
    const { frozen } = await two.run<FreezeResult>(sessionId, {
      kind: "freeze",
      source,
      resources: resources.filter((r) => r.freezes),
    });
    expect(frozen.find((f) => f.id === tenant.volumeServer)?.failure).toMatchObject({
      code: "QUOTA_EXCEEDED",
      message: expect.stringContaining("snapshots"),
    });
    expect(frozen.find((f) => f.id === tenant.imageServer)?.failure).toBeUndefined();
    await two.run(sessionId, { kind: "sweep", source });
    nothingLeft(two.sourceId);
  });
});

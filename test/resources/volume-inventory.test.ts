/** Volume snapshots, volume backups and pending transfers: captured whole, named by the plan with a reason, and never made. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applied, planned, restorePoint } from "./both-ways.ts";
import { TwoProjects } from "./two-projects.ts";

const INCLUDE = ["cinder.volume-snapshot", "cinder.group-snapshot", "cinder.volume-backup", "cinder.volume-transfer"];
const CREATED_MS = Date.UTC(2026, 3, 1);
const [TAKEN_ID, GROUP_ID] = ["7a5b6c1e-0000-4000-8000-00000000000d", "7a5b6c1e-0000-4000-8000-00000000000e"];
const [BACKUP_ID, TRANSFER_ID] = ["7a5b6c1e-0000-4000-8000-00000000000a", "7a5b6c1e-0000-4000-8000-00000000000b"];
let projects: TwoProjects;
let volumeId: string;
let snapshotId: string;

beforeAll(async () => {
  projects = await TwoProjects.start();
  const { seed, volumes } = projects.fake;
  volumeId = seed.volume({ project: projects.sourceId, name: "db", size: 2 }).id;
  snapshotId = seed.snapshot(volumeId, { name: "before-upgrade", description: "keep", metadata: { ticket: "42" } }).id;
  seed.snapshot(volumeId, { name: "permafrost-tmp-s0-0123456789abcdef" });
  seed.snapshot(volumeId, { name: "snapshot for permafrost-tmp-s0-0123456789abcdef" });
  const type = { id: "7a5b6c1e-0000-4000-8000-00000000000f", name: "g", description: null, isPublic: true, groupSpecs: {} };
  volumes.groups.set(GROUP_ID, {
    ...{ id: GROUP_ID, projectId: projects.sourceId, name: "all", description: null, status: "available", zone: "nova" },
    ...{ type, volumeTypes: [volumes.defaultType], createdMs: CREATED_MS },
  });
  volumes.groupSnapshots.push({
    ...{ id: TAKEN_ID, projectId: projects.sourceId, groupId: GROUP_ID, groupTypeId: type.id, name: "nightly" },
    ...{ description: "of all", createdMs: CREATED_MS },
  });
  volumes.backups.push({
    ...{ id: BACKUP_ID, projectId: projects.sourceId, volumeId, snapshotId: null, name: "weekly", description: "by cron" },
    ...{ sizeGib: 2, container: "volumebackups", isIncremental: true, metadata: { keep: "4w" }, createdMs: CREATED_MS },
  });
  volumes.transfers.push({
    ...{
      id: TRANSFER_ID,
      volumeId,
      sourceProjectId: projects.sourceId,
      name: "to-ops",
      noSnapshots: true,
      createdMs: CREATED_MS,
    },
  });
});
afterAll(async () => await projects?.close());

describe("the inventory of volumes", () => {
  it("has everything that Cinder says of them, and nothing of ours", async () => {
    const points = await restorePoint(projects, INCLUDE);
    expect(points.map((p) => [p.type, p.id, p.name, p.warnings])).toEqual([
      ["cinder.volume-snapshot", snapshotId, "before-upgrade", ["Only the metadata of a volume snapshot is backed up"]],
      ["cinder.group-snapshot", TAKEN_ID, "nightly", ["Only the metadata of a group snapshot is backed up"]],
      ["cinder.volume-backup", BACKUP_ID, "weekly", ["Only the metadata of a volume backup is backed up"]],
      ["cinder.volume-transfer", TRANSFER_ID, "to-ops", []],
    ]);
    const [snapshot, taken, backup, transfer] = await Promise.all(points.map((point) => projects.document(point)));
    expect(snapshot).toMatchObject({
      ...{ version: 1, parentName: "db" },
      object: {
        ...{ id: snapshotId, name: "before-upgrade", description: "keep", metadata: { ticket: "42" }, size: 2 },
        ...{ volume_id: volumeId, status: "available", "os-extended-snapshot-attributes:project_id": projects.sourceId },
      },
    });
    expect(taken).toMatchObject({
      ...{ version: 1, parentName: "all" },
      object: { id: TAKEN_ID, name: "nightly", description: "of all", group_id: GROUP_ID, status: "available" },
    });
    expect(backup).toMatchObject({
      ...{ version: 1, parentName: "db" },
      object: {
        ...{ id: BACKUP_ID, name: "weekly", description: "by cron", metadata: { keep: "4w" }, size: 2, volume_id: volumeId },
        ...{ container: "volumebackups", is_incremental: true, snapshot_id: null, created_at: "2026-04-01T00:00:00.000000" },
      },
    });
    expect(transfer).toMatchObject({
      ...{ version: 1, parentName: "db" },
      object: {
        ...{ id: TRANSFER_ID, name: "to-ops", volume_id: volumeId, no_snapshots: true, accepted: false },
        ...{ source_project_id: projects.sourceId, destination_project_id: null },
      },
    });
  });

  it("is named by a plan with the reason, and a restore makes nothing of it", async () => {
    const plan = await planned(projects, await restorePoint(projects, INCLUDE));
    expect(plan.resources.map((r) => [r.name, r.action, r.actionReason, r.targetId])).toEqual([
      ["before-upgrade", "skip", expect.stringMatching(/^not restored: a volume snapshot of db: Cinder takes one of/), undefined],
      ["nightly", "skip", expect.stringMatching(/^not restored: a group snapshot of all: Cinder takes one of/), undefined],
      [
        "weekly",
        "skip",
        expect.stringMatching(/^not restored: a volume backup of db: its bytes are in the backup store/),
        undefined,
      ],
      ["to-ops", "skip", expect.stringMatching(/^not restored: a volume transfer of db: its key was shown once/), undefined],
    ]);
    const mark = projects.fake.journal.mark();
    expect((await applied(projects, plan)).made).toEqual([]);
    expect(projects.fake.journal.entries(mark).filter((e) => e.service === "volume" && e.method !== "GET")).toEqual([]);
  });

  it("refuses to be restored against its plan", async () => {
    const [snapshot] = await restorePoint(projects, INCLUDE);
    if (snapshot === undefined) throw new Error("no volume snapshot");
    await expect(projects.apply({ ...snapshot, action: "create" })).rejects.toMatchObject({ code: "ASSERTION" });
  });

  it("is the project's own", async () => {
    projects.fake.volumes.backups.push({
      ...{
        id: "7a5b6c1e-0000-4000-8000-00000000000c",
        projectId: projects.targetId,
        volumeId,
        snapshotId: null,
        name: "foreign",
      },
      ...{ description: null, sizeGib: 1, container: "c", isIncremental: false, metadata: {}, createdMs: CREATED_MS },
    });
    expect((await restorePoint(projects, ["cinder.volume-backup"])).map((p) => p.name)).toEqual(["weekly"]);
  });
});

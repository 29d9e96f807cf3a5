/** cinder.group between projects: every field, its volumes made in it, what it needs of the target, a death at any call, and the way back. */

import { CodedError } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GroupType, VolumeGroup } from "../fakes/openstack/volumes.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const TYPES = ["cinder.volume-type", "cinder.group", "cinder.volume"];
const GROUP_TYPE: GroupType = {
  ...{ id: "9d3f0a10-0000-4000-8000-000000000001", name: "consistent", description: null, isPublic: true },
  groupSpecs: { consistent_group_snapshot_enabled: "<is> True" },
};
let ways: WholeRestores;
let number = 0;

beforeAll(async () => {
  ways = await WholeRestores.start();
  ways.fake.volumes.zones.push("far");
  ways.fake.volumes.groupTypes.push(GROUP_TYPE);
});
afterAll(async () => await ways?.close());

/** A project with a group of two volumes, one volume beside it, and an empty project. */
function projects(fields: Partial<VolumeGroup> = {}, roles?: readonly string[]) {
  const [source, target] = [`source${++number}`, `target${number}`];
  const [sourceId, targetId] = [ways.project(source, roles), ways.project(target, roles)];
  const { volumes, seed } = ways.fake;
  const volumeTypes = ["fast", "standard"].flatMap((name) => volumes.typeOf(name) ?? []);
  const group: VolumeGroup = {
    ...{ id: `9d3f0a10-0000-4000-8000-0000000001${String(number).padStart(2, "0")}`, projectId: sourceId, status: "available" },
    ...{ name: "database", description: "log and data", zone: "far", type: GROUP_TYPE, volumeTypes, createdMs: 0, ...fields },
  };
  volumes.groups.set(group.id, group);
  for (const [name, groupId] of [
    ["data", group.id],
    ["log", group.id],
    ["scratch", null],
  ] as const)
    seed.volume({ project: sourceId, name, size: 1, type: "fast", zone: "far", groupId });
  return { source, target, sourceId, targetId, group };
}

const groupsOf = (projectId: string) => [...ways.fake.volumes.groups.values()].filter((g) => g.projectId === projectId);

/** What a project has, without ids. */
function shape(projectId: string) {
  const groups = groupsOf(projectId);
  return {
    groups: groups.map(({ name, description, zone, type, volumeTypes, status }) => ({
      ...{ name, description, zone, status, type: type.name, volumeTypes: volumeTypes.map((t) => t.name).sort() },
    })),
    volumes: ways.fake.read
      .volumes(projectId)
      .map((v) => [v.name, v.status, groups.find((g) => g.id === v.groupId)?.name])
      .sort(),
  };
}

describe("a group", () => {
  it("is captured whole, with the names of what it refers to and its volumes", async () => {
    const { source, group, sourceId } = projects();
    const [point] = await ways.backup(source, ["cinder.group"]);
    expect(point).toMatchObject({ id: group.id, name: "database", warnings: [] });
    const document = await ways.repository.reader().readDocument(point?.document as never);
    const members = ways.fake.read.volumes(sourceId).filter((v) => v.groupId !== null);
    expect(document).toMatchObject({
      ...{ version: 1, groupType: "consistent", volumeTypes: ["fast", "standard"] },
      group: {
        ...{ id: group.id, name: "database", description: "log and data", availability_zone: "far", group_type: GROUP_TYPE.id },
        ...{ status: "available", volumes: members.map((v) => v.id), volume_types: group.volumeTypes.map((t) => t.id) },
      },
    });
  });

  it("is made again with its volumes in it, and taken back before anything of somebody else's goes", async () => {
    const { source, target, targetId, sourceId } = projects();
    const restored = await ways.restore(target, await ways.backup(source, TYPES));
    expect(shape(targetId)).toEqual(shape(sourceId));
    expect(shape(targetId).volumes).toEqual([
      ["data", "available", "database"],
      ["log", "available", "database"],
      ["scratch", "available", undefined],
    ]);
    expect(await ways.verify(restored)).toEqual([]);
    const [made] = groupsOf(targetId);
    const stranger = ways.fake.seed.volume({ project: targetId, name: "stranger", size: 1, type: "fast", zone: "far" });
    stranger.groupId = made?.id ?? null;
    await ways.undo(restored);
    expect(shape(targetId)).toEqual({ groups: [], volumes: [["stranger", "available", undefined]] });
    for (const kind of ["group", "volume"]) expect(ways.fake.journal.leaked(kind)).toEqual([]);
    expect(ways.fake.journal.foreignDeleted("volume")).toEqual([]);
  });

  it("has its differences found by a verification, and those of its members", async () => {
    const { source, target, targetId } = projects();
    const restored = await ways.restore(target, await ways.backup(source, TYPES));
    const [made] = groupsOf(targetId);
    if (made !== undefined) Object.assign(made, { name: "other", description: null });
    for (const volume of ways.fake.read.volumes(targetId)) if (volume.name === "log") volume.groupId = null;
    expect((await ways.verify(restored)).sort()).toEqual([
      'cinder.group database: description: expected "log and data", found ""',
      'cinder.group database: name: expected "database", found "other"',
      expect.stringMatching(/^cinder.volume log: groupId: expected .*, found/),
    ]);
    await ways.undo(restored);
  });

  it("without name and description, and of another zone and type by map", async () => {
    const { source, target, targetId } = projects({ name: null, description: null });
    const maps = { "volume-type": { fast: "standard" }, zone: { far: "nova" }, "group-type": { consistent: GROUP_TYPE.id } };
    const restored = await ways.restore(target, await ways.backup(source, TYPES), { maps });
    expect(shape(targetId).groups).toEqual([
      { name: "", description: "", zone: "nova", status: "available", type: "consistent", volumeTypes: ["standard"] },
    ]);
    expect(await ways.verify(restored)).toEqual([]);
    await ways.undo(restored);
  });
});

describe("a plan says", () => {
  const actionsOf = async (target: string, points: Awaited<ReturnType<WholeRestores["backup"]>>, options = {}) => {
    const { resources } = await ways.plan(target, points, options);
    return resources
      .filter((r) => r.type !== "cinder.volume-type")
      .map((r) => [r.name, r.action, ...(r.action === "conflict" ? [r.actionReason] : r.warnings)]);
  };

  it("that the target has no such group type, and its volumes are restored outside of it", async () => {
    const lonely = { ...GROUP_TYPE, id: "9d3f0a10-0000-4000-8000-000000000002", name: "rare" };
    ways.fake.volumes.groupTypes.push(lonely);
    const { source, target, group } = projects({ type: lonely });
    const points = await ways.backup(source, TYPES);
    ways.fake.volumes.groupTypes.pop();
    expect(await actionsOf(target, points)).toEqual([
      ["database", "conflict", "the target has no group type rare: map it with --map group-type:rare=NEW"],
      ["scratch", "create", expect.stringContaining("no data")],
      ["log", "create", expect.stringContaining("no data"), "its group database is not restored: it will be in none"],
      ["data", "create", expect.stringContaining("no data"), "its group database is not restored: it will be in none"],
    ]);
    const restored = await ways.restore(target, points);
    expect(restored.left).toEqual(["cinder.group database"]);
    await ways.undo(restored);
    expect(
      await ways.plan(
        target,
        points.filter((p) => p.name === "log"),
      ),
    ).toMatchObject({
      resources: [
        { action: "create", warnings: [expect.anything(), `its group ${group.id} is not restored: it will be in none`] },
      ],
    });
  });

  it("which zone it lacks, and which volume type", async () => {
    const { source, target } = projects();
    const points = (await ways.backup(source, TYPES)).filter((p) => p.type === "cinder.group");
    ways.fake.volumes.zones.pop();
    const [zone] = await actionsOf(target, points);
    ways.fake.volumes.zones.push("far");
    expect(zone).toEqual(["database", "conflict", "the target has no availability zone far: map it with --map zone:far=NEW"]);
    expect(await actionsOf(target, points, { maps: { "volume-type": { fast: "gone" } } })).toEqual([
      ["database", "conflict", "the target has no volume type gone: map it with --map volume-type:fast=NEW"],
    ]);
  });

  it("that its quota is short of a group", async () => {
    const { source, target } = projects();
    const points = await ways.backup(source, TYPES);
    ways.fake.seed.quota(target, { groups: 0 });
    expect((await ways.plan(target, points)).problems.map((p) => p.message)).toEqual([
      "block-storage groups: the plan needs 1, and 0 of 0 are free",
    ]);
  });

  it("what it does with a group of that name, by the rule", async () => {
    const { source, target, targetId } = projects();
    const points = await ways.backup(source, TYPES);
    const first = await ways.restore(target, points);
    const planned = async (onConflict: "create" | "reuse" | "rename" | "skip" | "fail") =>
      (await ways.plan(target, points, { onConflict })).resources.find((r) => r.type === "cinder.group");
    const [there] = groupsOf(targetId);
    expect(await planned("create")).toMatchObject({ action: "create" });
    expect(await planned("reuse")).toMatchObject({ action: "reuse", targetId: there?.id });
    expect(await planned("skip")).toMatchObject({ action: "skip", targetId: there?.id });
    expect(await planned("fail")).toMatchObject({ action: "conflict" });
    expect(await planned("rename")).toMatchObject({ action: "create", targetName: expect.stringMatching(/^database-restored-/) });
    const again = await ways.restore(target, points, { onConflict: "rename" });
    expect(groupsOf(targetId).map((g) => g.name)).toEqual(["database", expect.stringMatching(/^database-restored-/)]);
    expect(await ways.verify(again)).toEqual([]);
    await ways.undo(again);
    expect(groupsOf(targetId)).toHaveLength(1);
    await ways.undo(first);
  });
});

describe("a restore's worker dies", () => {
  it("at any call: the next one makes nothing twice, and all of it can be taken back", async () => {
    const { source, target, targetId } = projects();
    const points = (await ways.backup(source, TYPES)).filter((p) => p.name !== "scratch" && p.name !== "log");
    const whole = await ways.restore(target, points);
    expect(whole.calls.length).toBeGreaterThan(10);
    const wanted = shape(targetId);
    const failures: string[] = [];
    for (const [at, fate] of fatesOf(whole).entries()) {
      const project = `${target}-${at}`;
      const id = ways.project(project);
      try {
        const restored = await ways.restore(project, points, {}, fate);
        expect(shape(id)).toEqual(wanted);
        expect(await ways.verify(restored)).toEqual([]);
        await ways.undo(restored);
        expect(shape(id)).toEqual({ groups: [], volumes: [] });
      } catch (error) {
        failures.push(`${fate.call} ${fate.death} (${whole.calls[fate.call]}): ${CodedError.from(error).message.slice(0, 300)}`);
      }
    }
    expect(failures).toEqual([]);
  }, 120_000);
});

/** A session group: an administrator backs up all projects of a cloud, is nobody in any of them afterwards, and says of each what came of it. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { OneProcess } from "../harness/one-process.ts";

const selection = { include: ["glance.image", "swift.container"], exclude: [] };
const everyone = { tags: [], include: [], exclude: ["admin"] };
const group = { kind: "group" as const, input: "tenant" as const, target: { cloud: "fake-admin" }, selection, atOnce: 2 };

let fake: FakeCloud;
let cluster: OneProcess;

beforeAll(async () => {
  fake = await startFakeCloud();
  for (const name of ["acme", "globex", "initech"]) {
    fake.seed.tenant(name, { roles: ["member"] });
    await fake.seed.image({ project: name, name: `${name}-image`, bytes: Buffer.alloc(100_000, name) });
  }
  const globex = [...fake.identities.projects.values()].find((p) => p.name === "globex");
  globex?.tags.push("gold");
  cluster = await OneProcess.start([{ fake, entries: [] }]);
});
afterAll(async () => {
  await cluster?.close();
  await fake?.close();
});

/** Roles of the administrator in projects that are not its own. */
function foreignRoles(): string[] {
  const admin = [...fake.identities.users.values()].find((u) => u.name === "admin");
  return fake.identities
    .allGrants()
    .filter(
      (g) => g.holderId === admin?.id && !["system", "admin"].includes(fake.identities.projects.get(g.scope)?.name ?? g.scope),
    )
    .map((g) => g.scope);
}

const children = async (groupId: string) =>
  (await cluster.coordinator.list("acme")).filter((r) => r.groupId === groupId).sort((a, b) => (a.id < b.id ? -1 : 1));

describe("a session group", () => {
  it("backs up every project as a session of its own, and leaves no role behind", async () => {
    const policy = { name: "nightly", dueAt: "2026-11-27T02:30:00.000Z" };
    const { record, resources } = await cluster.run({ ...group, projects: everyone, policy });
    expect(record).toMatchObject({ kind: "group", state: "succeeded", counts: { resources: 3, succeeded: 3 }, policy });
    expect(resources.map((r) => r.name).sort()).toEqual(["acme", "globex", "initech"]);
    const sessions = await children(record.id);
    expect(sessions.map((s) => [s.source.projectName, s.state]).sort()).toEqual([
      ["acme", "succeeded"],
      ["globex", "succeeded"],
      ["initech", "succeeded"],
    ]);
    // What the policy of the group keeps is judged of these.
    expect(sessions.map((s) => s.policy)).toEqual([policy, policy, policy]);
    expect(resources.map((r) => r.targetId).sort()).toEqual(sessions.map((s) => s.id));
    expect(foreignRoles()).toEqual([]);
  });

  it("takes those with a tag, and compares with what it backed up before", async () => {
    const { record } = await cluster.run({ ...group, projects: { ...everyone, tags: ["gold"] } });
    const [session, ...others] = await children(record.id);
    expect(others).toEqual([]);
    expect(session?.source.projectName).toBe("globex");
    expect(session?.parentId).toBeDefined();
    expect(session?.stats.readBytes).toBe(0);
  });

  it("is partial when one project's backup is, and says how to see why", async () => {
    const project = [...fake.identities.projects.values()].find((p) => p.name === "initech");
    const lost = await fake.seed.image({ project: "initech", name: "lost", bytes: Buffer.alloc(1000, 1) });
    const match = { service: "image" as const, method: "GET", path: new RegExp(`/${lost.id}/file$`) };
    const fault = fake.faults.add({ match, times: 1_000, action: { status: 500 } });
    const { record, of } = await cluster.run({ ...group, projects: everyone });
    fault.remove();
    expect(record).toMatchObject({ state: "partial", counts: { succeeded: 2, failed: 1 } });
    const { failure, targetId } = of("keystone.project", "initech");
    expect(failure).toMatchObject({ code: "PARTIAL", hint: expect.stringContaining(`session show ${targetId}`) });
    expect((await children(record.id)).find((s) => s.source.projectId === project?.id)?.state).toBe("partial");
    expect(foreignRoles()).toEqual([]);
  });

  it("holds each to the window that it was given", async () => {
    fake.seed.volume({ project: "acme", name: "disk", size: 1 });
    // However fast: no window is less than nothing.
    const maxWindow = { ms: -1, action: "fail" as const };
    const disks = { include: ["cinder.volume"], exclude: [] };
    const { record } = await cluster.run({ ...group, selection: disks, maxWindow, projects: { ...everyone, include: ["acme"] } });
    expect((await children(record.id)).map(({ state, failure }) => [state, failure?.code])).toEqual([
      ["failed", "WINDOW_EXCEEDED"],
    ]);
  });

  it("restores one of them with the administrator's token in its project", async () => {
    const { record } = await cluster.run({ ...group, projects: { ...everyone, include: ["acme"] } });
    const [session] = await children(record.id);
    if (session === undefined) throw new Error("no session");
    const point = { record: session, resources: [], of: () => expect.fail() };
    const target = { cloud: "fake-admin", project: "initech", grant: true };
    const restored = await cluster.restore(point, target, { verify: "data" });
    expect(restored.of("glance.image", "acme-image")).toMatchObject({ state: "succeeded", verified: "data" });
    const made = [...fake.images.all.values()].find((i) => i.id === restored.of("glance.image", "acme-image").targetId);
    expect(fake.identities.projects.get(made?.owner ?? "")?.name).toBe("initech");
    expect(foreignRoles()).toEqual([]);
  });
});

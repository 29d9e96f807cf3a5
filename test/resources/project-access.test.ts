/** An administrator in a project where it has no role: in for the session, out after it, and never out of what it had before. */

import { memoryBlockStore } from "@permafrost/blocks";
import type { DiscoverResult, ProjectsResult, SweepResult, Task } from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import { runTask } from "@permafrost/protection";
import { initRepository, type Repository } from "@permafrost/repository";
import { CodedError, systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { quickClock } from "../faults/mortal-worker.ts";

let fake: FakeCloud;
let repository: Repository;
const open: Cloud[] = [];

beforeAll(async () => {
  fake = await startFakeCloud();
  fake.seed.tenant("acme", { roles: ["member"] });
  fake.seed.tenant("globex", { roles: ["member"] });
  const secret = { kind: "key", value: Buffer.alloc(32, 3).toString("base64") } as const;
  repository = (await initRepository(memoryBlockStore(), { name: "all", secret })).repository;
});

afterAll(async () => {
  for (const cloud of open) await cloud.close();
  await fake.close();
});

async function run<R>(sessionId: string, work: Record<string, unknown>): Promise<R> {
  const scope = { repositoryId: repository.id, sessionId, taskId: "t1", fence: 1n };
  const entry = { cloudName: "member", userName: "acme-user", password: "acme-pw", projectName: "acme" };
  const result = await runTask({ ...work, id: "t1", sessionId, repositoryId: repository.id } as unknown as Task, {
    repository,
    writer: repository.writer(scope),
    scope,
    signal: new AbortController().signal,
    progress: () => undefined,
    clock: quickClock,
    openCloud: async ({ cloud, project }) => {
      const readFile = async (path: string) => (path === "/clouds.yaml" ? fake.cloudsYaml(entry) : undefined);
      const config = await loadCloud(cloud, { env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" }, readFile });
      const opened = await openCloud(config, {
        clock: quickClock,
        random: systemRandom,
        ...(project === undefined ? {} : { project }),
      });
      open.push(opened);
      return opened;
    },
  });
  return result as R;
}

const source = { cloud: "fake-admin", project: "acme", grant: true };
const all = { include: [], exclude: [] };

async function adminRoles(project: string): Promise<string[]> {
  const config = await loadCloud("fake-admin", {
    env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" },
    readFile: async (path) => (path === "/clouds.yaml" ? fake.cloudsYaml() : undefined),
  });
  const cloud = await openCloud(config, { clock: quickClock, random: systemRandom });
  open.push(cloud);
  const { id } = await cloud.identity.findProject(project);
  return (await cloud.identity.projectAssignments(id))
    .filter((a) => a.holder.id === cloud.userId)
    .map((a) => a.roleName)
    .sort();
}

describe("an administrator backs up a project that it has no role in", () => {
  it("is in for the session and out after the sweep, and does not capture its own way in", async () => {
    expect(await adminRoles("acme")).toEqual([]);
    const found = await run<DiscoverResult>("s1", { kind: "discover", source, selection: all });
    expect(found.projectName).toBe("acme");
    expect(await adminRoles("acme")).toContain("admin");
    const assignments = found.resources.filter((r) => r.type === "keystone.role-assignment").map((r) => r.name);
    expect(assignments).toEqual(["acme-user: member"]);
    expect(await run<SweepResult>("s1", { kind: "sweep", source })).toMatchObject({ left: [] });
    expect(await adminRoles("acme")).toEqual([]);
  });

  it("a second session after the first gets in again", async () => {
    await run("s2", { kind: "discover", source, selection: all });
    await run("s2", { kind: "sweep", source });
    expect(await adminRoles("acme")).toEqual([]);
  });

  it("a worker that died after it was let in is let in again, and out once", async () => {
    await run("s3", { kind: "discover", source, selection: all });
    const again = await run<DiscoverResult>("s3", { kind: "discover", source, selection: all });
    expect(again.resources.filter((r) => r.type === "keystone.role-assignment")).toHaveLength(1);
    await run("s3", { kind: "sweep", source });
    expect(await adminRoles("acme")).toEqual([]);
  });

  it("keeps the role that it had before", async () => {
    const admin = [...fake.identities.users.values()].find((u) => u.name === "admin");
    const globex = [...fake.identities.projects.values()].find((p) => p.name === "globex");
    fake.identities.grant(globex?.id ?? "", admin?.id ?? "", "member");
    const there = { ...source, project: "globex" };
    await run("s4", { kind: "discover", source: there, selection: all });
    await run("s4", { kind: "sweep", source: there });
    expect(await adminRoles("globex")).toEqual(["member"]);
  });

  it("is refused to a plain member", async () => {
    const refused = run("s5", { kind: "discover", source: { cloud: "member", project: "globex", grant: true }, selection: all });
    await expect(refused).rejects.toSatisfy((e) => CodedError.is(e, "PROJECT_UNKNOWN"));
  });
});

describe("the projects of a session group", () => {
  const list = async (filter: object) => {
    const work = { kind: "projects", source: { cloud: "fake-admin" }, filter: { tags: [], include: [], exclude: [], ...filter } };
    return (await run<ProjectsResult>("s6", work)).projects.map((p) => p.name);
  };

  it("are all of them, or those that names select", async () => {
    expect(await list({})).toEqual(expect.arrayContaining(["acme", "admin", "globex"]));
    expect(await list({ include: ["*me"] })).toEqual(["acme"]);
    expect(await list({ exclude: ["a*"] })).toEqual(["globex"]);
    expect(await list({ domain: "Default", include: ["globex"] })).toEqual(["globex"]);
  });

  it("are never none without a word", async () => {
    await expect(list({ tags: ["nosuch"] })).rejects.toSatisfy((e) => CodedError.is(e, "NOTHING_SELECTED"));
  });
});

/** Every task of the main job, run in this process against the fake cloud and a memory store: what each leaves in cloud and repository. */

import { memoryBlockStore } from "@permafrost/blocks";
import type { DiscoverResult, FreezeResult, PlanResult, ResourceResult, RestoreOptions, Task } from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import { runTask } from "@permafrost/protection";
import { initRepository, type Repository } from "@permafrost/repository";
import { systemClock, systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { STORAGE } from "../harness/session.ts";
import { differences, type SmallTenant, smallTenant, temporariesLeft } from "../harness/tenant.ts";

let tenant: SmallTenant;
let repository: Repository;
const clouds = new Map<string, Cloud>();

beforeAll(async () => {
  tenant = await smallTenant();
  ({ repository } = await initRepository(memoryBlockStore(), {
    name: "acme",
    secret: { kind: "key", value: Buffer.alloc(32).toString("base64") },
  }));
  for (const name of ["source", "target"]) {
    const config = await loadCloud(name, {
      env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" },
      readFile: async (path) => (path === "/clouds.yaml" ? tenant.cloudsYaml : undefined),
    });
    clouds.set(name, await openCloud(config, { clock: systemClock, random: systemRandom }));
  }
});

afterAll(async () => {
  for (const cloud of clouds.values()) await cloud.close();
  await tenant.cloud.close();
});

let number = 0;
async function run<R>(
  task: Omit<Extract<Task, { kind: Task["kind"] }>, "id" | "sessionId" | "repositoryId"> & { kind: Task["kind"] } & Record<
      string,
      unknown
    >,
  sessionId: string,
): Promise<R> {
  const scope = { repositoryId: repository.id, sessionId, taskId: `t-${++number}`, fence: 1n };
  const writer = repository.writer(scope);
  const result = await runTask({ ...task, id: scope.taskId, sessionId, repositoryId: repository.id } as unknown as Task, {
    repository,
    writer,
    scope,
    signal: new AbortController().signal,
    progress: () => undefined,
    clock: systemClock,
    openCloud: async ({ cloud }) => clouds.get(cloud) as Cloud,
  });
  await writer.finish();
  return result as R;
}

const source = { cloud: "source" };
const options: RestoreOptions = { target: { cloud: "target" }, maps: {}, onConflict: "create" };
const storage = { include: STORAGE, exclude: [] };
let captured: ResourceResult[];

describe("the tasks of a backup", () => {
  it("capture everything and leave nothing", async () => {
    const found = await run<DiscoverResult>({ kind: "discover", source, selection: storage }, "s1");
    expect(found.resources.map((r) => `${r.type} ${r.name}`).sort()).toEqual([
      "cinder.volume boot",
      "cinder.volume full",
      "cinder.volume sparse",
      "glance.image raw image",
      "glance.image second",
      "swift.container files",
      "swift.container segments",
    ]);
    const { frozen, window } = await run<FreezeResult>(
      { kind: "freeze", source, resources: found.resources.filter((r) => r.freezes) },
      "s1",
    );
    expect(frozen.map((f) => f.failure)).toEqual([undefined, undefined, undefined]);
    expect(window?.resources).toHaveLength(3);
    captured = [];
    for (const resource of found.resources) {
      const point = frozen.find((f) => f.id === resource.id);
      captured.push(await run<ResourceResult>({ kind: "capture", source, resource, ...(point ? { frozen: point } : {}) }, "s1"));
    }
    await run({ kind: "sweep", source }, "s1");
    expect(temporariesLeft(tenant)).toEqual([]);
  });
});

describe("the tasks of a restore", () => {
  it("rebuild everything and verify every byte", async () => {
    const plan = await run<PlanResult>({ kind: "plan", options, resources: captured, others: [] }, "s2");
    expect(plan.resources.map((r) => [r.name, r.action, r.dependsOn])).toContainEqual([
      "files",
      "create",
      ["swift.container/segments"],
    ]);
    const order = [...plan.resources].sort((a, b) => a.dependsOn.length - b.dependsOn.length);
    for (const planned of order) {
      const resource = captured.find((c) => c.id === planned.id && c.type === planned.type) as ResourceResult;
      const restored = await run<ResourceResult>(
        { kind: "apply", step: "create", journalId: "s2", options, resource, targets: {} },
        "s2",
      );
      const verified = await run<ResourceResult>(
        { kind: "verify", options, resource: restored, targets: {}, level: "data" },
        "s2",
      );
      expect([restored.name, verified.mismatches, verified.verified]).toEqual([restored.name, [], "data"]);
    }
    await run({ kind: "sweep", source: options.target }, "s2");
    expect(differences(tenant)).toEqual([]);
    expect(temporariesLeft(tenant)).toEqual([]);
  });
});

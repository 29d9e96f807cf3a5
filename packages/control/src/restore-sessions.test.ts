/** Restores as sessions over a memory bus and store: plan, apply, verify, undo, with a target that is a map. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryBlockStore } from "@permafrost/blocks";
import { memoryBus } from "@permafrost/jobs";
import { EMPTY_STATS, type PlannedResource, type Task } from "@permafrost/model";
import { initRepository, saveSecret } from "@permafrost/repository";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ended, tenant } from "../testing/two-volumes.ts";
import { Coordinator } from "./coordinator.ts";
import { Repositories } from "./repositories.ts";
import { endedRestore, idlePlan, restorePlan } from "./restore-sessions.ts";
import { type TaskContext, TaskHost } from "./task-claim.ts";

const secret = { kind: "passphrase", value: "correct horse" } as const;

/** What the restore point has, and how a plan for it looks. */
const PLAN: Readonly<Record<string, Partial<PlannedResource>>> = {
  network: { dependsOn: [] },
  subnet: { dependsOn: ["t.t/network"], finishAfter: ["t.t/port"] },
  port: { dependsOn: ["t.t/subnet"] },
  address: { dependsOn: ["t.t/subnet#finished"] },
  other: { dependsOn: [] },
};

let keyring: string;
let coordinator: Coordinator;
let stop: AbortController;
let running: Promise<unknown>[];
/** By source id: what stands in the target. */
let target: Map<string, string>;
/** By source id and step: what fails. */
let broken: Set<string>;
/** By source id: what is being made until the test ends it. */
let held: string | undefined;
let steps: string[];
let tasks: Task[];
let plan: Readonly<Record<string, Partial<PlannedResource>>>;

beforeEach(async () => {
  keyring = await mkdtemp(join(tmpdir(), "keyring-"));
  [target, broken, held, steps, tasks, plan] = [new Map(), new Set(), undefined, [], [], PLAN];
  const [store, bus] = [memoryBlockStore(), memoryBus({ clock: systemClock })];
  stop = new AbortController();
  await initRepository(store, { name: "acme", secret });
  await saveSecret(keyring, "acme", secret);
  coordinator = await Coordinator.open({ name: "c1", bus, store, keyring, clock: systemClock, random: systemRandom });
  const repositories = new Repositories(store, keyring);
  const openRepository = (id: string) => repositories.open(id);
  const hosts = await Promise.all(
    ["w1", "w2"].map((worker) => TaskHost.open(bus, { worker, clock: systemClock, openRepository, execute })),
  );
  running = [coordinator.run(stop.signal), ...hosts.map((host) => host.loop(stop.signal))];
});

afterEach(async () => {
  stop.abort(new CodedError("STOPPING", "test ends"));
  await Promise.allSettled(running);
  await rm(keyring, { recursive: true });
});

async function execute(task: Task, context: TaskContext): Promise<unknown> {
  tasks.push(task);
  switch (task.kind) {
    case "discover": {
      const { root } = await context.writer.writeDocument({ version: 1 });
      const facts = { document: root, logicalBytes: 0, freezes: false, captures: false, warnings: [] };
      const resources = Object.keys(plan).map((id) => ({ type: "t.t", id, name: `the ${id}`, ...facts }));
      return { projectId: "p", projectName: "acme", resources, stats: EMPTY_STATS, warnings: [], unlisted: [] };
    }
    case "plan":
      return {
        projectId: "p2",
        projectName: "copy",
        resources: task.resources.map((r) => ({ ...r, action: "create", actionReason: "not there", ...plan[r.id] })),
        references: [{ kind: "role", id: "r1", name: "member", targetId: "r2", targetName: "member", how: "same-name" }],
        problems: [],
      };
    case "apply": {
      const { id } = task.resource;
      steps.push(task.step === "finish" ? `${id}!` : id);
      if (held === id) await systemClock.sleep(60_000, context.signal);
      if (broken.has(`${id} ${task.step}`)) throw new CodedError("TARGET_FULL", `no room for ${id}`);
      if (task.step === "create" && !target.has(id)) target.set(id, `new-${id}`);
      return { ...task.resource, state: "succeeded", targetId: target.get(id), warnings: [`${task.step} of ${id}`] };
    }
    case "verify":
      return {
        ...task.resource,
        state: "succeeded",
        verified: task.level,
        mismatches: broken.has(`${task.resource.id} verify`) ? ["mtu: expected 1, found 2"] : [],
      };
    case "undo":
      steps.push(`-${task.resource.id}`);
      return { ...task.resource, state: target.delete(task.resource.id) ? "succeeded" : "skipped" };
    case "sweep":
      return { removed: 0, left: [] };
    default:
      throw new CodedError("ASSERTION", `unexpected ${task.kind}`);
  }
}

async function backup(): Promise<string> {
  return (await ended(coordinator, (await coordinator.start("acme", tenant)).id)).id;
}

const asked = (pointId: string, dryRun: boolean) => ({
  kind: "restore" as const,
  pointId,
  options: { target: { cloud: "lab", project: "copy" }, maps: {}, onConflict: "create" as const },
  selection: { include: [], exclude: [] },
  dryRun,
});

async function run(input: Parameters<Coordinator["start"]>[1]) {
  const record = await ended(coordinator, (await coordinator.start("acme", input)).id);
  const view = await coordinator.view(record.id);
  return { record, of: (id: string) => view.resource(`t.t/${id}`) };
}

async function apply(planId: string) {
  const { saved, plan: root } = await idlePlan(coordinator, planId);
  return await run({ ...asked(saved.pointId, false), applies: { sessionId: saved.journalId, plan: root } });
}

async function undo(restoreId: string) {
  return await run({ kind: "undo", restoreId, plan: (await endedRestore(coordinator, restoreId)).plan });
}

const before = (first: string, second: string) => expect(steps.indexOf(first)).toBeLessThan(steps.indexOf(second));

describe("a restore", () => {
  it("makes and finishes each resource after what it waits for, and gives each step the targets that it needs", async () => {
    const { record, of } = await run(asked(await backup(), false));
    expect(record).toMatchObject({ state: "succeeded", counts: { resources: 5, succeeded: 5 }, source: { projectId: "p2" } });
    expect([...steps].sort()).toEqual(["address", "network", "other", "port", "subnet", "subnet!"]);
    before("network", "subnet");
    before("subnet", "port");
    before("port", "subnet!");
    before("subnet!", "address");
    expect(of("subnet")).toMatchObject({ targetId: "new-subnet", warnings: ["create of subnet", "finish of subnet"] });
    const finish = tasks.find((t) => t.kind === "apply" && t.step === "finish");
    expect(finish).toMatchObject({ id: "finish-3", resource: { targetId: "new-subnet" } });
    const targets = { "role/r1": "r2", "t.t/network": "new-network", "t.t/port": "new-port", "t.t/subnet": "new-subnet" };
    expect(finish).toHaveProperty("targets", targets);
  });

  it("tries nothing whose dependency failed, says which that was, and goes on with the rest", async () => {
    broken.add("subnet create");
    const { record, of } = await run(asked(await backup(), false));
    expect(record).toMatchObject({ state: "partial", counts: { succeeded: 2, failed: 3 } });
    expect(of("subnet")?.failure).toMatchObject({ code: "TARGET_FULL" });
    for (const id of ["port", "address"])
      expect(of(id)?.failure).toMatchObject({ code: "DEPENDENCY_FAILED", facts: { dependency: "t.t/subnet" } });
    expect(of("other")?.state).toBe("succeeded");
    expect([...steps].sort()).toEqual(["network", "other", "subnet"]);
  });

  it("fails what needs a thing finished when only its finish step failed", async () => {
    broken.add("subnet finish");
    const { of } = await run(asked(await backup(), false));
    expect(of("subnet")).toMatchObject({ state: "failed", targetId: "new-subnet", failure: { code: "TARGET_FULL" } });
    expect(of("port")?.state).toBe("succeeded");
    expect(of("address")?.failure).toMatchObject({ code: "DEPENDENCY_FAILED" });
  });

  it("finishes after what it waits for, also when that failed", async () => {
    plan = { ...PLAN, subnet: { dependsOn: ["t.t/network"], finishAfter: [], finishWaitsFor: ["t.t/port", "t.t/other"] } };
    broken.add("port create");
    const { of } = await run(asked(await backup(), false));
    expect(of("port")?.state).toBe("failed");
    for (const id of ["subnet", "address"]) expect(of(id)?.state).toBe("succeeded");
    before("port", "subnet!");
    before("other", "subnet!");
    before("subnet!", "address");
  });

  it("makes nothing that is in conflict, nor what depends on it; what is skipped is there", async () => {
    plan = {
      ...PLAN,
      network: { dependsOn: [], action: "skip", targetId: "old-network" },
      other: { dependsOn: [], action: "conflict", actionReason: "taken" },
      last: { dependsOn: ["t.t/other"] },
    };
    const { of } = await run(asked(await backup(), false));
    expect(of("network")).toMatchObject({ state: "skipped", targetId: "old-network" });
    expect(tasks.find((t) => t.kind === "apply" && t.resource.id === "subnet")).toMatchObject({
      targets: { "t.t/network": "old-network" },
    });
    expect(of("other")?.failure).toEqual({ code: "RESTORE_CONFLICT", message: "taken" });
    expect(of("last")?.failure).toMatchObject({ code: "DEPENDENCY_FAILED", facts: { dependency: "t.t/other" } });
  });

  it("that the verification finds different has not succeeded, unless it only uses what was there", async () => {
    plan = { ...PLAN, other: { dependsOn: [], action: "reuse", targetId: "old-other" } };
    for (const id of ["port", "other"]) broken.add(`${id} verify`);
    const { record, of } = await run({ ...asked(await backup(), false), verify: "metadata" });
    expect(record).toMatchObject({ state: "partial", counts: { failed: 1 } });
    expect(of("port")).toMatchObject({ failure: { code: "VERIFY_MISMATCH" }, mismatches: ["mtu: expected 1, found 2"] });
    expect(of("other")).toMatchObject({ state: "succeeded", mismatches: ["mtu: expected 1, found 2"] });
    expect(of("other")?.warnings.at(-1)).toContain("1 difference from the backup");
  });

  it("that is cancelled leaves no resource as if it were still worked on", async () => {
    held = "subnet";
    const { id } = await coordinator.start("acme", asked(await backup(), false));
    await vi.waitFor(() => expect(steps).toContain("subnet"), { timeout: 10_000 });
    await vi.waitFor(() => expect(steps).toContain("other"), { timeout: 10_000 });
    await coordinator.cancel(id);
    const record = await ended(coordinator, id);
    expect(record).toMatchObject({ state: "cancelled", counts: { resources: 5, succeeded: 2, failed: 3 } });
    const of = Object.fromEntries((await coordinator.view(id)).resources().map((r) => [r.id, r.failure?.message]));
    const why = "The session was cancelled";
    expect(of).toMatchObject({ subnet: `It was broken off: ${why}`, port: `It was not begun: ${why}`, network: undefined });
  });
});

describe("a plan", () => {
  it("changes nothing and is applied later exactly as it was saved", async () => {
    const planned = await run(asked(await backup(), true));
    expect(planned.record).toMatchObject({ state: "succeeded", dryRun: true });
    expect(steps).toEqual([]);
    const { saved } = await restorePlan(coordinator, planned.record.id);
    expect(saved).toMatchObject({
      journalId: planned.record.id,
      plan: { projectName: "copy", references: [{ targetId: "r2" }] },
    });
    // What the plan would be now.
    plan = { network: { dependsOn: [], action: "conflict" } };
    const applied = await apply(planned.record.id);
    expect(applied.record).toMatchObject({ state: "succeeded", appliesId: planned.record.id, counts: { succeeded: 5 } });
    expect(tasks.filter((t) => t.kind === "plan")).toHaveLength(1);
  });

  it("is applied again with the journal of the first time, so that what is there is not made twice", async () => {
    const planned = await run(asked(await backup(), true));
    broken.add("port create");
    const first = await apply(planned.record.id);
    expect(first.record.state).toBe("partial");
    broken.clear();
    const again = await apply(first.record.id);
    expect(again.record).toMatchObject({ state: "succeeded", appliesId: planned.record.id });
    const journals = new Set(tasks.flatMap((t) => (t.kind === "apply" ? [t.journalId] : [])));
    expect([...journals]).toEqual([planned.record.id]);
  });

  it("with a conflict is partial", async () => {
    plan = { ...PLAN, other: { dependsOn: [], action: "conflict", actionReason: "taken" } };
    expect((await run(asked(await backup(), true))).record.state).toBe("partial");
  });
});

describe("a verification", () => {
  it("of an ended restore reports each difference, and repairs nothing", async () => {
    const restored = await run(asked(await backup(), false));
    broken.add("port verify");
    const { plan: root } = await endedRestore(coordinator, restored.record.id);
    const verified = await run({ kind: "verify", restoreId: restored.record.id, plan: root, level: "data" });
    expect(verified.record).toMatchObject({ kind: "verify", state: "partial", appliesId: restored.record.id });
    expect(verified.of("network")).toMatchObject({ state: "succeeded", verified: "data" });
    expect(verified.of("port")).toMatchObject({ state: "failed", mismatches: ["mtu: expected 1, found 2"] });
    expect(target.size).toBe(5);
  });
});

describe("an undo", () => {
  it("removes users before what they use, and a second one finds nothing", async () => {
    const restored = await run(asked(await backup(), false));
    steps.length = 0;
    const undone = await undo(restored.record.id);
    expect(undone.record).toMatchObject({ kind: "undo", state: "succeeded", counts: { succeeded: 5 } });
    expect(target.size).toBe(0);
    before("-port", "-subnet");
    before("-address", "-subnet");
    before("-subnet", "-network");
    expect((await undo(restored.record.id)).record).toMatchObject({ state: "succeeded", counts: { skipped: 5 } });
  });
});

describe("what is asked of the wrong session", () => {
  it("is refused with what the session is", async () => {
    const point = await backup();
    await expect(restorePlan(coordinator, point)).rejects.toMatchObject({ code: "NOT_A_RESTORE", facts: { session: point } });
    const planned = await run(asked(point, true));
    await expect(endedRestore(coordinator, planned.record.id)).rejects.toMatchObject({ code: "NOT_APPLIED" });
    const selection = { include: ["nothing.here"], exclude: [] };
    const failed = await run({ ...asked(point, false), selection });
    expect(failed.record).toMatchObject({ state: "failed", failure: { code: "NOTHING_SELECTED" } });
    await expect(restorePlan(coordinator, failed.record.id)).rejects.toMatchObject({ code: "PLAN_MISSING" });
  });

  it("is refused while another session works on the same plan", async () => {
    const planned = await run(asked(await backup(), true));
    const { saved, plan: root } = await idlePlan(coordinator, planned.record.id);
    const applies = { sessionId: saved.journalId, plan: root };
    const { id } = await coordinator.start("acme", { ...asked(saved.pointId, false), applies });
    await expect(idlePlan(coordinator, planned.record.id)).rejects.toMatchObject({
      code: "SESSION_RUNNING",
      facts: { session: id },
    });
    await ended(coordinator, id);
    await expect(idlePlan(coordinator, planned.record.id)).resolves.toBeDefined();
  });
});

/** The coordinator and a task host over a memory bus and memory store: sessions from request to record, and what survives. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlockStore, type MemoryBlockStore, memoryBlockStore } from "@permafrost/blocks";
import { type Bus, memoryBus } from "@permafrost/jobs";
import type { Task } from "@permafrost/model";
import { initRepository, saveSecret } from "@permafrost/repository";
import { type Clock, CodedError, systemClock, systemRandom, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ended, tenant, twoVolumes } from "../testing/two-volumes.ts";
import { Coordinator, type CoordinatorOptions } from "./coordinator.ts";
import { Repositories } from "./repositories.ts";
import { SessionStore } from "./session-store.ts";
import { type TaskContext, TaskHost } from "./task-claim.ts";

const secret = { kind: "passphrase", value: "correct horse" } as const;
let keyring: string;
let store: MemoryBlockStore;
let bus: Bus;
let stop: AbortController;
let running: Promise<unknown>[];

beforeEach(async () => {
  keyring = await mkdtemp(join(tmpdir(), "keyring-"));
  store = memoryBlockStore();
  bus = memoryBus({ clock: systemClock });
  stop = new AbortController();
  running = [];
  await initRepository(store, { name: "acme", secret });
  await saveSecret(keyring, "acme", secret);
});

afterEach(async () => {
  stop.abort(new CodedError("STOPPING", "test ends"));
  await Promise.allSettled(running);
  await bus.close();
  await rm(keyring, { recursive: true });
});

async function startCoordinator(
  signal: AbortSignal = stop.signal,
  name = "c1",
  changes: Partial<CoordinatorOptions> = {},
): Promise<Coordinator> {
  const coordinator = await Coordinator.open({
    name,
    bus,
    store,
    keyring,
    clock: systemClock,
    random: systemRandom,
    ...changes,
  });
  running.push(coordinator.run(signal));
  return coordinator;
}

async function startHost(
  execute: (task: Task, context: TaskContext) => Promise<unknown>,
  signal: AbortSignal = stop.signal,
  worker = "w1",
): Promise<TaskHost> {
  const repositories = new Repositories(store, keyring);
  const host = await TaskHost.open(bus, { worker, clock: systemClock, openRepository: (id) => repositories.open(id), execute });
  running.push(host.loop(signal));
  return host;
}

/** Twenty times as fast as the machine's. */
const quick: Clock = {
  now: () => systemClock.now() * 20,
  monotonic: () => systemClock.monotonic() * 20,
  sleep: (ms, signal) => systemClock.sleep(ms / 20, signal),
};

describe("a tenant backup", () => {
  it("becomes a restore point with its resources, and the next names it as parent", async () => {
    const coordinator = await startCoordinator();
    await startHost(twoVolumes);
    const first = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect(first).toMatchObject({
      state: "succeeded",
      phase: "ended",
      counts: { resources: 2, succeeded: 2 },
      source: { projectId: "p", cloud: "lab" },
    });
    const view = await coordinator.view(first.id);
    expect(view.resources().map((r) => [r.id, r.state, r.stats.logicalBytes])).toEqual([
      ["a", "succeeded", 9],
      ["b", "succeeded", 9],
    ]);
    const second = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect(second.parentId).toBe(first.id);
  });

  it("is partial and names the reason when one resource fails for good", async () => {
    const coordinator = await startCoordinator();
    await startHost(async (task, context) => {
      if (task.kind === "capture" && task.resource.id === "b") throw new CodedError("CLOUD_HTTP", "Cinder says no");
      return await twoVolumes(task, context);
    });
    const record = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect(record.state).toBe("partial");
    const b = (await coordinator.view(record.id)).resource("cinder.volume/b");
    expect(b).toMatchObject({ state: "failed", failure: { code: "CLOUD_HTTP", message: "Cinder says no" } });
  });

  it("tries a task again when its error says later", async () => {
    const coordinator = await startCoordinator();
    let failures = 2;
    await startHost(async (task, context) => {
      if (task.kind === "capture" && task.resource.id === "a" && failures-- > 0)
        throw new CodedError("CLOUD_UNREACHABLE", "not now", { retry: "later" });
      return await twoVolumes(task, context);
    });
    expect(await ended(coordinator, (await coordinator.start("acme", tenant)).id)).toMatchObject({ state: "succeeded" });
  });

  it("fails as a whole when nothing can be discovered, and says why", async () => {
    const coordinator = await startCoordinator();
    await startHost(async (task, context) => {
      if (task.kind === "discover") throw new CodedError("AUTH_FAILED", "wrong password", { hint: "check clouds.yaml" });
      return await twoVolumes(task, context);
    });
    const record = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect(record).toMatchObject({ state: "failed", failure: { code: "AUTH_FAILED", hint: "check clouds.yaml" } });
  });

  it("fails and says why when no worker has the repository's key", async () => {
    bus = memoryBus({ clock: quick });
    const coordinator = await startCoordinator();
    const empty = new Repositories(store, join(keyring, "of-the-worker"));
    const openRepository = (id: string) => empty.open(id);
    const host = await TaskHost.open(bus, { worker: "w", clock: quick, openRepository, execute: twoVolumes });
    running.push(host.loop(stop.signal));
    const record = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect(record).toMatchObject({ state: "failed", failure: { code: "KEY_NOT_IN_KEYRING" } });
    expect(record.failure?.hint).toContain("every worker");
  });

  it("is finished by the next coordinator without repeating finished tasks", async () => {
    const firstStop = new AbortController();
    const dying = await startCoordinator(firstStop.signal);
    const captured: string[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    await startHost(async (task, context) => {
      if (task.kind === "capture") {
        if (task.resource.id === "b") await gate;
        captured.push(task.resource.id);
      }
      return await twoVolumes(task, context);
    });
    const { id } = await dying.start("acme", tenant);
    await vi.waitFor(() => expect(captured).toEqual(["a"]), { timeout: 10_000 });
    firstStop.abort(new CodedError("STOPPING", "dies"));
    await running[0];
    expect((await dying.find(id)).state).toBe("running");
    const next = await startCoordinator(stop.signal, "c2");
    release();
    expect(await ended(next, id)).toMatchObject({ state: "succeeded" });
    expect(captured.sort()).toEqual(["a", "b"]);
  });

  it("is listed as it was started while its blocks cannot be read, and runs when they can", async () => {
    let isAway = true;
    const nodes: BlockStore = {
      ...store,
      get: async (...asked) => {
        if (isAway) throw new CodedError("NODES_UNAVAILABLE", "not now", { retry: "later" });
        return await store.get(...asked);
      },
    };
    const stopped: (string | undefined)[] = [];
    const onEvent = ({ message, code }: { message: string; code?: string }) => {
      if (message.startsWith("Session stopped")) stopped.push(code);
    };
    const coordinator = await startCoordinator(stop.signal, "c1", { store: nodes, clock: quick, onEvent });
    await startHost(twoVolumes);
    const { id } = await coordinator.start("acme", tenant);
    await vi.waitFor(() => expect(stopped).toEqual(["NODES_UNAVAILABLE"]), { timeout: 10_000 });
    expect(await coordinator.list()).toMatchObject([{ id, kind: "backup", state: "running", source: { cloud: "lab" } }]);
    expect((await coordinator.view(id)).record).toMatchObject({ kind: "backup", state: "running" });
    isAway = false;
    expect(await ended(coordinator, id)).toMatchObject({ state: "succeeded" });
  });

  it("is started by a policy when it is due, by whoever leads, and once", async () => {
    const coordinator = await startCoordinator(stop.signal, "c1", { clock: quick });
    await startCoordinator(stop.signal, "c2", { clock: quick });
    await startHost(twoVolumes);
    const policy = { name: "often", schedule: "* * * * *", timeZone: "UTC", isPaused: false };
    await coordinator.policies.put("acme", { ...policy, backup: { target: { cloud: "lab" }, selection: tenant.selection } });
    await vi.waitFor(async () => expect((await coordinator.list()).length).toBeGreaterThan(1), { timeout: 15_000 });
    await coordinator.policies.pause("acme", "often", true);
    const records = (await coordinator.list()).reverse();
    const due = records.map((record) => record.policy?.dueAt);
    expect(new Set(due).size).toBe(records.length);
    expect(records[0]).toMatchObject({ kind: "backup", source: { cloud: "lab" }, policy: { name: "often" } });
    expect(await ended(coordinator, records[0]?.id ?? "")).toMatchObject({ state: "succeeded" });
    expect(await coordinator.policies.list()).toMatchObject([{ repository: "acme", policy: { isPaused: true } }]);
  }, 30_000);

  it("ends as cancelled after its sweep", async () => {
    const coordinator = await startCoordinator();
    const seen: string[] = [];
    await startHost(async (task, context) => {
      seen.push(task.kind);
      if (task.kind === "capture") await systemClock.sleep(60_000, context.signal);
      return await twoVolumes(task, context);
    });
    const { id } = await coordinator.start("acme", tenant);
    await vi.waitFor(() => expect(seen).toContain("capture"), { timeout: 10_000 });
    await coordinator.cancel(id);
    expect(await ended(coordinator, id)).toMatchObject({ state: "cancelled", failure: { code: "CANCELLED" } });
    expect(seen.at(-1)).toBe("sweep");
    const resources = (await coordinator.view(id)).resources();
    expect(resources.map((r) => r.state)).toEqual(resources.map(() => "failed"));
    expect(resources.map((r) => r.failure?.message)).toContain("It was broken off: The session was cancelled");
  });
});

describe("wiping the bus", () => {
  it("keeps every restore point and ends what ran as lost", async () => {
    const coordinator = await startCoordinator();
    await startHost(twoVolumes);
    const done = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    stop.abort(new CodedError("STOPPING", "all roles stop"));
    await Promise.allSettled(running);
    const silent = await Coordinator.open({ name: "c1", bus, store, keyring, clock: systemClock, random: systemRandom });
    const lost = await silent.start("acme", tenant);
    bus = memoryBus({ clock: systemClock });
    stop = new AbortController();
    const next = await startCoordinator();
    await startHost(twoVolumes);
    expect(await ended(next, lost.id)).toMatchObject({ state: "failed", failure: { code: "SESSION_LOST" } });
    expect(await next.find("latest")).toMatchObject({ id: done.id, state: "succeeded" });
  });
});

describe("requests", () => {
  it("name what is not there", async () => {
    const coordinator = await startCoordinator();
    await expect(coordinator.start("nobody", tenant)).rejects.toMatchObject({ code: "NO_REPOSITORY" });
    await expect(coordinator.find("2020")).rejects.toMatchObject({ code: "SESSION_UNKNOWN" });
    await expect(coordinator.find("latest")).rejects.toMatchObject({ code: "SESSION_UNKNOWN" });
    await expect(coordinator.workers.locate()).rejects.toMatchObject({ code: "NO_WORKER" });
  });
  it("are refused with the wrong key", async () => {
    await saveSecret(keyring, "acme", { kind: "passphrase", value: "wrong" });
    const coordinator = await startCoordinator();
    await expect(coordinator.start("acme", tenant)).rejects.toMatchObject({ code: "WRONG_KEY" });
  });
  it("do not forget a session that runs", async () => {
    const coordinator = await startCoordinator();
    const { id } = await coordinator.start("acme", tenant);
    await expect(coordinator.forget([id])).rejects.toMatchObject({ code: "SESSION_RUNNING" });
  });
  it("lock a restore point, and forget none of those named with it", async () => {
    const coordinator = await startCoordinator();
    await startHost(twoVolumes);
    const ids: string[] = [];
    for (let n = 0; n < 2; n++) ids.push((await ended(coordinator, (await coordinator.start("acme", tenant)).id)).id);
    const [locked = "", other = ""] = ids;
    const until = new Date(Date.now() + 3_600_000).toISOString();
    expect((await coordinator.lock(locked, { until })).lock).toEqual({ until });
    for (const how of [{ isForced: true }, { dryRun: true }])
      await expect(coordinator.forget([other, locked], how)).rejects.toMatchObject({ code: "SESSION_LOCKED", facts: { until } });
    expect(await coordinator.list()).toHaveLength(2);
    // Another locks between the other's look and its writing: neither lock is lost.
    const [looked, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow: BlockStore = {
      ...store,
      getRecord: async (repositoryId, key) => {
        if (key.startsWith("session/")) {
          looked.resolve();
          await written.promise;
        }
        return await store.getRecord(repositoryId, key);
      },
    };
    const options = { name: "c2", bus, store: slow, keyring, clock: systemClock, random: systemRandom };
    const later = `9${until.slice(1)}`;
    const locking = (await Coordinator.open(options)).lock(locked, { until: later });
    await looked.promise;
    await coordinator.lock(locked, { isHeld: true });
    written.resolve();
    await locking;
    expect((await coordinator.find(locked)).lock).toEqual({ until: later, isHeld: true });
    await coordinator.forget([other]);
    expect(await coordinator.list()).toHaveLength(1);
  }, 30_000);

  it("forget a restore point, or only say so", async () => {
    const coordinator = await startCoordinator();
    await startHost(twoVolumes);
    const { id } = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect(await coordinator.forget([id], { dryRun: true })).toHaveLength(1);
    expect(await coordinator.list("acme")).toHaveLength(1);
    const [repository] = await coordinator.repositories.unlocked();
    if (repository === undefined) throw new Error("no repository");
    const records = repository.records({ repositoryId: repository.id, sessionId: id, taskId: "apply-1", fence: 1n });
    for (const key of [`restored/${id}/glance.image/1`, `ledger/${id}/1`]) await records.put(key, 1n, utf8("{}"));
    await coordinator.forget([id]);
    expect(await coordinator.list("acme")).toHaveLength(0);
    expect(await records.list("restored/")).toEqual([]);
    expect(await records.list("ledger/")).toHaveLength(1);
  });
});

describe("forgetting a restore", () => {
  it("is refused while an undo would have something to take back, by its plan and by what applied it", async () => {
    const coordinator = await startCoordinator();
    await startHost(twoVolumes);
    const { id } = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    const [repository] = await coordinator.repositories.unlocked();
    if (repository === undefined) throw new Error("no repository");
    const records = repository.records({ repositoryId: repository.id, sessionId: id, taskId: "apply-1", fence: 1n });
    await records.put(`restored/${id}/glance.image/1`, 1n, utf8('{"targetId":"t"}'));
    const store = new SessionStore(repository);
    const record = await store.get(id);
    if (record === undefined) throw new Error("no record");
    const applying = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
    await store.save({ ...record, id: applying, appliesId: id });
    for (const one of [id, applying])
      await expect(coordinator.forget([one], { dryRun: true })).rejects.toMatchObject({ code: "RESTORE_NOT_UNDONE" });
    expect(await coordinator.list("acme")).toHaveLength(2);
    await coordinator.forget([applying], { isForced: true });
    // As an undo leaves it.
    await records.put(`restored/${id}/glance.image/1`, 2n, utf8("{}"));
    await coordinator.forget([id]);
    expect(await coordinator.list("acme")).toHaveLength(0);
  });
});

describe("a job that comes twice", () => {
  it("does not take a healthy task from its worker", async () => {
    const coordinator = await startCoordinator();
    let captures = 0;
    await startHost(async (task, context) => {
      if (task.kind === "capture" && task.resource.id === "a") {
        captures++;
        const queue = await bus.queue("tasks", { ackWaitMs: 20_000 });
        await queue.publish("again", utf8(JSON.stringify({ sessionId: task.sessionId, taskId: task.id })));
        await systemClock.sleep(9_000, context.signal);
      }
      return await twoVolumes(task, context);
    });
    const second = await startHost(twoVolumes, stop.signal, "w2");
    expect(second).toBeDefined();
    const record = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect([record.state, captures]).toEqual(["succeeded", 1]);
  });
});

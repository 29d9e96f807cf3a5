/** What a session survives: coordinators and workers that die, a bus and nodes that are away, cancellation in between. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlockStore, type MemoryBlockStore, memoryBlockStore } from "@permafrost/blocks";
import { type Bus, memoryBus, type Table } from "@permafrost/jobs";
import type { Task } from "@permafrost/model";
import { initRepository, saveSecret } from "@permafrost/repository";
import { type Clock, CodedError, fromHex, fromUtf8, systemClock, systemRandom, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ended, tenant, twoVolumes } from "../testing/two-volumes.ts";
import { Coordinator, type CoordinatorOptions } from "./coordinator.ts";
import { Repositories } from "./repositories.ts";
import { ATTEMPTS_MAX, type TaskContext, TaskHost } from "./task-claim.ts";

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
  clock: Clock = systemClock,
): Promise<TaskHost> {
  const repositories = new Repositories(store, keyring);
  const host = await TaskHost.open(bus, { worker, clock, openRepository: (id) => repositories.open(id), execute });
  running.push(host.loop(signal));
  return host;
}

/** Twenty times as fast as the machine's. */
const quick: Clock = {
  now: () => systemClock.now() * 20,
  monotonic: () => systemClock.monotonic() * 20,
  sleep: (ms, signal) => systemClock.sleep(ms / 20, signal),
};

/** The bus with a table's methods in place of its own. */
function withTables(real: Bus, change: (table: Table) => Partial<Table>): Bus {
  return {
    ...real,
    table: async (...asked) => {
      const table = await real.table(...asked);
      return {
        get: (key) => table.get(key),
        put: (key, value) => table.put(key, value),
        create: (key, value) => table.create(key, value),
        update: (key, value, revision) => table.update(key, value, revision),
        delete: (key) => table.delete(key),
        list: (prefix) => table.list(prefix),
        watch: (prefix, signal) => table.watch(prefix, signal),
        ...change(table),
      };
    },
  };
}

describe("a session's tasks", () => {
  const restoreOf = (pointId: string) =>
    ({
      kind: "restore",
      pointId,
      options: { target: { cloud: "lab" }, maps: {}, onConflict: "create" },
      selection: { include: [], exclude: [] },
      dryRun: false,
    }) as const;

  /** Restores of what `twoVolumes` backs up; `apply` waits until it is told to end. */
  const restoring =
    (seen: string[]) =>
    async (task: Task, context: TaskContext): Promise<unknown> => {
      seen.push(task.kind);
      if (task.kind === "plan") {
        const resources = task.resources.map((r) => ({ ...r, action: "create", actionReason: "new", dependsOn: [] }));
        return { projectId: "p", projectName: "acme", resources, references: [], problems: [] };
      }
      if (task.kind !== "apply") return await twoVolumes(task, context);
      return await systemClock.sleep(60_000, context.signal).finally(() => seen.push("left"));
    };

  it("of a restore that was cancelled under its former coordinator end before its sweep", async () => {
    const firstStop = new AbortController();
    const first = await startCoordinator(firstStop.signal);
    const seen: string[] = [];
    await startHost(restoring(seen));
    await startHost(restoring(seen), stop.signal, "w2");
    const point = await ended(first, (await first.start("acme", tenant)).id);
    const { id } = await first.start("acme", restoreOf(point.id));
    await vi.waitFor(() => expect(seen.filter((s) => s === "apply")).toHaveLength(2), { timeout: 10_000 });
    firstStop.abort(new CodedError("STOPPING", "dies"));
    await running[0];
    await first.cancel(id);
    const next = await startCoordinator(stop.signal, "c2");
    expect(await ended(next, id)).toMatchObject({ state: "cancelled" });
    expect(seen.slice(-3)).toEqual(["left", "left", "sweep"]);
  });

  it("have left the cloud when a cancelled session is swept", async () => {
    const coordinator = await startCoordinator();
    const seen: string[] = [];
    const slow = async (task: Task, context: TaskContext) => {
      seen.push(task.kind);
      if (task.kind === "capture")
        await systemClock.sleep(60_000, context.signal).finally(() => seen.push(`left ${task.resource.id}`));
      return await twoVolumes(task, context);
    };
    await startHost(slow);
    await startHost(slow, stop.signal, "w2");
    await startHost(slow, stop.signal, "w3");
    const { id } = await coordinator.start("acme", tenant);
    await vi.waitFor(() => expect(seen.filter((s) => s === "capture")).toHaveLength(2), { timeout: 10_000 });
    await coordinator.cancel(id);
    expect(await ended(coordinator, id)).toMatchObject({ state: "cancelled" });
    expect(seen.slice(-3).sort()).toEqual(["left a", "left b", "sweep"]);
    expect(seen.at(-1)).toBe("sweep");
  });

  it("of sessions that were lost with the bus are swept, wherever they are", async () => {
    const coordinator = await startCoordinator();
    await startHost(twoVolumes);
    const point = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    stop.abort(new CodedError("STOPPING", "all roles stop"));
    await Promise.allSettled(running);
    const silent = await Coordinator.open({ name: "c1", bus, store, keyring, clock: systemClock, random: systemRandom });
    const lost = await silent.start("acme", restoreOf(point.id));
    const target = { cloud: "lab", temporaryProject: "ops" };
    const elsewhere = await silent.start("acme", { ...tenant, target });
    bus = memoryBus({ clock: systemClock });
    stop = new AbortController();
    const next = await startCoordinator();
    const swept: unknown[] = [];
    await startHost(async (task, context) => {
      if (task.kind === "sweep") swept.push([task.sessionId, task.source]);
      return await twoVolumes(task, context);
    });
    expect(await ended(next, lost.id)).toMatchObject({ state: "failed", failure: { code: "SESSION_LOST" } });
    const expected = [
      [lost.id, { cloud: "lab" }],
      [elsewhere.id, target],
    ];
    await vi.waitFor(() => expect(swept.sort()).toEqual(expected.sort()), { timeout: 10_000 });
  });

  it("lose nothing when the coordinator cannot reach the nodes for a moment", async () => {
    const away = () => new CodedError("NODES_UNAVAILABLE", "not now", { retry: "later" });
    let failures = { get: 0, put: 0, putRecord: 0 };
    let number = 0;
    const nodes: BlockStore = {
      ...store,
      get: async (...asked) => {
        if (failures.get-- > 0) throw away();
        return await store.get(...asked);
      },
      put: async (...asked) => {
        if (failures.put-- > 0) throw away();
        return await store.put(...asked);
      },
      putRecord: async (...asked) => {
        if (failures.putRecord-- > 0) throw away();
        return await store.putRecord(...asked);
      },
    };
    const coordinator = await startCoordinator(stop.signal, "c1", { store: nodes, clock: quick });
    await startHost(async (task, context) => {
      const value = await twoVolumes(task, context);
      failures = { get: 1, put: 1, putRecord: task.kind === "sweep" ? 2 : 0 };
      number++;
      return value;
    });
    const record = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect([record.state, record.failure, number]).toEqual(["succeeded", undefined, 5]);
  });

  it("fail when they have ended worker after worker", async () => {
    bus = memoryBus({ clock: quick });
    const coordinator = await startCoordinator();
    const noJobs = AbortSignal.abort(new CodedError("STOPPING", "claims no job"));
    const host = await startHost(twoVolumes, noJobs, "w1", quick);
    const { id } = await coordinator.start("acme", tenant);
    const reference = { sessionId: id, taskId: "discover-1" };
    await host.waitFor(reference, 10_000, stop.signal);
    const table = await bus.table("tasks");
    const key = `${id}.discover-1`;
    for (let death = 1; death <= ATTEMPTS_MAX; death++) {
      // What the death of a worker leaves behind: a claim without a word after it.
      const claimed = Promise.withResolvers<void>();
      const die = new AbortController();
      void host.run(
        reference,
        async () => {
          claimed.resolve();
          await new Promise((resolve) => die.signal.addEventListener("abort", resolve));
        },
        die.signal,
      );
      await claimed.promise;
      const row = await table.get(key);
      if (row === undefined) throw new Error("no row");
      const entry = JSON.parse(fromUtf8(row.value));
      await table.put(key, utf8(JSON.stringify({ ...entry, worker: "dead" })));
      die.abort(new CodedError("STOPPING", "dies"));
      if (death < ATTEMPTS_MAX) continue;
      expect(entry).toMatchObject({ attempt: ATTEMPTS_MAX, deaths: ATTEMPTS_MAX - 1 });
    }
    const ran: string[] = [];
    const counting = async (task: Task, context: TaskContext) => {
      ran.push(task.kind);
      return await twoVolumes(task, context);
    };
    await startHost(counting, stop.signal, "w2", quick);
    expect(await ended(coordinator, id)).toMatchObject({ state: "failed", failure: { code: "TASK_LOST" } });
    expect(ran).toEqual(["sweep"]);
  }, 60_000);

  it("stay with their worker when the bus loses the answer to its heartbeats and report", async () => {
    const coordinator = await startCoordinator();
    let lost = 0;
    const lossy = withTables(bus, (table) => ({
      update: async (key, value, revision) => {
        const written = await table.update(key, value, revision);
        const { state } = JSON.parse(fromUtf8(value));
        if (key.includes("capture") && (state === "done" || ++lost % 2 === 0))
          throw new CodedError("BUS_UNREACHABLE", "no answer", { retry: "later" });
        return written;
      },
    }));
    const repositories = new Repositories(store, keyring);
    let captures = 0;
    const host = await TaskHost.open(lossy, {
      worker: "w1",
      clock: systemClock,
      openRepository: (id) => repositories.open(id),
      execute: async (task, context) => {
        if (task.kind === "capture") {
          captures++;
          await systemClock.sleep(7_000, context.signal);
        }
        return await twoVolumes(task, context);
      },
    });
    running.push(host.loop(stop.signal));
    const record = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect([record.state, captures]).toEqual(["succeeded", 2]);
  }, 60_000);

  it("have no parent when the parent's list of resources is lost", async () => {
    const coordinator = await startCoordinator();
    await startHost(twoVolumes);
    const first = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    store.drop(fromHex(first.results?.id ?? ""));
    const second = await ended(coordinator, (await coordinator.start("acme", tenant)).id);
    expect(second).toMatchObject({ state: "succeeded", counts: { succeeded: 2 } });
    expect((await coordinator.view(second.id)).resources()).toHaveLength(2);
  });

  it("that are none are taken off the queue", async () => {
    const queue = await bus.queue("tasks", { ackWaitMs: 20_000 });
    await queue.publish("stray", utf8("not a task"));
    await startHost(twoVolumes);
    await vi.waitFor(async () => expect(await queue.pending()).toBe(0), { timeout: 10_000 });
  });
});

describe("a session whose row cannot be written", () => {
  it("has ended, and does not seem to run for ever", async () => {
    const failing = withTables(bus, () => ({
      create: async () => {
        throw new CodedError("BUS_UNREACHABLE", "no answer", { retry: "later" });
      },
    }));
    const coordinator = await Coordinator.open({
      name: "c1",
      bus: failing,
      store,
      keyring,
      clock: systemClock,
      random: systemRandom,
    });
    await expect(coordinator.start("acme", tenant)).rejects.toMatchObject({ code: "BUS_UNREACHABLE" });
    expect(await coordinator.list()).toMatchObject([{ state: "failed", failure: { code: "BUS_UNREACHABLE" } }]);
  });
});

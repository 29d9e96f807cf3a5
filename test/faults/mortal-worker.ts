/**
 * A worker that dies at a chosen call of a cloud's API, in this process: from then on nothing that it still tries takes effect, neither in
 * the cloud nor on the storage nodes, just as if its machine had lost power.
 *
 * Deaths: `before` the call reaches the cloud; `lost`: the call took effect and its answer never came; `after`: the answer came
 * and the worker died before it did anything else; `late`: the call was under way and takes effect while the next worker is at it.
 */

import type { BlockStore } from "@permafrost/blocks";
import type { Task } from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import { runTask } from "@permafrost/protection";
import { openRepository, type Secret } from "@permafrost/repository";
import { type Clock, systemClock, systemRandom } from "@permafrost/std";
import type { FakeCloud } from "../fakes/openstack/index.ts";

export type Death = "before" | "lost" | "after" | "late";

/** Waits of seconds as milliseconds. */
export const quickClock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms / 1000, 2), signal) };

export interface Place {
  readonly fake: FakeCloud;
  readonly cloudsYaml: () => string;
  readonly store: BlockStore;
  readonly repositoryId: string;
  readonly secret: Secret;
}

export interface Fate {
  /** Which of the attempt's calls, from 0. */
  readonly call: number;
  readonly death: Death;
  /** `late`: when the call is let through, and what is told when it has taken effect. */
  readonly late?: { readonly until: Promise<void>; readonly applied: () => void };
}

export type Ended =
  | { readonly kind: "done"; readonly result: unknown; readonly calls: number }
  | { readonly kind: "died" }
  | { readonly kind: "failed"; readonly error: unknown };

/** One attempt at a task by a worker of its own, with its own connections, token and keys. */
export async function attempt(
  place: Place,
  task: Task,
  fence: bigint,
  fate?: Fate,
  onCall?: (number: number) => void,
): Promise<Ended> {
  const { fake } = place;
  let [calls, dead, doomed] = [0, false, false];
  const life = new AbortController();
  const opened: Cloud[] = [];
  const die = () => {
    dead = true;
    life.abort(new Error("the worker is dead"));
  };
  const drop = fake.faults.add({
    name: "death",
    match: {
      when: () => {
        if (doomed && !dead) die();
        if (dead) return true;
        onCall?.(calls);
        if (calls++ !== fate?.call || fate.death !== "before") return false;
        die();
        return true;
      },
    },
    times: Number.POSITIVE_INFINITY,
    action: { drop: "before" },
  });
  const lose = fake.faults.add({
    name: "lost answer",
    match: { when: () => calls - 1 === fate?.call && fate.death === "lost" },
    action: { hookAfter: die, drop: "after" },
  });
  const doom = fake.faults.add({
    name: "last answer",
    match: { when: () => calls - 1 === fate?.call && fate.death === "after" },
    action: {
      hookAfter: () => {
        doomed = true;
      },
    },
  });
  const delay = fake.faults.add({
    name: "late call",
    match: { when: () => calls - 1 === fate?.call && fate.death === "late" },
    action: {
      hook: async (call) => {
        await call.body();
        die();
        for (const cloud of opened) await cloud.close();
        await fate?.late?.until;
      },
      hookAfter: () => fate?.late?.applied(),
      drop: "after",
    },
  });
  const mortal = new Proxy(place.store, {
    get: (store, name) => {
      const method: unknown = Reflect.get(store, name, store);
      if (typeof method !== "function") return method;
      return async (...given: unknown[]) => {
        if (doomed && !dead) die();
        if (dead) throw new Error("the worker is dead");
        return await (method as (...given: unknown[]) => Promise<unknown>).apply(store, given);
      };
    },
  });
  try {
    const repository = await openRepository(mortal, place.repositoryId, place.secret);
    const scope = { repositoryId: place.repositoryId, sessionId: task.sessionId, taskId: task.id, fence };
    const writer = repository.writer(scope);
    const result = await runTask(task, {
      repository,
      writer,
      scope,
      signal: life.signal,
      progress: () => undefined,
      clock: quickClock,
      openCloud: async ({ cloud }) => {
        const config = await loadCloud(cloud, {
          env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" },
          readFile: async (path) => (path === "/clouds.yaml" ? place.cloudsYaml() : undefined),
        });
        const made = await openCloud(config, { clock: quickClock, random: systemRandom });
        opened.push(made);
        return made;
      },
    });
    await writer.finish();
    // A worker that dies after its last call has not told anybody of its result.
    return dead || doomed ? { kind: "died" } : { kind: "done", result, calls };
  } catch (error) {
    return dead || doomed ? { kind: "died" } : { kind: "failed", error };
  } finally {
    for (const cloud of opened) await cloud.close();
    for (const fault of [drop, lose, doom, delay]) fault.remove();
  }
}

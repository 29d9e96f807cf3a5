/**
 * A whole cluster in this process, over a memory bus and store, with a fake cloud: real sessions of the real coordinator, whose tasks real
 * workers run. For tests of what sessions do to a cloud, in seconds.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryBlockStore } from "@permafrost/blocks";
import { Coordinator, endedRestore, idlePlan, Repositories, type ResourceView, TaskHost } from "@permafrost/control";
import { memoryBus } from "@permafrost/jobs";
import type { CloudTarget, RestoreOptions, Selection, SessionRecord, VerifyLevel } from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import { runTask } from "@permafrost/protection";
import { initRepository, saveSecret } from "@permafrost/repository";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import type { CloudEntry, FakeCloud } from "../fakes/openstack/index.ts";
import { quickClock } from "../faults/mortal-worker.ts";

const secret = { kind: "key", value: Buffer.alloc(32, 3).toString("base64") } as const;
const ALL: Selection = { include: [], exclude: [] };

export interface Ended {
  readonly record: SessionRecord;
  readonly resources: readonly ResourceView[];
  /** The only one of that type and name. */
  of(type: string, name: string): ResourceView;
}

export interface RestoreWish extends Partial<Omit<RestoreOptions, "target">> {
  readonly verify?: VerifyLevel;
  readonly selection?: Selection;
}

export class OneProcess {
  readonly coordinator: Coordinator;
  readonly #end: () => Promise<void>;

  private constructor(coordinator: Coordinator, end: () => Promise<void>) {
    this.coordinator = coordinator;
    this.#end = end;
  }

  /** `fakes`: each cloud with those who log in to it, besides its administrator `fake-admin` (of the first). */
  static async start(
    fakes: readonly { readonly fake: FakeCloud; readonly entries: readonly CloudEntry[] }[],
  ): Promise<OneProcess> {
    const keyring = await mkdtemp(join(tmpdir(), "permafrost-one-"));
    const [store, bus] = [memoryBlockStore(), memoryBus({ clock: systemClock })];
    await initRepository(store, { name: "acme", secret });
    await saveSecret(keyring, "acme", secret);
    const clouds = new Map<string, Promise<Cloud>>();
    const openTarget = (target: CloudTarget): Promise<Cloud> => {
      const key = `${target.cloud} ${target.project ?? ""}`;
      const opening = clouds.get(key) ?? open(fakes, target);
      clouds.set(key, opening);
      opening.catch(() => clouds.delete(key));
      return opening;
    };
    const repositories = new Repositories(store, keyring);
    const stop = new AbortController();
    const coordinator = await Coordinator.open({ name: "c1", bus, store, keyring, clock: systemClock, random: systemRandom });
    const host = await TaskHost.open(bus, {
      worker: "w1",
      clock: systemClock,
      openRepository: (id) => repositories.open(id),
      execute: (task, context) => runTask(task, { ...context, clock: quickClock, openCloud: openTarget }),
    });
    const running = [coordinator.run(stop.signal), host.loop(stop.signal), host.loop(stop.signal)];
    return new OneProcess(coordinator, async () => {
      stop.abort(new CodedError("STOPPING", "the test ends"));
      await Promise.allSettled(running);
      for (const cloud of clouds.values()) await (await cloud.catch(() => undefined))?.close();
      await bus.close();
      await rm(keyring, { recursive: true });
    });
  }

  async close(): Promise<void> {
    await this.#end();
  }

  async backup(target: CloudTarget, selection: Selection = ALL): Promise<Ended> {
    return await this.run({ kind: "backup", input: "tenant", target, selection });
  }

  async plan(point: Ended, target: CloudTarget, wish: RestoreWish = {}): Promise<Ended> {
    return await this.#restore(point, target, wish, true);
  }

  async restore(point: Ended, target: CloudTarget, wish: RestoreWish = {}): Promise<Ended> {
    return await this.#restore(point, target, wish, false);
  }

  async apply(planned: Ended): Promise<Ended> {
    const { saved, plan } = await idlePlan(this.coordinator, planned.record.id);
    const applies = { sessionId: saved.journalId, plan };
    const { pointId, options } = saved;
    return await this.run({ kind: "restore", pointId, options, selection: ALL, dryRun: false, applies });
  }

  async verify(restored: Ended, level: VerifyLevel): Promise<Ended> {
    const { plan } = await endedRestore(this.coordinator, restored.record.id);
    return await this.run({ kind: "verify", restoreId: restored.record.id, plan, level });
  }

  async undo(restored: Ended): Promise<Ended> {
    const { plan } = await endedRestore(this.coordinator, restored.record.id);
    return await this.run({ kind: "undo", restoreId: restored.record.id, plan });
  }

  async run(input: Parameters<Coordinator["start"]>[1], timeoutMs = 60_000): Promise<Ended> {
    const { id } = await this.coordinator.start("acme", input);
    const deadline = systemClock.monotonic() + timeoutMs;
    for (;;) {
      const record = await this.coordinator.find(id);
      if (record.state !== "running") return await this.#ended(record);
      if (systemClock.monotonic() > deadline) throw new Error(`session ${id} still runs in phase ${record.phase}`);
      await systemClock.sleep(20);
    }
  }

  async #ended(record: SessionRecord): Promise<Ended> {
    const resources = (await this.coordinator.view(record.id)).resources();
    return {
      record,
      resources,
      of(type, name) {
        const found = resources.filter((r) => r.type === type && r.name === name);
        if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} of ${type} ${name}`);
        return found[0];
      },
    };
  }

  async #restore(point: Ended, target: CloudTarget, wish: RestoreWish, dryRun: boolean): Promise<Ended> {
    const { verify, selection = ALL, ...rest } = wish;
    const options: RestoreOptions = { maps: {}, onConflict: "create", ...rest, target };
    const input = { kind: "restore" as const, pointId: point.record.id, options, selection, dryRun };
    return await this.run(verify === undefined ? input : { ...input, verify });
  }
}

/** By the cloud's name in the clouds.yaml of whichever fake has it. */
async function open(
  fakes: readonly { readonly fake: FakeCloud; readonly entries: readonly CloudEntry[] }[],
  { cloud, project }: CloudTarget,
): Promise<Cloud> {
  const owner = fakes.find(({ entries }) => entries.some((e) => e.cloudName === cloud)) ?? fakes[0];
  if (owner === undefined) throw new CodedError("CLOUD_UNKNOWN", cloud);
  const yaml = owner.fake.cloudsYaml(...owner.entries);
  const config = await loadCloud(cloud, {
    env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" },
    readFile: async (path) => (path === "/clouds.yaml" ? yaml : undefined),
  });
  return await openCloud(config, { clock: quickClock, random: systemRandom, ...(project === undefined ? {} : { project }) });
}

/** `maxWindow`: what a backup does when its volumes were frozen further apart than asked for. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryBlockStore } from "@permafrost/blocks";
import { memoryBus } from "@permafrost/jobs";
import type { SessionRecord, WindowLimit } from "@permafrost/model";
import { initRepository, saveSecret } from "@permafrost/repository";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import { expect, it } from "vitest";
import { ended, tenant, twoVolumes } from "../testing/two-volumes.ts";
import { Coordinator } from "./coordinator.ts";
import { Repositories } from "./repositories.ts";
import { TaskHost } from "./task-claim.ts";

/** A backup whose volumes are frozen within 41 s; and the kinds of its tasks. */
async function backup(maxWindow: WindowLimit | undefined): Promise<{ record: SessionRecord; kinds: string[] }> {
  const secret = { kind: "passphrase", value: "correct horse" } as const;
  const keyring = await mkdtemp(join(tmpdir(), "keyring-"));
  const [store, bus, stop] = [memoryBlockStore(), memoryBus({ clock: systemClock }), new AbortController()];
  await initRepository(store, { name: "acme", secret });
  await saveSecret(keyring, "acme", secret);
  const coordinator = await Coordinator.open({ name: "c1", bus, store, keyring, clock: systemClock, random: systemRandom });
  const repositories = new Repositories(store, keyring);
  const kinds: string[] = [];
  const host = await TaskHost.open(bus, {
    worker: "w1",
    clock: systemClock,
    openRepository: (id) => repositories.open(id),
    execute: async (task, context) => {
      kinds.push(task.kind);
      const result = await twoVolumes(task, context);
      const window = { requestedFirstAt: "", requestedLastAt: "", windowMs: 41_000, resources: [] };
      return task.kind === "freeze" ? { ...(result as object), window } : result;
    },
  });
  const running = [coordinator.run(stop.signal), host.loop(stop.signal)];
  const { id } = await coordinator.start("acme", { ...tenant, ...(maxWindow === undefined ? {} : { maxWindow }) });
  const record = await ended(coordinator, id);
  stop.abort(new CodedError("STOPPING", "test ends"));
  await Promise.allSettled(running);
  await bus.close();
  await rm(keyring, { recursive: true });
  return { record, kinds };
}

it("nothing without a limit or within it", async () => {
  for (const limit of [undefined, { ms: 41_000, action: "fail" as const }]) {
    const { record } = await backup(limit);
    expect(record).toMatchObject({ state: "succeeded", warnings: [], consistencyWindow: { windowMs: 41_000 } });
  }
});

it("says so, and goes on", async () => {
  const { record } = await backup({ ms: 30_500, action: "warn" });
  expect(record.state).toBe("succeeded");
  expect(record.warnings).toEqual(["The volumes were frozen within 41 s, not within the 30.5 s asked for"]);
});

it("or fails before any data is read, and tidies up", async () => {
  const { record, kinds } = await backup({ ms: 30_000, action: "fail" });
  expect(record).toMatchObject({ state: "failed", failure: { code: "WINDOW_EXCEEDED", facts: { windowMs: 41_000 } } });
  expect(kinds).toEqual(["discover", "freeze", "sweep"]);
});

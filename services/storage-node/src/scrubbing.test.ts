/** The background scrub: what it finds is told and known, its rate is bounded, a stop ends it at once. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { Lifecycle, loadConfig } from "@permafrost/runtime";
import { type Clock, systemClock } from "@permafrost/std";
import { openStorage, type StorageEngine } from "@permafrost/storage";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { storageNodeConfig } from "./config.ts";
import { startStorageNode } from "./main.ts";
import { type Scrubbed, scrubPeriodically } from "./scrubbing.ts";

const blocks = Array.from({ length: 40 }, (_, n) => testBlock(n, 200_000));
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
let folder: string;
let store: StorageEngine;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "permafrost-scrub-"));
  store = await openStorage({ directory: join(folder, "data") });
  await store.put(testScope(), blocks);
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

/** Flips a bit in the middle of the only pack. */
function damage(): void {
  const packs = join(folder, "data", "packs");
  const file = join(packs, readdirSync(packs)[0] ?? "");
  const bytes = readFileSync(file);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

it("reads everything, and what it finds damaged is no longer counted upon", async () => {
  const ends: Scrubbed[] = [];
  const told: unknown[] = [];
  const logger = { ...quiet, warn: (facts: object, message?: string) => told.push({ ...facts, message }) };
  await store.close();
  damage();
  store = await openStorage({ directory: join(folder, "data") });
  const scrub = scrubPeriodically(store, { everyMs: 1, bytesPerSecondMax: 1e9 }, logger as never, (end) => ends.push(end));
  await vi.waitFor(() => expect(ends.length).toBeGreaterThan(0), { timeout: 10_000 });
  await scrub.stop();
  expect(ends[0]).toMatchObject({ findings: 1 });
  expect(ends[0]?.bytes).toBeGreaterThan(39 * 200_000);
  expect(told[0]).toMatchObject({
    kind: "record",
    repositoryId: TEST_REPOSITORY,
    message: "Scrub: a record of the pack is damaged",
  });
  const present = await store.reserve(
    testScope(),
    blocks.map(({ id }) => id),
  );
  expect(present.filter((is) => !is)).toHaveLength(1);
});

it("waits so that it reads no faster than it may, and ends when it is stopped meanwhile", async () => {
  let waitedMs = 0;
  const stuck = Promise.withResolvers<void>();
  const clock: Clock = {
    ...systemClock,
    monotonic: () => 0,
    sleep: async (ms, signal) => {
      if (ms < 10) return;
      waitedMs += ms;
      stuck.resolve();
      await new Promise<void>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  const options = { everyMs: 1, bytesPerSecondMax: 1024 * 1024, clock };
  const scrub = scrubPeriodically(store, options, quiet as never, () => expect.fail("it should not get to its end"));
  await stuck.promise;
  // 4 MiB at 1 MiB a second.
  expect(waitedMs).toBeGreaterThanOrEqual(4_000);
  await scrub.stop();
});

it("is off with an interval of 0, and a node that is stopped in the middle of one stops", async () => {
  await store.close();
  writeFileSync(join(folder, "token"), "a-token-of-the-cluster-for-tests\n", { mode: 0o600 });
  for (const everyHours of [0, 1e-7]) {
    const file = join(folder, "node.yaml");
    const settings = { listen: "127.0.0.1:0", dataDirectory: "data", tokenFile: "token", log: { level: "error" } };
    writeFileSync(file, JSON.stringify({ ...settings, scrub: { everyHours } }));
    const lifecycle = new Lifecycle();
    await startStorageNode(loadConfig(storageNodeConfig, file, { env: {}, envPrefix: "TEST_" }), lifecycle);
    await systemClock.sleep(20);
    expect(await lifecycle.stop()).toEqual([]);
  }
  store = await openStorage({ directory: join(folder, "data") });
});

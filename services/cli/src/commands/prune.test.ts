/** `permafrost prune`, and `forget --prune`: what is asked for and what is said of it. */

import { expect, test } from "vitest";
import { resource, session } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";
import { durationMs } from "../options.ts";

const MIB = 1n << 20n;
const report = {
  storedBlocks: 50n,
  storedBytes: 3100n * MIB,
  unusedBlocks: 9n,
  unusedBytes: 412n * MIB,
  condemnedBlocks: 8n,
  condemnedBytes: 400n * MIB,
  deletedBlocks: 1n,
  deletedBytes: 12n * MIB,
  freedBytes: 12n * MIB,
  sparedBlocks: 0n,
  deletedAfter: new Date("2026-12-04T12:00:00Z"),
};
const node = resource({ type: "storage.node", name: "a0a1" });

test("says what is unused, freed and condemned, to people and to programs", async () => {
  const world = createWorld();
  world.cluster.ended = session({ kind: "prune", resources: 1, prune: report });
  world.cluster.resourceList = [node];
  expect(await world.run("prune", "--repository", "production")).toBe(0);
  expect(world.cluster.requestOf("startPrune")).toEqual({
    repository: "production",
    graceMs: BigInt(7 * 24 * 3600 * 1000),
    unusedPercentMax: 0,
    dryRun: false,
  });
  expect(world.stdout.text).toContain(
    "412 MiB of 3.0 GiB unused, 12 MiB freed, 400 MiB condemned: deleted after 2026-12-04 12:00:00 UTC at the earliest\n",
  );
  world.stdout.text = "";
  expect(
    await world.run("prune", "--repository", "production", "--grace", "0", "--max-unused", "90", "--dry-run", "--json"),
  ).toBe(0);
  expect(world.cluster.requestOf("startPrune")).toMatchObject({ graceMs: 0n, unusedPercentMax: 90, dryRun: true });
  expect(JSON.parse(world.stdout.text)).toMatchObject({
    kind: "prune",
    unused_size: Number(412n * MIB),
    freed_size: Number(12n * MIB),
    condemned_size: Number(400n * MIB),
    deleted_after: "2026-12-04T12:00:00.000Z",
  });
});

test("says so when it was not done", async () => {
  const world = createWorld();
  const failure = { code: "PRUNE_TOO_MUCH", message: "80 % would be condemned at once", hint: "say --max-unused 80", facts: {} };
  world.cluster.ended = session({ kind: "prune", state: "failed", failure });
  expect(await world.run("prune", "--repository", "production")).toBe(1);
  expect(world.stderr.text).toContain("80 % would be condemned at once");
  expect(world.stderr.text).toContain("say --max-unused 80");
  expect(await world.run("prune")).toBe(2);
});

test("forget --prune prunes when something was forgotten, and not in a dry run", async () => {
  const world = createWorld();
  world.cluster.ended = session({ kind: "prune", resources: 1, prune: report });
  world.cluster.resourceList = [node];
  const forget = ["forget", "2026", "--repository", "production", "--yes", "--prune", "--grace", "2w"];
  expect(await world.run(...forget)).toBe(0);
  expect(world.cluster.calls.map((call) => call.method).slice(0, 3)).toEqual(["forgetSession", "forgetSession", "startPrune"]);
  expect(world.cluster.requestOf("startPrune")).toMatchObject({ graceMs: BigInt(14 * 24 * 3600 * 1000) });
  const dry = createWorld();
  expect(await dry.run(...forget, "--dry-run")).toBe(0);
  expect(dry.cluster.calls.map((call) => call.method)).not.toContain("startPrune");
  const nowhere = createWorld();
  expect(await nowhere.run("forget", "2026", "--yes", "--prune")).toBe(2);
  expect(nowhere.cluster.calls).toEqual([]);
});

test("takes times with a unit", () => {
  expect(["0", "90s", "5m", "12h", "7d", "2w"].map(durationMs)).toEqual([0, 90e3, 300e3, 43_200e3, 604_800e3, 1_209_600e3]);
  for (const text of ["", "7", "d", "-1d", "1.5h", "7 d", "9999999w"]) expect(() => durationMs(text), text).toThrow();
});

/** `permafrost policy`: what is asked for and shown. */

import { expect, test } from "vitest";
import type { Policy } from "../../src/api.ts";
import { createWorld } from "../../testing/fake-context.ts";

const nightly: Policy = {
  name: "nightly",
  backup: {
    $case: "tenant",
    value: {
      cloud: "mycloud",
      project: "",
      selection: { include: ["cinder.volume"], exclude: [] },
      temporaryProject: "ops",
      maxWindowMs: 30_000n,
      failBeyondWindow: true,
    },
  },
  schedule: "30 2 * * *",
  timeZone: "Europe/Vienna",
  keep: { last: 0, hourly: 0, daily: 7, weekly: 5, monthly: 0, yearly: 0 },
  prune: true,
  pruneGraceMs: 86_400_000n,
  paused: false,
  repository: "production",
  nextDueAt: new Date("2026-11-28T01:30:00Z"),
  lastDueAt: undefined,
  lastSessionId: "",
};
const SET = ["policy", "set", "nightly", "--repository", "production", "--schedule", "30 2 * * *", "--os-cloud", "mycloud"];

test("set sends what is backed up, when, and what is kept", async () => {
  const world = createWorld();
  const more = [
    "--timezone",
    "Europe/Vienna",
    "--max-window",
    "30s",
    "--beyond-window",
    "fail",
    "--temporary-project",
    "ops",
    "--include",
    "cinder.volume",
    "--keep-daily",
    "7",
    "--keep-weekly",
    "5",
  ];
  expect(await world.run(...SET, ...more, "--prune", "--grace", "1d", "--json")).toBe(0);
  const { nextDueAt: _next, lastDueAt: _last, ...sent } = nightly;
  expect(world.cluster.requestOf("putPolicy")).toEqual({ repository: "production", policy: { ...sent, repository: "" } });
  expect(JSON.parse(world.stdout.text)).toMatchObject({
    ...{ name: "nightly", repository: "production", source: "mycloud", keep: "7 daily, 5 weekly", grace_ms: 86_400_000 },
  });
});

test("set of all projects keeps everything unless told, and prunes after a week", async () => {
  const world = createWorld();
  expect(await world.run(...SET, "--all-projects", "--domain", "customers", "--at-once", "3")).toBe(0);
  expect(world.cluster.requestOf("putPolicy")).toMatchObject({
    policy: {
      backup: { $case: "allProjects", value: { cloud: "mycloud", domain: "customers", atOnce: 3 } },
      ...{ keep: undefined, prune: false, pruneGraceMs: 604_800_000n, timeZone: expect.stringMatching(/./) },
    },
  });
});

test.each([
  [[...SET, "--grace", "1d"], "--grace goes with --prune"],
  [[...SET, "--domain", "d"], "goes with --all-projects"],
  [["policy", "set", "nightly", "--repository", "production", "--os-cloud", "c"], "--schedule"],
  [["policy", "set", "nightly", "--schedule", "0 0 * * *", "--os-cloud", "c"], "No repository"],
  [["policy", "show", "nightly", "--repository", "production"], "There is no policy nightly"],
])("refuses %j", async (args, message) => {
  const world = createWorld();
  expect(await world.run(...args)).toBe(2);
  expect(world.stderr.text).toContain(message);
});

test("list, show, pause, resume and delete", async () => {
  const world = createWorld();
  world.cluster.policyList = [nightly, { ...nightly, name: "weekly", keep: undefined, paused: true, nextDueAt: undefined }];
  expect(await world.run("policy", "list", "-f", "value", "-c", "Name", "-c", "Keep", "-c", "Next Due")).toBe(0);
  expect(world.stdout.text).toBe("nightly 7 daily, 5 weekly 2026-11-28T01:30:00.000Z\nweekly all None\n");
  const of = ["--repository", "production"];
  expect(await world.run("policy", "show", "weekly", ...of)).toBe(0);
  expect(await world.run("policy", "pause", "nightly", ...of)).toBe(0);
  expect(world.cluster.requestOf("pausePolicy")).toEqual({ repository: "production", name: "nightly", paused: true });
  expect(await world.run("policy", "resume", "nightly", ...of)).toBe(0);
  expect(world.cluster.requestOf("pausePolicy")).toMatchObject({ paused: false });
  expect(await world.run("policy", "delete", "nightly", ...of)).toBe(0);
  expect(world.cluster.requestOf("deletePolicy")).toEqual({ repository: "production", name: "nightly" });
});

/** `permafrost forget`: by name and by policy; what it asks, shows and removes. */

import { expect, test } from "vitest";
import { session } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";

test("forget asks, and removes exactly what it showed", async () => {
  const world = createWorld({ stdinIsTerminal: true, confirms: [false, true, undefined] });
  expect(await world.run("forget", "2026")).toBe(1);
  expect(world.cluster.calls.map((call) => call.request)).toEqual([{ sessionIds: ["2026"], dryRun: true, force: false }]);
  expect(await world.run("forget", "2026")).toBe(0);
  const exactly = { sessionIds: ["20261123T170000Z-0a1b2c3d"], dryRun: false };
  expect(world.cluster.requestOf("forgetSession")).toEqual({ ...exactly, force: false });
  expect(await world.run("forget", "2026")).toBe(130);
  const pipe = createWorld();
  expect(await pipe.run("forget", "2026", "--yes", "--force", "-q", "-f", "csv")).toBe(0);
  expect(pipe.cluster.requestOf("forgetSession")).toEqual({ ...exactly, force: true });
  pipe.stdout.text = "";
  expect(await pipe.run("forget", "2026")).toBe(2);
  expect(await pipe.run("forget", "2026", "--dry-run", "-f", "value", "-c", "ID")).toBe(0);
  expect(await pipe.run("forget", "2026", "--yes", "-q", "-f", "value", "-c", "ID")).toBe(0);
  expect(pipe.stdout.text).toBe("20261123T170000Z-0a1b2c3d\n20261123T170000Z-0a1b2c3d\n");
});

const POLICY = ["forget", "--repository", "production", "--timezone", "UTC"] as const;

/** Two sources with a restore point on each of three days, one session that is none, and one that is partial. */
function points() {
  const made = (id: string, day: number, more: Partial<ReturnType<typeof session>> = {}) =>
    session({ id, startedAt: new Date(Date.UTC(2026, 10, day, 12)), ...more });
  return [
    made("b3", 26, { projectId: "other" }),
    made("a4", 26, { state: "partial" }),
    made("a3", 25),
    made("r1", 25, { kind: "restore" }),
    made("f1", 25, { state: "failed" }),
    made("a2", 24),
    made("b2", 24, { projectId: "other" }),
    made("a1", 23),
  ];
}

test("a policy keeps of each source what it says, and says why; nothing else is touched", async () => {
  const world = createWorld();
  world.cluster.sessionList = points();
  expect(
    await world.run(
      ...POLICY,
      "--keep-daily",
      "1",
      "--keep-last",
      "2",
      "--dry-run",
      "-f",
      "csv",
      "-c",
      "ID",
      "-c",
      "Action",
      "-c",
      "Reasons",
    ),
  ).toBe(0);
  expect(world.stdout.text.trim().split(/\r?\n/).slice(1)).toEqual([
    '"b3","keep","last 1; daily 2026-11-26"',
    '"a4","keep","newer than all that is complete"',
    '"a3","keep","last 1; daily 2026-11-25"',
    '"a2","keep","last 2"',
    '"b2","keep","last 2"',
    '"a1","forget",""',
  ]);
  expect(world.stderr.text).toBe("1 of 6 restore points would go.\n");
  expect(world.cluster.calls.some((call) => call.method === "forgetSession")).toBe(false);
  expect(await world.run(...POLICY, "--keep-last", "1", "--yes", "-q")).toBe(0);
  expect(world.cluster.requestOf("forgetSession")).toEqual({ sessionIds: ["a2", "b2", "a1"], dryRun: false, force: false });
});

test("a policy asks first, and asks nothing when nothing goes", async () => {
  const world = createWorld({ stdinIsTerminal: true, confirms: [false] });
  world.cluster.sessionList = points();
  expect(await world.run(...POLICY, "--keep-last", "9")).toBe(0);
  expect(await world.run(...POLICY, "--keep-last", "1")).toBe(1);
  expect(world.cluster.calls.some((call) => call.method === "forgetSession")).toBe(false);
});

test.each([
  [["forget"], "Nothing says what shall go"],
  [[...POLICY, "2026", "--keep-last", "1"], "two ways to say what goes"],
  [[...POLICY, "--keep-last", "0"], "--keep-last"],
  [["forget", "--keep-last", "1", "--yes"], "No repository"],
  [
    ["forget", "--repository", "production", "--keep-daily", "1", "--timezone", "Mars/Olympus"],
    "There is no time zone Mars/Olympus",
  ],
  [[...POLICY, "--keep-last", "1"], "Forgetting cannot be undone"],
])("forget %j is refused", async (argv, text) => {
  const world = createWorld();
  world.cluster.sessionList = points();
  expect(await world.run(...argv)).toBe(2);
  expect(world.stderr.text).toContain(text);
});

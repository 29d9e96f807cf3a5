import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { plan, reference, resource, session } from "../../testing/fake-cluster.ts";
import { createWorld, type World } from "../../testing/fake-context.ts";

/** `restore plan` and `restore show`, maps, and every way to call the steps of a restore wrongly. */

const TO = ["--repository", "production", "--to-cloud", "other"] as const;
const PLAN = "20261123T180000Z-11111111";
const APPLIED = "20261123T181000Z-33333333";
const failure = (fields = {}) => ({
  code: "NO_SPACE",
  message: "volumes need 3 GiB more",
  hint: "Raise it.",
  facts: {},
  ...fields,
});
const planSession = (fields = {}) =>
  session({ id: PLAN, kind: "restore", dryRun: true, cloud: "other", sourceName: "copy", stats: undefined, ...fields });
const machineLine = (world: World) => JSON.parse(world.stderr.text.trimEnd().split("\n").at(-1) ?? "");

function worldWithPlan(): World {
  const world = createWorld();
  world.cluster.ended = planSession();
  world.cluster.resourceList = [
    resource({ state: "pending", action: "create", actionReason: "the target has none", dependsOn: ["nova.server/s1"] }),
    resource({
      type: "neutron.network",
      id: "n9",
      name: "lan",
      state: "pending",
      action: "reuse",
      actionReason: "it has that name",
    }),
  ];
  return world;
}

function makeUnready(world: World): void {
  world.cluster.ended = planSession({ state: "partial", failed: 1, warnings: ["it took long"] });
  world.cluster.resourceList.push(
    resource({ id: "v2", name: "logs\u001b", state: "failed", action: "conflict", actionReason: "type ssd is not there" }),
    resource({
      id: "v3",
      name: "old",
      targetName: "old-2",
      action: "create",
      state: "pending",
      warnings: ["encrypted", "large"],
    }),
    resource({
      id: "v4",
      name: "gone",
      state: "failed",
      failure: failure({ code: "NOT_IN_BACKUP", message: "it failed", hint: "" }),
    }),
  );
  world.cluster.plan = plan({
    references: [
      reference(),
      reference({ kind: "volume-type", id: "vt1", name: "ssd", targetId: "", targetName: "", how: "missing" }),
    ],
    problems: [failure()],
  });
}

test("plan: asks for a plan, prints all of it, and says how to apply it", async () => {
  const world = worldWithPlan();
  expect(await world.run("restore", "plan", "2026", ...TO, "--to-project", "copy", "--on-conflict", "rename")).toBe(0);
  expect(world.cluster.requestOf("startRestore")).toMatchObject({
    sessionId: "2026",
    cloud: "other",
    project: "copy",
    dryRun: true,
    onConflict: "rename",
    powerOn: "as-backed-up",
    maps: [],
  });
  expect(world.cluster.requestOf("getPlan")).toEqual({ sessionId: PLAN });
  expect(world.stdout.text).toBe(`\
+-----------------+------+--------+---------------------+
| Type            | Name | Action | Reason              |
+-----------------+------+--------+---------------------+
| cinder.volume   | data | create | the target has none |
| neutron.network | lan  | reuse  | it has that name    |
+-----------------+------+--------+---------------------+
plan ${PLAN} for other/copy: 2 resources (1 create, 1 reuse)
`);
  expect(world.stderr.text).toBe(`Nothing was changed. Apply it: \`permafrost restore apply ${PLAN}\`\n`);
});

test("plan: conflicts, what is missing and problems are told, and end with 3", async () => {
  const world = worldWithPlan();
  makeUnready(world);
  expect(await world.run("restore", "plan", "2026", ...TO)).toBe(3);
  expect(world.stdout.text).toBe(`\
+-----------------+----------+-------------+----------+---------------------------+
| Type            | Name     | Target Name | Action   | Reason                    |
+-----------------+----------+-------------+----------+---------------------------+
| cinder.volume   | data     |             | create   | the target has none       |
| neutron.network | lan      |             | reuse    | it has that name          |
| cinder.volume   | logs\\x1b |             | conflict | type ssd is not there     |
| cinder.volume   | old      | old-2       | create   |                           |
| cinder.volume   | gone     |             |          | it failed (NOT_IN_BACKUP) |
+-----------------+----------+-------------+----------+---------------------------+

Warnings:
  cinder.volume old: encrypted
  cinder.volume old: large

Taken from the target:
+-----------------+--------+-----------+-------------+-----------+
| Kind            | Name   | How       | Target Name | Target ID |
+-----------------+--------+-----------+-------------+-----------+
| neutron.network | public | same name | public      | t1        |
| volume-type     | ssd    | missing   |             |           |
+-----------------+--------+-----------+-------------+-----------+

Problems:
  volumes need 3 GiB more (NO_SPACE); Raise it.

plan ${PLAN} for other/copy: 5 resources (2 create, 1 reuse, 1 conflict, 1 failed), 2 references (1 missing), 1 problem
`);
  expect(world.stderr.text).toContain("Warning: it took long\n");
  expect(world.stderr.text).toContain("Not all of it can be restored");
});

test.each([
  ["a conflict", resource({ action: "conflict", state: "failed" }), {}],
  ["a problem", resource(), { problems: [failure()] }],
])("plan: %s alone makes it 3", async (_what, added, answer) => {
  const world = worldWithPlan();
  world.cluster.resourceList.push(added);
  world.cluster.plan = plan(answer);
  expect(await world.run("restore", "plan", "2026", ...TO, "--json")).toBe(3);
  expect(JSON.parse(world.stdout.text).ready).toBe(false);
  expect(machineLine(world)).toEqual({ message_type: "exit_error", code: 3, message: `plan ${PLAN} cannot be applied whole` });
});

test("plan: what is missing and nothing conflicts for is told, and the plan can be applied", async () => {
  const world = worldWithPlan();
  world.cluster.plan = plan({
    references: [reference({ kind: "project", name: "friends", targetId: "", targetName: "", how: "missing" })],
  });
  expect(await world.run("restore", "plan", "2026", ...TO)).toBe(0);
  expect(world.stdout.text).toContain("1 reference (1 missing)");
});

test("plan in json and yaml is all of it, in csv and value the resources, with the rest said", async () => {
  const world = worldWithPlan();
  makeUnready(world);
  expect(await world.run("restore", "plan", "2026", ...TO, "-f", "json")).toBe(3);
  const answer = JSON.parse(world.stdout.text);
  expect(answer).toMatchObject({ id: PLAN, kind: "restore", dry_run: true, ready: false });
  expect(answer.resource_list[0]).toMatchObject({
    action: "create",
    reason: "the target has none",
    depends_on: ["nova.server/s1"],
  });
  expect(answer.resource_list[3]).toMatchObject({ target_name: "old-2", warnings: ["encrypted", "large"] });
  expect(answer.reference_list[1]).toEqual({
    kind: "volume-type",
    name: "ssd",
    how: "missing",
    target_name: null,
    target_id: null,
    id: "vt1",
  });
  expect(answer.problem_list).toEqual([{ code: "NO_SPACE", message: "volumes need 3 GiB more", hint: "Raise it.", facts: {} }]);
  world.stdout.text = "";
  expect(await world.run("restore", "plan", "2026", ...TO, "-f", "yaml")).toBe(3);
  expect(world.stdout.text).toContain("reference_list:\n");
  world.stdout.text = "";
  world.stderr.text = "";
  expect(await world.run("restore", "plan", "2026", ...TO, "-f", "value", "-c", "Name", "-c", "Action")).toBe(3);
  expect(world.stdout.text).toBe("data create\nlan reuse\nlogs\\x1b conflict\nold create\ngone None\n");
  for (const line of [
    "Warning: it took long",
    "Warning: cinder.volume old: large",
    "Missing: volume-type ssd",
    "Problem: volumes",
  ])
    expect(world.stderr.text).toContain(line);
});

test("a plan that could not be made is its failure", async () => {
  const world = worldWithPlan();
  const why = failure({ code: "MAP_TARGET_UNKNOWN", message: "The target has no zone z", hint: "Change --map zone:a=z." });
  world.cluster.ended = planSession({ state: "failed", failure: why });
  expect(await world.run("restore", "plan", "2026", ...TO, "--write-map", "m.yaml")).toBe(2);
  expect(world.stdout.text).toBe(`plan ${PLAN} failed in 1m 12s\n`);
  expect(world.stderr.text).toContain("Error: The target has no zone z (MAP_TARGET_UNKNOWN)\n  Change --map zone:a=z.\n");
  expect(world.cluster.requestOf("getPlan")).toBeUndefined();
  expect(existsSync(join(world.directory, "m.yaml"))).toBe(false);
});

test("maps: a file, the command line above it, and a file written that comes to the same", async () => {
  const world = worldWithPlan();
  makeUnready(world);
  writeFileSync(join(world.directory, "in.yaml"), 'zone:\n  a: file\n  "*": nova\nvolume-type:\n  ssd:\nrole:\n  x:\n');
  const maps = ["--map-file", "in.yaml", "--map", "zone:a=line", "--map", "role:x=y"];
  expect(await world.run("restore", "plan", "2026", ...TO, ...maps, "--write-map", "out.yaml")).toBe(3);
  expect(world.cluster.requestOf("startRestore")).toMatchObject({
    maps: [
      { kind: "zone", names: { a: "line", "*": "nova" } },
      { kind: "role", names: { x: "y" } },
    ],
  });
  expect(world.stderr.text).toContain("in.yaml has no value for volume-type ssd\n");
  const written = readFileSync(join(world.directory, "out.yaml"), "utf8");
  expect(written).toContain('zone:\n  a: line # as mapped\n  "*": nova # as mapped\n');
  expect(written).toContain("volume-type:\n  ssd: # missing");
  expect(await world.run("restore", "plan", "2026", ...TO, "--map-file", "out.yaml")).toBe(3);
  expect(world.cluster.requestOf("startRestore")).toMatchObject({
    maps: [
      { kind: "neutron.network", names: { public: "public" } },
      { kind: "role", names: { x: "y" } },
      { kind: "zone", names: { a: "line", "*": "nova" } },
    ],
  });
  const calls = world.cluster.calls.length;
  expect(await world.run("restore", "plan", "2026", ...TO, "--write-map", "out.yaml")).toBe(2);
  expect(world.stderr.text).toContain("out.yaml is there already");
  expect(await world.run("restore", "plan", "2026", ...TO, "--write-map", "no/out.yaml")).toBe(2);
  expect(world.stderr.text).toContain("there is no directory");
  expect(world.cluster.calls).toHaveLength(calls);
});

test("show prints a plan again with code 0, and of an applied one what became of it", async () => {
  const world = worldWithPlan();
  makeUnready(world);
  expect(await world.run("restore", "show", PLAN)).toBe(0);
  expect(world.stdout.text).toContain("| volume-type     | ssd    | missing   |");
  world.cluster.ended = undefined;
  world.cluster.sessionList = [session({ id: "x" }), session({ id: APPLIED, kind: "restore" })];
  world.stdout.text = "";
  expect(await world.run("restore", "show", "latest")).toBe(0);
  expect(world.cluster.requestOf("getPlan")).toEqual({ sessionId: APPLIED });
  expect(world.stdout.text).toContain("| cinder.volume   | data     | create   | pending | the target has none       |");
});

test.each([
  [["plan"], "Missing required argument 'session'"],
  [["plan", "2026"], "No repository"],
  [["plan", "2026", "--repository", "r"], "No cloud"],
  [["plan", "2026", ...TO, "--verify", "data"], "--verify does not go with `permafrost restore plan`"],
  [["plan", "2026", ...TO, "--to-stdout"], "--to-stdout does not go with `permafrost restore plan`"],
  [["--users-report", "f", "plan", "2026", ...TO], "--users-report does not go with"],
  [["plan", "2026", ...TO, "--dry-run"], "Unknown option '--dry-run'"],
  [["2026", ...TO, "--dry-run"], "Unknown option '--dry-run'"],
  [["plan", "2026", ...TO, "--power-on", "always"], "Allowed choices are as-backed-up, never"],
  [["plan", "2026", ...TO, "--on-conflict", "replace"], "Allowed choices are create, reuse, rename, skip, fail"],
  [["plan", "2026", ...TO, "-c", "Nope"], 'No column "Nope"'],
  [["apply"], "Missing required argument 'plan'"],
  [["apply", "p", "--to-cloud", "c"], "--to-cloud does not go with `permafrost restore apply`"],
  [["apply", "p", "--map", "zone:a=b"], "--map does not go with"],
  [["apply", "p", "--verify", "all"], "Allowed choices are none, metadata, hash, data"],
  [["verify", "p", "--level", "none"], "Allowed choices are metadata, hash, data"],
  [["verify", "p", "--verify", "data"], "--verify does not go with `permafrost restore verify`"],
  [["undo"], "Missing required argument 'restore'"],
  [["undo", "p", "--yes", "--include", "x"], "--include does not go with"],
  [["show", "p", "--to-path", "x"], "--to-path does not go with"],
  [["2026", ...TO, "--name", "n"], "--name goes with --to-path or --to-stdout"],
  [["2026", "--repository", "r", "--to-path", "d", "--power-on", "never"], "--power-on does not go with --to-path"],
  [["2026", "--repository", "r", "--to-path", "d", "--map-file", "f"], "--map-file does not go with --to-path"],
  [["2026", "more", ...TO], "Too many arguments"],
])("restore %j is a usage error", async (argv, message) => {
  const world = createWorld();
  expect(await world.run("restore", ...argv)).toBe(2);
  expect(world.stderr.text).toContain(message);
  expect(world.cluster.calls).toEqual([]);
});

test("a map file with a mistake is a usage error that names the place", async () => {
  const world = createWorld();
  writeFileSync(join(world.directory, "bad.yaml"), "zone:\n  a: [b]\n");
  expect(await world.run("restore", "2026", ...TO, "--map-file", "bad.yaml")).toBe(2);
  expect(world.stderr.text).toContain("bad.yaml, line 2: zone: the new name of a is not one text (USAGE)\n  A map file is YAML");
  expect(world.cluster.calls).toEqual([]);
});

import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { expect, test } from "vitest";
import { resource, session } from "../../testing/fake-cluster.ts";
import { createWorld, type World } from "../../testing/fake-context.ts";

/** `restore apply`, `restore verify` and `restore undo`. */

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

test("apply: the plan by its id or the latest, with its verification", async () => {
  const world = createWorld();
  world.cluster.ended = session({ id: APPLIED, kind: "restore", appliesId: PLAN });
  expect(await world.run("restore", "apply", "2026", "--verify", "data")).toBe(0);
  expect(world.cluster.requestOf("startApply")).toEqual({ planSessionId: "2026", verify: 4 });
  expect(world.cluster.requestOf("watchSession")).toEqual({ sessionId: APPLIED });
  world.cluster.sessionList = [
    session({ id: "b" }),
    planSession({ id: "p-failed", state: "failed" }),
    planSession({ id: "p-running", state: "running" }),
    session({ id: "r", kind: "restore" }),
    planSession({ id: "p1", state: "partial" }),
    planSession({ id: "p0" }),
  ];
  expect(await world.run("restore", "--repository", "production", "apply", "latest", "--json")).toBe(0);
  expect(world.cluster.requestOf("startApply")).toEqual({ planSessionId: "p1", verify: 3 });
  expect(world.cluster.requestOf("listSessions")).toMatchObject({ repository: "production" });
  world.cluster.sessionList = [session()];
  expect(await world.run("restore", "apply", "latest", "--repository", "production")).toBe(1);
  expect(world.stderr.text).toContain("Error: There is no plan in repository production (SESSION_UNKNOWN)");
});

test("a restore that is not whole names the way on and the way back", async () => {
  const world = createWorld();
  world.cluster.ended = session({ id: APPLIED, kind: "restore", appliesId: PLAN, state: "partial", failed: 1 });
  world.cluster.resourceList = [
    resource({ action: "create", targetId: "t1" }),
    resource({ state: "failed", failure: failure() }),
  ];
  expect(await world.run("restore", "apply", PLAN)).toBe(3);
  expect(world.stderr.text).toContain(`\`permafrost restore apply ${PLAN}\` goes on where it stopped.\n`);
  expect(world.stderr.text).toContain(`\`permafrost restore undo ${APPLIED}\` takes back what was made.\n`);
  world.cluster.resourceList = [resource({ state: "failed", failure: failure() })];
  world.stderr.text = "";
  expect(await world.run("restore", "apply", PLAN)).toBe(3);
  expect(world.stderr.text).not.toContain("restore undo");
});

test("one-time passwords go to a new file that only its owner reads, and nowhere else", async () => {
  const world = createWorld();
  world.cluster.ended = session({ id: APPLIED, kind: "restore" });
  world.cluster.passwords = [{ user: "ann", userId: "u1", password: "s3cr3t-1" }];
  expect(await world.run("restore", "latest", ...TO)).toBe(0);
  const file = join(world.directory, `permafrost-users-${APPLIED}.json`);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
    session_id: APPLIED,
    users: [{ user: "ann", user_id: "u1", password: "s3cr3t-1" }],
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(world.stderr.text).toContain(`1 user was made, disabled; the one-time passwords are in ${file}.\n`);
  world.cluster.passwords.push({ user: "bob", userId: "u2", password: "s3cr3t-2" });
  expect(await world.run("restore", "apply", "2026", "--users-report", "users.json", "--json", "-q")).toBe(0);
  expect(JSON.parse(world.stdout.text.slice(world.stdout.text.indexOf("{")))).toMatchObject({
    users_report: join(world.directory, "users.json"),
  });
  expect(world.stdout.text + world.stderr.text).not.toContain("s3cr3t");
});

test("passwords are never written over a file, and one that cannot be written makes the restore partial", async () => {
  const world = createWorld();
  world.cluster.ended = session({ id: APPLIED, kind: "restore" });
  world.cluster.passwords = [{ user: "ann", userId: "u1", password: "s3cr3t-1" }];
  const file = join(world.directory, `permafrost-users-${APPLIED}.json`);
  writeFileSync(file, "mine");
  expect(await world.run("restore", "latest", ...TO, "--json")).toBe(3);
  expect(readFileSync(file, "utf8")).toBe("mine");
  expect(world.stderr.text).toContain(`  \`permafrost restore show ${APPLIED} --users-report FILE\` writes them.\n`);
  expect(machineLine(world)).toMatchObject({ code: 3, message: expect.stringContaining("is there already (FILE_UNWRITABLE)") });
  const calls = world.cluster.calls.length;
  for (const argv of [
    ["latest", ...TO],
    ["apply", "2026"],
    ["show", "2026"],
  ])
    expect(await world.run("restore", ...argv, "--users-report", file)).toBe(2);
  expect(world.cluster.calls).toHaveLength(calls);
  world.cluster.failures.set("listPasswords", new CodedError("NODE_UNREACHABLE", "it is away", { retry: "later" }));
  expect(await world.run("restore", "latest", ...TO, "--users-report", "other.json")).toBe(3);
  expect(world.stderr.text).toContain("Error: it is away (NODE_UNREACHABLE)");
  world.cluster.failures.clear();
  expect(await world.run("restore", "show", "2026", "--users-report", "other.json", "-q")).toBe(0);
  expect(readFileSync(join(world.directory, "other.json"), "utf8")).toContain("s3cr3t-1");
  world.cluster.passwords = [];
  expect(await world.run("restore", "show", "2026", "--users-report", "none.json")).toBe(0);
  expect(world.stderr.text).toContain("It made no users.\n");
  expect(existsSync(join(world.directory, "none.json"))).toBe(false);
});

test("verify: the level, the differences as its result, 3 when there are some", async () => {
  const world = createWorld();
  world.cluster.ended = session({ id: "v", kind: "verify", appliesId: APPLIED });
  world.cluster.resourceList = [resource({ verified: "hash", targetId: "t1" })];
  expect(await world.run("restore", "verify", APPLIED)).toBe(0);
  expect(world.cluster.requestOf("startVerify")).toEqual({ sessionId: APPLIED, level: 3 });
  expect(world.stdout.text).toContain("| Type          | Name | State     | Verified | Target ID |");
  const mismatches = ["min_ram: expected 0, found 512", "sha512: aa, found bb"];
  const found = failure({ code: "VERIFY_MISMATCH", message: `2 differences, the first: ${mismatches[0]}`, hint: "" });
  world.cluster.resourceList = [resource({ state: "failed", failure: found, mismatches })];
  world.cluster.ended = session({ id: "v", kind: "verify", state: "partial", failed: 1 });
  world.stdout.text = "";
  expect(await world.run("restore", "verify", APPLIED, "--level", "metadata")).toBe(3);
  expect(world.stdout.text).toContain(
    "\nDifferences:\n  cinder.volume data: min_ram: expected 0, found 512\n  cinder.volume data: sha512: aa, found bb\n\n",
  );
  expect(world.stderr.text).toBe("");
  expect(await world.run("restore", "verify", APPLIED, "--level", "metadata", "--json")).toBe(3);
  expect(world.cluster.requestOf("startVerify")).toEqual({ sessionId: APPLIED, level: 2 });
  expect(world.stderr.text).toContain("Mismatch: cinder.volume data: sha512: aa, found bb\n");
});

test("undo: shows what goes, asks, and removes it", async () => {
  const world = createWorld({ stdinIsTerminal: true, confirms: [false, undefined, true] });
  world.cluster.sessionsById.set("2026", session({ id: APPLIED, kind: "restore", cloud: "other", sourceName: "copy" }));
  world.cluster.resourcesById.set(APPLIED, [
    resource({ action: "create", targetId: "t1", targetName: "data-2" }),
    resource({ id: "v2", name: "half", action: "create", state: "failed", targetId: "t2" }),
    resource({ id: "v3", name: "never", action: "create", state: "failed" }),
    resource({ id: "v4", name: "other", action: "reuse", targetId: "t4" }),
    resource({ type: "neutron.security-group", id: "g", name: "default", action: "update", targetId: "t5" }),
  ]);
  world.cluster.ended = session({ id: "u", kind: "undo", appliesId: APPLIED });
  expect(await world.run("restore", "undo", "2026", "--json")).toBe(1);
  expect(world.stderr.text).toContain(`\
+------------------------+---------+----------+-----------+
| Type                   | Name    | Undo     | Target ID |
+------------------------+---------+----------+-----------+
| cinder.volume          | data-2  | remove   | t1        |
| cinder.volume          | half    | remove   | t2        |
| neutron.security-group | default | set back | t5        |
+------------------------+---------+----------+-----------+
`);
  expect(machineLine(world)).toMatchObject({ code: 1, message: "nothing was taken back" });
  expect(world.confirmed).toEqual(["Take back 3 resources of other/copy? This cannot be undone."]);
  expect(await world.run("restore", "undo", "2026")).toBe(130);
  expect([world.cluster.requestOf("startUndo"), world.stdout.text]).toEqual([undefined, ""]);
  expect(await world.run("restore", "undo", "2026")).toBe(0);
  expect(world.cluster.requestOf("startUndo")).toEqual({ sessionId: APPLIED });
  expect(world.stdout.text).toContain("| Type          | Name   | State     | Target ID |");
  expect(world.stdout.text).toContain("undo u succeeded in 1m 12s: 2 resources");
  expect(world.stdout.text).not.toContain("logical");
});

test("undo asks the journal when the record knows of nothing, and says when there was nothing", async () => {
  const world = createWorld({ stdinIsTerminal: true, confirms: [true] });
  world.cluster.sessionsById.set("2026", session({ id: APPLIED, kind: "restore", state: "failed" }));
  world.cluster.resourcesById.set(APPLIED, []);
  world.cluster.ended = session({ id: "u", kind: "undo", appliesId: APPLIED, skipped: 1 });
  world.cluster.resourceList = [resource({ state: "skipped" })];
  expect(await world.run("restore", "undo", "2026")).toBe(0);
  expect(world.confirmed).toEqual(["Its record names nothing that it made. Look in mycloud/demo and remove what there is?"]);
  expect(world.stderr.text).toBe("There was nothing left to take back.\n");
});

test("undo without a terminal needs --yes; --dry-run only shows; only a restore has something to undo", async () => {
  const world = createWorld();
  world.cluster.sessionsById.set("2026", session({ id: APPLIED, kind: "restore" }));
  world.cluster.resourcesById.set(APPLIED, [resource({ action: "create", targetId: "t1" })]);
  expect(await world.run("restore", "undo", "2026")).toBe(2);
  expect(world.stderr.text).toContain("Say --yes, or --dry-run to see what would go.");
  expect(await world.run("restore", "undo", "latest", "--yes")).toBe(2);
  expect(world.cluster.calls).toEqual([]);
  expect(await world.run("restore", "undo", "2026", "--dry-run", "-f", "value", "-c", "Undo", "-c", "Target ID")).toBe(0);
  expect(world.stdout.text).toBe("remove t1\n");
  expect(await world.run("restore", "undo", "2026", "--yes", "-c", "Undo")).toBe(2);
  world.cluster.sessionsById.set("p", planSession());
  expect(await world.run("restore", "undo", "p", "--yes")).toBe(1);
  expect(world.stderr.text).toContain(`Error: Session ${PLAN} is a plan: there is nothing to take back (NOT_APPLIED)`);
  world.cluster.sessionsById.set("b", session());
  expect(await world.run("restore", "undo", "b", "--yes")).toBe(1);
  expect(world.stderr.text).toContain("is a backup: there is nothing to take back (NOT_A_RESTORE)");
  expect(world.cluster.requestOf("startUndo")).toBeUndefined();
  expect(await world.run("restore", "undo", "2026", "--yes")).toBe(0);
});

test.each(["startApply", "startVerify", "startUndo", "getPlan"])(
  "what the coordinator answers to %s is the error",
  async (method) => {
    const world = createWorld();
    world.cluster.sessionsById.set("x", session({ kind: "restore" }));
    world.cluster.failures.set(method, new CodedError("PLAN_UNUSABLE", "It cannot be", { hint: "Plan again." }));
    const argv = {
      startApply: ["apply", "x"],
      startVerify: ["verify", "x"],
      startUndo: ["undo", "x", "--yes"],
      getPlan: ["show", "x"],
    };
    expect(await world.run("restore", ...(argv[method as keyof typeof argv] ?? []))).toBe(1);
    expect(world.stderr.text).toBe("Error: It cannot be (PLAN_UNUSABLE)\n  Plan again.\n");
  },
);

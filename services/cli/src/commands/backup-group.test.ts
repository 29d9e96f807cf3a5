import { CodedError } from "@permafrost/std";
import { expect, test } from "vitest";
import { resource, session, stats } from "../../testing/fake-cluster.ts";
import { createWorld, type World } from "../../testing/fake-context.ts";
import { ProgressModel } from "../progress/model.ts";

/** `permafrost backup --all-projects`: one session group, one summary per project. */

const ALL = ["backup", "--repository", "all", "--os-cloud", "admin", "--all-projects"] as const;
const GROUP = "20261123T170000Z-0a1b2c3d";
const failure = {
  code: "PARTIAL",
  message: "1 of 4 resources failed",
  hint: "`permafrost session show s2` says which.",
  facts: {},
};
const project = (fields = {}) => resource({ type: "keystone.project", id: "p1", name: "web", targetId: "s1", ...fields });

function worldWithGroup(): World {
  const world = createWorld();
  world.cluster.ended = session({
    id: GROUP,
    kind: "group",
    state: "partial",
    resources: 3,
    succeeded: 1,
    failed: 2,
    sourceName: "",
  });
  world.cluster.resourceList = [
    project(),
    project({ id: "p2", name: "shop\u0007 (customers)", targetId: "s2", state: "failed", failure }),
    project({
      id: "p3",
      name: "new",
      targetId: "",
      state: "failed",
      stats: undefined,
      failure: { ...failure, message: "no role" },
    }),
  ];
  world.cluster.sessionsById.set("s1", session({ id: "s1", groupId: GROUP, resources: 7 }));
  const bytes = stats({ logicalBytes: 1024n, newBytes: 512n, storedBytes: 256n });
  world.cluster.sessionsById.set(
    "s2",
    session({ id: "s2", groupId: GROUP, state: "partial", resources: 4, failed: 1, stats: bytes, warnings: ["slow"] }),
  );
  return world;
}

test("every option reaches the request, and OS_PROJECT_NAME does not", async () => {
  const world = createWorld({ env: { OS_PROJECT_NAME: "mine" } });
  const argv = [
    ...ALL,
    "--domain",
    "customers",
    "--tag",
    "gold",
    "--tag",
    "eu",
    "--project-name",
    "web-*",
    "--project-name",
    "p1",
  ];
  argv.push(
    "--exclude-project",
    "web-test",
    "--at-once",
    "5",
    "--temporary-project",
    "ops",
    "--max-window",
    "90s",
    "--exclude",
    "name=tmp*",
  );
  expect(await world.run(...argv, "--detach", "-f", "value")).toBe(0);
  expect(world.cluster.requestOf("startBackup")).toEqual({
    repository: "all",
    input: {
      $case: "allProjects",
      value: {
        cloud: "admin",
        domain: "customers",
        tags: ["gold", "eu"],
        include: ["web-*", "p1"],
        exclude: ["web-test"],
        selection: { include: [], exclude: ["name=tmp*"] },
        atOnce: 5,
        temporaryProject: "ops",
        maxWindowMs: 90_000n,
        failBeyondWindow: false,
      },
    },
  });
  expect(world.stdout.text).toBe(`${GROUP}\n`);
  expect(world.cluster.requestOf("watchSession")).toBeUndefined();
  expect(await world.run(...ALL)).toBe(0);
  expect(world.cluster.requestOf("startBackup")).toMatchObject({
    input: { value: { domain: "", tags: [], include: [], exclude: [], atOnce: 0 } },
  });
});

test("one summary per project, and why one is not whole", async () => {
  const world = worldWithGroup();
  expect(await world.run(...ALL)).toBe(3);
  expect(world.stdout.text).toBe(`\
+----------------------+-----------+-----------+--------+--------------+----------+-------------+--------+------------+
| Project              | State     | Resources | Failed | Logical Size | New Size | Stored Size |   Time | Session ID |
+----------------------+-----------+-----------+--------+--------------+----------+-------------+--------+------------+
| web                  | succeeded |         7 |      0 |      3.0 GiB |  512 MiB |     256 MiB | 1m 12s | s1         |
| shop\\x07 (customers) | partial   |         4 |      1 |      1.0 KiB |    512 B |       256 B | 1m 12s | s2         |
| new                  | failed    |           |        |              |          |             |    30s |            |
+----------------------+-----------+-----------+--------+--------------+----------+-------------+--------+------------+
group ${GROUP} partial in 1m 12s: 3 projects, 2 failed, 3.0 GiB logical, 1.0 GiB read, 512 MiB new, 256 MiB stored, volumes frozen within 0.8s
`);
  expect(world.stderr.text).toContain(
    "Failed: project shop\\x07 (customers): 1 of 4 resources failed (PARTIAL); `permafrost session show s2` says which.\n",
  );
  expect(world.stderr.text).toContain("Failed: project new: no role (PARTIAL)");
  expect(world.stderr.text).toContain("Warning: project shop\\x07 (customers): slow\n");
});

test("in json it is the group with its projects; with -c the projects are a list", async () => {
  const world = worldWithGroup();
  // Forgotten since: the group's own row still tells how it ended.
  world.cluster.sessionsById.delete("s2");
  const answered = world.cluster.sessions.getSession;
  world.cluster.sessions.getSession = async (request, options) => {
    if (request.sessionId === "s2") throw new CodedError("SESSION_UNKNOWN", "There is no session s2");
    return answered(request, options);
  };
  expect(await world.run(...ALL, "--json")).toBe(3);
  const answer = JSON.parse(world.stdout.text);
  expect(answer).toMatchObject({ id: GROUP, kind: "group", state: "partial" });
  expect(answer.project_list).toMatchObject([
    { project: "web", project_id: "p1", state: "succeeded", resources: 7, stored_size: 268_435_456, session_id: "s1" },
    { project_id: "p2", state: "failed", resources: null, session_id: "s2", failure: { code: "PARTIAL" } },
    { project_id: "p3", state: "failed", session_id: null },
  ]);
  expect(JSON.parse(world.stderr.text.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ code: 3 });
  world.stdout.text = "";
  expect(await world.run(...ALL, "-f", "value", "-c", "Project ID", "-c", "State")).toBe(3);
  expect(world.stdout.text).toBe("p1 succeeded\np2 failed\np3 failed\n");
  world.cluster.failures.set("getSession", new CodedError("NODE_UNREACHABLE", "it is away"));
  expect(await world.run(...ALL)).toBe(1);
});

test("no project at all is said; one that was cancelled names no consequences", async () => {
  const world = createWorld();
  world.cluster.ended = session({ kind: "group", resources: 0, succeeded: 0, stats: undefined, consistencyWindowMs: 0n });
  world.cluster.resourceList = [];
  expect(await world.run(...ALL)).toBe(0);
  expect(world.stdout.text).toBe(`group ${GROUP} succeeded in 1m 12s: 0 projects\n`);
  expect(world.stderr.text).toContain("no project was found or selected");
  const cancelled = { code: "CANCELLED", message: "The session was cancelled", hint: "", facts: {} };
  world.cluster.ended = session({ kind: "group", state: "cancelled", failure: cancelled });
  world.cluster.resourceList = [project({ targetId: "", state: "failed", failure: cancelled })];
  world.stderr.text = "";
  expect(await world.run(...ALL)).toBe(130);
  expect(world.stderr.text).toBe("");
});

test("progress counts projects", () => {
  const model = new ProgressModel(0);
  const running = { kind: "group", state: "running", phase: "stream", resources: 3, succeeded: 1 };
  model.update(session(running), [project({ state: "running" })], 0);
  expect(model.lines(1000, 100)).toEqual([`group ${GROUP}  stream  1/3 projects  1.0s`, "  keystone.project web"]);
});

test("sessions: kinds and the backups of a group", async () => {
  const world = createWorld();
  world.cluster.sessionList = [
    session({ id: "u", kind: "undo", appliesId: "r" }),
    session({ id: "v", kind: "verify", appliesId: "r" }),
    session({ id: "r", kind: "restore", appliesId: "p" }),
    session({ id: "p", kind: "restore", dryRun: true }),
    session({ id: "g1", kind: "group", cloud: "admin", sourceName: "" }),
    session({ id: "b1", groupId: "g1" }),
    session({ id: "b2" }),
  ];
  const list = async (...argv: string[]) => {
    world.stdout.text = "";
    expect(await world.run("sessions", ...argv)).toBe(0);
    return world.stdout.text;
  };
  const ids = async (...argv: string[]) => (await list(...argv, "-f", "value", "-c", "ID")).trimEnd().split("\n");
  expect(await ids("--kind", "plan")).toEqual(["p"]);
  expect(await ids("--kind", "restore")).toEqual(["r"]);
  expect(await ids("--kind", "undo")).toEqual(["u"]);
  expect(await ids("--kind", "verify")).toEqual(["v"]);
  expect(await ids("--kind", "group")).toEqual(["g1"]);
  expect(await ids("--group", "g")).toEqual(["b1"]);
  expect(await list("-c", "ID", "-c", "Kind", "-c", "Source", "-c", "Applies ID", "-c", "Group ID")).toBe(`\
+----+---------+--------------+------------+----------+
| ID | Kind    | Source       | Applies ID | Group ID |
+----+---------+--------------+------------+----------+
| u  | undo    | mycloud/demo | r          |          |
| v  | verify  | mycloud/demo | r          |          |
| r  | restore | mycloud/demo | p          |          |
| p  | plan    | mycloud/demo |            |          |
| g1 | group   | admin/*      |            |          |
| b1 | backup  | mycloud/demo |            | g1       |
| b2 | backup  | mycloud/demo |            |          |
+----+---------+--------------+------------+----------+
`);
  world.cluster.sessionList = [session({ id: "g1", kind: "group" })];
  expect(await world.run("session", "show", "g1")).toBe(0);
  expect(world.stderr.text).toContain("`permafrost sessions --group g1` lists its backups.\n");
});

test.each([
  [[...ALL, "--os-project", "p"], "--os-project does not go with --all-projects"],
  [[...ALL, "--input", "tenant"], "--input does not go with --all-projects"],
  [[...ALL, "--name", "n"], "--name goes with --input stream or fs"],
  [[...ALL, "/etc"], "A path goes with --input fs"],
  [[...ALL, "--at-once", "0"], "whole number of at least 1"],
  [[...ALL, "-c", "Name"], 'No column "Name"'],
  [["backup", "--repository", "all", "--all-projects"], "No cloud"],
  [["backup", "--repository", "r", "--os-cloud", "c", "--domain", "d"], "--domain goes with --all-projects"],
  [["backup", "--repository", "r", "--os-cloud", "c", "--tag", "t"], "--tag goes with --all-projects"],
  [["backup", "--repository", "r", "--os-cloud", "c", "--exclude-project", "x"], "--exclude-project goes with --all-projects"],
  [["backup", "--repository", "r", "--input", "fs", "/etc", "--at-once", "3"], "--at-once goes with --all-projects"],
])("%j is a usage error", async (argv, message) => {
  const world = createWorld();
  expect(await world.run(...argv)).toBe(2);
  expect(world.stderr.text).toContain(message);
  expect(world.cluster.calls).toEqual([]);
});

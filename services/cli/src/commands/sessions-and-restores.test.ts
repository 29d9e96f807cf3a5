import { expect, test } from "vitest";
import { resource, session } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";

const REPO = ["--repository", "production"] as const;

test("sessions: filters, pages, limit, any format", async () => {
  const world = createWorld();
  world.cluster.sessionList = ["a", "b", "c", "d", "e"].map((id) =>
    session({ id, kind: id === "c" ? "restore" : "backup", state: id === "b" ? "failed" : "succeeded" }),
  );
  expect(await world.run("sessions", "-f", "value", "-c", "ID")).toBe(0);
  expect(await world.run("sessions", "-f", "value", "-c", "ID", "--kind", "backup", "--state", "succeeded", "--limit", "2")).toBe(
    0,
  );
  expect(world.stdout.text).toBe("a\nb\nc\nd\ne\na\nd\n");
  expect(await world.run("sessions", "--state", "suceeded")).toBe(2);
  expect(world.stderr.text).toContain("There are: running, succeeded, partial, failed, cancelled.");
});

test("resources says in words what failed and what was skipped; session show says where to look; cancel, that it was late", async () => {
  const failure = { code: "QUOTA", message: "the project is full", hint: "Raise it.", facts: {} };
  const world = createWorld();
  world.cluster.sessionList = [session({ state: "partial", failed: 1 })];
  world.cluster.resourceList = [
    resource({ state: "failed", failure }),
    resource({ name: "old", state: "skipped", action: "skip", actionReason: "volume v9 has that name" }),
  ];
  expect(await world.run("resources", "2026")).toBe(0);
  expect(world.stderr.text).toBe(
    "Failed: cinder.volume data: the project is full (QUOTA); Raise it.\nSkipped: cinder.volume old: volume v9 has that name\n",
  );
  world.stderr.text = "";
  expect(await world.run("resources", "2026", "--json")).toBe(0);
  expect(world.stderr.text).toBe("");
  expect(await world.run("session", "show", "2026")).toBe(0);
  expect(world.stderr.text).toBe("`permafrost resources 20261123T170000Z-0a1b2c3d` says what failed and why.\n");
  world.stderr.text = "";
  world.stdout.text = "";
  world.cluster.sessionList = [session({ kind: "restore", dryRun: true })];
  expect(await world.run("resources", "2026", "-q")).toBe(0);
  expect(world.stdout.text).toMatch(/\| cinder.volume \| old {2}\| skip {3}\| volume v9 has that name +\|\n/);
  expect(world.stderr.text).toBe("");
  world.stderr.text = "";
  world.cluster.cancelled = session({ state: "succeeded" });
  expect(await world.run("session", "cancel", "2026")).toBe(0);
  expect(world.stderr.text).toBe("Session 20261123T170000Z-0a1b2c3d had ended before: succeeded.\n");
});

test("session show and resources take latest; session cancel an id", async () => {
  const world = createWorld();
  world.cluster.sessionList = [
    session({ id: "r", kind: "restore" }),
    session({ id: "f", state: "failed" }),
    session({ id: "p", state: "partial" }),
  ];
  expect(await world.run("session", "show", "latest", "-f", "value", "-c", "ID")).toBe(0);
  expect(await world.run("resources", "latest", "-f", "value", "-c", "ID")).toBe(0);
  expect(world.stdout.text).toBe("p\nv1\ni1\n");
  expect(world.cluster.requestOf("listResources")).toEqual({ sessionId: "p" });
  expect(await world.run("session", "cancel", "abc")).toBe(0);
  expect(world.cluster.requestOf("cancelSession")).toEqual({ sessionId: "abc" });
  world.cluster.sessionList = [];
  expect(await world.run("session", "show", "latest")).toBe(1);
  expect(world.stderr.text).toContain("(SESSION_UNKNOWN)");
});

test("restore: every option reaches the request", async () => {
  const world = createWorld();
  const argv = [
    "restore",
    "2026",
    ...REPO,
    "--to-cloud",
    "other",
    "--to-project",
    "copy",
    "--include",
    "glance.image",
    "--map",
    "volume-type:a=b",
    "--map",
    "zone:*=nova",
  ];
  argv.push(
    "--map",
    "policy:gold=silver",
    "--map",
    "neutron.network:net:1=x=y",
    "--on-conflict",
    "reuse",
    "--name-prefix",
    "r-",
    "--verify",
    "data",
    "--power-on",
    "never",
  );
  world.cluster.ended = session({ kind: "restore" });
  world.cluster.resourceList = [resource({ action: "create", targetId: "t1", verified: "data", targetName: "r-data" })];
  expect(await world.run(...argv)).toBe(0);
  expect(world.cluster.requestOf("startRestore")).toEqual({
    repository: "production",
    sessionId: "2026",
    cloud: "other",
    project: "copy",
    selection: { include: ["glance.image"], exclude: [] },
    maps: [
      { kind: "volume-type", names: { a: "b" } },
      { kind: "zone", names: { "*": "nova" } },
      { kind: "policy", names: { gold: "silver" } },
      { kind: "neutron.network", names: { "net:1": "x=y" } },
    ],
    onConflict: "reuse",
    namePrefix: "r-",
    powerOn: "never",
    verify: 4,
    dryRun: false,
  });
  expect(world.stdout.text).toContain("| Type          | Name | Target Name | State     | Action | Verified | Target ID |");
  expect(world.stdout.text).toContain("| cinder.volume | data | r-data      | succeeded | create | data     | t1        |");
});

test("a restore whose bytes differ is not a success", async () => {
  const world = createWorld();
  world.cluster.resourceList = [resource({ mismatches: ["sha256: aa, found bb"] })];
  expect(await world.run("restore", "latest", ...REPO, "--to-cloud", "c", "--json")).toBe(3);
  expect(world.stderr.text).toContain("Mismatch: cinder.volume data: sha256: aa, found bb\n");
  expect(JSON.parse(world.stderr.text.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ message_type: "exit_error", code: 3 });
});

test("restore to standard output gives the bytes and nothing else", async () => {
  const world = createWorld();
  const entry = { path: "", type: "file", mode: 0, size: 0n, linkTarget: "" };
  world.cluster.downloadSteps = [
    { step: { $case: "entry", value: entry } },
    { step: { $case: "data", value: Buffer.from([0, 255]) } },
    { step: { $case: "data", value: Buffer.from("end") } },
  ];
  world.cluster.sessionList = [
    session({ id: "t" }),
    session({ id: "n", input: "stream", sourceName: "other" }),
    session({ id: "s", input: "stream", sourceName: "dump" }),
  ];
  expect(await world.run("restore", "latest", ...REPO, "--name", "dump", "--to-stdout")).toBe(0);
  expect(Buffer.concat(world.stdout.chunks)).toEqual(Buffer.from([0, 255, ...Buffer.from("end")]));
  expect(world.cluster.requestOf("download")).toEqual({
    repository: "production",
    sessionId: "s",
    type: "input.stream",
    resource: "",
  });
  world.cluster.downloadSteps.push({ step: { $case: "entry", value: entry } });
  expect(await world.run("restore", "latest", ...REPO, "--to-stdout")).toBe(1);
  expect(world.stderr.text).toContain("(PROTOCOL)");
  world.stdout.closed = true;
  expect(await world.run("restore", "latest", ...REPO, "--to-stdout")).toBe(1);
  expect(world.stderr.text).toContain("(OUTPUT_CLOSED)");
});

test("check names what is damaged", async () => {
  const world = createWorld();
  const failure = { code: "BLOCK_CORRUPT", message: "bytes 65536 to 131072 are damaged", hint: "", facts: {} };
  world.cluster.ended = session({ kind: "check", state: "partial", failed: 1 });
  world.cluster.resourceList = [resource({ state: "failed", failure })];
  expect(await world.run("check", ...REPO, "--read-data")).toBe(3);
  expect(world.cluster.requestOf("startCheck")).toEqual({ repository: "production", sessionIds: [], readData: true });
  expect(world.stderr.text).toContain("Failed: cinder.volume data: bytes 65536 to 131072 are damaged (BLOCK_CORRUPT)\n");
  world.cluster.resourceList = [resource({ state: "failed", failure, mismatches: ["bytes 65536 to 131072"] })];
  expect(await world.run("check", ...REPO, "--read-data")).toBe(3);
  expect(world.stderr.text).not.toContain("Mismatch");
});

test.each([
  [["backup"], "No repository"],
  [["backup", ...REPO], "No cloud"],
  [["backup", ...REPO, "--input", "tape"], "Allowed choices are tenant, stream, fs"],
  [["backup", ...REPO, "--input", "fs"], "--input fs needs a path"],
  [["backup", ...REPO, "--os-cloud", "c", "path"], "A path goes with --input fs"],
  [["backup", ...REPO, "--os-cloud", "c", "--name", "n"], "--name goes with"],
  [["backup", ...REPO, "--input", "stream", "--os-cloud", "c"], "--os-cloud goes with --input tenant"],
  [["backup", ...REPO, "--input", "stream", "--detach"], "--detach cannot go with"],
  [["restore", "latest", ...REPO, "--to-cloud", "c", "--map", "Flavor:a=b"], "--map Flavor:a=b is not KIND:OLD=NEW"],
  [["restore", "latest", ...REPO, "--to-cloud", "c", "--map", "zone:a"], "is not KIND:OLD=NEW"],
  [["restore", "latest", ...REPO, "--to-path", "d", "--verify", "data"], "--verify does not go with"],
  [["restore", "latest", ...REPO, "--to-path", "d", "--to-stdout"], "Name one target"],
  [["restore"], "Missing required argument 'session'"],
  [["sessions", "--limit", "0"], "whole number of at least 1"],
  [["sessions", "-f", "xml"], "Allowed choices are table, json, yaml, value, csv"],
  [["sessions", "-c", "Nope"], 'No column "Nope"'],
  [["sessions", "--adress", "x"], "Unknown option '--adress'"],
  [["sesions"], "Did you mean"],
  [["sessions", "--address", "no-port"], "is not HOST:PORT"],
  [["sessions", "--address", "10.1.2.3:7000", "--tls-ca", "ca.pem"], "needs mutual TLS; missing: --tls-cert, --tls-key"],
  [["up", "--listen", "0.0.0.0:7000"], "loopback only"],
  [["up", "--workers", "0"], "whole number of at least 1"],
  [["worker"], "Required option '--config <file>' not specified"],
])("%j is a usage error", async (argv, message) => {
  const world = createWorld();
  expect(await world.run(...argv)).toBe(2);
  expect(world.stderr.text.toLowerCase()).toContain(message.toLowerCase());
  expect(world.stderr.text).toContain("(USAGE)");
  expect(world.cluster.calls).toEqual([]);
});

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { expect, test } from "vitest";
import { repository, resource, session } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";

const REPO = ["--repository", "production"] as const;

test("repository init asks twice, prints the recovery key once, in a table and in json", async () => {
  const table = createWorld({ stdinIsTerminal: true, secrets: ["hunter22", "hunter22"] });
  expect(await table.run("repository", "init", "photos")).toBe(0);
  expect(table.cluster.requestOf("initRepository")).toEqual({
    name: "photos",
    secret: { kind: { $case: "passphrase", value: "hunter22" } },
  });
  expect(table.stdout.text.match(/AAAA-BBBB-CCCC/g)).toHaveLength(1);
  expect(table.stdout.text).toContain("shown now and never again");

  const json = createWorld({ stdinIsTerminal: true, secrets: ["hunter22", "hunter22"] });
  expect(await json.run("repository", "init", "photos", "--json")).toBe(0);
  expect(JSON.parse(json.stdout.text)).toMatchObject({ name: "photos", recovery_key: "AAAA-BBBB-CCCC" });

  const value = createWorld({ stdinIsTerminal: true, secrets: ["hunter22", "hunter22"] });
  expect(await value.run("repository", "init", "photos", "-f", "value", "-c", "Name")).toBe(0);
  expect([value.stdout.text, value.stderr.text.match(/AAAA-BBBB-CCCC/g)?.length]).toEqual(["photos\n", 1]);
});

test("repository list and unlock", async () => {
  const world = createWorld();
  world.cluster.repositoryList = [repository(), repository({ name: "other", unlocked: false })];
  expect(await world.run("repository", "list", "-f", "value", "-c", "Name", "-c", "Unlocked")).toBe(0);
  expect(world.stdout.text).toBe("production true\nother false\n");
  writeFileSync(join(world.directory, "recovery"), "AAAA-BBBB\r\n");
  expect(await world.run("repository", "unlock", "other", "--recovery-key-file", "recovery")).toBe(0);
  expect(world.cluster.requestOf("unlockRepository")).toEqual({
    repository: "other",
    secret: { kind: { $case: "recoveryKey", value: "AAAA-BBBB" } },
  });
});

test("a secret comes from a file, a variable or a key file; the ways it can be wrong are told apart", async () => {
  const world = createWorld({ env: { PERMAFROST_PASSPHRASE_FILE: "from-env" } });
  writeFileSync(join(world.directory, "from-env"), "one two\n");
  writeFileSync(join(world.directory, "key"), Buffer.alloc(32, 7));
  writeFileSync(join(world.directory, "short"), "x");
  writeFileSync(join(world.directory, "empty"), "\n");
  expect(await world.run("repository", "init", "a")).toBe(0);
  expect(world.cluster.requestOf("initRepository")).toMatchObject({ secret: { kind: { value: "one two" } } });
  expect(await world.run("repository", "init", "a", "--key-file", "key")).toBe(0);
  expect(world.cluster.requestOf("initRepository")).toEqual({
    name: "a",
    secret: { kind: { $case: "key", value: Buffer.alloc(32, 7) } },
  });
  const failing: [string[], number, string][] = [
    [["--key-file", "short"], 1, "SECRET_UNUSABLE"],
    [["--passphrase-file", "empty"], 1, "SECRET_UNUSABLE"],
    [["--passphrase-file", "missing"], 1, "FILE_UNREADABLE"],
    [["--passphrase-file", "empty", "--key-file", "key"], 2, "USAGE"],
  ];
  for (const [flags, code, word] of failing) {
    expect([await world.run("repository", "init", "a", ...flags), world.stderr.text.includes(`(${word})`)]).toEqual([code, true]);
    world.stderr.text = "";
  }
  const terminal = createWorld({ stdinIsTerminal: true, secrets: ["one", "two"] });
  expect(await terminal.run("repository", "init", "a")).toBe(2);
  expect(terminal.stderr.text).toContain("The two passphrases differ");
  const gaveUp = createWorld({ stdinIsTerminal: true, secrets: [undefined] });
  expect(await gaveUp.run("repository", "init", "a")).toBe(130);
  const empty = createWorld({ stdinIsTerminal: true, secrets: [""] });
  expect(await empty.run("repository", "unlock", "a")).toBe(1);
  const pipe = createWorld();
  expect(await pipe.run("repository", "unlock", "a")).toBe(2);
  expect(pipe.stderr.text).toContain("--passphrase-file");
});

test("backup of a project: options, selection, summary", async () => {
  const world = createWorld();
  const argv = [
    "backup",
    ...REPO,
    "--os-cloud",
    "mycloud",
    "--os-project",
    "demo",
    "--include",
    "cinder.volume",
    "--include",
    "name=db*",
    "--exclude",
    "cinder.volume/x",
  ];
  expect(await world.run(...argv)).toBe(0);
  expect(world.cluster.requestOf("startBackup")).toEqual({
    repository: "production",
    input: {
      $case: "tenant",
      value: {
        cloud: "mycloud",
        project: "demo",
        selection: { include: ["cinder.volume", "name=db*"], exclude: ["cinder.volume/x"] },
      },
    },
  });
  expect(world.stdout.text).toBe(
    `\
+---------------+--------+-----------+--------------+-----------+----------+-------------+-------+
| Type          | Name   | State     | Logical Size | Read Size | New Size | Stored Size |  Time |
+---------------+--------+-----------+--------------+-----------+----------+-------------+-------+
| cinder.volume | data   | succeeded |      1.0 GiB |   1.0 GiB |   10 MiB |     5.0 MiB |   30s |
| glance.image  | debian | succeeded |      1.0 GiB |   1.0 GiB |   10 MiB |     5.0 MiB |   30s |
+---------------+--------+-----------+--------------+-----------+----------+-------------+-------+
backup 20261123T170000Z-0a1b2c3d succeeded in 1m 12s: 2 resources, 3.0 GiB logical, 1.0 GiB read, 512 MiB new, 256 MiB stored, volumes frozen within 0.8s
`
      .replaceAll("|  Time |", "| Time |")
      .replaceAll("|   30s |", "|  30s |")
      .replaceAll("-+-------+", "-+------+"),
  );
  expect(world.cluster.closed).toBe(true);
  expect(world.endpoints[0]).toEqual({ address: "127.0.0.1:7000", token: "0123456789abcdef0123456789abcdef" });
});

test("backup in json is one session with its resources; --detach leaves it to the cluster", async () => {
  const world = createWorld({
    env: { PERMAFROST_REPOSITORY: "production", OS_AUTH_URL: "http://keystone", OS_TENANT_NAME: "old" },
  });
  expect(await world.run("backup", "-f", "json")).toBe(0);
  expect(world.cluster.requestOf("startBackup")).toMatchObject({ input: { value: { cloud: "envvars", project: "old" } } });
  const answer = JSON.parse(world.stdout.text);
  expect(answer).toMatchObject({
    id: "20261123T170000Z-0a1b2c3d",
    state: "succeeded",
    stored_size: 268_435_456,
    consistency_window_ms: 840,
  });
  expect(answer.resource_list.map((row: { name: string }) => row.name)).toEqual(["data", "debian"]);
  const detached = createWorld();
  expect(await detached.run("backup", ...REPO, "--os-cloud", "c", "--detach", "-f", "value")).toBe(0);
  expect(detached.stdout.text).toBe("20261123T170000Z-0a1b2c3d\n");
  expect(detached.cluster.requestOf("watchSession")).toBeUndefined();
});

test("a dry run says that nothing was changed, and an empty session that nothing was found", async () => {
  const plan = createWorld();
  plan.cluster.ended = session({ kind: "restore", dryRun: true });
  expect(await plan.run("restore", "2026", ...REPO, "--to-cloud", "c", "--dry-run")).toBe(0);
  expect(plan.stdout.text).toContain("plan of 2 resources; nothing was changed\n");
  plan.cluster.ended = session({ kind: "restore", dryRun: true, state: "partial", failed: 1 });
  expect(await plan.run("restore", "2026", ...REPO, "--to-cloud", "c", "--dry-run")).toBe(3);
  expect(plan.stdout.text).toContain("plan of 2 resources, 1 of which would fail; nothing was changed\n");
  const empty = createWorld();
  empty.cluster.resourceList = [];
  empty.cluster.ended = session({ resources: 0, succeeded: 0 });
  expect(await empty.run("backup", ...REPO, "--os-cloud", "c")).toBe(0);
  expect(empty.stdout.text).toMatch(/^backup .* succeeded in 1m 12s: 0 resources/);
  expect(empty.stderr.text).toBe("Warning: there was nothing to do: no resource was found or selected\n");
});

test("backup of standard input sends it to the worker in large pieces", async () => {
  const bytes = Buffer.alloc(1_200_000, 7);
  const world = createWorld({ stdin: bytes });
  expect(await world.run("backup", ...REPO, "--input", "stream", "--name", "dump")).toBe(0);
  expect(world.cluster.requestOf("startBackup")).toEqual({
    repository: "production",
    input: { $case: "stream", value: { name: "dump" } },
  });
  expect(world.cluster.requestOf("upload")).toEqual({ address: "127.0.0.1:4711" });
  const kinds = world.cluster.uploaded.map(({ step }) => step?.$case);
  expect(kinds).toEqual(["open", "entry", "data", "data", "data"]);
  const data = world.cluster.uploaded.flatMap(({ step }) => (step?.$case === "data" ? [step.value] : []));
  expect(Buffer.concat(data).equals(bytes)).toBe(true);
});

test("backup of files: unreadable ones are named and make it partial", async () => {
  const world = createWorld();
  const tree = join(world.directory, "tree");
  mkdirSync(join(tree, "closed"), { recursive: true });
  writeFileSync(join(tree, "a.txt"), "hello");
  // Who runs the tests may be root and read everything; a name that is no UTF-8 nobody can open.
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/z-`), Buffer.from([0xff])]), "x");
  expect(await world.run("backup", ...REPO, "--input", "fs", "tree", "-q", "--json")).toBe(3);
  expect(world.stderr.text).toContain("Not read: ");
  expect(JSON.parse(world.stderr.text.trimEnd().split("\n").at(-1) ?? "")).toEqual({
    message_type: "exit_error",
    code: 3,
    message: "1 files or directories could not be read",
  });
  expect(world.cluster.requestOf("startBackup")).toEqual({
    repository: "production",
    input: { $case: "fs", value: { name: tree } },
  });
  const paths = world.cluster.uploaded.flatMap(({ step }) => (step?.$case === "entry" ? [step.value.path] : []));
  expect(paths).toEqual(["a.txt", "closed"]);
  expect(await world.run("backup", ...REPO, "--input", "fs", "missing")).toBe(1);
  expect(world.stderr.text).toContain("Cannot read");
});

test("an upload that breaks cancels the session and says why", async () => {
  const world = createWorld({ stdin: "x" });
  world.cluster.failures.set("upload", new CodedError("STORE_FULL", "node-1 is full", { hint: "Add a node." }));
  world.cluster.ended = session({ state: "cancelled" });
  expect(await world.run("backup", ...REPO, "--input", "stream")).toBe(1);
  expect(world.stderr.text).toContain("Error: node-1 is full (STORE_FULL)\n  Add a node.\n");
  // What broke the upload may be away for the cancel as well.
  world.cluster.cancelFailures = [new CodedError("NODE_UNREACHABLE", "node-1 cannot be reached", { retry: "later" })];
  const cancels = () => world.cluster.calls.filter((call) => call.method === "cancelSession").length;
  const before = cancels();
  expect(await world.run("backup", ...REPO, "--input", "stream")).toBe(1);
  expect(cancels() - before).toBe(2);
  // That it was cancelled is the consequence, not the reason.
  const failure = { code: "CANCELLED", message: "The session was cancelled", hint: "", facts: {} };
  world.cluster.ended = session({ state: "cancelled", failure });
  world.stderr.text = "";
  expect(await world.run("backup", ...REPO, "--input", "stream")).toBe(1);
  expect(world.stderr.text).toContain("Error: node-1 is full (STORE_FULL)\n  Add a node.\n");
  expect(world.cluster.requestOf("cancelSession")).toEqual({ sessionId: "20261123T170000Z-0a1b2c3d" });
});

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
  expect(world.stdout.text).toContain("| cinder.volume | old  | skip   | volume v9 has that name |\n");
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
    "project:x=y",
    "--on-conflict",
    "reuse",
    "--name-prefix",
    "r-",
    "--verify",
    "data",
    "--dry-run",
  );
  world.cluster.resourceList = [resource({ state: "pending", action: "create", actionReason: "the target has none" })];
  expect(await world.run(...argv)).toBe(0);
  expect(world.cluster.requestOf("startRestore")).toEqual({
    repository: "production",
    sessionId: "2026",
    cloud: "other",
    project: "copy",
    selection: { include: ["glance.image"], exclude: [] },
    volumeTypes: { a: "b" },
    availabilityZones: { "*": "nova" },
    storagePolicies: { gold: "silver" },
    projects: { x: "y" },
    onConflict: "reuse",
    namePrefix: "r-",
    verify: 4,
    dryRun: true,
  });
  expect(world.stdout.text).toContain("| cinder.volume | data | create | the target has none |");
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

test("forget asks, and removes exactly what it showed", async () => {
  const world = createWorld({ stdinIsTerminal: true, confirms: [false, true, undefined] });
  expect(await world.run("forget", "2026")).toBe(1);
  expect(world.cluster.calls.map((call) => call.request)).toEqual([{ sessionIds: ["2026"], dryRun: true }]);
  expect(await world.run("forget", "2026")).toBe(0);
  expect(world.cluster.requestOf("forgetSession")).toEqual({ sessionIds: ["20261123T170000Z-0a1b2c3d"], dryRun: false });
  expect(await world.run("forget", "2026")).toBe(130);
  const pipe = createWorld();
  expect(await pipe.run("forget", "2026")).toBe(2);
  expect(await pipe.run("forget", "2026", "--dry-run", "-f", "value", "-c", "ID")).toBe(0);
  expect(await pipe.run("forget", "2026", "--yes", "-q", "-f", "value", "-c", "ID")).toBe(0);
  expect(pipe.stdout.text).toBe("20261123T170000Z-0a1b2c3d\n20261123T170000Z-0a1b2c3d\n");
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
  [["restore", "latest", ...REPO, "--to-cloud", "c", "--map", "flavor:a=b"], "--map flavor:a=b is not KIND:OLD=NEW"],
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

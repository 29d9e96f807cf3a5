import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { expect, test } from "vitest";
import { repository, session } from "../../testing/fake-cluster.ts";
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
        temporaryProject: "",
        maxWindowMs: 0n,
        failBeyondWindow: false,
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

test("an empty session says that nothing was found", async () => {
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

import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../bin/permafrost", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "permafrost-main-"));
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function start(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, PERMAFROST_DATA: directory, ...env }, timeout: 20_000, cwd: directory };
    execFile(file, args, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test("the command starts from a shell and from Node alike, and hands its exit code on", async () => {
  const [shell, node] = await Promise.all([start(BIN, ["--version"]), start(process.execPath, [BIN, "--version"])]);
  expect(shell).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
  expect(node).toEqual(shell);
  const wrong = await start(process.execPath, [BIN, "backup", "--json"]);
  expect(wrong.code).toBe(2);
  expect(JSON.parse(wrong.stderr.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ message_type: "exit_error", code: 2 });
});

test("a reader that goes away is no error, a full disk is one and never a stack", async () => {
  const [gone, full] = await Promise.all([
    start("bash", ["-c", 'set -o pipefail; "$0" --help | true', BIN]),
    start("bash", ["-c", '"$0" --help > /dev/full', BIN]),
  ]);
  expect(gone).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(full).toEqual({ code: 1, stdout: "", stderr: "Error: Cannot write to standard output: ENOSPC (OUTPUT_FAILED)\n" });
});

test("a coordinator that is not there is an error that names it, never a stack", async () => {
  const ended = await start(BIN, ["sessions", "--address", "127.0.0.1:1"]);
  expect(ended.code).toBe(1);
  expect(ended.stdout).toBe("");
  expect(ended.stderr).toMatch(/^Error: .*127\.0\.0\.1:1.*\(NODE_UNREACHABLE\)\n/);
  expect(ended.stderr).not.toMatch(/\n\s+at /);
});

test("completion knows commands, subcommands, options and their values", async () => {
  const complete = async (...words: string[]) => {
    const { stdout } = await start(BIN, ["complete", "--", ...words]);
    return stdout.split("\n").map((line) => line.split("\t")[0]);
  };
  const [top, sub, options, values] = await Promise.all([
    complete(""),
    complete("repository", ""),
    complete("restore", "--to"),
    complete("restore", "--verify", ""),
  ]);
  expect(top).toEqual(
    expect.arrayContaining(["up", "backup", "restore", "sessions", "session", "repository", "check", "forget"]),
  );
  expect(sub).toEqual(expect.arrayContaining(["init", "list", "unlock"]));
  expect(options).toEqual(expect.arrayContaining(["--to-cloud", "--to-project", "--to-path", "--to-stdout", "--token-file"]));
  expect(values).toEqual(expect.arrayContaining(["none", "metadata", "hash", "data"]));
});

test("the bash script is one that bash accepts", async () => {
  const { code, stdout } = await start(BIN, ["completion", "bash"]);
  expect(code).toBe(0);
  expect(await start("bash", ["-n", "-c", stdout])).toEqual({ code: 0, stdout: "", stderr: "" });
  const scripts = await Promise.all(["zsh", "fish"].map((shell) => start(BIN, ["completion", shell])));
  expect(scripts.map(({ code: one, stdout: text }) => [one, text.includes("permafrost complete --")])).toEqual([
    [0, true],
    [0, true],
  ]);
});

test("a role says what is wrong with its configuration, or that it has none", async () => {
  const ended = await start(BIN, ["worker", "--config", "/nonexistent/worker.yaml"]);
  expect(ended.code).toBeGreaterThan(0);
  expect(ended.stderr).toContain("/nonexistent/worker.yaml");
  expect(ended.stderr).not.toMatch(/\n\s+at /);
});

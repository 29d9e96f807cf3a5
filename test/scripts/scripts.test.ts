/** The commands that everything else is started with. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface PrepareModule {
  isNodeRecentEnough(version: string): boolean;
  missingPackages(lock: object, installed: object): string[];
  findExecutable(name: string, path: string): string | undefined;
}
interface TestModule {
  countResults(report: object): { passed: number; failed: number };
}

async function load<T>(script: string): Promise<T> {
  return (await import(new URL(`../../scripts/${script}`, import.meta.url).href)) as T;
}

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "permafrost-scripts-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs a script of the project on this Node; `act` sees the output as it grows. */
async function run(script: string, args: readonly string[], act: (output: string, pid: number) => void = () => undefined) {
  const child = spawn(process.execPath, [join(root, "scripts", script), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data: Buffer) => {
    stdout += data;
    act(stdout, child.pid ?? 0);
  });
  child.stderr.on("data", (data: Buffer) => {
    stderr += data;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout, stderr };
}

function program(text: string): string {
  const file = join(directory, "program.ts");
  writeFileSync(file, text);
  return file;
}

describe("prepare", () => {
  it("says and does nothing on a machine that is ready", async () => {
    expect(await run("prepare.mjs", [])).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("knows which Node can run the project", async () => {
    const { isNodeRecentEnough } = await load<PrepareModule>("prepare.mjs");
    expect(["v24.15.0", "v24.21.3", "v26.10.0", "25.0.0"].map(isNodeRecentEnough)).not.toContain(false);
    expect(["v24.14.9", "v22.30.0", "v20.20.2", ""].map(isNodeRecentEnough)).not.toContain(true);
  });

  it("finds what is missing or has another version, and lets packages of other platforms be absent", async () => {
    const { missingPackages } = await load<PrepareModule>("prepare.mjs");
    const at = (version: string, more: object = {}) => ({ version, ...more });
    const lock = {
      packages: {
        "": {},
        "packages/kv": at("0.1.0"),
        "node_modules/@permafrost/kv": { link: true },
        "node_modules/same": at("1.0.0"),
        "node_modules/older": at("2.0.0"),
        "node_modules/absent": at("1.0.0"),
        "node_modules/for-another-platform": at("1.0.0", { optional: true }),
      },
    };
    const installed = { packages: { "node_modules/same": at("1.0.0"), "node_modules/older": at("1.9.0") } };
    expect(missingPackages(lock, installed)).toEqual(["node_modules/older", "node_modules/absent"]);
  });

  it("finds programs in the order of PATH, and passes over what cannot be run", async () => {
    const { findExecutable } = await load<PrepareModule>("prepare.mjs");
    writeFileSync(join(directory, "plain"), "", { mode: 0o644 });
    writeFileSync(join(directory, "tool"), "", { mode: 0o755 });
    const path = ["", "/nonexistent", directory].join(delimiter);
    expect(findExecutable("tool", path)).toBe(join(directory, "tool"));
    expect(findExecutable("plain", path)).toBeUndefined();
  });
});

describe("run", () => {
  it("runs TypeScript with its arguments, tools on PATH, and its exit status", async () => {
    const file = program(`const [, , ...words]: string[] = process.argv;
      console.log(words.join(" "), process.env.PATH?.includes("node_modules/.bin"), Number(process.versions.node.split(".")[0]) >= 24);
      process.exit(7);`);
    expect(await run("run.mjs", [file, "two words", "--flag"])).toMatchObject({
      code: 7,
      stdout: "two words --flag true true\n",
    });
  });

  it("passes signals on and ends with what the program makes of them", async () => {
    const file = program(`process.on("SIGTERM", () => { console.log("told"); process.exit(3); });
      setInterval(() => undefined, 1000);
      console.log("ready");`);
    const result = await run("run.mjs", [file], (output, pid) => {
      if (output === "ready\n") process.kill(pid, "SIGTERM");
    });
    expect(result).toMatchObject({ code: 3, stdout: "ready\ntold\n" });
  });

  it("ends as a shell would when a signal ended the program", async () => {
    const file = program(`process.kill(process.pid, "SIGKILL");`);
    expect((await run("run.mjs", [file])).code).toBe(137);
  });

  it("explains itself when called without a file", async () => {
    expect(await run("run.mjs", [])).toMatchObject({ code: 2, stderr: expect.stringContaining("usage:") as string });
  });
});

describe("test", () => {
  it("counts tests, and a file that could not be loaded as one failure", async () => {
    const { countResults } = await load<TestModule>("test.mjs");
    const testResults = [
      { status: "passed", assertionResults: [{ status: "passed" }] },
      { status: "failed", assertionResults: [{ status: "passed" }, { status: "failed" }] },
      { status: "failed", assertionResults: [] },
    ];
    expect(countResults({ numPassedTests: 2, numFailedTests: 1, testResults })).toEqual({ passed: 2, failed: 2 });
  });
});

/** What a run of the program leaves in the user's cache, and that it needs none. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "main.ts");
const directory = mkdtempSync(join(tmpdir(), "permafrost-cache-"));
afterAll(() => rmSync(directory, { recursive: true }));

const version = (env: Readonly<Record<string, string>>) =>
  spawnSync(process.execPath, [MAIN, "--version"], { encoding: "utf8", env: { PATH: process.env.PATH ?? "", ...env } });

test("the program keeps what was compiled in the user's cache, where the user says or below the home", () => {
  for (const [env, caches] of [
    [{ XDG_CACHE_HOME: join(directory, "xdg"), HOME: "/nowhere" }, join(directory, "xdg")],
    [{ XDG_CACHE_HOME: "relative", HOME: join(directory, "home") }, join(directory, "home", ".cache")],
  ] as const) {
    expect(version(env)).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(join(caches, "permafrost", "compiled"), { recursive: true }).length).toBeGreaterThan(10);
  }
});

test("it runs as well without a home, and where nothing can be written", () => {
  const file = join(directory, "a-file");
  writeFileSync(file, "");
  for (const env of [{}, { HOME: file }]) expect(version(env)).toMatchObject({ status: 0, stderr: "" });
  expect(existsSync(join(file, ".cache"))).toBe(false);
});

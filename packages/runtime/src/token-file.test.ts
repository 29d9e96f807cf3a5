import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ensureTokenFile, readTokenFile } from "./token-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "permafrost-token-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it("makes 32 random bytes that only the owner can read, once", async () => {
  const path = join(directory, "new", "token");
  const token = await ensureTokenFile(path);
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await ensureTokenFile(path)).toBe(token);
  expect(await readTokenFile(path)).toBe(token);
  expect(readdirSync(join(directory, "new"))).toEqual(["token"]);
});

it("gives everyone who creates it at once the same token", async () => {
  const path = join(directory, "token");
  const tokens = await Promise.all(Array.from({ length: 8 }, () => ensureTokenFile(path)));
  expect(new Set(tokens).size).toBe(1);
});

it.each([0o640, 0o604, 0o666, 0o620])("refuses a file with mode %o, without showing the token", async (mode) => {
  const path = join(directory, "token");
  const token = await ensureTokenFile(path);
  chmodSync(path, mode);
  const error = await readTokenFile(path).catch((reason: unknown) => reason);
  if (!CodedError.is(error, "TOKEN_FILE_OPEN")) throw new Error(`not TOKEN_FILE_OPEN: ${String(error)}`);
  expect(error.hint).toContain("chmod 600");
  expect(`${error.message}${JSON.stringify(error.facts)}`).not.toContain(token);
  await expect(ensureTokenFile(path)).rejects.toMatchObject({ code: "TOKEN_FILE_OPEN" });
});

it("says when the file is missing or holds no token", async () => {
  const path = join(directory, "token");
  await expect(readTokenFile(path)).rejects.toMatchObject({ code: "TOKEN_FILE_UNREADABLE", facts: { reason: "ENOENT" } });
  for (const content of ["", "short", "two words are not a token", "x".repeat(5_000)]) {
    writeFileSync(path, content, { mode: 0o600 });
    await expect(readTokenFile(path)).rejects.toMatchObject({ code: "TOKEN_FILE_INVALID" });
  }
});

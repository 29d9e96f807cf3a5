import { execFileSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, expect, test } from "vitest";
import type { DownloadResponse, InputEntry } from "../api.ts";
import { extractTree, prepareTarget } from "./extract.ts";
import { PIECE_BYTES, streamSteps, treeSteps } from "./steps.ts";
import { type WalkProblem, walkTree } from "./walk.ts";

const directories: string[] = [];

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "permafrost-input-"));
  directories.push(directory);
  return directory;
}

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

/** What a worker sends back for what it got: the same steps without the opening one. */
async function* echo(root: string, problems: WalkProblem[] = []): AsyncGenerator<DownloadResponse> {
  for await (const { step } of treeSteps(
    "s",
    walkTree(root, (problem) => problems.push(problem)),
  )) {
    if (step !== undefined && step.$case !== "open") yield { step };
  }
}

const entry = (path: string, type = "file", linkTarget = ""): DownloadResponse => ({
  step: { $case: "entry", value: { path, type, mode: 0o644, size: 0n, linkTarget } satisfies InputEntry },
});
const data = (text: string): DownloadResponse => ({ step: { $case: "data", value: Buffer.from(text) } });
async function* each<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

test("a tree goes out and comes back: bytes, names, modes, times, links", async () => {
  const [source, target] = [scratch(), join(scratch(), "new")];
  mkdirSync(join(source, "b", "leer ü"), { recursive: true });
  writeFileSync(join(source, "b", "big"), Buffer.alloc(PIECE_BYTES * 2 + 3, "xyz"));
  writeFileSync(join(source, "empty"), "");
  writeFileSync(join(source, "script"), "#!/bin/sh\n");
  chmodSync(join(source, "script"), 0o750);
  symlinkSync("../outside", join(source, "b", "link"));
  symlinkSync("nowhere", join(source, "dangling"));
  utimesSync(join(source, "script"), 1_000_000, 1_000_000);
  utimesSync(join(source, "b"), 2_000_000, 2_000_000);
  chmodSync(join(source, "b"), 0o555);

  await prepareTarget(target);
  const done = await extractTree(echo(source), target);
  expect(done).toEqual({ files: 3, directories: 2, links: 2, bytes: PIECE_BYTES * 2 + 13 });
  const list = (root: string) => (readdirSync(root, { recursive: true }) as string[]).sort();
  expect(list(target)).toEqual(list(source));
  expect(readFileSync(join(target, "b", "big")).equals(readFileSync(join(source, "b", "big")))).toBe(true);
  expect(readlinkSync(join(target, "b", "link"))).toBe("../outside");
  expect(lstatSync(join(target, "script")).mode & 0o7777).toBe(0o750);
  expect(lstatSync(join(target, "script")).mtimeMs).toBe(1_000_000_000);
  expect(lstatSync(join(target, "b")).mode & 0o7777).toBe(0o555);
  expect(lstatSync(join(target, "b")).mtimeMs).toBe(2_000_000_000);
  chmodSync(join(source, "b"), 0o755);
  chmodSync(join(target, "b"), 0o755);
});

test("a walk is in order of whole paths as bytes, parents first; a single file is a tree of one", async () => {
  const source = scratch();
  mkdirSync(join(source, "b"));
  for (const name of ["b/z", "b/a", "b.txt", "b!", "a", "c", "\u{1f600}", "\uffee"]) writeFileSync(join(source, name), name);
  const paths = async (root: string) => {
    const found: string[] = [];
    for await (const walked of walkTree(root, () => {})) {
      found.push(`${walked.entry.type} ${walked.entry.path}`);
      await walked.file?.close();
    }
    return found;
  };
  expect(await paths(source)).toEqual([
    "file a",
    "directory b",
    "file b!",
    "file b.txt",
    "file b/a",
    "file b/z",
    "file c",
    "file \uffee",
    "file \u{1f600}",
  ]);
  expect(await paths(join(source, "c"))).toEqual(["file c"]);
});

test("special files are left out, unreadable ones are lost, and both are said", async () => {
  const source = scratch();
  execFileSync("mkfifo", [join(source, "pipe")]);
  // A name that is no UTF-8 cannot be opened by the name that a program in JavaScript sees.
  writeFileSync(Buffer.concat([Buffer.from(`${source}/bad-`), Buffer.from([0xff])]), "x");
  writeFileSync(join(source, "good"), "x");
  const problems: WalkProblem[] = [];
  const seen: string[] = [];
  for await (const { step } of echo(source, problems)) if (step?.$case === "entry") seen.push(step.value.path);
  expect(seen).toEqual(["good"]);
  expect(problems.map(({ reason, lost }) => [reason, lost])).toEqual([
    ["its name is not UTF-8", true],
    ["special file", false],
  ]);
});

test("a root that cannot be read is an error, not an empty tree", async () => {
  await expect(walkTree("/nonexistent/x", () => {}).next()).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
});

test("a file that breaks while it is read fails the upload", async () => {
  const broken = {
    read: () => Promise.reject(Object.assign(new Error("EIO"), { code: "EIO", syscall: "read" })),
    close: async () => {},
  };
  const steps = treeSteps(
    "s",
    each({ entry: { path: "a", type: "file", mode: 0, size: 9n, linkTarget: "" }, file: broken as never }),
  );
  await steps.next();
  await steps.next();
  await expect(steps.next()).rejects.toMatchObject({ code: "INPUT_READ_FAILED", facts: { path: "a", reason: "EIO" } });
});

test("a stream is cut into pieces of one size, whatever the size of its reads", async () => {
  const source = Readable.from([Buffer.alloc(10, 1), Buffer.alloc(PIECE_BYTES * 2, 2), Buffer.alloc(1, 3)]);
  const sizes: number[] = [];
  for await (const { step } of streamSteps("s", source)) if (step?.$case === "data") sizes.push(step.value.length);
  expect(sizes).toEqual([PIECE_BYTES, PIECE_BYTES, 11]);
});

test.each(["/etc/passwd", "../x", "a/../../x", "a//b", "./a", "", "a/.", "a\0b"])("the name %j is refused", async (path) => {
  const target = scratch();
  await expect(extractTree(each(entry(path), data("x")), target)).rejects.toMatchObject({ code: "PATH_UNSAFE" });
  expect(readdirSync(target)).toEqual([]);
});

test("nothing is written through a link that the tree itself made", async () => {
  const [target, outside] = [scratch(), scratch()];
  const steps = each(entry("link", "symlink", outside), entry("link/evil"), data("x"));
  await expect(extractTree(steps, target)).rejects.toMatchObject({ code: "PATH_UNSAFE" });
  expect(readdirSync(outside)).toEqual([]);
  await expect(
    extractTree(each(entry("l2", "symlink", join(outside, "new")), entry("l2"), data("x")), target),
  ).rejects.toMatchObject({
    code: "EXTRACT_FAILED",
  });
  expect(readdirSync(outside)).toEqual([]);
});

test("a target with something in it, or that is a file, is refused", async () => {
  const target = scratch();
  writeFileSync(join(target, "mine"), "keep");
  await expect(prepareTarget(target)).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
  await expect(prepareTarget(join(target, "mine"))).rejects.toMatchObject({
    code: "TARGET_UNUSABLE",
    message: expect.stringMatching(/: it is not a directory$/),
  });
  expect(readFileSync(join(target, "mine"), "utf8")).toBe("keep");
});

test("a worker that talks nonsense is told from a broken disk", async () => {
  await expect(extractTree(each(data("x")), scratch())).rejects.toMatchObject({ code: "PROTOCOL" });
  await expect(extractTree(each(entry("d", "device")), scratch())).rejects.toMatchObject({ code: "PROTOCOL" });
  await expect(extractTree(each(entry("x".repeat(300)), data("x")), scratch())).rejects.toMatchObject({ code: "EXTRACT_FAILED" });
});

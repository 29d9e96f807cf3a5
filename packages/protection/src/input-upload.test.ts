import { memoryBlockStore } from "@permafrost/blocks";
import type { ResourceResult } from "@permafrost/model";
import { initRepository, type Repository, readListing } from "@permafrost/repository";
import { systemClock } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { captureUpload, checkPath, type TreeEntry, type UploadedEntry } from "./input-upload.ts";

let repository: Repository;
let session: number;

beforeEach(async () => {
  ({ repository } = await initRepository(memoryBlockStore(), {
    name: "acme",
    secret: { kind: "key", value: Buffer.alloc(32, 7).toString("base64") },
  }));
  session = 0;
});

const file = (name: string, text: string): UploadedEntry => ({
  entry: { name, kind: "file", mode: 0o644, modifiedAtMs: 5, sizeBytes: text.length },
  data: (async function* () {
    if (text !== "") yield Buffer.from(text);
  })(),
});
const directory = (name: string): UploadedEntry => ({
  entry: { name, kind: "directory", mode: 0o755, modifiedAtMs: 5, sizeBytes: 0 },
  data: (async function* () {})(),
});

async function upload(
  input: "stream" | "fs",
  entries: readonly UploadedEntry[],
  parent?: ResourceResult,
): Promise<ResourceResult> {
  const sessionId = `s${++session}`;
  const scope = { repositoryId: repository.id, sessionId, taskId: "upload-1", fence: 1n };
  return await captureUpload({
    task: {
      id: "upload-1",
      sessionId,
      repositoryId: repository.id,
      kind: "upload",
      input,
      name: "n",
      ...(parent ? { parent } : {}),
    },
    repository,
    writer: repository.writer(scope),
    signal: new AbortController().signal,
    progress: () => undefined,
    clock: systemClock,
    entries: (async function* () {
      yield* entries;
    })(),
  });
}

async function textOf(result: ResourceResult): Promise<string> {
  const root = result.streams.data;
  if (root === undefined) throw new Error("no data");
  return Buffer.concat(await Array.fromAsync(repository.reader().readStream(root))).toString();
}

describe("a stream", () => {
  it("comes back as it was sent", async () => {
    const result = await upload("stream", [file("", "hello")]);
    expect(result).toMatchObject({ type: "input.stream", state: "succeeded", stats: { logicalBytes: 5 } });
    expect(await textOf(result)).toBe("hello");
  });
  it("stores nothing new the second time", async () => {
    const text = "hello ".repeat(100_000);
    const first = await upload("stream", [file("", text)]);
    const second = await upload("stream", [file("", text)], first);
    expect(first.stats.newBlocks).toBeGreaterThan(1);
    expect(second.stats.newBlocks).toBe(0);
  });
  it("is one entry and no more", async () => {
    const two = upload("stream", [file("", "hello"), file("", "more")]);
    await expect(two).rejects.toMatchObject({ code: "UPLOAD_MALFORMED" });
  });
  it("that never began is refused", async () => {
    await expect(upload("stream", [])).rejects.toMatchObject({ code: "UPLOAD_MALFORMED" });
  });
});

describe("a tree", () => {
  it("is stored whole beside a parent that is lost", async () => {
    const root = { form: "block", id: "00".repeat(32), sizeBytes: 100, chunking: "content" } as const;
    const first = await upload("fs", [file("a", "hello")]);
    const second = await upload("fs", [file("a", "hello")], { ...first, streams: { listing: root } });
    expect(second).toMatchObject({ state: "succeeded", streams: first.streams });
  });
  it("keeps entries with their attributes and contents", async () => {
    const link: UploadedEntry = {
      entry: { name: "z", kind: "symlink", mode: 0o777, modifiedAtMs: 1, sizeBytes: 0, linkTarget: "a/b" },
      data: (async function* () {})(),
    };
    const result = await upload("fs", [directory("a"), file("a/b", "B"), file("a/empty", ""), link]);
    const root = result.streams.listing;
    if (root === undefined) throw new Error("no listing");
    const entries = await Array.fromAsync(readListing<TreeEntry>(repository.reader(), root));
    expect(entries.map((e) => [e.name, e.kind, e.mode, e.sizeBytes, e.linkTarget])).toEqual([
      ["a", "directory", 0o755, 0, undefined],
      ["a/b", "file", 0o644, 1, undefined],
      ["a/empty", "file", 0o644, 0, undefined],
      ["z", "symlink", 0o777, 0, "a/b"],
    ]);
    expect(result.stats.logicalBytes).toBe(1);
  });
  it("out of order is refused", async () => {
    await expect(upload("fs", [file("b", ""), file("a", "")])).rejects.toMatchObject({ code: "UPLOAD_MALFORMED" });
  });
  it("with a path that leaves it is refused", async () => {
    await expect(upload("fs", [file("../etc/passwd", "")])).rejects.toMatchObject({ code: "PATH_REFUSED" });
  });
});

describe("checkPath", () => {
  it.each(["", "/a", "a//b", "a/../b", "./a", "a/.", "a\0b", "a/"])("refuses %j", (path) => {
    expect(() => checkPath(path)).toThrow(expect.objectContaining({ code: "PATH_REFUSED" }));
  });
  it.each(["a", "a/b", "..a", "ä/ü "])("accepts %j", (path) => {
    expect(() => checkPath(path)).not.toThrow();
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { indexRecordKey } from "@permafrost/format";
import { CodedError, fromHex, fromUtf8, systemClock, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeMachine } from "../testing/node-machine.ts";
import type { StorageEngine } from "./engine.ts";
import { openStorage } from "./open-storage.ts";

const scope = testScope();
const a = testBlock("a", 500);
const b = testBlock("b", 600);

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error("it succeeded"),
    (reason: unknown) => reason,
  );
  return CodedError.is(error) ? `${error.code} ${error.retry}` : String(error);
}

async function fill(store: StorageEngine): Promise<void> {
  await store.put(scope, [a, b]);
  await store.putRecord(scope, { key: "repository", version: 1n, body: utf8("header") });
  await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
}

async function expectAll(store: StorageEngine): Promise<void> {
  expect(await store.listRepositories()).toEqual([TEST_REPOSITORY]);
  expect(fromUtf8((await store.getRecord(TEST_REPOSITORY, "repository"))?.body ?? utf8(""))).toBe("header");
  expect((await store.listRecords(TEST_REPOSITORY, "")).map(({ key }) => key)).toEqual(["repository", "session/1"]);
  expect((await store.get(TEST_REPOSITORY, [a.id, b.id])).map((block) => block?.body.length)).toEqual([500, 600]);
}

/** What every question about what is here answers. */
const answersOf = (store: StorageEngine) =>
  Promise.all([
    codeOf(store.listRepositories()),
    codeOf(store.getRecord(TEST_REPOSITORY, "absent")),
    codeOf(store.listRecords(TEST_REPOSITORY, "session/")),
  ]);

describe("a node that closes", () => {
  it("stores or refuses the puts that are under way, and seals what it acknowledged", async () => {
    const machine = new NodeMachine({ packBytesMax: 1 << 20 });
    const store = await machine.open();
    await fill(store);
    const late = [
      codeOf(store.put(scope, [testBlock("late")])),
      codeOf(store.putRecord(scope, { key: "late", version: 1n, body: utf8("late") })),
      codeOf(store.get(TEST_REPOSITORY, [a.id])),
    ];
    await store.close();
    expect((await Promise.all(late)).slice(0, 2)).toEqual(["STORE_CLOSED elsewhere", "STORE_CLOSED elsewhere"]);
    const again = await machine.restart("lost", "synced").open();
    expect((await again.stats()).cleanStart).toBe(true);
    await expectAll(again);
    for await (const finding of again.scrub()) expect(finding).toBeUndefined();
  });
});

describe("an index that is not whole", () => {
  it("because its rebuild failed half way answers no question, until a call has rebuilt it", async () => {
    let failing = false;
    let batches = 0;
    const machine = new NodeMachine({
      packBytesMax: 2048,
      onStep: (step, at) => {
        if (failing && step === "batch" && at === "before" && ++batches > 2) throw new Error("EIO");
      },
    });
    const store = await machine.open();
    await fill(store);
    failing = true;
    expect(await codeOf(store.rebuildIndex())).toBe("INDEX_UNAVAILABLE later");
    batches = 0;
    expect(await answersOf(store)).toEqual(Array(3).fill("INDEX_UNAVAILABLE later"));
    expect(await codeOf(store.get(TEST_REPOSITORY, [a.id]))).toBe("INDEX_UNAVAILABLE later");
    expect(await codeOf(store.reserve(scope, [a.id]))).toBe("INDEX_UNAVAILABLE later");
    failing = false;
    await expectAll(store);
    expect((await store.stats()).indexRebuilds).toBe(1);
  });

  it("is not closed as if it were: the next start reads the packs", async () => {
    let failing = false;
    const machine = new NodeMachine({ packBytesMax: 1 << 20, onIndexOpen: () => (failing ? new Error("EIO") : undefined) });
    const store = await machine.open();
    await fill(store);
    failing = true;
    expect(await codeOf(store.rebuildIndex())).toBe("INDEX_UNAVAILABLE later");
    await store.close();
    failing = false;
    const again = await machine.restart("kept", "all").open();
    expect(await again.stats()).toMatchObject({ cleanStart: false, recovery: { packsRead: 1 } });
    await expectAll(again);
  });

  it("because it lost a record's key in silence is rebuilt when the node starts", async () => {
    const machine = new NodeMachine({ packBytesMax: 1 << 20 });
    const store = await machine.open();
    await fill(store);
    await store.close();
    for (const key of ["repository", "session/1"]) machine.kv.tamper(indexRecordKey(fromHex(TEST_REPOSITORY), key), undefined);
    const again = await machine.restart("kept", "all").open();
    expect((await again.stats()).indexRebuilds).toBe(1);
    await expectAll(again);
  });
});

describe("packs that cannot be read", () => {
  /** A node whose index is gone and whose reads fail, and what heals them. */
  async function unreadable() {
    const first = new NodeMachine({ packBytesMax: 1 << 20 });
    await fill(await first.open());
    const machine = first.restart("kept", "nothing");
    const { read } = machine.packs;
    let failing = true;
    Object.assign(machine.packs, {
      read: (...args: Parameters<typeof read>) =>
        failing ? Promise.reject(new CodedError("PACK_IO", "read of a pack failed: EIO")) : read(...args),
    });
    return {
      machine,
      heal: () => {
        failing = false;
      },
    };
  }

  it("are neither cut nor removed, and nothing is called absent; once they can be read, all is there", async () => {
    const { machine, heal } = await unreadable();
    const before = (await machine.packs.list()).map(({ name, sizeBytes }) => [name, sizeBytes]);
    const store = await machine.open();
    expect((await store.stats()).recovery).toMatchObject({ packsUnread: 1, packsCut: 0, packsSetAside: 0 });
    expect(await answersOf(store)).toEqual(Array(3).fill("INDEX_UNAVAILABLE later"));
    await store.put(testScope({ repositoryId: "f".repeat(32) }), [testBlock("new")]);
    await store.close();
    expect((await machine.packs.list()).map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual(expect.arrayContaining(before));
    heal();
    await expectAll(await machine.restart("kept", "all").open());
  });

  it("during a rebuild: the same, at the next start too", async () => {
    const { machine, heal } = await unreadable();
    heal();
    const store = await machine.open();
    const { read } = machine.packs;
    Object.assign(machine.packs, { read: () => Promise.reject(new CodedError("PACK_IO", "read of a pack failed: EIO")) });
    await store.rebuildIndex();
    expect(await answersOf(store)).toEqual(Array(3).fill("INDEX_UNAVAILABLE later"));
    await store.close();
    Object.assign(machine.packs, { read });
    await expectAll(await machine.restart("kept", "all").open());
  });
});

describe("a record whose bytes rotted before the index was lost", () => {
  it("is called damaged, never absent, at every start, until a later version is put", async () => {
    for (const sealed of [true, false]) {
      let machine = new NodeMachine({ packBytesMax: 1 << 20 });
      let store = await machine.open();
      await fill(store);
      if (sealed) {
        await store.close();
        machine = machine.restart("kept", "all");
        store = await machine.open();
      }
      const bytes = machine.packs.raw((await machine.packs.list())[0]?.name ?? "");
      const at = bytes.indexOf("header");
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await store.rebuildIndex();
      for (let start = 0; start < 2; start++) {
        expect(await store.listRepositories()).toEqual([TEST_REPOSITORY]);
        expect(await codeOf(store.getRecord(TEST_REPOSITORY, "repository"))).toBe("RECORD_CORRUPT elsewhere");
        expect(await codeOf(store.listRecords(TEST_REPOSITORY, ""))).toBe("RECORD_CORRUPT elsewhere");
        expect(fromUtf8((await store.getRecord(TEST_REPOSITORY, "session/1"))?.body ?? utf8(""))).toBe("one");
        expect(await codeOf(store.putRecord(scope, { key: "repository", version: 0n, body: utf8("older") }))).toMatch(
          /^(RECORD_CONFLICT|REQUEST_INVALID)/,
        );
        await store.close();
        machine = machine.restart("kept", "all");
        store = await machine.open();
      }
      await store.putRecord(scope, { key: "repository", version: 1n, body: utf8("header") });
      await expectAll(store);
    }
  });
});

describe("a node's directory", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "permafrost-starts-"));
  });
  afterEach(() => rm(directory, { recursive: true }));
  const open = () => openStorage({ directory, keepFreeBytes: 0, commitWindowMs: 0 });

  it("whose packs and index are gone is no empty node", async () => {
    const store = await open();
    await fill(store);
    await store.close();
    for (const folder of ["packs", "index"]) await rm(join(directory, folder), { recursive: true });
    for (let start = 0; start < 2; start++) expect(await codeOf(open())).toBe("STORE_GONE never");
    await rm(join(directory, "node.json"));
    const anew = await open();
    expect(await anew.listRepositories()).toEqual([]);
    await anew.close();
  });
});

describe("starts that their process does not survive", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "permafrost-starts-"));
  });
  afterEach(() => rm(directory, { recursive: true }));
  const open = () => openStorage({ directory, keepFreeBytes: 0, commitWindowMs: 0 });

  async function startAndAbort(): Promise<void> {
    const script = fileURLToPath(new URL("../testing/open-and-abort.ts", import.meta.url));
    const child = spawn(process.execPath, [script, directory], { stdio: "ignore" });
    expect((await once(child, "exit"))[1]).toBe("SIGABRT");
  }

  it("make the third throw the index away and read the packs", async () => {
    const first = await open();
    await fill(first);
    await first.close();
    await startAndAbort();
    const once = await open();
    expect((await once.stats()).indexRebuilds).toBe(0);
    await once.close();
    for (let start = 0; start < 2; start++) await startAndAbort();
    const third = await open();
    expect((await third.stats()).indexRebuilds).toBe(1);
    await expectAll(third);
    await third.close();
    expect(await readdir(directory)).not.toContain("starting");
    const fourth = await open();
    expect((await fourth.stats()).indexRebuilds).toBe(0);
    await fourth.close();
  }, 60_000);

  it("are not those that ended with an error, nor those of a process that lived on", async () => {
    await writeFile(join(directory, "starting"), "1\n");
    let passed = () => {};
    const sleep: typeof systemClock.sleep = () =>
      new Promise((resolve) => {
        passed = resolve;
      });
    const store = await openStorage({ directory, keepFreeBytes: 0, commitWindowMs: 0, clock: { ...systemClock, sleep } });
    expect(await readFile(join(directory, "starting"), "utf8")).toBe("2\n");
    // It has died twice already for all another process can tell; but the index is in use.
    expect(await codeOf(open())).toMatch(/^KV_LOCKED/);
    await writeFile(join(directory, "starting"), "1\n");
    expect(await codeOf(open())).toMatch(/^KV_LOCKED/);
    expect(await readFile(join(directory, "starting"), "utf8")).toBe("1\n");
    passed();
    for (let turn = 0; turn < 200 && (await readdir(directory)).includes("starting"); turn++) await systemClock.sleep(10);
    expect(await readdir(directory)).not.toContain("starting");
    await store.close();
  });
});

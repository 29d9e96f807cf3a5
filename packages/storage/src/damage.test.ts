import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flipBit, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { blake3 } from "@permafrost/crypto";
import { encodeIndexMark, indexBlockKey, indexMarkKey, indexRecordKey } from "@permafrost/format";
import { CodedError, fromHex, fromUtf8, toHex, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeMachine, TEST_NODE_ID } from "../testing/node-machine.ts";
import type { StorageEngine } from "./engine.ts";
import { openStorage } from "./open-storage.ts";
import type { ScrubFinding } from "./scrub.ts";

const scope = testScope();
const a = testBlock("a", 500);
const b = testBlock("b", 600);
const c = testBlock("c", 700);
const ids = [a.id, b.id, c.id];
const keyOf = (id: Uint8Array) => indexBlockKey(fromHex(TEST_REPOSITORY), id);

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error("it succeeded"),
    (reason: unknown) => reason,
  );
  return CodedError.is(error) ? error.code : String(error);
}

async function findings(store: StorageEngine): Promise<ScrubFinding[]> {
  const found: ScrubFinding[] = [];
  for await (const finding of store.scrub()) found.push(finding);
  return found;
}

/** A node with three blocks and two records in one pack, sealed if `closed`. */
async function filled(closed: boolean) {
  let machine = new NodeMachine({ packBytesMax: 1 << 20 });
  let store = await machine.open();
  await store.put(scope, [a, b, c]);
  await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
  await store.putRecord(scope, { key: "session/1", version: 2n, body: utf8("two") });
  if (closed) {
    await store.close();
    machine = machine.restart("kept", "all");
    store = await machine.open();
    expect((await store.stats()).cleanStart).toBe(true);
  }
  const pack = (await machine.packs.list())[0]?.name ?? "";
  return { machine, store, pack };
}

/** Flips a bit `behind` the start of the header that names `id`. */
function flip(machine: NodeMachine, pack: string, id: Uint8Array, behind: number): number {
  const bytes = machine.packs.raw(pack);
  const at = bytes.indexOf(id) - 32;
  bytes[at + behind] = (bytes[at + behind] ?? 0) ^ 1;
  return at;
}

/** Where the header of the record's second version starts. */
function newestHeaderAt(machine: NodeMachine, pack: string): number {
  const bytes = machine.packs.raw(pack);
  const keyDigest = blake3(utf8("session/1"));
  return bytes.indexOf(keyDigest, bytes.indexOf(keyDigest) + 1) - 32;
}

describe("a damaged pack", () => {
  it.each([
    ["body", 130, "its body does not match its digest"],
    ["header", 70, "its header is damaged"],
  ])("%s: named with its place, and its neighbours are served", async (_what, behind, reason) => {
    const { machine, store, pack } = await filled(true);
    const offset = flip(machine, pack, b.id, behind);
    const error = CodedError.from(await store.get(TEST_REPOSITORY, ids).catch((e) => e));
    expect([error.code, error.retry]).toEqual(["BLOCK_CORRUPT", "elsewhere"]);
    expect(error.facts).toEqual({
      nodeId: TEST_NODE_ID,
      repositoryId: TEST_REPOSITORY,
      block: toHex(b.id),
      pack,
      offset,
      reason,
    });
    expect((await store.get(TEST_REPOSITORY, [a.id, c.id])).map((block) => block?.body.length)).toEqual([500, 700]);
    expect(await store.reserve(scope, ids)).toEqual([true, false, true]);
  });

  it("is known as damaged after a restart, until a fresh copy supersedes it, also for a rebuilt index", async () => {
    const { machine, store, pack } = await filled(true);
    flip(machine, pack, b.id, 130);
    expect(await codeOf(store.get(TEST_REPOSITORY, [b.id]))).toBe("BLOCK_CORRUPT");
    await store.close();
    const next = machine.restart("kept", "all");
    const again = await next.open();
    expect(await again.reserve(scope, [b.id])).toEqual([false]);
    await again.put(scope, [b]);
    expect(await again.confirm(scope, [b.id])).toEqual([true]);
    await again.rebuildIndex();
    expect((await again.get(TEST_REPOSITORY, ids)).map((block) => block?.body.length)).toEqual([500, 600, 700]);
    expect((await again.stats()).blocks).toBe(3);
    await again.close();
    const anew = await next.restart("kept", "nothing").open();
    expect((await anew.get(TEST_REPOSITORY, ids)).map((block) => block?.body.length)).toEqual([500, 600, 700]);
    expect((await anew.stats()).blocks).toBe(3);
  });

  it("is found by a scrub without keys, record by record, with footer and header", async () => {
    const { machine, store, pack } = await filled(true);
    expect(await findings(store)).toEqual([]);
    const offset = flip(machine, pack, b.id, 130);
    expect(await findings(store)).toEqual([
      {
        kind: "record",
        pack,
        offset,
        repositoryId: TEST_REPOSITORY,
        id: toHex(b.id),
        message: "a record of the pack is damaged",
      },
    ]);
    expect(await store.reserve(scope, ids)).toEqual([true, false, true]);
    const bytes = machine.packs.raw(pack);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    bytes[bytes.length - 60] = (bytes[bytes.length - 60] ?? 0) ^ 1;
    expect((await findings(store)).map((finding) => finding.kind)).toEqual(["header", "footer"]);
    machine.packs.lose(pack);
    expect((await findings(store)).map((finding) => finding.kind)).toEqual(["unreadable"]);
    expect(await codeOf(store.get(TEST_REPOSITORY, [a.id]))).toBe("BLOCK_CORRUPT");
  });

  it("in the middle of a pack that was open hides no record after it", async () => {
    for (const behind of [70, 130]) {
      const { machine, pack } = await filled(false);
      flip(machine, pack, a.id, behind);
      const after = machine.restart("kept", "nothing");
      const store = await after.open();
      expect(await store.confirm(scope, ids)).toEqual([false, true, true]);
      expect((await store.get(TEST_REPOSITORY, [b.id, c.id])).map((block) => block?.body.length)).toEqual([600, 700]);
      expect(await findings(store)).toEqual([]);
    }
  });

  it("with no footer left is read record by record", async () => {
    const { machine, store, pack } = await filled(true);
    await store.close();
    const bytes = machine.packs.raw(pack);
    bytes.fill(0, bytes.length - 40);
    const after = await machine.restart("kept", "nothing").open();
    expect(await after.confirm(scope, ids)).toEqual([true, true, true]);
    expect(fromUtf8((await after.getRecord(TEST_REPOSITORY, "session/1"))?.body ?? utf8(""))).toBe("two");
  });

  it("with a damaged record says so instead of giving an older version", async () => {
    const { machine, store, pack } = await filled(true);
    const bytes = machine.packs.raw(pack);
    const at = bytes.indexOf("two");
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    expect(await codeOf(store.getRecord(TEST_REPOSITORY, "session/1"))).toBe("RECORD_CORRUPT");
    expect(await codeOf(store.listRecords(TEST_REPOSITORY, "session/"))).toBe("RECORD_CORRUPT");
    await store.putRecord(scope, { key: "session/1", version: 3n, body: utf8("three") });
    expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version).toBe(3n);
  });

  it.each([
    ["body", 135],
    ["header", 70],
  ])("with a damaged record takes the same one again: %s", async (what, behind) => {
    const { machine, store, pack } = await filled(true);
    flipBit(machine.packs.raw(pack), 8 * (newestHeaderAt(machine, pack) + behind));
    const error = CodedError.from(await store.getRecord(TEST_REPOSITORY, "session/1").catch((reason) => reason));
    expect([error.code, error.facts.record, error.facts.version]).toEqual(["RECORD_CORRUPT", "session/1", "2"]);
    const put = (version: bigint, text: string) => store.putRecord(scope, { key: "session/1", version, body: utf8(text) });
    expect(await codeOf(put(1n, "one"))).toBe("RECORD_CONFLICT");
    if (what === "body") expect(await codeOf(put(2n, "2wo"))).toBe("RECORD_CONFLICT");
    await put(2n, "two");
    expect(await codeOf(put(2n, "2wo"))).toBe("RECORD_CONFLICT");
    for (const keep of ["all", "nothing"] as const) {
      const again = await machine.restart("kept", keep).open();
      expect(fromUtf8((await again.getRecord(TEST_REPOSITORY, "session/1"))?.body ?? utf8(""))).toBe("two");
    }
  });

  it("with a damaged deletion does not bring the record back, nor call it lost", async () => {
    const { machine, store } = await filled(false);
    await store.deleteRecord(scope, "session/1", 3n);
    const pack = (await machine.packs.list())[0]?.name ?? "";
    const bytes = machine.packs.raw(pack);
    flipBit(bytes, 8 * bytes.lastIndexOf("session/1"));
    await store.put(scope, [testBlock("behind it")]);
    for (const [machineThen, isKept] of [
      [machine.restart("kept", "all"), true],
      [machine.restart("kept", "nothing"), false],
    ] as const) {
      const then = await machineThen.open();
      expect(await then.getRecord(TEST_REPOSITORY, "session/1")).toBeUndefined();
      expect(await then.listRecords(TEST_REPOSITORY, "")).toEqual([]);
      expect(await then.listRepositories()).toEqual([]);
      expect(await codeOf(then.putRecord(scope, { key: "session/1", version: 3n, body: utf8("3") }))).toBe("RECORD_CONFLICT");
      if (isKept) expect((await findings(then)).map(({ kind }) => kind)).toEqual(["record"]);
      await then.close();
      const later = await machineThen.restart("kept", "nothing").open();
      expect(await later.listRecords(TEST_REPOSITORY, "")).toEqual([]);
    }
  });

  it("that was open is sealed with the names of what its index knew and nobody finds any more", async () => {
    const { machine, pack } = await filled(false);
    for (const id of [a.id, c.id]) flip(machine, pack, id, 70);
    flipBit(machine.packs.raw(pack), 8 * (newestHeaderAt(machine, pack) + 70));
    const after = machine.restart("kept", "all");
    const store = await after.open();
    expect((await findings(store)).map(({ kind }) => kind)).toEqual(["record", "record", "record"]);
    await store.close();
    const anew = await after.restart("kept", "nothing").open();
    expect(await codeOf(anew.get(TEST_REPOSITORY, [a.id]))).toBe("BLOCK_CORRUPT");
    expect(await codeOf(anew.get(TEST_REPOSITORY, [c.id]))).toBe("BLOCK_CORRUPT");
    expect(await codeOf(anew.getRecord(TEST_REPOSITORY, "session/1"))).toBe("RECORD_CORRUPT");
    expect((await anew.get(TEST_REPOSITORY, [b.id]))[0]?.body.length).toBe(600);
  });

  it("that is gone when the node starts is reported, and its blocks are not counted as present", async () => {
    const { machine, store, pack } = await filled(true);
    await store.close();
    machine.packs.lose(pack);
    const after = await machine.restart("kept", "all").open();
    expect((await after.stats()).recovery.packsMissing).toEqual([pack]);
    expect(await after.reserve(scope, ids)).toEqual([false, false, false]);
    expect((await findings(after)).every((finding) => finding.kind === "dangling")).toBe(true);
    await after.put(scope, [a]);
    expect((await after.get(TEST_REPOSITORY, [a.id]))[0]?.body.length).toBe(500);
  });

  it("without one whole record is set aside when the index counted on it", async () => {
    const { machine, pack } = await filled(false);
    machine.packs.raw(pack).fill(0);
    const after = machine.restart("kept", "all");
    const store = await after.open();
    expect((await store.stats()).recovery.packsSetAside).toBe(1);
    expect(after.packs.quarantined()).toEqual([pack]);
  });
});

describe("a damaged index", () => {
  it("that returns a wrong value is rebuilt from the packs at once", async () => {
    for (const closed of [true, false]) {
      const { machine, store } = await filled(closed);
      machine.kv.tamper(keyOf(b.id), Buffer.alloc(36, 7));
      expect((await store.get(TEST_REPOSITORY, ids)).map((block) => block?.body.length)).toEqual([500, 600, 700]);
      machine.kv.tamper(indexRecordKey(fromHex(TEST_REPOSITORY), "session/1"), Buffer.alloc(45));
      expect((await store.listRecords(TEST_REPOSITORY, "")).map((record) => record.version)).toEqual([2n]);
      expect(await store.stats()).toMatchObject({ blocks: 3, indexRebuilds: 2 });
      await store.put(scope, [testBlock("more")]);
      expect(await store.confirm(scope, [testBlock("more").id])).toEqual([true]);
    }
  });

  it("that lost an entry is completed by a scrub", async () => {
    const { machine, store } = await filled(true);
    machine.kv.tamper(keyOf(b.id), undefined);
    machine.kv.tamper(indexRecordKey(fromHex(TEST_REPOSITORY), "session/1"), undefined);
    expect(await store.reserve(scope, [b.id])).toEqual([false]);
    expect((await findings(store)).map((finding) => finding.kind)).toEqual(["unindexed", "unindexed", "unindexed"]);
    expect(await store.reserve(scope, [b.id])).toEqual([true]);
    expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version).toBe(2n);
    expect(await findings(store)).toEqual([]);
  });

  it("whose count is damaged counts again, and whose format is unknown is refused", async () => {
    const { machine, store } = await filled(true);
    await store.close();
    machine.kv.tamper(indexMarkKey("blocks"), Buffer.alloc(12, 1));
    const next = machine.restart("kept", "all");
    expect((await (await next.open()).stats()).blocks).toBe(3);
    const format = indexMarkKey("format");
    next.kv.tamper(format, encodeIndexMark(format, 2));
    expect(await codeOf(next.restart("kept", "all").open())).toBe("FORMAT_UNKNOWN");
  });
});

describe("a node's directory", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "permafrost-node-"));
  });
  afterEach(() => rm(directory, { recursive: true }));
  const open = () => openStorage({ directory, keepFreeBytes: 0, commitWindowMs: 0 });

  it("lets one process in", async () => {
    const store = await open();
    expect(await codeOf(open())).toBe("KV_LOCKED");
    await store.put(scope, [a]);
    await store.close();
    await (await open()).close();
  });

  it("without its index, or with a broken one, has everything", async () => {
    const first = await open();
    await first.put(scope, [a, b, c]);
    await first.close();
    for (const file of await readdir(join(directory, "index"))) {
      if (file.startsWith("MANIFEST")) await writeFile(join(directory, "index", file), "no manifest at all");
    }
    const second = await open();
    expect(await second.confirm(scope, ids)).toEqual([true, true, true]);
    expect((await second.stats()).indexRebuilds).toBe(1);
    await second.close();
    await rm(join(directory, "index"), { recursive: true });
    const third = await open();
    expect(await third.confirm(scope, ids)).toEqual([true, true, true]);
    await third.close();
  });

  it("knows its node: a lost node.json comes from the packs, a foreign or unreadable one is refused", async () => {
    const store = await open();
    await store.put(scope, [a]);
    await store.close();
    await rm(join(directory, "node.json"));
    const again = await open();
    expect(again.nodeId).toBe(store.nodeId);
    await again.close();
    await writeFile(join(directory, "node.json"), JSON.stringify({ nodeId: "0".repeat(32) }));
    expect(await codeOf(open())).toBe("STORE_FOREIGN");
    await writeFile(join(directory, "node.json"), "{}");
    expect(await codeOf(open())).toBe("NODE_IDENTITY_BAD");
  });

  it("refuses calls after close", async () => {
    const store = await open();
    await store.close();
    await store.close();
    expect(await codeOf(store.put(scope, [a]))).toBe("STORE_CLOSED");
    expect(await codeOf(store.get(TEST_REPOSITORY, [a.id]))).toBe("STORE_CLOSED");
  });
});

describe("group commit", () => {
  it("makes many concurrent puts durable with few syncs, and stores a block put by many once", async () => {
    let syncs = 0;
    const machine = new NodeMachine({
      packBytesMax: 1 << 20,
      onStep: (step, at) => {
        if (step === "sync" && at === "before") syncs++;
      },
    });
    const store = await machine.open();
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.put(scope, [testBlock(`many ${i}`), a])));
    expect(syncs).toBeLessThanOrEqual(3);
    expect((await store.stats()).blocks).toBe(51);
    expect((await store.stats()).storedBytes).toBeLessThan(51 * (1000 + 136) + 1000);
  });

  it("writes records of one key in turns", async () => {
    const store = await new NodeMachine().open();
    const put = (text: string) => store.putRecord(scope, { key: "k", version: 1n, body: utf8(text) });
    const results = await Promise.allSettled([put("x"), put("y"), put("x")]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("lets no more wait than it is told to", async () => {
    const store = await new NodeMachine({ queueBytesMax: 2000, commitBytes: 1000, packBytesMax: 1 << 20 }).open();
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.put(scope, [testBlock(`queued ${i}`)])));
    expect((await store.stats()).blocks).toBe(20);
  });
});

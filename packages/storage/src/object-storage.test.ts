import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blockStoreSuite, codedErrorOf, condemn, sweep, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { bucketError, type MemoryBucket, memoryBucket, noAnswer, type ObjectBucket } from "@permafrost/packs";
import { CodedError, fromUtf8, utf8 } from "@permafrost/std";
import { numbers } from "@permafrost/std/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodiesOf, suiteNode } from "../testing/suite-node.ts";
import type { StorageEngine } from "./engine.ts";
import { openStorage, type StorageOptions } from "./open-storage.ts";

const scope = testScope();
const a = testBlock("a", 500);
const b = testBlock("b", 600);

let root: string;
let folders: number;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "permafrost-gateway-"));
  folders = 0;
});
afterEach(() => rm(root, { recursive: true }));

const newDirectory = () => join(root, `${++folders}`);
const open = (bucket: ObjectBucket, options: Partial<StorageOptions> = {}, takeOver = false) =>
  openStorage({ directory: newDirectory(), commitWindowMs: 0, keepFreeBytes: 0, ...options, objects: { bucket, takeOver } });

async function put(store: StorageEngine): Promise<void> {
  await store.put(scope, [a, b]);
  await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
}

async function expectAll(store: StorageEngine): Promise<void> {
  const got = await store.get(TEST_REPOSITORY, [a.id, b.id]);
  expect(got.map((block, i) => Buffer.compare(block?.body ?? Buffer.of(), [a, b][i]?.body ?? Buffer.of()))).toEqual([0, 0]);
  expect(fromUtf8((await store.getRecord(TEST_REPOSITORY, "session/1"))?.body ?? utf8(""))).toBe("one");
  for await (const finding of store.scrub()) expect(finding).toBeUndefined();
}

/** Flips a bit of the body, wherever the bucket has the block. */
function damage(bucket: MemoryBucket, id: Uint8Array): void {
  for (const bytes of bucket.objects.values()) for (const at of bodiesOf(bytes, id)) bytes[at] = (bytes[at] ?? 0) ^ 1;
}

blockStoreSuite(
  "one node on an object store",
  () => {
    const bucket = memoryBucket();
    return suiteNode({ objects: { bucket } }, (id) => damage(bucket, id));
  },
  { reopens: true, damages: true },
);

describe("a gateway that is gone", () => {
  it("leaves all it acknowledged to one with an empty directory, which goes on as the same node", async () => {
    const bucket = memoryBucket();
    const first = await open(bucket);
    await put(first);
    bucket.listingLagChanges = 1000;
    const second = await open(bucket, {}, true);
    expect(second.nodeId).toBe(first.nodeId);
    await expectAll(second);
    await second.put(scope, [testBlock("more")]);
    expect((await codedErrorOf(first.put(scope, [testBlock("late")]))).code).toBe("STORE_READ_ONLY");
    expect((await first.stats()).readOnlyReason).toContain("another gateway");
    await first.close();
    await expectAll(second);
    await second.close();
  });

  it("has all it acknowledged in any seeded history with faults, for each of its successors", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const draw = numbers(seed);
      const bucket = memoryBucket();
      const blocks = new Map<string, ReturnType<typeof testBlock>>();
      let version = 0n;
      const opened: StorageEngine[] = [];
      for (let life = 0; life < 4; life++) {
        bucket.listingLagChanges = draw(2) * draw(60);
        let calm = true;
        const faulty = bucket.client({
          onCall: (call, key) => {
            if (!calm && draw(12) === 0) throw noAnswer(call, key);
          },
        });
        const store = await open(faulty, { packBytesMax: 4000 + draw(20_000) }, true);
        opened.push(store);
        const known = [...blocks.values()];
        const got = await store.get(
          TEST_REPOSITORY,
          known.map(({ id }) => id),
        );
        for (const [i, block] of known.entries())
          expect(Buffer.compare(got[i]?.body ?? Buffer.of(), block.body), `seed ${seed}, life ${life}, block ${i}`).toBe(0);
        expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version ?? 0n, `seed ${seed}`).toBeGreaterThanOrEqual(
          version,
        );
        version = (await store.getRecord(TEST_REPOSITORY, "session/1"))?.version ?? 0n;
        calm = false;
        for (let n = 0; n < 10; n++) {
          const group = Array.from({ length: 1 + draw(4) }, (_, i) => testBlock(`${seed}-${life}-${n}-${i}`, 1 + draw(3000)));
          const isStored = await store.put(scope, group).then(
            () => true,
            () => false,
          );
          if (isStored) for (const block of group) blocks.set(block.id.toString(), block);
          const next = version + 1n;
          await store.putRecord(scope, { key: "session/1", version: next, body: utf8("x") }).then(
            () => {
              version = next;
            },
            () => undefined,
          );
        }
        expect((await store.stats()).readOnlyReason, `seed ${seed}, life ${life}`).toBeUndefined();
      }
      expect(blocks.size).toBeGreaterThan(20);
      for (const store of opened) await store.close();
    }
  }, 60_000);

  it("at whatever call of its bucket it ended: its successor has all it acknowledged, before and after a prune", async () => {
    for (let endsAt = 1, isOver = false; !isOver; endsAt += 2) {
      const bucket = memoryBucket();
      let calls = 0;
      const mortal = bucket.client({
        onCall: (call, key, at) => {
          // Each call counts twice: ended before it was applied, or after.
          if (++calls >= endsAt) throw bucketError({ operation: call, key, status: 403, reason: `ended ${at} it` });
        },
      });
      const kept = new Map<string, ReturnType<typeof testBlock>>();
      const told = (group: readonly ReturnType<typeof testBlock>[]) => {
        for (const block of group) kept.set(block.id.toString(), block);
      };
      let first: StorageEngine | undefined;
      try {
        first = await open(mortal, { packBytesMax: 3000 });
        for (let n = 0; n < 4; n++) {
          const group = [testBlock(`keep ${n}`, 700), testBlock(`drop ${n}`, 900)];
          await first.put(scope, group);
          told(group);
        }
        const doomed = Array.from({ length: 4 }, (_, n) => testBlock(`drop ${n}`, 900));
        for (const { id } of doomed) kept.delete(id.toString());
        await condemn(
          first,
          1,
          doomed.map(({ id }) => id),
        );
        await sweep(first, 3, 2);
        const last = [testBlock("last", 300)];
        await first.put(scope, last);
        told(last);
        isOver = calls < endsAt;
      } catch (error) {
        if (!CodedError.is(error)) throw error;
      }
      bucket.listingLagChanges = endsAt % 23;
      const second = await open(bucket, {}, true);
      const blocks = [...kept.values()];
      const got = await second.get(
        TEST_REPOSITORY,
        blocks.map(({ id }) => id),
      );
      const lost = blocks.filter((block, i) => Buffer.compare(got[i]?.body ?? Buffer.of(), block.body) !== 0);
      expect(lost.length, `ended at ${endsAt}`).toBe(0);
      await second.close();
      await first?.close();
    }
  }, 60_000);

  it("is not asked for, if it was the same directory or ended in order", async () => {
    const bucket = memoryBucket();
    const directory = newDirectory();
    const killed = await open(bucket, { directory });
    await put(killed);
    // What a killed process leaves: the directory as it is.
    const left = newDirectory();
    await cp(directory, left, { recursive: true });
    const again = await open(bucket, { directory: left });
    await expectAll(again);
    await again.close();
    const other = await open(bucket);
    expect(other.nodeId).toBe(killed.nodeId);
    await expectAll(other);
    await other.close();
    await killed.close();
  });
});

describe("a second gateway on the same packs", () => {
  it("is refused while the first has not ended, and leaves it alone", async () => {
    const bucket = memoryBucket();
    const first = await open(bucket);
    const error = await codedErrorOf(open(bucket));
    expect(error.code).toBe("STORE_OWNED");
    expect(error.hint).toContain("--take-over");
    await put(first);
    await expectAll(first);
    await first.close();
  });

  it("that is another node is refused, also when the first has ended", async () => {
    const [bucket, other] = [memoryBucket(), memoryBucket()];
    const directory = newDirectory();
    for (const one of [bucket, other]) await (await open(one, one === bucket ? { directory } : {})).close();
    expect((await codedErrorOf(open(other, { directory }))).code).toBe("STORE_FOREIGN");
    expect((await codedErrorOf(open(other, { directory }, true))).code).toBe("STORE_FOREIGN");
    await (await open(bucket, { directory })).close();
  });

  it("in one directory is kept out by the lock, before it claims anything", async () => {
    const bucket = memoryBucket();
    const directory = newDirectory();
    const first = await open(bucket, { directory });
    expect((await codedErrorOf(open(bucket, { directory }, true))).code).toBe("KV_LOCKED");
    await put(first);
    await first.close();
  });

  it("does not delete what it had condemned before another spared it", async () => {
    const bucket = memoryBucket();
    const directory = newDirectory();
    const first = await open(bucket, { directory });
    await put(first);
    expect(await condemn(first, 1, [a.id, b.id])).toBe(2);
    await first.close();
    const second = await open(bucket);
    expect(await second.reserve(scope, [a.id, b.id])).toEqual([true, true]);
    await second.close();
    const again = await open(bucket, { directory });
    for (const { deletedBlocks } of await sweep(again, 5, 4)) expect(deletedBlocks).toBe(0);
    await expectAll(again);
    await again.close();
  });
});

describe("a bucket", () => {
  it("that lost everything is no empty node", async () => {
    const directory = newDirectory();
    await (await open(memoryBucket(), { directory })).close();
    expect((await codedErrorOf(open(memoryBucket(), { directory }))).code).toBe("STORE_GONE");
  });

  it("of which all claims are gone still says which node it is", async () => {
    const bucket = memoryBucket();
    const first = await open(bucket);
    await put(first);
    await first.close();
    for (const key of bucket.objects.keys()) if (key.startsWith("owner/")) bucket.objects.delete(key);
    const again = await open(bucket);
    expect(again.nodeId).toBe(first.nodeId);
    await expectAll(again);
    await again.close();
  });

  it("with a directory that names no gateway is not touched", async () => {
    const bucket = memoryBucket();
    const directory = newDirectory();
    await (await open(bucket, { directory })).close();
    await writeFile(join(directory, "gateway.json"), "{}");
    const before = bucket.objects.size;
    expect((await codedErrorOf(open(bucket, { directory }))).code).toBe("NODE_IDENTITY_BAD");
    expect(bucket.objects.size).toBe(before);
  });
});

describe("an object store that fails", () => {
  async function failing(status: number | undefined, call = "put") {
    let isFailing = false;
    const bucket = memoryBucket({
      onCall: (one, key, at) => {
        if (!isFailing || one !== call || at === "after") return;
        throw bucketError({ operation: one, key, status, reason: "" });
      },
    });
    const store = await open(bucket);
    await put(store);
    const fail = (value: boolean) => {
      isFailing = value;
    };
    return { bucket, store, fail };
  }

  it.each([
    ["does not answer", undefined, "PACK_UNREACHABLE"],
    ["is full", 507, "STORE_FULL"],
  ])("and %s: nothing is stored; once it works again, writes go on and nothing is lost", async (_, status, code) => {
    const { bucket, store, fail } = await failing(status);
    fail(true);
    for (const seed of ["c", "d"]) expect((await codedErrorOf(store.put(scope, [testBlock(seed)]))).code).toBe(code);
    expect(await store.confirm(scope, [testBlock("c").id])).toEqual([false]);
    await expectAll(store);
    await store.rebuildIndex();
    await expectAll(store);
    fail(false);
    await store.put(scope, [testBlock("c")]);
    await store.close();
    const again = await open(bucket);
    expect(await again.confirm(scope, [testBlock("c").id, testBlock("d").id])).toEqual([true, false]);
    await expectAll(again);
    await again.close();
  });

  it("and refuses the credentials: the node only reads", async () => {
    const { store, fail } = await failing(403);
    fail(true);
    expect((await codedErrorOf(store.put(scope, [testBlock("c")]))).code).toBe("STORE_READ_ONLY");
    fail(false);
    await expectAll(store);
    await store.close();
  });

  it("and does not answer reads: no block is called damaged for it", async () => {
    const { store, fail } = await failing(undefined, "get");
    fail(true);
    const error = await codedErrorOf(store.get(TEST_REPOSITORY, [a.id]));
    expect([error.code, error.retry]).toEqual(["PACK_UNREACHABLE", "later"]);
    fail(false);
    expect((await store.stats()).damagedFound).toBe(0);
    await expectAll(store);
    await store.close();
  });

  it("when the node starts: it does not start, and changes nothing", async () => {
    const { bucket, store } = await failing(undefined);
    await store.close();
    const packs = () =>
      [...bucket.objects].filter(([key]) => key.startsWith("packs/")).map(([key, { length }]) => `${key} ${length}`);
    const before = packs();
    const dead = bucket.client({
      onCall: (call, key) => {
        if (call === "get" && key.startsWith("packs/")) throw noAnswer(call, key);
      },
    });
    expect(CodedError.is(await codedErrorOf(open(dead)), "PACK_UNREACHABLE")).toBe(true);
    expect(packs()).toEqual(before);
    const again = await open(bucket);
    await expectAll(again);
    await again.close();
  });
});

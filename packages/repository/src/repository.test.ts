import { createHash } from "node:crypto";
import { memoryBlockStore } from "@permafrost/blocks";
import { deriveRepositoryKeys } from "@permafrost/crypto";
import { encodeInnerPage, encodeLeafPage } from "@permafrost/format";
import type { StreamRoot } from "@permafrost/model";
import { CodedError, fromHex, systemRandom } from "@permafrost/std";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { checkStream } from "./check.ts";
import type { Extent, Repository } from "./contract.ts";
import { initRepository } from "./open.ts";
import { PageReader } from "./page-reader.ts";
import { Sealing } from "./sealing.ts";

const KEY_FILE = { kind: "key", value: Buffer.alloc(32, 5).toString("base64") } as const;
const BLOCK = 65536;
const MIB = 1024 * 1024;

function noise(length: number, seed: number): Buffer {
  return createHash("shake256", { outputLength: Math.max(length, 1) })
    .update(`noise ${seed}`)
    .digest()
    .subarray(0, length);
}

async function* chunks(data: Uint8Array, sizeBytes = 256 * 1024): AsyncGenerator<Uint8Array> {
  // One buffer for all chunks, as a network reader has it: who keeps bytes must have copied them.
  const buffer = new Uint8Array(sizeBytes);
  for (let at = 0; at < data.length; at += sizeBytes) {
    const part = data.subarray(at, at + sizeBytes);
    buffer.set(part);
    yield buffer.subarray(0, part.length);
    buffer.fill(0xee);
  }
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function extentsOf(repository: Repository, root: StreamRoot): Promise<Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of repository.reader().extents(root)) extents.push(extent);
  return extents;
}

async function failure(work: Promise<unknown>): Promise<CodedError> {
  return CodedError.from(
    await work.then(
      () => new Error("it did not fail"),
      (error: unknown) => error,
    ),
  );
}

let store: ReturnType<typeof memoryBlockStore>;
let repository: Repository;

beforeEach(async () => {
  store = memoryBlockStore();
  ({ repository } = await initRepository(store, { name: "test", secret: KEY_FILE }));
});

const scope = (sessionId = "s1") => ({ repositoryId: repository.id, sessionId, taskId: "t1", fence: 1n });

async function write(
  data: Uint8Array,
  options: { chunking?: "fixed" | "content"; parent?: StreamRoot; sliceBytes?: number } = {},
) {
  const { chunking = "fixed", parent, sliceBytes } = options;
  const writer = repository.writer(scope());
  const written = await writer.writeStream(chunks(data, sliceBytes), { chunking, ...(parent ? { parent } : {}) });
  await writer.finish();
  return written;
}

const read = (root: StreamRoot, range: { start?: number; end?: number } = {}) =>
  readAll(repository.reader().readStream(root, range));

describe("writing and reading", () => {
  it.each(["fixed", "content"] as const)("gives back every byte, whatever the size (%s)", async (chunking) => {
    const sizes = fc.oneof(fc.constantFrom(0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK), fc.nat(12 * BLOCK));
    const zeroSpan = fc.record({ at: fc.nat(10 * BLOCK), length: fc.nat(4 * BLOCK) });
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(1000), zeroSpan, fc.integer({ min: 1, max: 200_000 }), async (size, seed, zeros, slice) => {
        const data = noise(size, seed);
        data.subarray(zeros.at, zeros.at + zeros.length).fill(0);
        const { root, stats } = await write(data, { chunking, sliceBytes: Math.max(slice, size >> 6) });
        expect(root.sizeBytes).toBe(size);
        expect(stats.logicalBytes).toBe(size);
        expect((await read(root)).equals(data)).toBe(true);
        const start = Math.floor(size / 3);
        const end = Math.floor((size * 2) / 3);
        expect((await read(root, { start, end })).equals(data.subarray(start, end))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("gives back a sparse disk of several leaf pages", async () => {
    const data = Buffer.alloc(133 * MIB + 17);
    data.set(noise(3 * MIB, 1), 5 * MIB + 100);
    data.set(noise(2 * MIB, 2), 63 * MIB);
    data.set(noise(17, 3), 133 * MIB);
    const { root, stats } = await write(data, { sliceBytes: 1000 * 1000 });
    expect(root.form).toBe("tree");
    expect(stats.zeroBytes).toBeGreaterThan(127 * MIB);
    expect(Buffer.compare(await read(root), data)).toBe(0);
    expect((await read(root, { start: 63 * MIB + 5, end: 66 * MIB })).equals(data.subarray(63 * MIB + 5, 66 * MIB))).toBe(true);
    const extents = await extentsOf(repository, root);
    let at = 0;
    for (const extent of extents) {
      expect(extent.offset).toBe(at);
      at += extent.length;
    }
    expect(at).toBe(data.length);
  });

  it("has one page more than leaves when a second level begins", async () => {
    // 1,025 leaves of one zero run each: the level above the leaves has two pages, and the root is of level 2.
    const leaves = 1025;
    const zeros = new Uint8Array(64 * MIB);
    const writer = repository.writer(scope());
    const source = async function* () {
      for (let i = 0; i < leaves; i++) yield zeros;
      yield noise(BLOCK, 1);
    };
    const { root, stats } = await writer.writeStream(source(), { chunking: "fixed" });
    await writer.finish();
    expect(stats.newBlocks).toBe(1);
    expect(await store.status()).toMatchObject([{ blocks: 6 }]); // the block, two leaves, two inner pages, the root
    const extents = await extentsOf(repository, root);
    expect(extents.at(-1)).toMatchObject({ kind: "block", offset: leaves * 64 * MIB, length: BLOCK });
    expect(extents).toHaveLength(leaves + 1);
    expect(await read(root, { start: leaves * 64 * MIB - 1, end: leaves * 64 * MIB + 3 })).toEqual(
      Buffer.concat([Buffer.alloc(1), noise(BLOCK, 1).subarray(0, 3)]),
    );
  });

  it("stores a stream of one block without a page, an empty one not at all, a zero one as a page", async () => {
    expect((await write(noise(BLOCK, 1))).root.form).toBe("block");
    expect((await write(noise(BLOCK + 1, 1))).root.form).toBe("tree");
    const before = await store.status();
    expect((await write(new Uint8Array(0))).root).toEqual({ form: "empty", id: "", sizeBytes: 0, chunking: "fixed" });
    expect(await store.status()).toEqual(before);
    const { root, stats } = await write(new Uint8Array(10));
    expect(root.form).toBe("tree");
    expect(stats).toMatchObject({ zeroBytes: 10, newBlocks: 0 });
  });

  it("keeps documents", async () => {
    const writer = repository.writer(scope());
    const value = { name: "ü", list: Array.from({ length: 20_000 }, (_, i) => ({ i, text: `entry ${i}` })) };
    const { root } = await writer.writeDocument(value);
    await writer.finish();
    expect(root.sizeBytes).toBeGreaterThan(256 * 1024);
    expect(await repository.reader().readDocument(root)).toEqual(value);
    expect((await failure(repository.reader().readDocument(root, 1000))).code).toBe("DOCUMENT_TOO_LARGE");
    const { root: text } = await write(Buffer.from("{"), { chunking: "content" });
    expect((await failure(repository.reader().readDocument(text))).code).toBe("DOCUMENT_INVALID");
  });

  it("reads a block that comes again, soon or much later, and asks for it once when soon", async () => {
    const block = noise(BLOCK, 9);
    const far = Buffer.concat([block, noise(30 * MIB, 1), block, block, noise(5 * BLOCK, 2), block]);
    const { root } = await write(far);
    expect((await read(root)).equals(far)).toBe(true);
    const near = Buffer.concat(Array.from({ length: 1000 }, (_, i) => (i % 2 ? block : noise(BLOCK, i % 8))));
    const again = await write(near);
    const asked: number[] = [];
    const get = store.get.bind(store);
    store.get = (id, ids) => {
      asked.push(ids.length);
      return get(id, ids);
    };
    expect((await read(again.root)).equals(near)).toBe(true);
    expect(asked.reduce((a, b) => a + b)).toBe(1 + 5); // the page, the different blocks
  });

  it("keeps several calls underway, and holds a bounded number of bytes", async () => {
    const { root } = await write(noise(80 * MIB, 1));
    let underway = 0;
    let underwayMax = 0;
    let asked = 0;
    const get = store.get.bind(store);
    store.get = async (id, ids) => {
      underwayMax = Math.max(underwayMax, ++underway);
      asked += ids.length;
      expect(ids.length).toBeLessThanOrEqual(64);
      await new Promise((resolve) => setImmediate(resolve));
      underway--;
      return get(id, ids);
    };
    let got = 0;
    let ahead = 0;
    for await (const part of repository.reader().readStream(root)) {
      got += part.length;
      ahead = Math.max(ahead, asked * BLOCK - got);
    }
    expect(got).toBe(80 * MIB);
    expect(underwayMax).toBeGreaterThanOrEqual(4);
    expect(ahead).toBeLessThan(24 * MIB);
  });

  it("stops reading when it is aborted", async () => {
    const { root } = await write(noise(20 * MIB, 1));
    const abort = new AbortController();
    let parts = 0;
    const run = async () => {
      for await (const _ of repository.reader().readStream(root, { signal: abort.signal }))
        if (++parts === 3) abort.abort(new Error("enough"));
    };
    await expect(run()).rejects.toThrow("enough");
    expect(parts).toBe(3);
  });

  it("refuses a range outside the stream", async () => {
    const { root } = await write(noise(100, 1));
    await expect(read(root, { start: 0, end: 101 })).rejects.toThrow(RangeError);
    await expect(read(root, { start: 50, end: 49 })).rejects.toThrow(RangeError);
  });

  it("works with HMAC-SHA-256 ids", async () => {
    ({ repository } = await initRepository(store, { name: "fips", secret: KEY_FILE, hash: "hmac-sha256" }));
    const data = noise(5 * BLOCK + 1, 1);
    expect((await read((await write(data)).root)).equals(data)).toBe(true);
  });
});

describe("what is stored twice", () => {
  it("asks and stores nothing for an unchanged stream", async () => {
    const data = noise(130 * MIB, 1);
    data.fill(0, 10 * MIB, 20 * MIB);
    const first = await write(data);
    const { calls } = store;
    const before = { ...calls };
    const second = await write(data, { parent: first.root });
    expect(second.root).toEqual(first.root);
    expect(second.stats).toMatchObject({ newBlocks: 0, storedBytes: 0, reservedBlocks: 0, parentBlocks: first.stats.newBlocks });
    expect({ ...calls, get: before.get }).toEqual(before);
    expect(calls.get - before.get).toBeLessThanOrEqual(4); // the root and its three leaves
  });

  it("stores the changed blocks and the pages above them", async () => {
    const data = noise(130 * MIB, 1);
    const first = await write(data);
    for (let i = 0; i < 20; i++) data[(100 + 3 * i) * BLOCK + 5] = (data[(100 + 3 * i) * BLOCK + 5] as number) ^ 1;
    const { blocks } = store.received;
    const second = await write(data, { parent: first.root });
    expect(second.stats).toMatchObject({ newBlocks: 20, newBytes: 20 * BLOCK, reservedBlocks: 0, parentBlocks: 130 * 16 - 20 });
    expect(store.received.blocks - blocks).toBe(20 + 2); // one leaf, the root
    expect((await read(second.root)).equals(data)).toBe(true);
    expect(second.stats.storedBytes).toBeLessThan(20 * (BLOCK + 56) + 50 * 1024);
  });

  it("finds by asking what the parent does not tell", async () => {
    const data = noise(3 * MIB, 1);
    const first = await write(data);
    const second = await write(data);
    expect(second.root).toEqual(first.root);
    expect(second.stats).toMatchObject({ newBlocks: 0, storedBytes: 0, reservedBlocks: 48, parentBlocks: 0 });
  });

  it("asks again for blocks of a parent that cannot be read", async () => {
    const data = noise(3 * MIB, 1);
    const first = await write(data);
    store.drop(fromHex(first.root.id));
    const second = await write(data, { parent: first.root });
    expect(second.stats).toMatchObject({ newBlocks: 0, reservedBlocks: 48, parentBlocks: 0 });
    expect((await read(second.root)).equals(data)).toBe(true);
  });

  it("sends a repeated block once", async () => {
    const block = noise(BLOCK, 1);
    const writer = repository.writer(scope());
    const repeated = Buffer.concat(Array.from({ length: 50 }, () => block));
    const [a, b] = await Promise.all([
      writer.writeStream(chunks(repeated), { chunking: "fixed" }),
      writer.writeStream(chunks(repeated), { chunking: "fixed" }),
    ]);
    await writer.finish();
    expect(a.stats.newBlocks + b.stats.newBlocks).toBe(1);
    expect(store.received.blocks).toBe(2); // the block, the page
    expect(a.root).toEqual(b.root);
    expect((await read(b.root)).equals(repeated)).toBe(true);
  });

  it("finds content-defined blocks of the parent behind an insertion, and its pages", async () => {
    const data = noise(24 * MIB, 1);
    const first = await write(data, { chunking: "content" });
    const before = { ...store.calls };
    const same = await write(data, { chunking: "content", parent: first.root });
    expect(same.root).toEqual(first.root);
    expect({ ...store.calls, get: before.get }).toEqual(before);
    const changed = Buffer.concat([data.subarray(0, MIB), noise(1000, 2), data.subarray(MIB)]);
    const { root, stats } = await write(changed, { chunking: "content", parent: first.root });
    expect(stats.newBlocks + stats.reservedBlocks).toBeLessThan(8);
    expect((await read(root)).equals(changed)).toBe(true);
  });

  it("takes no block from a parent of another chunking, or at another offset", async () => {
    const data = noise(4 * BLOCK, 1);
    const first = await write(data);
    const shifted = Buffer.concat([noise(BLOCK, 2), data]);
    const second = await write(shifted, { parent: first.root });
    expect(second.stats).toMatchObject({ newBlocks: 1, reservedBlocks: 4, parentBlocks: 0 });
    const third = await write(data, { chunking: "content", parent: first.root });
    expect(third.stats.parentBlocks).toBe(0);
    expect((await read(third.root)).equals(data)).toBe(true);
  });

  it("grows and shrinks from a parent", async () => {
    const data = noise(10 * BLOCK + 100, 1);
    const first = await write(data);
    for (const size of [10 * BLOCK, 10 * BLOCK + 99, 5, 0, 9 * BLOCK + 1]) {
      const { root } = await write(data.subarray(0, size), { parent: first.root });
      expect((await read(root)).equals(data.subarray(0, size))).toBe(true);
    }
    const longer = Buffer.concat([data, noise(3 * BLOCK, 2)]);
    const { root, stats } = await write(longer, { parent: first.root });
    expect(stats.parentBlocks).toBe(10);
    expect((await read(root)).equals(longer)).toBe(true);
    const small = await write(noise(50, 3));
    expect((await write(noise(50, 3), { parent: small.root })).stats).toMatchObject({ parentBlocks: 1, newBlocks: 0 });
  });
});

describe("writers", () => {
  it("work side by side", async () => {
    const streams = [1, 2, 3, 4, 5, 6].map((seed) => Buffer.concat([noise(2 * MIB, 0), noise(3 * MIB + seed, seed)]));
    const writers = [repository.writer(scope("s1")), repository.writer(scope("s2"))];
    const written = await Promise.all(
      streams.map((data, i) => writers[i % 2]?.writeStream(chunks(data), { chunking: i % 3 ? "fixed" : "content" })),
    );
    await Promise.all(writers.map((writer) => writer.finish()));
    for (const [i, data] of streams.entries()) expect((await read(written[i]?.root as StreamRoot)).equals(data)).toBe(true);
  });

  it("hold a bounded number of bytes while the store is slow", async () => {
    const seen = { held: 0, max: 0 };
    const slow = Object.create(store) as typeof store;
    slow.put = async (s, blocks) => {
      seen.held += blocks.length;
      seen.max = Math.max(seen.max, seen.held);
      await new Promise((resolve) => setImmediate(resolve));
      await store.put(s, blocks);
      seen.held -= blocks.length;
    };
    let produced = 0;
    let durable = 0;
    let ahead = 0;
    slow.reserve = async (s, ids) => {
      await new Promise((resolve) => setImmediate(resolve));
      durable = store.received.bytes;
      ahead = Math.max(ahead, produced - durable);
      return store.reserve(s, ids);
    };
    const slowRepository = (await initRepository(slow, { name: "slow", secret: KEY_FILE })).repository;
    const writer = slowRepository.writer({ ...scope(), repositoryId: slowRepository.id });
    const source = async function* () {
      for (let i = 0; i < 200; i++) {
        produced += MIB;
        yield noise(MIB, i);
      }
    };
    const { stats } = await writer.writeStream(source(), { chunking: "fixed" });
    await writer.finish();
    expect(stats.newBlocks).toBe(200 * 16);
    expect(ahead).toBeLessThan(64 * MIB);
    expect(seen.max).toBeLessThan(6 * 16);
  });

  it("take a great many tiny streams without waiting for ever", async () => {
    const writer = repository.writer(scope());
    const texts = Array.from({ length: 12_000 }, (_, i) => Buffer.from(`object ${i}`));
    const written = await Promise.all(texts.map((text) => writer.writeStream(chunks(text, 64), { chunking: "content" })));
    await writer.finish();
    expect((await read(written[7777]?.root as StreamRoot)).toString()).toBe("object 7777");
    expect(store.calls.reserve).toBeLessThan(100);
  });

  it("throw the error of a source as it is, and go on with other streams", async () => {
    const writer = repository.writer(scope());
    const broken = new Error("the cloud hung up");
    const source = async function* () {
      yield noise(MIB, 1);
      throw broken;
    };
    await expect(writer.writeStream(source(), { chunking: "fixed" })).rejects.toBe(broken);
    const { root } = await writer.writeStream(chunks(noise(2 * MIB, 1)), { chunking: "fixed" });
    await writer.finish();
    expect((await read(root)).equals(noise(2 * MIB, 1))).toBe(true);
  });

  it("end a stream when it is aborted, even if the source hangs", async () => {
    const writer = repository.writer(scope());
    const abort = new AbortController();
    const reason = new Error("enough");
    const source = async function* () {
      yield noise(MIB, 1);
      queueMicrotask(() => abort.abort(reason));
      await new Promise(() => {});
    };
    await expect(writer.writeStream(source(), { chunking: "fixed", signal: abort.signal })).rejects.toBe(reason);
    await expect(writer.writeStream(source(), { chunking: "fixed", signal: abort.signal })).rejects.toBe(reason);
    await writer.finish();
  });

  it("report progress and close the source", async () => {
    const progress: number[] = [];
    let isClosed = false;
    const source = async function* () {
      try {
        yield noise(100, 1);
        yield noise(50, 2);
      } finally {
        isClosed = true;
      }
    };
    await repository.writer(scope()).writeStream(source(), { chunking: "fixed", onProgress: (bytes) => progress.push(bytes) });
    expect(progress).toEqual([100, 50]);
    expect(isClosed).toBe(true);
  });

  it.each(["reserve", "put", "confirm"] as const)("never finish after a failed %s", async (method) => {
    const writer = repository.writer(scope());
    const error = new CodedError("STORE_FULL", "no room");
    store.failNext(error, 1, method);
    const run = async () => {
      await writer.writeStream(chunks(noise(MIB, 1)), { chunking: "fixed" });
      await writer.finish();
    };
    await expect(run()).rejects.toBe(error);
    await expect(writer.finish()).rejects.toBe(error);
    if (method !== "confirm") await expect(run()).rejects.toBe(error);
  });

  it("say NOT_DURABLE when a block is gone at the barrier", async () => {
    const writer = repository.writer(scope());
    const { root } = await writer.writeStream(chunks(noise(BLOCK, 1)), { chunking: "fixed" });
    const confirm = store.confirm.bind(store);
    store.confirm = async (s, ids) => {
      store.drop(fromHex(root.id));
      return confirm(s, ids);
    };
    const error = await failure(writer.finish());
    expect(error).toMatchObject({ code: "NOT_DURABLE", facts: { blocks: 1, id: root.id } });
    expect((await failure(writer.finish())).code).toBe("NOT_DURABLE");
  });

  it("say NOT_DURABLE when a block that was reserved is gone at the barrier", async () => {
    const { root } = await write(noise(BLOCK, 1));
    const writer = repository.writer(scope());
    expect((await writer.writeStream(chunks(noise(BLOCK, 1)), { chunking: "fixed" })).stats.reservedBlocks).toBe(1);
    store.drop(fromHex(root.id));
    expect((await failure(writer.finish())).code).toBe("NOT_DURABLE");
  });

  it("refuse the scope of another repository", () => {
    expect(() => repository.writer({ ...scope(), repositoryId: "0".repeat(32) })).toThrow(/another|is used with/);
  });
});

describe("damage", () => {
  const blockAt = async (root: StreamRoot, offset: number) => {
    const extent = (await extentsOf(repository, root)).find((e) => e.offset === offset);
    if (extent?.kind !== "block") throw new Error("no block there");
    return extent.id;
  };

  it("is an error with its place, never other bytes", async () => {
    const data = noise(3 * MIB, 1);
    const { root } = await write(data);
    store.damage(await blockAt(root, 5 * BLOCK));
    expect(await failure(read(root))).toMatchObject({ code: "BLOCK_CORRUPT", facts: { offset: 5 * BLOCK, length: BLOCK } });
    expect((await read(root, { start: 6 * BLOCK })).equals(data.subarray(6 * BLOCK))).toBe(true);
    store.drop(await blockAt(root, 7 * BLOCK));
    const missing = await failure(read(root, { start: 6 * BLOCK }));
    expect(missing).toMatchObject({ code: "BLOCK_MISSING", facts: { offset: 7 * BLOCK, length: BLOCK } });
    expect(missing.hint).toBeTruthy();
  });

  it("is found in pages", async () => {
    const { root } = await write(noise(65 * MIB, 1));
    store.drop(fromHex(root.id));
    expect(await failure(read(root))).toMatchObject({
      code: "BLOCK_MISSING",
      facts: { offset: 0, length: 65 * MIB, kind: "page" },
    });
  });

  it("is found when a store swaps two blocks", async () => {
    const { root } = await write(noise(4 * BLOCK, 1));
    const [a, b] = [await blockAt(root, 0), await blockAt(root, BLOCK)];
    const get = store.get.bind(store);
    store.get = async (id, ids) => {
      const blocks = await get(id, ids);
      const at = (x: Uint8Array) => ids.findIndex((y) => Buffer.compare(x, y) === 0);
      if (at(a) < 0 || at(b) < 0) return blocks;
      const swapped = [...blocks];
      swapped[at(a)] = blocks[at(b)];
      swapped[at(b)] = blocks[at(a)];
      return swapped;
    };
    expect(await failure(read(root))).toMatchObject({ code: "BLOCK_CORRUPT", facts: { offset: 0, found: "SEAL_BROKEN" } });
  });

  it("is found when a root does not fit what it names", async () => {
    const { root } = await write(noise(4 * BLOCK, 1));
    const wrong = async (change: Partial<StreamRoot>) =>
      expect(await failure(read({ ...root, ...change }))).toMatchObject({ code: "BLOCK_CORRUPT" });
    await wrong({ sizeBytes: 4 * BLOCK + 1 });
    await wrong({ chunking: "content" });
    await wrong({ form: "block" });
    const { root: block } = await write(noise(100, 1));
    expect(await failure(read({ ...block, sizeBytes: 99 }))).toMatchObject({
      code: "BLOCK_CORRUPT",
      facts: { offset: 0, length: 99 },
    });
    expect(await failure(read({ ...block, form: "tree" }))).toMatchObject({ code: "BLOCK_CORRUPT", facts: { kind: "page" } });
  });

  it("is found when an authentic page is in the wrong place", async () => {
    const sealing = new Sealing(repository.id, deriveRepositoryKeys(new Uint8Array(32), repository.id), "blake3", systemRandom);
    const pages = new PageReader(store, repository.id, sealing);
    const put = async (page: Buffer) => {
      const id = sealing.id("page", page);
      await store.put(scope(), [sealing.sealBlock(id, page)]);
      return id;
    };
    const leaf = encodeLeafPage("fixed", BLOCK, [{ kind: "zero", length: 10 }]);
    const leafId = await put(leaf);
    const walk = async (page: Buffer, sizeBytes: number) => {
      const leaves = [];
      const id = Buffer.from(await put(page)).toString("hex");
      for await (const leaf of pages.leaves({ form: "tree", id, sizeBytes, chunking: "fixed" })) leaves.push(leaf);
      return leaves;
    };
    expect(await walk(encodeInnerPage(1, "fixed", BLOCK, [{ id: leafId, length: 10 }]), 10)).toMatchObject([
      { offset: 0, page: { level: 0 } },
    ]);
    const skipped = await walk(encodeInnerPage(2, "fixed", BLOCK, [{ id: leafId, length: 10 }]), 10);
    expect(skipped).toMatchObject([{ damage: { code: "BLOCK_CORRUPT", message: expect.stringContaining("another level") } }]);
    const stretched = await walk(encodeInnerPage(1, "fixed", BLOCK, [{ id: leafId, length: 11 }]), 11);
    expect(stretched).toMatchObject([{ damage: { code: "BLOCK_CORRUPT", message: expect.stringContaining("other bytes") } }]);
    const nonsense = await walk(Buffer.from("PFM1 nonsense in a page that is authentic"), 10);
    expect(nonsense).toMatchObject([{ damage: { code: "BLOCK_CORRUPT", facts: { found: "MANIFEST_BROKEN" } } }]);
  });

  it("does not hide an error of the store itself", async () => {
    const { root } = await write(noise(4 * BLOCK, 1));
    const error = new CodedError("UNAVAILABLE", "no node answers", { retry: "later" });
    store.failNext(error, 1, "get");
    await expect(read(root)).rejects.toBe(error);
  });

  it("is listed by a check, which goes on past it", async () => {
    const { root } = await write(noise(130 * MIB, 1));
    expect(await checkStream(repository, root, { readData: false })).toEqual({ blocks: 2080, bytes: 130 * MIB, damaged: [] });
    expect(await checkStream(repository, root, { readData: true })).toEqual({ blocks: 2080, bytes: 130 * MIB, damaged: [] });
    store.drop(await blockAt(root, 3 * BLOCK));
    store.damage(await blockAt(root, 9 * BLOCK));
    const presence = await checkStream(repository, root, { readData: false });
    expect(presence.damaged).toMatchObject([{ code: "BLOCK_MISSING", facts: { offset: 3 * BLOCK, length: BLOCK } }]);
    const full = await checkStream(repository, root, { readData: true, scope: scope("check-1") });
    expect(full.damaged).toMatchObject([
      { code: "BLOCK_MISSING", facts: { offset: 3 * BLOCK } },
      { code: "BLOCK_CORRUPT", facts: { offset: 9 * BLOCK } },
    ]);
    const page = (await store.get(repository.id, [fromHex(root.id)]))[0];
    expect(page).toBeDefined();
    store.damage(fromHex(root.id));
    const headless = await checkStream(repository, root, { readData: false });
    expect(headless).toMatchObject({
      blocks: 0,
      damaged: [{ code: "BLOCK_CORRUPT", facts: { offset: 0, length: 130 * MIB, kind: "page" } }],
    });
  });

  it("checks streams without pages", async () => {
    const { root } = await write(noise(100, 1));
    expect(await checkStream(repository, root, { readData: true })).toEqual({ blocks: 1, bytes: 100, damaged: [] });
    const { root: empty } = await write(new Uint8Array(0));
    expect(await checkStream(repository, empty, { readData: true })).toEqual({ blocks: 0, bytes: 0, damaged: [] });
  });

  it("lists so many and counts the rest", async () => {
    const { root } = await write(noise(70 * MIB, 1));
    for (const extent of await extentsOf(repository, root)) if (extent.kind === "block") store.drop(extent.id);
    const { damaged, blocks } = await checkStream(repository, root, { readData: false });
    expect(blocks).toBe(1120);
    expect(damaged).toHaveLength(1001);
    expect(damaged.at(-1)?.facts).toEqual({ blocks: 120 });
  });

  it("ends a check that is aborted", async () => {
    const { root } = await write(noise(MIB, 1));
    await expect(checkStream(repository, root, { readData: true, signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow(
      "stop",
    );
  });
});

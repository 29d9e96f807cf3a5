import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { BLOCK, extentsOf, failure, MIB, makeWorld, noise, type World } from "../testing/world.ts";
import type { Repository } from "./contract.ts";

let world: World;
let store: World["store"];
let repository: Repository;

beforeEach(async () => {
  world = await makeWorld();
  ({ store, repository } = world);
});

describe("writing and reading", () => {
  it.each(["fixed", "content"] as const)("gives back every byte, whatever the size (%s)", async (chunking) => {
    const sizes = fc.oneof(fc.constantFrom(0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK), fc.nat(12 * BLOCK));
    const zeroSpan = fc.record({ at: fc.nat(10 * BLOCK), length: fc.nat(4 * BLOCK) });
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(1000), zeroSpan, fc.integer({ min: 1, max: 200_000 }), async (size, seed, zeros, slice) => {
        const data = noise(size, seed);
        data.subarray(zeros.at, zeros.at + zeros.length).fill(0);
        const { root, stats } = await world.write(data, { chunking, sliceBytes: Math.max(slice, size >> 6) });
        expect(root.sizeBytes).toBe(size);
        expect(stats.logicalBytes).toBe(size);
        expect((await world.read(root)).equals(data)).toBe(true);
        const start = Math.floor(size / 3);
        const end = Math.floor((size * 2) / 3);
        expect((await world.read(root, { start, end })).equals(data.subarray(start, end))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("gives back a sparse disk of several leaf pages", async () => {
    const data = Buffer.alloc(133 * MIB + 17);
    data.set(noise(3 * MIB, 1), 5 * MIB + 100);
    data.set(noise(2 * MIB, 2), 63 * MIB);
    data.set(noise(17, 3), 133 * MIB);
    const { root, stats } = await world.write(data, { sliceBytes: 1000 * 1000 });
    expect(root.form).toBe("tree");
    expect(stats.zeroBytes).toBeGreaterThan(127 * MIB);
    expect(Buffer.compare(await world.read(root), data)).toBe(0);
    expect((await world.read(root, { start: 63 * MIB + 5, end: 66 * MIB })).equals(data.subarray(63 * MIB + 5, 66 * MIB))).toBe(
      true,
    );
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
    const writer = repository.writer(world.scope());
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
    expect(await world.read(root, { start: leaves * 64 * MIB - 1, end: leaves * 64 * MIB + 3 })).toEqual(
      Buffer.concat([Buffer.alloc(1), noise(BLOCK, 1).subarray(0, 3)]),
    );
  });

  it("stores a stream of one block without a page, an empty one not at all, a zero one as a page", async () => {
    expect((await world.write(noise(BLOCK, 1))).root.form).toBe("block");
    expect((await world.write(noise(BLOCK + 1, 1))).root.form).toBe("tree");
    const before = await store.status();
    expect((await world.write(new Uint8Array(0))).root).toEqual({ form: "empty", id: "", sizeBytes: 0, chunking: "fixed" });
    expect(await store.status()).toEqual(before);
    const { root, stats } = await world.write(new Uint8Array(10));
    expect(root.form).toBe("tree");
    expect(stats).toMatchObject({ zeroBytes: 10, newBlocks: 0 });
  });

  it("keeps documents", async () => {
    const writer = repository.writer(world.scope());
    const value = { name: "ü", list: Array.from({ length: 20_000 }, (_, i) => ({ i, text: `entry ${i}` })) };
    const { root } = await writer.writeDocument(value);
    await writer.finish();
    expect(root.sizeBytes).toBeGreaterThan(256 * 1024);
    expect(await repository.reader().readDocument(root)).toEqual(value);
    expect((await failure(repository.reader().readDocument(root, 1000))).code).toBe("DOCUMENT_TOO_LARGE");
    const { root: text } = await world.write(Buffer.from("{"), { chunking: "content" });
    expect((await failure(repository.reader().readDocument(text))).code).toBe("DOCUMENT_INVALID");
  });

  it("reads a block that comes again, soon or much later, and asks for it once when soon", async () => {
    const block = noise(BLOCK, 9);
    const far = Buffer.concat([block, noise(30 * MIB, 1), block, block, noise(5 * BLOCK, 2), block]);
    const { root } = await world.write(far);
    expect((await world.read(root)).equals(far)).toBe(true);
    const near = Buffer.concat(Array.from({ length: 1000 }, (_, i) => (i % 2 ? block : noise(BLOCK, i % 8))));
    const again = await world.write(near);
    const asked: number[] = [];
    const get = store.get.bind(store);
    store.get = (id, ids) => {
      asked.push(ids.length);
      return get(id, ids);
    };
    expect((await world.read(again.root)).equals(near)).toBe(true);
    expect(asked.reduce((a, b) => a + b)).toBe(1 + 5); // the page, the different blocks
  });

  it("keeps several calls underway, and holds a bounded number of bytes", async () => {
    const { root } = await world.write(noise(80 * MIB, 1));
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
    const { root } = await world.write(noise(20 * MIB, 1));
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
    const { root } = await world.write(noise(100, 1));
    await expect(world.read(root, { start: 0, end: 101 })).rejects.toThrow(RangeError);
    await expect(world.read(root, { start: 50, end: 49 })).rejects.toThrow(RangeError);
  });

  it("works with HMAC-SHA-256 ids", async () => {
    world = await makeWorld("hmac-sha256");
    const data = noise(5 * BLOCK + 1, 1);
    expect((await world.read((await world.write(data)).root)).equals(data)).toBe(true);
  });
});

import { fromHex } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { BLOCK, chunks, MIB, makeWorld, noise, type World } from "../testing/world.ts";
import type { Repository } from "./contract.ts";

let world: World;
let store: World["store"];
let repository: Repository;

beforeEach(async () => {
  world = await makeWorld();
  ({ store, repository } = world);
});

describe("what is stored twice", () => {
  it("asks and stores nothing for an unchanged stream", async () => {
    const data = noise(130 * MIB, 1);
    data.fill(0, 10 * MIB, 20 * MIB);
    const first = await world.write(data);
    const { calls } = store;
    const before = { ...calls };
    const second = await world.write(data, { parent: first.root });
    expect(second.root).toEqual(first.root);
    expect(second.stats).toMatchObject({ newBlocks: 0, storedBytes: 0, reservedBlocks: 0, parentBlocks: first.stats.newBlocks });
    expect({ ...calls, get: before.get }).toEqual(before);
    expect(calls.get - before.get).toBeLessThanOrEqual(4); // the root and its three leaves
  });

  it("stores the changed blocks and the pages above them", async () => {
    const data = noise(130 * MIB, 1);
    const first = await world.write(data);
    for (let i = 0; i < 20; i++) data[(100 + 3 * i) * BLOCK + 5] = (data[(100 + 3 * i) * BLOCK + 5] as number) ^ 1;
    const { blocks } = store.received;
    const second = await world.write(data, { parent: first.root });
    expect(second.stats).toMatchObject({ newBlocks: 20, newBytes: 20 * BLOCK, reservedBlocks: 0, parentBlocks: 130 * 16 - 20 });
    expect(store.received.blocks - blocks).toBe(20 + 2); // one leaf, the root
    expect((await world.read(second.root)).equals(data)).toBe(true);
    expect(second.stats.storedBytes).toBeLessThan(20 * (BLOCK + 56) + 50 * 1024);
  });

  it("finds by asking what the parent does not tell", async () => {
    const data = noise(3 * MIB, 1);
    const first = await world.write(data);
    const second = await world.write(data);
    expect(second.root).toEqual(first.root);
    expect(second.stats).toMatchObject({ newBlocks: 0, storedBytes: 0, reservedBlocks: 48, parentBlocks: 0 });
  });

  it("asks again for blocks of a parent that cannot be read", async () => {
    const data = noise(3 * MIB, 1);
    const first = await world.write(data);
    store.drop(fromHex(first.root.id));
    const second = await world.write(data, { parent: first.root });
    expect(second.stats).toMatchObject({ newBlocks: 0, reservedBlocks: 48, parentBlocks: 0 });
    expect((await world.read(second.root)).equals(data)).toBe(true);
  });

  it("sends a repeated block once", async () => {
    const block = noise(BLOCK, 1);
    const writer = repository.writer(world.scope());
    const repeated = Buffer.concat(Array.from({ length: 50 }, () => block));
    const [a, b] = await Promise.all([
      writer.writeStream(chunks(repeated), { chunking: "fixed" }),
      writer.writeStream(chunks(repeated), { chunking: "fixed" }),
    ]);
    await writer.finish();
    expect(a.stats.newBlocks + b.stats.newBlocks).toBe(1);
    expect(store.received.blocks).toBe(2); // the block, the page
    expect(a.root).toEqual(b.root);
    expect((await world.read(b.root)).equals(repeated)).toBe(true);
  });

  it("finds content-defined blocks of the parent behind an insertion, and its pages", async () => {
    const data = noise(24 * MIB, 1);
    const first = await world.write(data, { chunking: "content" });
    const before = { ...store.calls };
    const same = await world.write(data, { chunking: "content", parent: first.root });
    expect(same.root).toEqual(first.root);
    expect({ ...store.calls, get: before.get }).toEqual(before);
    const changed = Buffer.concat([data.subarray(0, MIB), noise(1000, 2), data.subarray(MIB)]);
    const { root, stats } = await world.write(changed, { chunking: "content", parent: first.root });
    expect(stats.newBlocks + stats.reservedBlocks).toBeLessThan(8);
    expect((await world.read(root)).equals(changed)).toBe(true);
  });

  it("takes no block from a parent of another chunking, or at another offset", async () => {
    const data = noise(4 * BLOCK, 1);
    const first = await world.write(data);
    const shifted = Buffer.concat([noise(BLOCK, 2), data]);
    const second = await world.write(shifted, { parent: first.root });
    expect(second.stats).toMatchObject({ newBlocks: 1, reservedBlocks: 4, parentBlocks: 0 });
    const third = await world.write(data, { chunking: "content", parent: first.root });
    expect(third.stats.parentBlocks).toBe(0);
    expect((await world.read(third.root)).equals(data)).toBe(true);
  });

  it("grows and shrinks from a parent", async () => {
    const data = noise(10 * BLOCK + 100, 1);
    const first = await world.write(data);
    for (const size of [10 * BLOCK, 10 * BLOCK + 99, 5, 0, 9 * BLOCK + 1]) {
      const { root } = await world.write(data.subarray(0, size), { parent: first.root });
      expect((await world.read(root)).equals(data.subarray(0, size))).toBe(true);
    }
    const longer = Buffer.concat([data, noise(3 * BLOCK, 2)]);
    const { root, stats } = await world.write(longer, { parent: first.root });
    expect(stats.parentBlocks).toBe(10);
    expect((await world.read(root)).equals(longer)).toBe(true);
    const small = await world.write(noise(50, 3));
    expect((await world.write(noise(50, 3), { parent: small.root })).stats).toMatchObject({ parentBlocks: 1, newBlocks: 0 });
  });
});

import { toHex, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { at, cluster, down, holders, scope } from "../testing/cluster.ts";
import { TEST_REPOSITORY, testBlock } from "../testing/suite.ts";
import { memoryBlockStore } from "./memory.ts";
import { replicatedStore } from "./replicated.ts";

const blocks = Array.from({ length: 60 }, (_, n) => testBlock(`repair ${n}`, 100 + n));
const ids = blocks.map(({ id }) => id);

describe("a repair", () => {
  it("gives a node that was replaced its blocks again, so that another may go", async () => {
    const { store, nodes, memories } = cluster(4, { replicas: 2 });
    await store.put(scope, blocks);
    await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
    const fresh = memoryBlockStore();
    const replaced = nodes.map((node, n) => (n === 3 ? { ...node, id: "n4", store: fresh } : node));
    const after = replicatedStore({ nodes: replaced, replicas: 2, writeQuorum: 2, suspectMs: 0 });
    const first = await after.repairBlocks(scope, ids);
    expect(first).toMatchObject({ lost: [], short: [] });
    expect(first.copies).toBeGreaterThan(20);
    expect(first.wholeBlocks).toBeLessThan(blocks.length);
    expect(first.copiedBytes).toBeGreaterThan(first.copies * 100);
    await after.repairRecords(TEST_REPOSITORY);
    expect(await after.repairBlocks(scope, ids)).toMatchObject({ wholeBlocks: blocks.length, copies: 0, copiedBytes: 0 });
    expect(await after.repairRecords(TEST_REPOSITORY)).toBe(0);
    at(memories, 0).failNext(down, Number.POSITIVE_INFINITY);
    expect((await after.get(TEST_REPOSITORY, ids)).map((one) => one && toHex(one.id))).toEqual(ids.map(toHex));
    expect(await after.getRecord(TEST_REPOSITORY, "session/1")).toMatchObject({ version: 1n });
  });

  it("makes up for a copy that is known to be damaged, and leaves what is whole alone", async () => {
    const { store, memories } = cluster(3, { replicas: 3 });
    await store.put(scope, blocks);
    await store.repairBlocks(scope, ids);
    const [bad] = ids as [Uint8Array];
    at(memories, 1).damage(bad);
    await at(memories, 1)
      .get(TEST_REPOSITORY, [bad])
      .catch(() => undefined);
    const received = memories.map((memory) => memory.received.blocks);
    expect(await store.repairBlocks(scope, ids)).toMatchObject({
      wholeBlocks: blocks.length - 1,
      copies: 1,
      lost: [],
      short: [],
    });
    expect(memories.map((memory, n) => memory.received.blocks - (received[n] ?? 0))).toEqual([0, 1, 0]);
    expect(await holders(memories, bad)).toEqual([true, true, true]);
  });

  it("names what is lost everywhere, and copies the rest though that cannot be read", async () => {
    const { store, memories } = cluster(3, { replicas: 2 });
    await store.put(scope, blocks);
    const [gone, bad] = ids as [Uint8Array, Uint8Array];
    for (const memory of memories) {
      memory.drop(gone);
      memory.damage(bad);
      await memory.get(TEST_REPOSITORY, [bad]).catch(() => undefined);
    }
    // Of all others one copy is gone.
    for (const id of ids.slice(2)) {
      const [first] = (await holders(memories, id)).flatMap((has, n) => (has ? [n] : []));
      at(memories, first ?? 0).drop(id);
    }
    const repaired = await store.repairBlocks(scope, ids);
    expect(repaired.lost.map(toHex).sort()).toEqual([gone, bad].map(toHex).sort());
    expect(repaired).toMatchObject({ wholeBlocks: 0, copies: blocks.length - 2, short: [] });
  });

  it("says which blocks a node did not take or did not answer for", async () => {
    const { store, memories } = cluster(3, { replicas: 3 });
    await store.put(scope, blocks);
    await store.repairBlocks(scope, ids);
    const [id] = ids as [Uint8Array];
    at(memories, 2).drop(id);
    at(memories, 2).failNext(down, Number.POSITIVE_INFINITY, "put");
    expect((await store.repairBlocks(scope, ids)).short.map(toHex)).toEqual([toHex(id)]);
    at(memories, 2).failNext(down, Number.POSITIVE_INFINITY);
    const silent = await store.repairBlocks(scope, ids);
    expect(silent).toMatchObject({ wholeBlocks: 0, copies: 0, lost: [] });
    expect(silent.short).toHaveLength(blocks.length);
  });
});

import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { PruneWorld } from "../testing/prune-world.ts";
import { Marks } from "./marks.ts";
import { condemnUnused, inspectNode } from "./prune-node.ts";

const DAY_MS = 24 * 3600 * 1000;

describe("a prune", () => {
  it("condemns what no session leads to, and deletes it after the grace, and nothing else", async () => {
    const world = await PruneWorld.make();
    const old = await world.backup("disk", [1, 2, 3, 4], [10]);
    await world.backup("disk", [1, 2, 3, 5], [11]);
    await world.forget(old);
    const first = await world.prune();
    expect(first).toMatchObject({ state: "succeeded", kind: "prune", phase: "ended" });
    expect(first.prune).toMatchObject({ deletedBlocks: 0, sparedBlocks: 0 });
    expect(first.prune?.condemnedBlocks).toBe(first.prune?.unusedBlocks);
    // On two nodes each: a block of data, one of a listing's content, pages, a listing, documents, results.
    expect(first.prune?.condemnedBlocks).toBeGreaterThanOrEqual(12);
    expect(first.prune?.deletedAfter).toBe(new Date(world.nowMs + 7 * DAY_MS).toISOString());
    world.nowMs += 6 * DAY_MS;
    expect((await world.prune()).prune).toMatchObject({ condemnedBlocks: 0, deletedBlocks: 0 });
    world.nowMs += DAY_MS;
    const before = await world.blocks();
    const last = await world.prune();
    expect(last.prune?.deletedBlocks).toBe(first.prune?.condemnedBlocks);
    expect(await world.blocks()).toBeLessThan(before);
    await world.expectWhole();
    expect((await world.prune({ dryRun: true })).prune).toMatchObject({ unusedBlocks: 0 });
  });

  it("deletes at once when there is no grace and nothing runs", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2, 3, 4], [10]));
    await world.backup("other", [4, 5], [10]);
    const { prune } = await world.prune({ graceMs: 0 });
    expect(prune?.deletedBlocks).toBeGreaterThanOrEqual(12);
    expect(prune).toMatchObject({ condemnedBlocks: 0, condemnedBytes: 0 });
    await world.expectWhole();
  });

  it("deletes nothing while a session runs that did so when it was condemned", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2], [3]));
    const session = await world.running();
    const first = await world.prune({ graceMs: 0 });
    expect(first.prune?.condemnedBlocks).toBeGreaterThan(0);
    expect(first.prune?.deletedBlocks).toBe(0);
    expect((await world.prune({ graceMs: 0 })).prune?.deletedBlocks).toBe(0);
    await session.end();
    expect((await world.prune({ graceMs: 0 })).prune?.deletedBlocks).toBeGreaterThanOrEqual(first.prune?.condemnedBlocks ?? 1);
  });

  it("deletes nothing while a session runs that began between marking and condemning", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2], [3]));
    let session: Awaited<ReturnType<PruneWorld["running"]>> | undefined;
    const beforeCondemn = async () => {
      session ??= await world.running();
    };
    const { prune } = await world.prune({ graceMs: 0, beforeCondemn });
    expect(prune?.deletedBlocks).toBe(0);
    expect((await world.prune({ graceMs: 0 })).prune?.deletedBlocks).toBe(0);
    await session?.end();
    expect((await world.prune({ graceMs: 0 })).prune?.deletedBlocks).toBeGreaterThan(0);
  });

  it("deletes nothing while a session runs, also when nobody wrote down what was condemned", async () => {
    let condemned = 0;
    for (let calls = 0; calls < 20; calls++) {
      const world = await PruneWorld.make();
      await world.forget(await world.backup("disk", [1, 2], [3]));
      const session = await world.running();
      await world.killedPrune(calls);
      const { prune } = await world.prune({ graceMs: 0 });
      if (prune?.condemnedBlocks === 0) condemned++;
      expect(prune?.deletedBlocks, `after ${calls} calls`).toBe(0);
      await session.end();
      expect((await world.prune({ graceMs: 0 })).prune?.deletedBlocks).toBeGreaterThan(0);
    }
    expect(condemned).toBeGreaterThan(0);
  });

  it("spares what a session that began before needs when it commits, and what it compared with", async () => {
    const world = await PruneWorld.make();
    const parent = await world.backup("disk", [1, 2, 3], [4]);
    let turn = 0;
    await world.backup("disk", [1, 2, 9], [4], async () => {
      // The parent goes while its child reads; twice pruned without any grace.
      if (turn++ !== 0) return;
      await world.forget(parent);
      await world.prune({ graceMs: 0 });
      await world.prune({ graceMs: 0 });
    });
    await world.expectWhole("after the commit");
    const { prune } = await world.prune({ graceMs: 0 });
    expect(prune?.sparedBlocks).toBeGreaterThan(0);
    await world.expectWhole("after the next prune");
  });

  it("only tells, when it is a dry run", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2], [3]));
    const { prune, dryRun } = await world.prune({ dryRun: true });
    expect(dryRun).toBe(true);
    expect(prune?.condemnedBlocks).toBeGreaterThan(0);
    for (const memory of world.memories) {
      const [node] = await memory.pruning();
      if (!node) throw new Error("a memory store is a node");
      const blocks = (await Array.fromAsync(node.list(world.repository.id))).flat();
      expect(blocks.every(({ condemnedIn }) => condemnedIn === 0)).toBe(true);
      await node.begin(world.repository.id, 1); // no cycle has begun
    }
  });

  it("stops before it condemns more than it is told to think likely", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2, 3, 4, 5, 6], [7]));
    const record = await world.prune({ unusedPercentMax: 50 });
    expect(record).toMatchObject({ state: "failed", failure: { code: "PRUNE_TOO_MUCH", facts: { percentMax: 50 } } });
    expect((await world.prune({ dryRun: true })).prune?.condemnedBlocks).toBeGreaterThan(0);
    expect(await world.prune({ unusedPercentMax: 100 })).toMatchObject({ state: "succeeded" });
  });

  it("condemns nothing when something that is used cannot be read", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("gone", [1, 2], [3]));
    const point = await world.backup("disk", [4, 5, 6], [7]);
    const [result] = await world.sessions().allResults((await world.sessions().get(point)) as never);
    const page = result?.streams.data;
    if (page?.form !== "tree") throw new Error("a stream of three blocks has a page");
    for (const memory of world.memories) memory.drop(Buffer.from(page.id, "hex"));
    const record = await world.prune();
    expect(record).toMatchObject({ state: "failed", failure: { code: "PRUNE_UNREADABLE", facts: { session: point } } });
    expect(record.failure?.message).toContain("data of input.stream/disk");
    for (const memory of world.memories) {
      const [node] = await memory.pruning();
      const blocks = (await Array.fromAsync(node?.list(world.repository.id) ?? [])).flat();
      expect(blocks.every(({ condemnedIn }) => condemnedIn === 0)).toBe(true);
    }
  });

  it("does nothing while a node does not answer", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2], [3]));
    const down = new CodedError("NODE_UNREACHABLE", "connection refused", { retry: "later" });
    world.memories[1]?.failNext(down, Number.POSITIVE_INFINITY, "pruning");
    expect(await world.prune()).toMatchObject({ state: "failed", failure: { code: "NODE_UNREACHABLE" } });
    world.memories[1]?.failNext(down, 0);
    expect(await world.prune()).toMatchObject({ state: "succeeded" });
  });

  it("of two at once lets one condemn, and neither deletes too much", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2], [3]));
    await world.backup("disk", [2, 4], [3]);
    const both = await Promise.all([world.prune({ graceMs: 0 }), world.prune({ graceMs: 0 })]);
    for (const { state, failure } of both) if (state === "failed") expect(["FENCED", "RECORD_CONFLICT"]).toContain(failure?.code);
    await world.expectWhole();
    await world.prune({ graceMs: 0 });
    await world.prune({ graceMs: 0 });
    await world.expectWhole();
  });

  it("cut off anywhere loses nothing, and the next ones finish its work", async () => {
    for (let calls = 0; calls < 40; calls++) {
      const world = await PruneWorld.make();
      await world.forget(await world.backup("disk", [1, 2, 3], [4]));
      await world.backup("disk", [2, 5], [6]);
      await world.killedPrune(calls);
      await world.expectWhole(`after ${calls} calls`);
      await world.backup("other", [1, 4], [1]);
      for (let n = 0; n < 3; n++) await world.prune({ graceMs: 0 });
      await world.expectWhole(`after ${calls} calls and more prunes`);
      expect((await world.prune({ dryRun: true })).prune).toMatchObject({ unusedBlocks: 0 });
    }
  });

  it("walks what sessions share once", async () => {
    const world = await PruneWorld.make();
    const pieces = Array.from({ length: 40 }, (_, n) => n);
    const readsOf = async () => {
      const before = world.memories.reduce((sum, { calls }) => sum + calls.get, 0);
      await world.prune({ dryRun: true });
      return world.memories.reduce((sum, { calls }) => sum + calls.get, 0) - before;
    };
    await world.backup("disk", pieces, [1, 2]);
    const one = await readsOf();
    for (let n = 0; n < 5; n++) await world.backup("disk", pieces, [1, 2]);
    const perSession = ((await readsOf()) - one) / 5;
    // Each session's own list of results is read, in a block or two; not its pages, documents and listings again.
    expect(perSession).toBeLessThanOrEqual(1.5);
    expect(one).toBeGreaterThan(2 * perSession);
  });

  it("says what is left of what it condemned, when the second cycle may not delete it", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2], [3]));
    const session = await world.running();
    const { prune } = await world.prune({ graceMs: 0 });
    expect(prune).toMatchObject({ deletedBlocks: 0, deletedBytes: 0, condemnedBlocks: prune?.unusedBlocks });
    expect(prune?.condemnedBytes).toBe(prune?.unusedBytes);
    expect(prune?.deletedAfter).toBeDefined();
    await session.end();
    const after = (await world.prune({ graceMs: 0 })).prune;
    expect(after?.condemnedBytes).toBe(0);
    expect(after?.deletedBytes).toBeGreaterThanOrEqual(prune?.condemnedBytes ?? Number.NaN);
  });

  it("condemns so many at most, and counts the bytes of those", async () => {
    const world = await PruneWorld.make();
    await world.forget(await world.backup("disk", [1, 2, 3, 4], [5]));
    const [node] = await (world.memories[0] as (typeof world.memories)[number]).pruning();
    if (!node) throw new Error("a memory store is a node");
    const options = { repositoryId: world.repository.id, cycle: 1, marks: new Marks(), signal: new AbortController().signal };
    const all = await inspectNode(node, { ...options, idsMax: 1000, dryRun: false });
    const some = await inspectNode(node, { ...options, idsMax: 2, dryRun: false });
    expect([all.unused.length, all.rememberedBytes]).toEqual([all.newlyUnusedBlocks * 32, all.newlyUnusedBytes]);
    expect(some).toMatchObject({ newlyUnusedBlocks: all.newlyUnusedBlocks, newlyUnusedBytes: all.newlyUnusedBytes });
    expect(some.unused).toEqual(all.unused.subarray(0, 64));
    expect(some.rememberedBytes).toBeLessThan(all.rememberedBytes);
    expect(await condemnUnused(node, world.repository.id, 1, some.unused)).toBe(2);
  });

  it("keeps no block because a session of long ago once died", async () => {
    const world = await PruneWorld.make();
    await world.abandoned("disk", [1, 2, 3]);
    const { prune } = await world.prune({ graceMs: 0 });
    expect(prune?.deletedBlocks).toBeGreaterThanOrEqual(6);
    expect((await world.prune({ dryRun: true })).prune).toMatchObject({ unusedBlocks: 0 });
  });
});

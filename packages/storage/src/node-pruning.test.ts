import { codedErrorOf, condemn, listed, sweep, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { indexBlockKey } from "@permafrost/format";
import { equalBytes, fromHex, toHex, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { NodeMachine, type NodeMachineOptions } from "../testing/node-machine.ts";
import type { StorageEngine } from "./engine.ts";

const scope = testScope();
const OTHER = "fedcba9876543210fedcba9876543210";
const blocks = (name: string, count: number, sizeBytes: number) =>
  Array.from({ length: count }, (_, n) => testBlock(`${name}${n}`, sizeBytes));
const idsOf = (some: readonly { readonly id: Uint8Array }[]) => some.map(({ id }) => id);

async function opened(options: NodeMachineOptions = {}) {
  const machine = new NodeMachine(options);
  return { machine, store: await machine.open() };
}

async function expectWhole(store: StorageEngine, some: readonly { readonly id: Uint8Array; readonly body: Uint8Array }[]) {
  const got = await store.get(TEST_REPOSITORY, idsOf(some));
  for (const [i, { body }] of some.entries()) expect(got[i] && equalBytes(got[i].body, body)).toBe(true);
}

describe("a sweep of one node", () => {
  it("gives the bytes back, moves what lives, and another repository's", async () => {
    const { machine, store } = await opened({ packBytesMax: 40_000 });
    const dead = blocks("dead", 12, 3000);
    const live = blocks("live", 4, 3000);
    for (let n = 0; n < 4; n++) {
      await store.put(scope, dead.slice(n * 3, n * 3 + 3));
      await store.put(scope, [live[n] as (typeof live)[number]]);
      await store.put(testScope({ repositoryId: OTHER }), [testBlock(`other${n}`, 500)]);
    }
    const before = (await store.stats()).storedBytes;
    await condemn(store, 1, idsOf(dead));
    const [progress] = await sweep(store, 2, 1);
    const after = (await store.stats()).storedBytes;
    expect(progress).toMatchObject({ deletedBlocks: 12, leftBlocks: 0 });
    expect(after).toBeLessThan(before - 11 * 3000);
    // The new pack has a header and, later, a footer of its own.
    expect(Math.abs(before - after - (progress?.freedBytes ?? 0))).toBeLessThan(1000);
    await expectWhole(store, live);
    expect(await store.get(OTHER, [testBlock("other2", 500).id])).toMatchObject([{ body: { length: 500 } }]);
    expect((await store.status())[0]?.blocks).toBe(8);
    expect(await machine.condemned.list()).toMatchObject([{ sizeBytes: 0 }]);
    for await (const finding of store.scrub()) expect(finding).toBeUndefined();
  });

  it("leaves a pack that is nearly all alive, and clears it when more of it is unused", async () => {
    const { store } = await opened({ packBytesMax: 40_000 });
    const live = blocks("live", 12, 3000);
    await store.put(scope, [...live, testBlock("small", 300)]);
    await condemn(store, 1, [testBlock("small", 300).id]);
    expect(await sweep(store, 2, 1)).toEqual([{ deletedBlocks: 0, deletedBytes: 0, freedBytes: 0, leftBlocks: 1 }]);
    expect((await store.get(TEST_REPOSITORY, [testBlock("small", 300).id]))[0]?.body.length).toBe(300);
    await condemn(store, 3, idsOf(live.slice(0, 6)));
    expect(await sweep(store, 4, 3)).toMatchObject([{ deletedBlocks: 7, leftBlocks: 0 }]);
    await expectWhole(store, live.slice(6));
  });

  it("costs no block that the index has lost", async () => {
    const { machine, store } = await opened();
    const [dead, live] = [testBlock("dead", 4000), testBlock("live", 3000)];
    await store.put(scope, [dead, live, testBlock("more", 3000)]);
    await machine.kv.batch([{ type: "delete", key: indexBlockKey(fromHex(TEST_REPOSITORY), live.id) }], { sync: true });
    expect(await store.reserve(scope, [live.id])).toEqual([false]);
    await condemn(store, 1, [dead.id]);
    expect(await sweep(store, 2, 1)).toMatchObject([{ deletedBlocks: 1 }]);
    await expectWhole(store, [live]);
  });

  it("leaves a pack with a damaged block that is used, as evidence for a repair", async () => {
    const { machine, store } = await opened();
    const [dead, live] = [testBlock("dead", 4000), testBlock("live", 3000)];
    await store.put(scope, [dead, live, testBlock("more", 3000)]);
    const [pack] = await machine.packs.list();
    const raw = machine.packs.raw(pack?.name ?? "");
    const at = raw.indexOf(live.body.subarray(0, 64));
    raw[at] = (raw[at] ?? 0) ^ 1;
    await condemn(store, 1, [dead.id]);
    expect(await sweep(store, 2, 1)).toEqual([{ deletedBlocks: 0, deletedBytes: 0, freedBytes: 0, leftBlocks: 1 }]);
    expect((await store.get(TEST_REPOSITORY, [dead.id]))[0]?.body.length).toBe(4000);
    // Put again, the block has a sound copy elsewhere, and the pack may go.
    expect((await codedErrorOf(store.get(TEST_REPOSITORY, [live.id]))).code).toBe("BLOCK_CORRUPT");
    await store.put(scope, [live]);
    expect(await sweep(store, 3, 1)).toMatchObject([{ deletedBlocks: 1, leftBlocks: 0 }]);
    await expectWhole(store, [live]);
  });

  it("makes room on a full disk: packs without anything alive go first", async () => {
    const { store } = await opened({ capacityBytes: 60_000, packBytesMax: 9000 });
    const all = blocks("b", 16, 3000);
    for (const block of all) await store.put(scope, [block]).catch(() => undefined);
    const here = all.filter((_, n) => n < 15);
    const present = await store.confirm(scope, idsOf(all));
    expect(present).toContain(true);
    const kept = here.filter((_, n) => present[n] && n >= 9 && n % 2 === 1);
    const dead = here.filter((one, n) => present[n] && !kept.includes(one));
    await condemn(store, 1, idsOf(dead));
    const [progress] = await sweep(store, 2, 1);
    expect(progress?.deletedBlocks).toBe(dead.length);
    await expectWhole(store, kept);
    await store.put(scope, blocks("new", 4, 3000));
  });

  it("goes on past a pack whose file the disk does not give up, and loses nothing of it", async () => {
    let failures = 0;
    const onStep = (now: string, at: string) => {
      if (now === "delete" && at === "before" && failures-- > 0) throw Object.assign(new Error("EIO"), { code: "EIO" });
    };
    const { machine, store } = await opened({ onStep });
    const [dead, live] = [blocks("dead", 4, 3000), blocks("live", 4, 3000)];
    for (let n = 0; n < 4; n++) await store.put(scope, [dead[n], live[n]] as never);
    await condemn(store, 1, idsOf(dead));
    // The mark of the cycle before, and one pack.
    failures = 2;
    const [progress] = await sweep(store, 2, 1);
    expect(progress?.leftBlocks).toBeGreaterThan(0);
    expect(progress?.deletedBlocks).toBeGreaterThan(0);
    await expectWhole(store, live);
    const again = await machine.restart("process", "all", {}).open();
    await expectWhole(again, live);
    // The file that stayed is read again: what was condemned in it is unused once more.
    await condemn(again, 3, idsOf(dead));
    await sweep(again, 4, 3);
    expect(await again.get(TEST_REPOSITORY, idsOf(dead))).toEqual(dead.map(() => undefined));
    await expectWhole(again, live);
  });

  it("takes the newest version of a record along and leaves the others", async () => {
    const { store } = await opened();
    const dead = blocks("dead", 8, 3500);
    for (const [n, block] of dead.entries()) {
      await store.put(scope, [block]);
      await store.putRecord(scope, { key: "session/1", version: BigInt(n + 1), body: utf8(`version ${n + 1}`) });
    }
    await store.putRecord(scope, { key: "session/2", version: 1n, body: utf8("x") });
    await store.deleteRecord(scope, "session/2", 2n);
    await condemn(store, 1, idsOf(dead));
    expect(await sweep(store, 2, 1)).toMatchObject([{ deletedBlocks: 8 }]);
    await store.rebuildIndex();
    expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version).toBe(8n);
    expect(await store.getRecord(TEST_REPOSITORY, "session/2")).toBeUndefined();
    expect((await codedErrorOf(store.putRecord(scope, { key: "session/2", version: 2n, body: utf8("y") }))).code).toBe(
      "RECORD_CONFLICT",
    );
  });
});

describe("what is condemned", () => {
  it("is forgotten when any bit of its file has changed, and never more than that", async () => {
    const { machine, store } = await opened();
    const [a, b] = [testBlock("a"), testBlock("b")];
    await store.put(scope, [a, b]);
    await condemn(store, 1, idsOf([a, b]));
    await store.reserve(scope, [a.id]);
    await store.close();
    const name = (await machine.condemned.list()).find(({ sizeBytes }) => sizeBytes > 0)?.name ?? "";
    const size = machine.condemned.raw(name).length;
    for (let bit = 0; bit < size * 8; bit += 7) {
      const restarted = machine.restart("process", "all");
      const raw = restarted.condemned.raw(name);
      raw[bit >> 3] = (raw[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const again = await restarted.open();
      const cycles = (await listed(again))[0];
      expect([cycles?.get(toHex(a.id)), cycles?.get(toHex(b.id))], `bit ${bit}`).toEqual([0, 0]);
      await sweep(again, 2, 1);
      await expectWhole(again, [a, b]);
    }
  });

  it.each(["append", "sync"] as const)("is not told to be here when that cannot be made durable: %s fails", async (step) => {
    let isFailing = false;
    const onStep = (now: string, at: string) => {
      if (isFailing && now === step && at === "before") throw Object.assign(new Error("EIO"), { code: "EIO" });
    };
    const { machine, store } = await opened({ onStep });
    const a = testBlock("a");
    await store.put(scope, [a]);
    await condemn(store, 1, [a.id]);
    isFailing = true;
    for (const ask of [() => store.reserve(scope, [a.id]), () => store.confirm(scope, [a.id]), () => store.put(scope, [a])]) {
      expect((await codedErrorOf(ask())).code).toBe("STORE_READ_ONLY");
    }
    isFailing = false;
    expect((await codedErrorOf(store.reserve(scope, [a.id]))).code).toBe("STORE_READ_ONLY");
    const again = await machine.restart("lost", "synced", {}).open();
    expect(await again.reserve(scope, [a.id])).toEqual([true]);
  });

  it("is nothing, when it cannot be written", async () => {
    let isFailing = false;
    const onStep = (now: string, at: string) => {
      if (isFailing && now === "sync" && at === "before") throw Object.assign(new Error("EIO"), { code: "EIO" });
    };
    const { machine, store } = await opened({ onStep });
    await store.put(scope, [testBlock("a")]);
    const [node] = await store.pruning();
    await node?.begin(TEST_REPOSITORY, 1);
    isFailing = true;
    await expect(condemn(store, 1, [testBlock("a").id])).rejects.toThrow();
    isFailing = false;
    expect((await listed(store))[0]?.get(toHex(testBlock("a").id))).toBe(0);
    const again = await machine.restart("kept", "synced", {}).open();
    expect((await listed(again))[0]?.get(toHex(testBlock("a").id))).toBe(0);
  });
});

/** A replica that is away is stood in for: writes go on, what was written is found and counted, and a repair brings it home. */

import { blake3 } from "@permafrost/crypto";
import { placementOver } from "@permafrost/placement";
import { CodedError, toHex, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { at, cluster, down, holders, scope } from "../testing/cluster.ts";
import { codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "../testing/suite.ts";
import { replicatedStore } from "./replicated.ts";

const blocks = Array.from({ length: 50 }, (_, n) => testBlock(`stand-in ${n}`, 300));
const ids = blocks.map(({ id }) => id);
const always = Number.POSITIVE_INFINITY;
const three = () => cluster(3, { replicas: 2, writeQuorum: 2 });
const full = new CodedError("STORE_FULL", "full", { retry: "elsewhere" });

describe("blocks", () => {
  it.each([
    ["does not answer", down],
    ["is full", full],
  ])("are written and confirmed while a node %s, asked again not sent again, and go home with a repair", async (_what, error) => {
    const { store, memories } = three();
    at(memories, 1).failNext(error, always);
    await store.put(scope, blocks);
    expect(await store.confirm(scope, ids)).toEqual(ids.map(() => true));
    expect(await store.reserve(scope, ids)).toEqual(ids.map(() => true));
    for (const id of ids) expect(await holders([at(memories, 0), at(memories, 2)], id)).toEqual([true, true]);
    at(memories, 1).failNext(error, 0);
    // Back, and without what came meanwhile: nobody counts less than there is.
    expect(await store.confirm(scope, ids)).toEqual(ids.map(() => true));
    const { copies } = await store.repairBlocks(scope, ids);
    expect(copies).toBeGreaterThan(10);
    at(memories, 0).failNext(down, always);
    const got = await store.get(TEST_REPOSITORY, ids);
    expect(got.map((block) => block && toHex(block.id))).toEqual(ids.map(toHex));
  });

  it("are refused when fewer than W nodes are left, and new ones cost nothing more while all are there", async () => {
    const { store, memories } = three();
    for (const index of [0, 1]) at(memories, index).failNext(down, always);
    expect((await codedErrorOf(store.put(scope, blocks))).code).toBe("QUORUM_LOST");
    expect(await store.confirm(scope, ids)).toEqual(ids.map(() => false));
    for (const index of [0, 1]) at(memories, index).failNext(down, 0);
    const before = memories.map(({ calls }) => calls.reserve);
    await store.reserve(
      scope,
      Array.from({ length: 50 }, (_, n) => testBlock(`new ${n}`).id),
    );
    expect(memories.map(({ calls }, n) => calls.reserve - (before[n] ?? 0))).toEqual([1, 1, 1]);
  });

  it("are not taken anywhere by a zombie, whose fence one node knows to be old", async () => {
    const { store, memories } = three();
    for (const memory of memories) await memory.reserve(testScope({ fence: 9n }), []);
    at(memories, 1).failNext(down, always);
    expect((await codedErrorOf(store.put(scope, blocks))).code).toBe("FENCED");
    expect(memories.map(({ received }) => received.blocks)).toEqual([0, 0, 0]);
  });

  it("are not stood in for by a node that drains", async () => {
    const { nodes, memories } = three();
    const draining = nodes.map((node, n) => ({ ...node, weight: n === 2 ? 0 : 1 }));
    const store = replicatedStore({ nodes: draining, replicas: 2, writeQuorum: 2, suspectMs: 0 });
    at(memories, 1).failNext(down, always);
    expect((await codedErrorOf(store.put(scope, blocks))).code).toBe("QUORUM_LOST");
    expect(at(memories, 2).received.blocks).toBe(0);
  });
});

describe("records", () => {
  const keys = Array.from({ length: 20 }, (_, n) => `session/${String(n).padStart(2, "0")}`);

  it("are written, changed and deleted while a node is away, and are so when it is back and another goes", async () => {
    const { store, memories } = three();
    for (const key of keys) await store.putRecord(scope, { key, version: 1n, body: utf8("old") });
    at(memories, 1).failNext(down, always);
    for (const key of keys.slice(0, 10)) await store.putRecord(scope, { key, version: 2n, body: utf8("new") });
    for (const key of keys.slice(10)) await store.deleteRecord(scope, key, 2n);
    at(memories, 1).failNext(down, 0);
    for (const away of [2, 0]) {
      at(memories, away).failNext(down, always);
      const listed = await store.listRecords(TEST_REPOSITORY, "");
      expect(listed.map(({ key, version }) => [key, version])).toEqual(keys.slice(0, 10).map((key) => [key, 2n]));
      for (const key of keys.slice(10)) expect(await store.getRecord(TEST_REPOSITORY, key)).toBeUndefined();
      at(memories, away).failNext(down, 0);
      await store.repairRecords(TEST_REPOSITORY);
    }
  });

  it("have one winner of a version among writers that each see another half of the cluster", async () => {
    for (const count of [3, 4, 5, 6]) {
      const { memories, nodes } = cluster(count, { replicas: 2, writeQuorum: 2 });
      for (const key of keys) {
        const [first, second] = placementOver(nodes).place(blake3(utf8(`${TEST_REPOSITORY}/${key}`)), 2);
        // Each writer misses the replica that the other has.
        const seenBy = (missing: string | undefined) =>
          replicatedStore({
            nodes: nodes.map((node) =>
              node.id === missing ? { ...node, store: { ...node.store, putRecord: unreachable } } : node,
            ),
            ...{ replicas: 2, writeQuorum: 2, suspectMs: 0 },
          });
        const writes = [seenBy(first), seenBy(second)].map((store, n) =>
          store.putRecord(testScope({ taskId: `writer-${n}` }), { key, version: 1n, body: utf8(`of ${n}`) }),
        );
        const won = (await Promise.allSettled(writes)).filter(({ status }) => status === "fulfilled");
        expect(won.length, `${count} nodes, ${key}`).toBeLessThanOrEqual(1);
        const held = await Promise.all(memories.map((memory) => memory.getRecord(TEST_REPOSITORY, key)));
        if (won.length === 1) expect(held.filter((record) => record !== undefined).length).toBeGreaterThan(count / 2);
      }
    }
  });

  it("are not written when no replica of theirs answers", async () => {
    const { store, nodes, memories } = cluster(5, { replicas: 2, writeQuorum: 2 });
    const [key = ""] = keys;
    const places = placementOver(nodes).place(blake3(utf8(`${TEST_REPOSITORY}/${key}`)), 2);
    for (const [n, node] of nodes.entries()) if (places.includes(node.id)) at(memories, n).failNext(down, always);
    expect((await codedErrorOf(store.putRecord(scope, { key, version: 1n, body: utf8("x") }))).code).toBe("QUORUM_LOST");
    expect(memories.map(({ calls }) => calls.putRecord).reduce((sum, n) => sum + n)).toBe(2);
  });
});

async function unreachable(): Promise<never> {
  throw down;
}

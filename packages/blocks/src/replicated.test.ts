import { placementOver } from "@permafrost/placement";
import type { Clock } from "@permafrost/std";
import { CodedError, systemClock, toHex } from "@permafrost/std";
import { describe, expect, it, vi } from "vitest";
import { at, cluster, down, holders, scope } from "../testing/cluster.ts";
import { blockStoreSuite, codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "../testing/suite.ts";
import type { BlockStore } from "./block-store.ts";
import { memoryBlockStore } from "./memory.ts";
import { replicatedStore } from "./replicated.ts";

for (const [count, replicas, writeQuorum] of [
  [1, 1, 1],
  [3, 3, 2],
  [3, 2, 2],
  [3, 3, 3],
  [5, 3, 2],
] as const) {
  blockStoreSuite(
    `${count} nodes with R=${replicas}, W=${writeQuorum}`,
    async () => {
      const { store, memories } = cluster(count, { replicas, writeQuorum });
      return {
        store,
        damage: async (_repositoryId, id) => {
          for (const memory of memories) memory.damage(id);
        },
      };
    },
    { damages: true },
  );
}

for (const count of [3, 5]) {
  blockStoreSuite(
    `${count} nodes with R=3, W=2 and one down`,
    async () => {
      const { store, memories } = cluster(count);
      at(memories, 1).failNext(down, Number.POSITIVE_INFINITY);
      return { store };
    },
    { hasNodeDown: true },
  );
}

describe("writing to replicas", () => {
  const a = testBlock("a");

  it("keeps each block on R nodes, with one call to each node", async () => {
    const { store, memories } = cluster(5);
    const blocks = Array.from({ length: 200 }, (_, i) => testBlock(i));
    await store.put(scope, blocks);
    await store.reserve(
      scope,
      blocks.map((block) => block.id),
    );
    expect(memories.map((memory) => memory.calls.put)).toEqual([1, 1, 1, 1, 1]);
    expect(memories.map((memory) => memory.calls.reserve)).toEqual([1, 1, 1, 1, 1]);
    expect(memories.reduce((sum, memory) => sum + memory.received.blocks, 0)).toBe(600);
  });

  it("fails below the quorum, naming nodes and causes, and succeeds when repeated", async () => {
    const { store, memories } = cluster(3);
    at(memories, 0).failNext(down);
    at(memories, 2).failNext(new CodedError("STORE_FULL", "full", { retry: "elsewhere" }));
    const error = await codedErrorOf(store.put(scope, [a]));
    expect([error.code, error.retry]).toEqual(["QUORUM_LOST", "later"]);
    expect(error.message).toContain("n0: NODE_UNREACHABLE");
    expect(error.message).toContain("n2: STORE_FULL");
    expect(await store.reserve(scope, [a.id])).toEqual([false]);
    await store.put(scope, [a]);
    expect(await store.confirm(scope, [a.id])).toEqual([true]);
    expect(await holders(memories, a.id)).toEqual([true, true, true]);
  });

  it("counts a block on fewer than W nodes as missing, and one on W as there", async () => {
    const { store, memories } = cluster(3);
    await at(memories, 1).put(scope, [a]);
    expect(await store.reserve(scope, [a.id])).toEqual([false]);
    expect(await store.confirm(scope, [a.id])).toEqual([false]);
    await at(memories, 2).put(scope, [a]);
    expect(await store.reserve(scope, [a.id])).toEqual([true]);
    expect(await store.confirm(scope, [a.id])).toEqual([true]);
  });

  it("gives a node that does not answer no vote", async () => {
    const { store, memories, events } = cluster(3);
    await store.put(scope, [a]);
    at(memories, 0).failNext(down);
    expect(await store.confirm(scope, [a.id])).toEqual([true]);
    at(memories, 0).failNext(down);
    at(memories, 1).failNext(down);
    expect(await store.confirm(scope, [a.id])).toEqual([false]);
    expect(events.filter((event) => event.kind === "node-failed")).toHaveLength(3);
  });

  it("resolves with the quorum; the slow replica gets the bytes as they were", async () => {
    const slow = memoryBlockStore();
    const gate = Promise.withResolvers<void>();
    const gated: BlockStore = {
      ...slow,
      put: async (whose, blocks) => {
        await gate.promise;
        return slow.put(whose, blocks);
      },
    };
    const fast = [memoryBlockStore(), memoryBlockStore()];
    const { store } = cluster(3, { stores: [...fast, gated], stragglerBytesMax: 1 });
    const mine = { ...a, body: Uint8Array.from(a.body) };
    await store.put(scope, [mine]);
    mine.body.fill(0);
    let isSecondDone = false;
    const second = store.put(scope, [testBlock("b")]).then(() => {
      isSecondDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isSecondDone).toBe(false); // no room for more bodies of slow replicas
    gate.resolve();
    await second;
    const closed = store.close();
    expect(await slow.get(TEST_REPOSITORY, [a.id])).toMatchObject([{ id: a.id }]);
    await closed;
  });

  it("refuses at once what one node knows to be fenced", async () => {
    const { store, memories } = cluster(3);
    await at(memories, 2).reserve(testScope({ fence: 9n }), []);
    for (const work of [() => store.put(scope, [a]), () => store.reserve(scope, [a.id]), () => store.confirm(scope, [a.id])]) {
      expect((await codedErrorOf(work())).code).toBe("FENCED");
    }
  });

  it("leaves a node alone for a moment when it could not be reached", async () => {
    let now = 0;
    const clock: Clock = { ...systemClock, monotonic: () => now };
    const { store, memories } = cluster(3, { suspectMs: 1000, clock });
    at(memories, 0).failNext(down);
    await store.put(scope, [a]);
    await store.put(scope, [testBlock("b")]);
    expect(at(memories, 0).calls.put).toBe(1);
    now = 1001;
    await store.put(scope, [testBlock("c")]);
    expect(at(memories, 0).calls.put).toBe(2);
  });

  it("refuses numbers that do not fit", () => {
    for (const [replicas, writeQuorum] of [
      [4, 2],
      [2, 3],
      [2, 0],
      [1.5, 1],
    ] as const) {
      expect(() => cluster(3, { replicas, writeQuorum })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    }
  });
});

describe("reading from replicas", () => {
  const a = testBlock("a");
  const b = testBlock("b");

  /** The node that a read of the block asks in the given place. */
  const asked = ({ nodes, memories }: ReturnType<typeof cluster>, id: Uint8Array, place: number) =>
    at(memories, Number(placementOver(nodes).rank(id)[place]?.slice(1)));

  it("falls over to an intact replica and puts its body back where it was damaged", async () => {
    const made = cluster(3);
    const { store, events } = made;
    const damaged = [asked(made, a.id, 0), asked(made, a.id, 1)];
    await store.put(scope, [a, b]);
    for (const memory of damaged) memory.damage(a.id);
    const got = await store.get(TEST_REPOSITORY, [b.id, a.id, b.id]);
    expect(got.map((block) => block && toHex(block.body))).toEqual([b, a, b].map((block) => toHex(block.body)));
    await vi.waitFor(() => expect(events.filter((event) => event.kind === "repaired")).toHaveLength(2));
    for (const memory of damaged) {
      const [block] = await memory.get(TEST_REPOSITORY, [a.id]);
      expect(block && toHex(block.body)).toBe(toHex(a.body));
    }
    expect(events.filter((event) => event.kind === "read-failed").map((event) => event.error?.code)).toEqual([
      "BLOCK_CORRUPT",
      "BLOCK_CORRUPT",
    ]);
  });

  it("tells when a repair fails, and serves the block all the same", async () => {
    const made = cluster(3);
    const { store, events } = made;
    await store.put(scope, [a]);
    const first = asked(made, a.id, 0);
    first.damage(a.id);
    first.failNext(new CodedError("STORE_READ_ONLY", "read-only"), 1, "put");
    const [block] = await store.get(TEST_REPOSITORY, [a.id]);
    expect(block && toHex(block.body)).toBe(toHex(a.body));
    await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ kind: "repair-failed", error: { code: "STORE_READ_ONLY" } }));
  });

  it("falls over when a node lacks the block or does not answer, and says so", async () => {
    const made = cluster(3);
    const { store, events } = made;
    await store.put(scope, [a, b]);
    asked(made, a.id, 0).drop(a.id);
    asked(made, a.id, 1).failNext(down, Number.POSITIVE_INFINITY, "get");
    const got = await store.get(TEST_REPOSITORY, [a.id, b.id]);
    expect(got.map((block) => block && toHex(block.body))).toEqual([a, b].map((block) => toHex(block.body)));
    const ofA = events.flatMap((event) =>
      event.kind === "read-failed" && event.block === toHex(a.id) ? [event.error?.code] : [],
    );
    expect(ofA).toEqual([undefined, "NODE_UNREACHABLE"]);
  });

  it("finds blocks on nodes that a grown cluster no longer asks first", async () => {
    const { store: small, nodes } = cluster(3, { replicas: 1, writeQuorum: 1 });
    const blocks = Array.from({ length: 50 }, (_, i) => testBlock(i));
    await small.put(scope, blocks);
    const more = Array.from({ length: 5 }, (_, i) => ({ id: `m${i}`, weight: 1, zone: `m${i}`, store: memoryBlockStore() }));
    const grown = replicatedStore({ nodes: [...nodes, ...more], replicas: 1, writeQuorum: 1 });
    const got = await grown.get(
      TEST_REPOSITORY,
      blocks.map((block) => block.id),
    );
    expect(got.every((block) => block !== undefined)).toBe(true);
  });

  it("says damaged when no replica is intact, and nothing when too few nodes answer", async () => {
    const { store, memories } = cluster(3);
    await store.put(scope, [a]);
    at(memories, 0).damage(a.id);
    at(memories, 1).drop(a.id);
    at(memories, 2).damage(a.id);
    expect((await codedErrorOf(store.get(TEST_REPOSITORY, [a.id]))).code).toBe("BLOCK_CORRUPT");
    at(memories, 1).failNext(down, Number.POSITIVE_INFINITY);
    at(memories, 2).failNext(down, Number.POSITIVE_INFINITY);
    const error = await codedErrorOf(store.get(TEST_REPOSITORY, [b.id]));
    expect([error.code, error.retry]).toEqual(["NODES_UNAVAILABLE", "later"]);
    expect(error.message).toContain("n1: NODE_UNREACHABLE");
  });
});

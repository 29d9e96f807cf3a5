import { blake3 } from "@permafrost/crypto";
import { placementOver } from "@permafrost/placement";
import type { Clock } from "@permafrost/std";
import { CodedError, systemClock, toHex, utf8 } from "@permafrost/std";
import { describe, expect, it, vi } from "vitest";
import { blockStoreSuite, codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "../testing/suite.ts";
import type { BlockStore } from "./block-store.ts";
import type { ReplicaEvent } from "./cluster.ts";
import { type MemoryBlockStore, memoryBlockStore } from "./memory.ts";
import { type ReplicatedStoreOptions, replicatedStore } from "./replicated.ts";

const scope = testScope();
const down = new CodedError("NODE_UNREACHABLE", "connection refused", { retry: "later" });

function cluster(count: number, options: Partial<ReplicatedStoreOptions> & { stores?: BlockStore[] } = {}) {
  const memories = Array.from({ length: count }, () => memoryBlockStore());
  const events: ReplicaEvent[] = [];
  const nodes = memories.map((memory, i) => ({ id: `n${i}`, weight: 1, zone: `z${i}`, store: options.stores?.[i] ?? memory }));
  const store = replicatedStore({
    nodes,
    replicas: Math.min(3, count),
    writeQuorum: Math.min(2, count),
    suspectMs: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { store, memories, nodes, events };
}

const at = (memories: readonly MemoryBlockStore[], index: number): MemoryBlockStore => {
  const memory = memories[index];
  if (!memory) throw new Error(`no node ${index}`);
  return memory;
};
const holders = async (memories: readonly MemoryBlockStore[], id: Uint8Array) =>
  (await Promise.all(memories.map((memory) => memory.confirm(testScope({ taskId: "look" }), [id])))).map(([is]) => is);

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
  blockStoreSuite(`${count} nodes with R=3, W=2 and one down`, async () => {
    const { store, memories } = cluster(count);
    at(memories, 1).failNext(down, Number.POSITIVE_INFINITY);
    return { store };
  });
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

describe("records on replicas", () => {
  const record = (version: bigint, text: string) => ({ key: "session/1", version, body: utf8(text) });
  const read = async (store: BlockStore) => {
    const [one] = await store.listRecords(TEST_REPOSITORY, "session/");
    const direct = await store.getRecord(TEST_REPOSITORY, "session/1");
    expect(one).toEqual(direct);
    return direct && `${direct.version} ${Buffer.from(direct.body)}`;
  };

  it("are read at their newest version, whichever node missed it", async () => {
    const { store, memories } = cluster(3);
    await store.putRecord(scope, record(1n, "one"));
    at(memories, 2).failNext(down);
    await store.putRecord(scope, record(2n, "two"));
    for (const absent of [0, 1, 2]) {
      at(memories, absent).failNext(down, Number.POSITIVE_INFINITY);
      expect(await read(store)).toBe("2 two");
      at(memories, absent).failNext(down, 0);
    }
  });

  it("stay deleted when a node missed the deletion", async () => {
    const { store, memories } = cluster(3);
    await store.putRecord(scope, record(1n, "one"));
    at(memories, 2).failNext(down);
    await store.deleteRecord(scope, "session/1", 2n);
    expect(await at(memories, 2).getRecord(TEST_REPOSITORY, "session/1")).toBeDefined();
    expect(await read(store)).toBeUndefined();
  });

  it("that one node alone has were never acknowledged", async () => {
    const { store, memories } = cluster(3);
    at(memories, 0).failNext(down);
    at(memories, 1).failNext(down);
    expect((await codedErrorOf(store.putRecord(scope, record(1n, "one")))).code).toBe("QUORUM_LOST");
    expect(await read(store)).toBeUndefined();
    await store.putRecord(scope, record(1n, "one"));
    expect(await read(store)).toBe("1 one");
  });

  it("are neither there nor absent when too few nodes answer", async () => {
    const { store, memories } = cluster(3);
    for (const index of [0, 1]) at(memories, index).failNext(down, Number.POSITIVE_INFINITY);
    for (const work of [
      () => store.getRecord(TEST_REPOSITORY, "session/1"),
      () => store.listRecords(TEST_REPOSITORY, ""),
      () => store.listRepositories(),
    ]) {
      expect((await codedErrorOf(work())).code).toBe("NODES_UNAVAILABLE");
    }
    expect((await codedErrorOf(store.deleteRecord(scope, "session/1", 1n))).code).toBe("QUORUM_LOST");
    expect(await store.status()).toHaveLength(1);
    at(memories, 2).failNext(down, Number.POSITIVE_INFINITY);
    expect((await codedErrorOf(store.status())).code).toBe("NODES_UNAVAILABLE");
  });

  it("have one winner at most among writers of one version", async () => {
    const { store, memories } = cluster(3);
    await at(memories, 0).putRecord(scope, record(1n, "mine"));
    expect((await codedErrorOf(store.putRecord(scope, record(1n, "theirs")))).code).toBe("RECORD_CONFLICT");
    expect(await read(store)).toBe("1 theirs"); // two of three have it
    await store.putRecord(scope, record(2n, "next"));
    expect(await read(store)).toBe("2 next");
  });

  it("need a majority even when W is less", async () => {
    const { store, memories } = cluster(2, { replicas: 2, writeQuorum: 1 });
    at(memories, 0).failNext(down);
    expect((await codedErrorOf(store.putRecord(scope, record(1n, "one")))).code).toBe("QUORUM_LOST");
  });

  it("do not wait long for a node that hangs when the others have answered", async () => {
    const hanging: BlockStore = {
      ...memoryBlockStore(),
      putRecord: () => new Promise(() => undefined),
      getRecord: () => new Promise(() => undefined),
    };
    const { store } = cluster(3, { stores: [memoryBlockStore(), memoryBlockStore(), hanging] });
    await store.putRecord(scope, record(1n, "one"));
    expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version).toBe(1n);
  });

  it("are found and deleted on nodes that a grown cluster no longer asks first", async () => {
    const { store: small, nodes } = cluster(1);
    const keys = Array.from({ length: 20 }, (_, i) => `session/${i}`);
    for (const key of keys) await small.putRecord(scope, { key, version: 1n, body: utf8(key) });
    const more = Array.from({ length: 4 }, (_, i) => ({ id: `m${i}`, weight: 1, zone: `m${i}`, store: memoryBlockStore() }));
    const grown = replicatedStore({ nodes: [...nodes, ...more], replicas: 1, writeQuorum: 1 });
    for (const key of keys) {
      expect((await grown.getRecord(TEST_REPOSITORY, key))?.version).toBe(1n);
      await grown.deleteRecord(scope, key, 2n);
      expect(await grown.getRecord(TEST_REPOSITORY, key)).toBeUndefined();
    }
    expect(await grown.listRecords(TEST_REPOSITORY, "")).toEqual([]);
  });
});

describe("repairing records on reads", () => {
  const key = "session/1";
  const other = testScope({ taskId: "other" });
  const record = (version: bigint, text: string) => ({ key, version, body: utf8(text) });
  const reads = [
    ["getRecord", (store: BlockStore) => store.getRecord(TEST_REPOSITORY, key)],
    ["listRecords", (store: BlockStore) => store.listRecords(TEST_REPOSITORY, "session/")],
  ] as const;
  /** What each node has. */
  const held = async ({ memories }: ReturnType<typeof cluster>) => {
    const copies = await Promise.all(memories.map((memory) => memory.getRecord(TEST_REPOSITORY, key)));
    return copies.map((one) => one && `${one.version} ${Buffer.from(one.body)}`);
  };
  const repairsOf = (events: readonly ReplicaEvent[]) => events.filter((event) => event.kind.startsWith("record-repair"));
  /** Long enough for a repair that should not happen. */
  const aMoment = () => new Promise((resolve) => setTimeout(resolve, 20));

  for (const [method, read] of reads) {
    it(`puts what a replica missed to it, found by ${method}`, async () => {
      const made = cluster(3);
      at(made.memories, 2).failNext(down);
      await made.store.putRecord(scope, record(1n, "one"));
      expect(await held(made)).toEqual(["1 one", "1 one", undefined]);
      await read(made.store);
      await vi.waitFor(async () => expect(await held(made)).toEqual(["1 one", "1 one", "1 one"]));
      at(made.memories, 0).failNext(down);
      await made.store.putRecord(scope, record(2n, "two"));
      await read(made.store);
      await vi.waitFor(async () => expect(await held(made)).toEqual(["2 two", "2 two", "2 two"]));
      expect(repairsOf(made.events)).toEqual(
        ["n2", "n0"].map((nodeId) => ({ kind: "record-repaired", nodeId, repositoryId: TEST_REPOSITORY, record: key })),
      );
      const writes = made.memories.map((memory) => memory.calls.putRecord);
      await read(made.store);
      await aMoment();
      expect(made.memories.map((memory) => memory.calls.putRecord)).toEqual(writes); // nothing is left to repair
    });

    it(`brings nothing back that was deleted while a replica was away, found by ${method}`, async () => {
      const made = cluster(3);
      await made.store.putRecord(scope, record(1n, "one"));
      at(made.memories, 2).failNext(down);
      await made.store.deleteRecord(scope, key, 2n);
      await read(made.store);
      at(made.memories, 0).failNext(down, 1); // the old copy shows again, and must not spread
      await read(made.store);
      await aMoment();
      expect(await held(made)).toEqual([undefined, undefined, "1 one"]);
      expect(repairsOf(made.events)).toEqual([]);
    });

    it(`leaves a deletion alone that only one replica has, found by ${method}`, async () => {
      const made = cluster(3);
      await made.store.putRecord(scope, record(1n, "one"));
      await at(made.memories, 1).deleteRecord(other, key, 2n);
      await read(made.store);
      await vi.waitFor(() =>
        expect(repairsOf(made.events)).toMatchObject([
          { kind: "record-repair-failed", nodeId: "n1", error: { code: "RECORD_CONFLICT" } },
        ]),
      );
      expect(await held(made)).toEqual(["1 one", undefined, "1 one"]);
    });

    it(`does not spread what no quorum has, found by ${method}`, async () => {
      const made = cluster(3);
      await made.store.putRecord(scope, record(1n, "one"));
      await at(made.memories, 0).putRecord(other, record(2n, "never acknowledged"));
      await read(made.store);
      await aMoment();
      expect(await held(made)).toEqual(["2 never acknowledged", "1 one", "1 one"]);
    });

    it(`does not count copies on nodes that a key no longer belongs to, found by ${method}`, async () => {
      const made = cluster(6);
      const places = placementOver(made.nodes).place(blake3(utf8(`${TEST_REPOSITORY}/${key}`)), 3);
      const former = made.nodes.filter((node) => !places.includes(node.id));
      for (const node of former) await node.store.putRecord(scope, record(1n, "old"));
      await read(made.store);
      await aMoment();
      expect((await held(made)).filter((one) => one !== undefined)).toHaveLength(3);
    });
  }

  it("repairs a bounded number of records at a time, and the rest by later reads; close waits for them", async () => {
    const gate = Promise.withResolvers<void>();
    const late = memoryBlockStore();
    const stores = [memoryBlockStore(), memoryBlockStore()];
    for (const store of stores) {
      for (let i = 0; i < 100; i++) await store.putRecord(scope, { key: `session/${i}`, version: 1n, body: utf8(`${i}`) });
    }
    let isClosed = false;
    const gated: BlockStore = {
      ...late,
      putRecord: async (whose, one) => {
        late.calls.putRecord++;
        await gate.promise;
        return late.putRecord(whose, one);
      },
      close: async () => {
        isClosed = true;
      },
    };
    const { store } = cluster(3, { stores: [...stores, gated] });
    const read = await store.listRecords(TEST_REPOSITORY, "");
    for (const one of read) one.body.fill(0); // a reader may do so
    await store.listRecords(TEST_REPOSITORY, "");
    expect(late.calls.putRecord).toBe(64);
    const closed = store.close();
    await aMoment();
    expect(isClosed).toBe(false);
    gate.resolve();
    await closed;
    const repaired = await late.listRecords(TEST_REPOSITORY, "");
    expect(repaired).toHaveLength(64);
    for (const { key: name, body } of repaired) expect(name).toBe(`session/${Buffer.from(body)}`);
  });
});

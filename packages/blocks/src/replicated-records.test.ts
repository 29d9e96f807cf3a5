import { blake3 } from "@permafrost/crypto";
import { placementOver } from "@permafrost/placement";
import { CodedError, toHex, utf8 } from "@permafrost/std";
import { describe, expect, it, vi } from "vitest";
import { at, cluster, down, scope } from "../testing/cluster.ts";
import { codedErrorOf, TEST_REPOSITORY, testScope } from "../testing/suite.ts";
import type { BlockStore } from "./block-store.ts";
import type { ReplicaEvent } from "./cluster.ts";
import { memoryBlockStore } from "./memory.ts";
import { replicatedStore } from "./replicated.ts";

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

  it("that a put left on one node alone, without an acknowledgement, are read and then stay", async () => {
    const { store, memories } = cluster(3);
    at(memories, 0).failNext(down);
    at(memories, 1).failNext(down);
    expect((await codedErrorOf(store.putRecord(scope, record(1n, "one")))).code).toBe("QUORUM_LOST");
    expect(await read(store)).toBe("1 one");
    await vi.waitFor(async () => expect(await at(memories, 0).getRecord(TEST_REPOSITORY, "session/1")).toBeDefined());
    at(memories, 2).failNext(down, Number.POSITIVE_INFINITY);
    expect(await read(store)).toBe("1 one");
    await store.putRecord(scope, record(1n, "one"));
  });

  /** Of 20 records on two of three nodes each, one node has lost all that it had; under its id, or a new one in its place. */
  const withLoss = async (id: string) => {
    const memories = [memoryBlockStore(), memoryBlockStore(), memoryBlockStore()];
    const over = (ids: readonly string[], stores: readonly BlockStore[]) => {
      const nodes = ids.map((one, index) => ({ id: one, weight: 1, zone: one, store: stores[index] as BlockStore }));
      return replicatedStore({ nodes, replicas: 2, writeQuorum: 2 });
    };
    const before = over(["a", "b", "c"], memories);
    const keys = Array.from({ length: 20 }, (_, i) => `session/${String(i).padStart(2, "0")}`);
    for (const key of keys) await before.putRecord(scope, { key, version: 1n, body: utf8(key) });
    const gone = keys.splice(10);
    for (const key of gone) await before.deleteRecord(scope, key, 2n);
    const empty = memoryBlockStore();
    return { keys, gone, empty, after: over(["a", "b", id], [at(memories, 0), at(memories, 1), empty]), memories };
  };

  for (const [what, id] of [
    ["comes back empty", "c"],
    ["is replaced by another", "d"],
  ] as const)
    it(`are all there when a node of theirs ${what}, stay deleted, and are on two nodes again once they were read`, async () => {
      const { keys, gone, empty, after } = await withLoss(id);
      expect((await after.listRecords(TEST_REPOSITORY, "")).map(({ key }) => key)).toEqual(keys);
      for (const key of keys) expect((await after.getRecord(TEST_REPOSITORY, key))?.version).toBe(1n);
      for (const key of gone) expect(await after.getRecord(TEST_REPOSITORY, key)).toBeUndefined();
      await vi.waitFor(async () => {
        const again = await empty.listRecords(TEST_REPOSITORY, "", { withDeleted: true });
        expect(again.length).toBeGreaterThan(5);
        expect(again.filter(({ deleted }) => deleted).length).toBeGreaterThan(1);
      });
      // Now the other one of the two may go.
      const { memories } = await withLoss(id);
      at(memories, 0).failNext(down, Number.POSITIVE_INFINITY);
      expect((await after.listRecords(TEST_REPOSITORY, "")).map(({ key }) => key)).toEqual(keys);
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
      at(made.memories, 0).failNext(down, 1);
      await read(made.store);
      await vi.waitFor(async () => expect(await held(made)).toEqual([undefined, undefined, undefined]));
      expect(repairsOf(made.events)).toMatchObject([{ kind: "record-repaired", nodeId: "n2" }]);
    });

    it(`spreads no old copy while those who know of its deletion may be away, found by ${method}`, async () => {
      const made = cluster(3);
      await made.store.putRecord(scope, record(1n, "one"));
      at(made.memories, 2).failNext(down);
      await made.store.deleteRecord(scope, key, 2n);
      for (const index of [0, 1]) at(made.memories, index).failNext(down, Number.POSITIVE_INFINITY);
      await read(made.store).catch((error: unknown) => expect(error).toMatchObject({ code: "NODES_UNAVAILABLE" }));
      for (const index of [0, 1]) at(made.memories, index).failNext(down, 0);
      await aMoment();
      expect(repairsOf(made.events)).toEqual([]);
    });

    it(`finishes a deletion that only one replica has, found by ${method}`, async () => {
      const made = cluster(3);
      await made.store.putRecord(scope, record(1n, "one"));
      await at(made.memories, 1).deleteRecord(other, key, 2n);
      await read(made.store);
      await vi.waitFor(async () => expect(await held(made)).toEqual([undefined, undefined, undefined]));
      expect(await read(made.store)).toEqual(method === "getRecord" ? undefined : []);
    });

    it(`spreads what was read, though no quorum had it, found by ${method}`, async () => {
      const made = cluster(3);
      await made.store.putRecord(scope, record(1n, "one"));
      await at(made.memories, 0).putRecord(other, record(2n, "never acknowledged"));
      await read(made.store);
      const newest = "2 never acknowledged";
      await vi.waitFor(async () => expect(await held(made)).toEqual([newest, newest, newest]));
    });

    it(`brings what is on nodes that a key no longer belongs to to its own, found by ${method}`, async () => {
      const made = cluster(6);
      const places = placementOver(made.nodes).place(blake3(utf8(`${TEST_REPOSITORY}/${key}`)), 3);
      const former = made.nodes.filter((node) => !places.includes(node.id));
      for (const node of former) await node.store.putRecord(scope, record(1n, "old"));
      await read(made.store);
      await vi.waitFor(async () => expect((await held(made)).filter((one) => one !== undefined)).toHaveLength(6));
    });
  }

  describe("that are damaged", () => {
    const corrupt = (name: string, version: string) =>
      new CodedError("RECORD_CORRUPT", "damaged", { facts: { record: name, version }, retry: "elsewhere" });
    const digest = toHex(blake3(utf8(key)));

    for (const [method, read] of reads) {
      it.each([
        [3, key],
        [2, key],
        [2, digest],
      ])(`puts them again to one of %i replicas, found by ${method} as %s`, async (count, name) => {
        const made = cluster(count, { replicas: count });
        const rotten = at(made.memories, 0);
        for (const memory of made.memories.slice(1)) await memory.putRecord(scope, record(2n, "two"));
        rotten.failNext(corrupt(name, "2"));
        expect(await read(made.store)).toBeTruthy();
        await vi.waitFor(async () => expect(await held(made)).toEqual(Array(count).fill("2 two")));
      });

      it(`leaves alone what is newer or another's, found by ${method}`, async () => {
        const made = cluster(3);
        for (const index of [1, 2]) await at(made.memories, index).putRecord(scope, record(2n, "two"));
        for (const error of [corrupt(key, "3"), corrupt("session/2", "2"), new CodedError("RECORD_CORRUPT", "damaged")]) {
          at(made.memories, 0).failNext(error);
          expect(await read(made.store)).toBeTruthy();
          await aMoment();
          expect(await held(made)).toEqual([undefined, "2 two", "2 two"]);
        }
      });
    }
  });

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

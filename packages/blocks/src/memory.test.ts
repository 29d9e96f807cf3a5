import { CodedError } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { blockStoreSuite, codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "../testing/suite.ts";
import { memoryBlockStore } from "./memory.ts";

blockStoreSuite(
  "memory",
  async () => {
    const store = memoryBlockStore();
    return { store, damage: async (_repositoryId, id) => store.damage(id) };
  },
  { damages: true },
);

describe("the hooks of the memory store", () => {
  const a = testBlock("a");

  it("counts calls and pins", async () => {
    const store = memoryBlockStore();
    await store.put(testScope(), [a]);
    await store.reserve(testScope({ sessionId: "second" }), [a.id]);
    expect(store.calls).toMatchObject({ put: 1, reserve: 1, get: 0 });
    expect(store.received).toEqual({ blocks: 1, bytes: a.body.length });
    expect([...store.pins(a.id)].sort()).toEqual([testScope().sessionId, "second"].sort());
  });

  it("loses a dropped block", async () => {
    const store = memoryBlockStore();
    await store.put(testScope(), [a]);
    store.drop(a.id);
    expect(await store.get(TEST_REPOSITORY, [a.id])).toEqual([undefined]);
    expect((await store.status())[0]).toMatchObject({ blocks: 0, storedBytes: 0 });
  });

  it("fails the next calls of a method", async () => {
    const store = memoryBlockStore();
    store.failNext(new CodedError("NODE_UNREACHABLE", "down"), 2, "put");
    expect(await store.reserve(testScope(), [a.id])).toEqual([false]);
    expect((await codedErrorOf(store.put(testScope(), [a]))).code).toBe("NODE_UNREACHABLE");
    expect((await codedErrorOf(store.put(testScope(), [a]))).code).toBe("NODE_UNREACHABLE");
    await store.put(testScope(), [a]);
  });

  it("is full at its capacity, and closed after close", async () => {
    const store = memoryBlockStore({ capacityBytes: 1500 });
    await store.put(testScope(), [a]);
    const full = await codedErrorOf(store.put(testScope(), [testBlock("b")]));
    expect([full.code, full.retry]).toEqual(["STORE_FULL", "elsewhere"]);
    await store.close();
    expect((await codedErrorOf(store.status())).code).toBe("STORE_CLOSED");
  });
});

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type MemoryBlockStore, memoryBlockStore } from "@permafrost/blocks";
import { blockStoreSuite, codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { assert, CodedError, compareBytes } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blockService } from "./block-service.ts";
import { remoteBlockStore } from "./remote-store.ts";
import { type RunningServer, startServer } from "./server.ts";

async function loopback(memory = memoryBlockStore()) {
  const server = await startServer({ listen: "127.0.0.1:0", services: [blockService(memory)] });
  return { memory, server };
}

blockStoreSuite(
  "a remote node",
  async () => {
    const { memory, server } = await loopback();
    return {
      store: remoteBlockStore({ address: server.address }),
      damage: async (_repositoryId, id) => memory.damage(id),
      close: () => server.stop(),
    };
  },
  { damages: true },
);

describe("the remote store", () => {
  let memory: MemoryBlockStore;
  let server: RunningServer;
  const scope = testScope();

  beforeEach(async () => {
    ({ memory, server } = await loopback());
  });
  afterEach(() => server.stop());

  it("sends blocks in messages of about a megabyte, over a window that was enlarged", async () => {
    const store = remoteBlockStore({ address: server.address });
    const blocks = Array.from({ length: 64 }, (_, i) => testBlock(i, 65_536));
    await store.put(scope, blocks);
    expect(memory.received.blocks).toBe(64);
    expect(memory.calls.put).toBe(4);
    expect(server.tunedConnections()).toBe(1);
    const got = await store.get(
      TEST_REPOSITORY,
      blocks.map((block) => block.id),
    );
    expect(got.every((block, i) => block && Buffer.compare(block.body, blocks[i]?.body ?? Buffer.alloc(0)) === 0)).toBe(true);
    await store.close();
  });

  it("repeats puts that the server interrupts, and gives each failure to the put that caused it", async () => {
    const store = remoteBlockStore({ address: server.address });
    memory.failNext(new CodedError("STORE_CLOSED", "restarting", { retry: "later" }), 1, "put");
    await Promise.all([store.put(scope, [testBlock("a")]), store.put(scope, [testBlock("b")])]);
    memory.failNext(new CodedError("STORE_FULL", "no room", { retry: "elsewhere" }), 1, "put");
    const outcomes = await Promise.allSettled(["c", "d", "e"].map((seed) => store.put(scope, [testBlock(seed)])));
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(["fulfilled", "fulfilled", "rejected"]);
    const rejected = outcomes.find((outcome) => outcome.status === "rejected");
    expect(rejected?.reason).toMatchObject({ code: "STORE_FULL", retry: "elsewhere" });
    await store.close();
  });

  it("repeats what a broken connection left unacknowledged", async () => {
    const sockets = new Set<Socket>();
    let puts = 0;
    const cutting = {
      ...memory,
      put: (...args: Parameters<MemoryBlockStore["put"]>) => {
        if (++puts === 3) for (const socket of sockets) socket.destroy();
        return memory.put(...args);
      },
    };
    const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(cutting)], drainMs: 200 });
    const proxy = createServer((near) => {
      const far = connect(other.port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => to.destroy());
        from.pipe(to);
      }
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const store = remoteBlockStore({ address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`, attemptsMax: 6 });
    const blocks = Array.from({ length: 128 }, (_, i) => testBlock(i, 65_536));
    await store.put(scope, blocks);
    expect(puts).toBeGreaterThan(8); // of eight messages at least the third was sent twice
    const ids = blocks.map((block) => block.id);
    expect(await store.confirm(scope, ids)).toEqual(ids.map(() => true));
    await store.close();
    proxy.close();
    await other.stop();
  });

  it("fails with NODE_UNREACHABLE when nothing listens, and recovers when the node is back", async () => {
    const store = remoteBlockStore({ address: server.address });
    await store.put(scope, [testBlock("a")]);
    await server.stop();
    for (const work of [() => store.reserve(scope, [testBlock("a").id]), () => store.put(scope, [testBlock("b")])]) {
      const error = await codedErrorOf(work());
      expect(error.code).toBe("NODE_UNREACHABLE");
      expect(error.retry).toBe("later");
    }
    server = await startServer({ listen: server.address, services: [blockService(memory)] });
    const patient = remoteBlockStore({ address: server.address });
    expect(await patient.reserve(scope, [testBlock("a").id])).toEqual([true]);
    await store.close();
    await patient.close();
  });

  it("fails a stream that makes no progress", async () => {
    const stuck = { ...memory, put: () => new Promise<void>(() => undefined) };
    const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(stuck)], drainMs: 100 });
    const store = remoteBlockStore({ address: other.address, stallTimeoutMs: 200, attemptsMax: 1 });
    expect((await codedErrorOf(store.put(scope, [testBlock("a")]))).code).toBe("DEADLINE");
    await store.close();
    await other.stop();
  });

  it("fails what is not acknowledged when it is closed, and everything after", async () => {
    const stuck = { ...memory, put: () => new Promise<void>(() => undefined) };
    const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(stuck)], drainMs: 100 });
    const store = remoteBlockStore({ address: other.address });
    const put = codedErrorOf(store.put(scope, [testBlock("a")]));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await store.close();
    expect(["PUT_INTERRUPTED", "STORE_CLOSED"]).toContain((await put).code);
    expect((await codedErrorOf(store.status())).code).toBe("STORE_CLOSED");
    await other.stop();
  });

  it("never passes on a body that was damaged on its way, or that was not asked for", async () => {
    const a = testBlock("a");
    const damaged = { ...memory, get: async () => [{ ...a, body: a.body.map((byte) => byte ^ 1) }] };
    const swapped = { ...memory, get: async () => [testBlock("b")] };
    for (const lying of [damaged, swapped]) {
      const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(lying)] });
      const store = remoteBlockStore({ address: other.address });
      const error = await codedErrorOf(store.get(TEST_REPOSITORY, [a.id]));
      expect([error.code, error.retry]).toEqual(["BLOCK_CORRUPT", "elsewhere"]);
      await store.close();
      await other.stop();
    }
  });

  it("never passes on a record that was not asked for, twice, or that is none", async () => {
    const record = (key: string, version = 1n) => ({ key, version, body: Buffer.from("x") });
    const answers = [
      [record("session/2"), record("session/1")],
      [record("session/1"), record("session/1")],
      [record("ledger/1")],
      [record("session/1", 0n)],
      [{ ...record("session/1"), body: Buffer.alloc(1024 * 1024 + 1) }],
      [record(`session/${"1".repeat(600)}`)],
    ];
    for (const listed of answers) {
      const lying = { ...memory, listRecords: async () => listed, getRecord: async () => listed[0] };
      const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(lying)] });
      const store = remoteBlockStore({ address: other.address });
      const errors = [
        await codedErrorOf(store.listRecords(TEST_REPOSITORY, "session/")),
        await codedErrorOf(store.getRecord(TEST_REPOSITORY, listed.length > 1 ? "session/0" : "session/1")),
      ];
      expect(errors.map((error) => [error.code, error.retry])).toEqual(Array(2).fill(["RECORD_CORRUPT", "elsewhere"]));
      await store.close();
      await other.stop();
    }
  });

  it("says so when a node answers fewer than was asked", async () => {
    const a = testBlock("a");
    const short = { ...memory, reserve: async () => [], get: async () => [], status: async () => [] };
    const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(short)] });
    const store = remoteBlockStore({ address: other.address, attemptsMax: 1 });
    expect((await codedErrorOf(store.reserve(scope, [a.id]))).code).toBe("REMOTE_FAILED");
    expect((await codedErrorOf(store.status())).code).toBe("STORE_CLOSED");
    await store.close();
    await other.stop();
  });

  it("takes no list of blocks that is none", async () => {
    const [own] = await memory.pruning();
    assert(own, "memory is one node");
    const [low, high] = [testBlock("a"), testBlock("b")].map(({ id }) => id).sort(compareBytes) as [Uint8Array, Uint8Array];
    const one = (id: Uint8Array) => ({ id, bodyBytes: 1, condemnedIn: 0 });
    for (const pages of [[[one(high), one(low)]], [[one(low)], [one(low)]], [[one(low.subarray(1))]]]) {
      async function* list() {
        yield* pages;
      }
      const lying = { ...memory, pruning: async () => [{ ...own, list }] };
      const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(lying)] });
      const store = remoteBlockStore({ address: other.address });
      const [node] = await store.pruning();
      assert(node, "a remote store is one node");
      expect((await codedErrorOf(Array.fromAsync(node.list(TEST_REPOSITORY)))).code).toBe("REMOTE_FAILED");
      await store.close();
      await other.stop();
    }
  });

  it("tells why a node takes no writes", async () => {
    const readOnly = {
      ...memory,
      status: async () => [{ nodeId: memory.nodeId, blocks: 1, storedBytes: 2, freeBytes: -1, readOnlyReason: "disk" }],
    };
    const other = await startServer({ listen: "127.0.0.1:0", services: [blockService(readOnly)] });
    const store = remoteBlockStore({ address: other.address });
    expect(await store.status()).toEqual([
      { nodeId: memory.nodeId, blocks: 1, storedBytes: 2, freeBytes: 0, readOnlyReason: "disk" },
    ]);
    await store.close();
    await other.stop();
  });
});

import { type MemoryBlockStore, memoryBlockStore } from "@permafrost/blocks";
import { blockStoreSuite, codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { toHex } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blockService } from "./block-service.ts";
import { type ClusterStoreOptions, clusterStore } from "./cluster-store.ts";
import { type RunningServer, startServer } from "./server.ts";

async function startNodes(count: number) {
  const memories = Array.from({ length: count }, () => memoryBlockStore());
  const servers = await Promise.all(
    memories.map((memory) => startServer({ listen: "127.0.0.1:0", services: [blockService(memory)], drainMs: 200 })),
  );
  return { memories, servers };
}

const configured = (servers: readonly RunningServer[], ids: readonly (string | undefined)[] = []): ClusterStoreOptions => ({
  nodes: servers.map((server, i) => {
    const id = ids[i];
    return { address: server.address, weight: 1, zone: `z${i}`, ...(id !== undefined && { id }) };
  }),
  replication: { replicas: 3, writeQuorum: 2 },
});

blockStoreSuite(
  "three remote nodes with R=3, W=2",
  async () => {
    const { memories, servers } = await startNodes(3);
    return {
      store: await clusterStore(configured(servers)),
      damage: async (_repositoryId, id) => {
        for (const memory of memories) memory.damage(id);
      },
      close: async () => {
        await Promise.all(servers.map((server) => server.stop()));
      },
    };
  },
  { damages: true, copies: 3 },
);

describe("a cluster from its configuration", () => {
  let memories: MemoryBlockStore[];
  let servers: RunningServer[];
  const scope = testScope();
  const a = testBlock("a", 70_000);
  const ids = () => memories.map((memory) => memory.nodeId);

  beforeEach(async () => {
    ({ memories, servers } = await startNodes(3));
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  it("of another site is read and never written, not even where a copy is missing or damaged", async () => {
    const own = await clusterStore(configured(servers));
    await own.put(scope, [a]);
    const record = { key: "session/1", version: 1n, body: Uint8Array.of(7) };
    await own.putRecord(scope, record);
    await own.close();
    const [first, ...others] = memories as [MemoryBlockStore, MemoryBlockStore, MemoryBlockStore];
    first.damage(a.id);
    const empty = memoryBlockStore();
    const server = await startServer({ listen: "127.0.0.1:0", services: [blockService(empty)], drainMs: 200 });
    const site = await clusterStore({ ...configured([...servers.slice(0, 2), server]), isReadOnly: true });
    try {
      expect(toHex((await site.get(TEST_REPOSITORY, [a.id]))[0]?.digest ?? a.id)).toBe(toHex(a.digest));
      expect(await site.listRecords(TEST_REPOSITORY, "session/")).toMatchObject([{ key: "session/1", version: 1n }]);
      expect(await site.getRecord(TEST_REPOSITORY, "session/1")).toMatchObject({ key: "session/1", version: 1n });
      for (const write of [
        () => site.put(scope, [testBlock("b")]),
        () => site.putRecord(scope, { ...record, version: 2n }),
        () => site.deleteRecord(scope, "session/1", 2n),
      ])
        expect((await codedErrorOf(write())).message).toMatch(/READ_ONLY_SITE|is only read/);
      // A refusal counts as a node that has not got it.
      expect(await site.reserve(scope, [a.id])).toEqual([false]);
      await site.close();
      expect(await empty.listRecords(TEST_REPOSITORY, "")).toEqual([]);
      await expect(first.get(TEST_REPOSITORY, [a.id])).rejects.toMatchObject({ code: "BLOCK_CORRUPT" });
      for (const one of others)
        expect(await one.getRecord(TEST_REPOSITORY, "session/1")).toMatchObject({ key: "session/1", version: 1n });
    } finally {
      await server.stop();
    }
  });

  it("works on when a node goes, and starts without one whose id is known", async () => {
    const store = await clusterStore(configured(servers));
    await store.put(scope, [a]);
    await servers[1]?.stop();
    await store.put(scope, [testBlock("b")]);
    expect(await store.confirm(scope, [a.id, testBlock("b").id])).toEqual([true, true]);
    await store.close();
    const later = await clusterStore(configured(servers, ids()));
    const [block] = await later.get(TEST_REPOSITORY, [a.id]);
    expect(block && Buffer.compare(block.body, a.body)).toBe(0);
    await later.close();
  });

  it("does not guess the id of a node that does not answer", async () => {
    await servers[1]?.stop();
    expect((await codedErrorOf(clusterStore(configured(servers)))).code).toBe("NODE_UNREACHABLE");
  });

  it("refuses a node that is another than configured, and one that is named twice", async () => {
    const [first, second, third] = ids();
    const swapped = await codedErrorOf(clusterStore(configured(servers, [second, first, third])));
    expect([swapped.code, swapped.hint]).toEqual(["CONFIG_INVALID", "correct `nodes` in the configuration"]);
    const twice = servers.slice(0, 2);
    const doubled = await codedErrorOf(clusterStore(configured([...twice, ...twice.slice(0, 1)])));
    expect(doubled.message).toContain("two addresses");
  });
});

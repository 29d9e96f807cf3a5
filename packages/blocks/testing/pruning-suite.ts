/** What pruning must do on every BlockStore; part of `suite.ts`. */

import { type BlockId, IDS_PER_REQUEST_MAX } from "@permafrost/model";
import { assert, compareBytes, fromUtf8, toHex, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BlockStore } from "../src/block-store.ts";
import type { ListedBlock, SweepProgress } from "../src/pruning.ts";
import { codedErrorOf, type OpenedStore, type SuiteFeatures, TEST_REPOSITORY, testBlock, testScope } from "./suite.ts";

const OTHER_REPOSITORY = "fedcba9876543210fedcba9876543210";

export async function* pagesOf(ids: readonly BlockId[]): AsyncGenerator<readonly BlockId[]> {
  const ordered = [...ids].sort(compareBytes);
  for (let at = 0; at < ordered.length; at += IDS_PER_REQUEST_MAX) yield ordered.slice(at, at + IDS_PER_REQUEST_MAX);
}

/** Every node's blocks: hex id to the cycle that condemned it. */
export async function listed(store: BlockStore, repositoryId = TEST_REPOSITORY): Promise<Map<string, number>[]> {
  const nodes = await store.pruning();
  return Promise.all(
    nodes.map(async (node) => {
      const pages: (readonly ListedBlock[])[] = await Array.fromAsync(node.list(repositoryId));
      return new Map(pages.flat().map(({ id, condemnedIn }) => [toHex(id), condemnedIn]));
    }),
  );
}

/** Begins the cycle on every node and condemns there; answers how many copies. */
export async function condemn(store: BlockStore, cycle: number, ids: readonly BlockId[]): Promise<number> {
  let condemned = 0;
  for (const node of await store.pruning()) {
    await node.begin(TEST_REPOSITORY, cycle);
    condemned += await node.condemn(TEST_REPOSITORY, cycle, pagesOf(ids));
  }
  return condemned;
}

/** Begins the cycle on every node and sweeps; answers each node's last progress. */
export async function sweep(store: BlockStore, cycle: number, upToCycle: number): Promise<SweepProgress[]> {
  const last: SweepProgress[] = [];
  for (const node of await store.pruning()) {
    await node.begin(TEST_REPOSITORY, cycle);
    const steps = await Array.fromAsync(node.sweep(TEST_REPOSITORY, cycle, upToCycle));
    last.push(...steps.slice(-1));
  }
  return last;
}

export function pruningSuite(name: string, open: () => Promise<OpenedStore>, features: SuiteFeatures): void {
  describe(`${name}, pruned`, () => {
    let opened: OpenedStore;
    let store: BlockStore;
    const scope = testScope();
    const [a, b, c, d] = [testBlock("a"), testBlock("b", 3000), testBlock("c", 2000), testBlock("d", 2500)];
    const ids = [a, b, c, d].map((block) => block.id);

    beforeEach(async () => {
      opened = await open();
      store = opened.store;
      await store.put(scope, [a, b, c, d]);
      const { copies } = features;
      if (copies === undefined) return;
      await vi.waitFor(async () => {
        for (const id of ids) expect(await holdersOf(id)).toBe(copies);
      });
    });
    afterEach(async () => {
      await store.close();
      await opened.close?.();
    });
    const holdersOf = async (id: BlockId) => (await listed(store)).filter((blocks) => blocks.has(toHex(id))).length;
    const bodyOf = async (id: BlockId) => toHex((await store.get(TEST_REPOSITORY, [id]))[0]?.body ?? Buffer.alloc(0));
    const condemnedIn = async (id: BlockId) => [...new Set((await listed(store)).map((blocks) => blocks.get(toHex(id)) ?? -1))];

    if (features.hasNodeDown) {
      it("is not pruned while a node does not answer", async () => {
        expect((await codedErrorOf(store.pruning())).retry).toBe("later");
      });
      return;
    }

    it("names every block of the repository in order of id, with its size, and none of another's", async () => {
      await store.put(testScope({ repositoryId: OTHER_REPOSITORY }), [testBlock("other")]);
      const nodes = await store.pruning();
      const pages = await Promise.all(nodes.map((node) => Array.fromAsync(node.list(TEST_REPOSITORY))));
      const found = new Map<string, number>();
      for (const ofNode of pages) {
        const blocks = ofNode.flat();
        expect(blocks.map(({ id }) => toHex(id))).toEqual(blocks.map(({ id }) => toHex(id)).sort());
        for (const { id, bodyBytes, condemnedIn: cycle } of blocks) {
          found.set(toHex(id), bodyBytes);
          expect(cycle).toBe(0);
        }
      }
      expect(found).toEqual(new Map([a, b, c, d].map((block) => [toHex(block.id), block.body.length])));
      expect(new Set(nodes.map((node) => node.nodeId))).toEqual(new Set((await store.status()).map((node) => node.nodeId)));
    });

    it("keeps what is condemned readable, and deletes it in a later cycle, and nothing else", async () => {
      await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
      const copies = (await holdersOf(a.id)) + (await holdersOf(b.id));
      expect(await condemn(store, 1, [a.id, b.id])).toBe(copies);
      expect(await condemnedIn(a.id)).toContain(1);
      expect((await store.get(TEST_REPOSITORY, ids)).map((block) => block?.body.length)).toEqual([1000, 3000, 2000, 2500]);
      const swept = await sweep(store, 2, 1);
      expect(swept.reduce((sum, node) => sum + node.deletedBlocks, 0)).toBe(copies);
      expect(await store.confirm(scope, ids)).toEqual([false, false, true, true]);
      expect(await store.reserve(scope, ids)).toEqual([false, false, true, true]);
      expect((await store.get(TEST_REPOSITORY, ids)).map((block) => block?.body.length)).toEqual([
        undefined,
        undefined,
        2000,
        2500,
      ]);
      expect(await holdersOf(a.id)).toBe(0);
      const records = await store.listRecords(TEST_REPOSITORY, "");
      expect(records.map(({ key, version, body }) => [key, version, fromUtf8(body)])).toEqual([["session/1", 1n, "one"]]);
      await store.put(scope, [a]);
      expect(await bodyOf(a.id)).toBe(toHex(a.body));
      expect(await condemnedIn(a.id)).not.toContain(1);
    });

    it.each([
      ["reserved", () => store.reserve(scope, [a.id])],
      ["put", () => store.put(scope, [a])],
      ["confirmed", () => store.confirm(scope, [a.id])],
      [
        "spared",
        async () => {
          for (const node of await store.pruning()) await node.spare(TEST_REPOSITORY, 1, [a.id]);
        },
      ],
    ])("does not delete what was %s since it was condemned", async (_how, keep) => {
      await condemn(store, 1, [a.id, b.id]);
      await keep();
      expect(await condemnedIn(a.id)).not.toContain(1);
      await sweep(store, 2, 1);
      expect(await store.confirm(scope, [a.id, b.id])).toEqual([true, false]);
      expect(await bodyOf(a.id)).toBe(toHex(a.body));
    });

    it("deletes only what was condemned by the cycles named", async () => {
      await condemn(store, 1, [a.id]);
      await condemn(store, 2, [a.id, b.id]);
      expect(await condemnedIn(b.id)).toContain(2);
      await sweep(store, 3, 1);
      expect((await store.get(TEST_REPOSITORY, [a.id, b.id])).map((block) => block === undefined)).toEqual([true, false]);
      await sweep(store, 4, 2);
      expect((await store.get(TEST_REPOSITORY, [b.id]))[0]).toBeUndefined();
      expect(await store.confirm(scope, [c.id, d.id])).toEqual([true, true]);
    });

    it("condemns what is here, and that once", async () => {
      const copies = await condemn(store, 1, [a.id]);
      expect(copies).toBeGreaterThan(0);
      expect(await condemn(store, 2, [a.id, testBlock("nowhere").id])).toBe(0);
      expect(await condemnedIn(a.id)).toContain(1);
    });

    it("takes no orders of a cycle when a later one has begun", async () => {
      await condemn(store, 2, [a.id]);
      for (const node of await store.pruning()) {
        for (const order of [
          () => node.begin(TEST_REPOSITORY, 1),
          () => node.condemn(TEST_REPOSITORY, 1, pagesOf([b.id])),
          () => node.spare(TEST_REPOSITORY, 1, [a.id]),
        ]) {
          expect((await codedErrorOf(order())).code).toBe("FENCED");
        }
        await node.begin(TEST_REPOSITORY, 4);
        expect((await codedErrorOf(Array.fromAsync(node.sweep(TEST_REPOSITORY, 3, 2)))).code).toBe("FENCED");
        await node.begin(OTHER_REPOSITORY, 1);
      }
      expect(await condemnedIn(a.id)).toContain(2);
      expect(await condemnedIn(b.id)).toContain(0);
    });

    it("refuses a cycle below 1, a sweep of the cycle itself, ids out of order, too many, or not of 32 bytes", async () => {
      const [node] = await store.pruning();
      assert(node, "a store has a node");
      await node.begin(TEST_REPOSITORY, 1);
      async function* page(...some: BlockId[]) {
        yield some;
      }
      const many = Array.from({ length: IDS_PER_REQUEST_MAX + 1 }, (_, i) => testBlock(i, 1).id).sort(compareBytes);
      for (const order of [
        () => node.begin(TEST_REPOSITORY, 0),
        () => node.begin("x", 1),
        () => Array.fromAsync(node.list("x")),
        () => Array.fromAsync(node.sweep(TEST_REPOSITORY, 1, 1)),
        () => Array.fromAsync(node.sweep(TEST_REPOSITORY, 1, 0)),
        () => node.condemn(TEST_REPOSITORY, 1, page(...([a.id, b.id].sort(compareBytes).reverse() as BlockId[]))),
        () => node.condemn(TEST_REPOSITORY, 1, page(...many)),
        () => node.condemn(TEST_REPOSITORY, 1, page(new Uint8Array(31))),
        () => node.spare(TEST_REPOSITORY, 1, many),
      ]) {
        expect((await codedErrorOf(order())).code).toBe("REQUEST_INVALID");
      }
    });

    it("condemns nothing when the ids do not all come", async () => {
      async function* broken() {
        yield [...ids].sort(compareBytes).slice(0, 2);
        throw new Error("the rest is lost");
      }
      for (const node of await store.pruning()) {
        await node.begin(TEST_REPOSITORY, 1);
        await expect(node.condemn(TEST_REPOSITORY, 1, broken())).rejects.toThrow();
      }
      for (const node of await listed(store)) for (const cycle of node.values()) expect(cycle).toBe(0);
    });

    if (features.reopens) {
      it("knows after a reopening what is condemned, what was spared and which cycle has begun", async () => {
        const { reopen } = opened;
        assert(reopen, "a suite that reopens needs `reopen`");
        await condemn(store, 3, [a.id, b.id]);
        await store.reserve(scope, [a.id]);
        store = await reopen();
        expect(await condemnedIn(a.id)).toEqual([0]);
        expect(await condemnedIn(b.id)).toEqual([3]);
        for (const node of await store.pruning()) {
          expect((await codedErrorOf(node.spare(TEST_REPOSITORY, 2, [b.id]))).code).toBe("FENCED");
        }
        await sweep(store, 4, 3);
        store = await reopen();
        expect(await store.confirm(scope, ids)).toEqual([true, false, true, true]);
        expect((await store.get(TEST_REPOSITORY, [c.id, d.id])).map((block) => block?.body.length)).toEqual([2000, 2500]);
      });
    }
  });
}

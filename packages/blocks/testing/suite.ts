/**
 * What every BlockStore must do, run by each implementation: memory, one node's engine, the remote node,
 * the replicated cluster.
 *
 * `open` gives a fresh, empty store for each test. A store that can be damaged or reopened says so and how, and gets
 * the tests of that. `facts.block` of a BLOCK_CORRUPT is the block's id in hex, so that a caller can ask for the rest.
 */

import { createCipheriv } from "node:crypto";
import { blake3 } from "@permafrost/crypto";
import { BLOCK_BYTES_MAX, type BlockId, IDS_PER_REQUEST_MAX, SEAL_OVERHEAD_BYTES_MAX } from "@permafrost/model";
import { assert, CodedError, toHex, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BlockStore, Scope, SealedBlock } from "../src/block-store.ts";
import { pruningSuite } from "./pruning-suite.ts";

export { condemn, listed, pagesOf, sweep } from "./pruning-suite.ts";
export { flipBit, RotFailure, type RotOutcome, type RotRow, RotTally } from "./rot-tally.ts";

export interface OpenedStore {
  readonly store: BlockStore;
  /** Closes the store and opens it again over the same data. Needed by the tests of `reopens`. */
  readonly reopen?: () => Promise<BlockStore>;
  /** Changes stored bytes of the block in every place it is kept, behind the store's back. Needed by the tests of `damages`. */
  readonly damage?: (repositoryId: string, id: BlockId) => Promise<void>;
  /** Releases what `open` took; the store may be closed already. */
  readonly close?: () => Promise<void>;
}

export const TEST_REPOSITORY = "0123456789abcdef0123456789abcdef";
const OTHER_REPOSITORY = "fedcba9876543210fedcba9876543210";

/** A scope for tests. */
export function testScope(changes: Partial<Scope> = {}): Scope {
  return { repositoryId: TEST_REPOSITORY, sessionId: "20261123T170000Z-00000001", taskId: "capture-1", fence: 1n, ...changes };
}

/** A block whose id and body follow from `seed`; the body is not compressible. */
export function testBlock(seed: string | number, sizeBytes = 1000): SealedBlock {
  const id = Uint8Array.from(blake3(utf8(`id ${seed}`)));
  const stream = createCipheriv("aes-256-ctr", id, Buffer.alloc(16));
  const body = Uint8Array.from(stream.update(Buffer.alloc(sizeBytes)));
  return { id, body, digest: Uint8Array.from(blake3(body)) };
}

/** Resolves with the CodedError that `work` rejects with; fails the test when it does not reject with one. */
export async function codedErrorOf(work: Promise<unknown>): Promise<CodedError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!CodedError.is(error)) throw new Error(`expected a CodedError, got ${String(error)}`);
  return error;
}

const plain = (block: SealedBlock | undefined) =>
  block && { id: toHex(block.id), body: toHex(block.body), digest: toHex(block.digest) };

/** Which of the optional hooks `open` gives, and so which tests there are. */
export interface SuiteFeatures {
  readonly reopens?: boolean;
  readonly damages?: boolean;
  /** Nodes that have a block some time after it was put; default: those that have it when the put resolves. */
  readonly copies?: number;
  /** One of its nodes never answers. */
  readonly hasNodeDown?: boolean;
}

export function blockStoreSuite(name: string, open: () => Promise<OpenedStore>, features: SuiteFeatures = {}): void {
  pruningSuite(name, open, features);
  describe(`${name} as a BlockStore`, () => {
    let opened: OpenedStore;
    let store: BlockStore;
    const scope = testScope();
    const a = testBlock("a");
    const b = testBlock("b", 65_536);
    const c = testBlock("c", 1);

    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(async () => {
      await store.close();
      await opened.close?.();
    });

    it("starts empty", async () => {
      expect(await store.reserve(scope, [a.id])).toEqual([false]);
      expect(await store.confirm(scope, [a.id])).toEqual([false]);
      expect(await store.get(TEST_REPOSITORY, [a.id])).toEqual([undefined]);
      expect(await store.listRepositories()).toEqual([]);
      expect((await store.status()).reduce((sum, node) => sum + node.blocks, 0)).toBe(0);
    });

    it("answers a request without ids", async () => {
      expect(await store.reserve(scope, [])).toEqual([]);
      expect(await store.confirm(scope, [])).toEqual([]);
      expect(await store.get(TEST_REPOSITORY, [])).toEqual([]);
      await store.put(scope, []);
    });

    it("gives back what was put, in the order asked", async () => {
      await store.put(scope, [a, b, c]);
      const got = await store.get(TEST_REPOSITORY, [c.id, testBlock("absent").id, a.id, b.id, a.id]);
      expect(got.map(plain)).toEqual([plain(c), undefined, plain(a), plain(b), plain(a)]);
    });

    it("answers reserve and confirm by id", async () => {
      await store.put(scope, [a, c]);
      expect(await store.reserve(scope, [a.id, b.id, c.id, a.id])).toEqual([true, false, true, true]);
      expect(await store.confirm(scope, [b.id, a.id])).toEqual([false, true]);
    });

    it("takes repeats and duplicates", async () => {
      await store.put(scope, [a, a]);
      await store.put(scope, [a]);
      await Promise.all([store.put(scope, [a, b]), store.put(scope, [b, a])]);
      expect((await store.get(TEST_REPOSITORY, [a.id, b.id])).map(plain)).toEqual([plain(a), plain(b)]);
    });

    it("keeps the first of two bodies under one id", async () => {
      const other = { ...testBlock("z"), id: a.id };
      await store.put(scope, [a]);
      await store.put(scope, [other]);
      expect(plain((await store.get(TEST_REPOSITORY, [a.id]))[0])).toEqual(plain(a));
    });

    it("does not keep the caller's buffer", async () => {
      const mine = { id: Uint8Array.from(a.id), body: Uint8Array.from(a.body), digest: Uint8Array.from(a.digest) };
      await store.put(scope, [mine]);
      mine.body.fill(0);
      mine.id.fill(0);
      mine.digest.fill(0);
      expect(plain((await store.get(TEST_REPOSITORY, [a.id]))[0])).toEqual(plain(a));
    });

    it("keeps the largest block and refuses a larger one", async () => {
      const largest = testBlock("large", BLOCK_BYTES_MAX + SEAL_OVERHEAD_BYTES_MAX);
      await store.put(scope, [largest]);
      const got = (await store.get(TEST_REPOSITORY, [largest.id]))[0];
      expect(Buffer.compare(got?.body ?? new Uint8Array(), largest.body)).toBe(0);
      const error = await codedErrorOf(store.put(scope, [testBlock("larger", largest.body.length + 1)]));
      expect(error.code).toBe("BLOCK_REFUSED");
    });

    it("keeps a full request of ids and refuses a larger one", async () => {
      const many = Array.from({ length: IDS_PER_REQUEST_MAX }, (_, i) => testBlock(`many ${i}`, 40));
      await store.put(scope, many);
      const ids = many.map((block) => block.id);
      expect((await store.reserve(scope, ids)).every(Boolean)).toBe(true);
      expect((await store.confirm(scope, ids)).every(Boolean)).toBe(true);
      expect((await store.get(TEST_REPOSITORY, ids)).map(plain)).toEqual(many.map(plain));
      for (const ask of [
        () => store.reserve(scope, [...ids, a.id]),
        () => store.confirm(scope, [...ids, a.id]),
        () => store.get(TEST_REPOSITORY, [...ids, a.id]),
      ]) {
        expect((await codedErrorOf(ask())).code).toBe("REQUEST_INVALID");
      }
    });

    it("refuses a body that has another digest, and stores nothing of it", async () => {
      const error = await codedErrorOf(store.put(scope, [{ ...a, digest: b.digest }]));
      expect([error.code, error.retry]).toEqual(["BLOCK_REFUSED", "never"]);
      expect(await store.reserve(scope, [a.id])).toEqual([false]);
    });

    it("refuses an empty body, an id that is not 32 bytes and a repository that is not 32 hex digits", async () => {
      const empty = new Uint8Array(0);
      const code = async (work: Promise<unknown>) => (await codedErrorOf(work)).code;
      expect(await code(store.put(scope, [{ id: a.id, body: empty, digest: blake3(empty) }]))).toBe("BLOCK_REFUSED");
      expect(await code(store.reserve(scope, [a.id.subarray(1)]))).toBe("REQUEST_INVALID");
      expect(await code(store.reserve(testScope({ repositoryId: "../etc" }), [a.id]))).toBe("REQUEST_INVALID");
      expect(await code(store.get("x", [a.id]))).toBe("REQUEST_INVALID");
    });

    it("keeps repositories apart", async () => {
      await store.put(scope, [a]);
      const other = testScope({ repositoryId: OTHER_REPOSITORY });
      expect(await store.reserve(other, [a.id])).toEqual([false]);
      expect(await store.get(OTHER_REPOSITORY, [a.id])).toEqual([undefined]);
      await store.putRecord(other, { key: "session/1", version: 1n, body: utf8("theirs") });
      expect(await store.getRecord(TEST_REPOSITORY, "session/1")).toBeUndefined();
      expect(await store.listRepositories()).toEqual([OTHER_REPOSITORY]);
    });

    it("refuses a lower fence of the same task, and only of that", async () => {
      await store.reserve(testScope({ fence: 5n }), [a.id]);
      const stale = testScope({ fence: 4n });
      for (const work of [
        () => store.reserve(stale, [a.id]),
        () => store.put(stale, [a]),
        () => store.confirm(stale, [a.id]),
        () => store.putRecord(stale, { key: "session/1", version: 1n, body: utf8("x") }),
        () => store.deleteRecord(stale, "session/1", 1n),
      ]) {
        const error = await codedErrorOf(work());
        expect([error.code, error.retry]).toEqual(["FENCED", "never"]);
      }
      await store.put(testScope({ fence: 5n }), [a]);
      await store.put(testScope({ taskId: "capture-2", fence: 1n }), [b]);
      expect(await store.confirm(testScope({ fence: 6n }), [a.id, b.id])).toEqual([true, true]);
    });

    it("keeps a record and its newest version", async () => {
      await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
      await store.putRecord(scope, { key: "session/1", version: 7n, body: utf8("seven") });
      expect(await store.getRecord(TEST_REPOSITORY, "session/1")).toMatchObject({ key: "session/1", version: 7n });
      expect(toHex((await store.getRecord(TEST_REPOSITORY, "session/1"))?.body ?? new Uint8Array())).toBe(toHex(utf8("seven")));
      expect(await store.getRecord(TEST_REPOSITORY, "session/2")).toBeUndefined();
    });

    it("refuses a version that does not grow, and takes a repeat", async () => {
      const record = { key: "session/1", version: 3n, body: utf8("three") };
      await store.putRecord(scope, record);
      await store.putRecord(scope, record);
      for (const [version, body] of [
        [3n, "other"],
        [2n, "three"],
      ] as const) {
        const error = await codedErrorOf(store.putRecord(scope, { key: "session/1", version, body: utf8(body) }));
        expect(error.code).toBe("RECORD_CONFLICT");
      }
      expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version).toBe(3n);
    });

    it("lists records by prefix in key order", async () => {
      for (const key of ["session/2", "session/10", "ledger/2/a", "session/1"]) {
        await store.putRecord(scope, { key, version: 1n, body: utf8(key) });
      }
      const keys = async (prefix: string) => (await store.listRecords(TEST_REPOSITORY, prefix)).map((record) => record.key);
      expect(await keys("session/")).toEqual(["session/1", "session/10", "session/2"]);
      expect(await keys("")).toEqual(["ledger/2/a", "session/1", "session/10", "session/2"]);
      expect(await keys("nothing/")).toEqual([]);
      expect(toHex((await store.listRecords(TEST_REPOSITORY, "ledger/"))[0]?.body ?? new Uint8Array())).toBe(
        toHex(utf8("ledger/2/a")),
      );
    });

    it("deletes a record by a higher version, for good unless a newer one is put", async () => {
      const key = "session/1";
      await store.putRecord(scope, { key, version: 2n, body: utf8("two") });
      expect((await codedErrorOf(store.deleteRecord(scope, key, 2n))).code).toBe("RECORD_CONFLICT");
      await store.deleteRecord(scope, key, 3n);
      await store.deleteRecord(scope, key, 3n);
      expect(await store.getRecord(TEST_REPOSITORY, key)).toBeUndefined();
      expect(await store.listRecords(TEST_REPOSITORY, "")).toEqual([]);
      expect(await store.listRepositories()).toEqual([]);
      expect((await codedErrorOf(store.putRecord(scope, { key, version: 3n, body: utf8("three") }))).code).toBe(
        "RECORD_CONFLICT",
      );
      await store.putRecord(scope, { key, version: 4n, body: utf8("four") });
      expect((await store.getRecord(TEST_REPOSITORY, key))?.version).toBe(4n);
    });

    it("tells a deleted record from one that was never there, when asked", async () => {
      const shown = { withDeleted: true } as const;
      await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
      await store.putRecord(scope, { key: "session/2", version: 1n, body: utf8("two") });
      await store.deleteRecord(scope, "session/1", 4n);
      expect(await store.getRecord(TEST_REPOSITORY, "session/1", shown)).toMatchObject({ version: 4n, deleted: true });
      expect((await store.getRecord(TEST_REPOSITORY, "session/1", shown))?.body.length).toBe(0);
      expect(await store.getRecord(TEST_REPOSITORY, "session/3", shown)).toBeUndefined();
      expect((await store.getRecord(TEST_REPOSITORY, "session/2", shown))?.deleted ?? false).toBe(false);
      const listed = await store.listRecords(TEST_REPOSITORY, "session/", shown);
      expect(listed.map(({ key, version, deleted = false }) => [key, version, deleted])).toEqual([
        ["session/1", 4n, true],
        ["session/2", 1n, false],
      ]);
    });

    it("repairs blocks that are there, and names those that are not", async () => {
      await store.put(scope, [a, b]);
      const repaired = await store.repairBlocks(scope, [a.id, c.id, b.id]);
      expect(repaired.lost.map(toHex)).toEqual([toHex(c.id)]);
      const short = repaired.short.filter((id) => toHex(id) !== toHex(c.id));
      expect(repaired.wholeBlocks + short.length).toBe(2);
      if (features.hasNodeDown !== true) expect(repaired).toMatchObject({ wholeBlocks: 2, short: [] });
      expect((await codedErrorOf(store.repairBlocks(testScope({ repositoryId: "x" }), [a.id]))).code).toBe("REQUEST_INVALID");
      expect(await store.repairRecords(TEST_REPOSITORY)).toBe(0);
    });

    it("refuses a record key that is empty, too long or not printable ASCII, and a version below 1", async () => {
      for (const key of ["", "k".repeat(513), "session/ü", "session/\n"]) {
        expect((await codedErrorOf(store.putRecord(scope, { key, version: 1n, body: utf8("x") }))).code).toBe("REQUEST_INVALID");
      }
      await store.putRecord(scope, { key: "k".repeat(512), version: 1n, body: utf8("x") });
      expect((await codedErrorOf(store.putRecord(scope, { key: "k/1", version: 0n, body: utf8("x") }))).code).toBe(
        "REQUEST_INVALID",
      );
    });

    it("counts what it holds", async () => {
      await store.put(scope, [a, b]);
      const nodes = await store.status();
      expect(nodes.length).toBeGreaterThan(0);
      expect(nodes.reduce((sum, node) => sum + node.blocks, 0)).toBeGreaterThanOrEqual(2);
      expect(nodes.reduce((sum, node) => sum + node.storedBytes, 0)).toBeGreaterThanOrEqual(a.body.length + b.body.length);
      for (const node of nodes) expect(node.nodeId).toMatch(/^[0-9a-f]{32}$/);
    });

    if (features.reopens) {
      it("keeps everything over a reopening", async () => {
        const { reopen } = opened;
        assert(reopen, "a suite that reopens needs `reopen`");
        await store.put(scope, [a, b]);
        await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
        await store.putRecord(scope, { key: "session/2", version: 1n, body: utf8("two") });
        await store.deleteRecord(scope, "session/2", 2n);
        store = await reopen();
        expect((await store.get(TEST_REPOSITORY, [a.id, b.id])).map(plain)).toEqual([plain(a), plain(b)]);
        expect((await store.listRecords(TEST_REPOSITORY, "")).map((record) => record.key)).toEqual(["session/1"]);
        expect((await codedErrorOf(store.putRecord(scope, { key: "session/2", version: 2n, body: utf8("x") }))).code).toBe(
          "RECORD_CONFLICT",
        );
      });
    }

    if (features.damages) {
      it("never returns a damaged body, then answers the block missing, and takes it again", async () => {
        const { damage } = opened;
        assert(damage, "a suite that damages needs `damage`");
        await store.put(scope, [a, b]);
        await damage(TEST_REPOSITORY, a.id);
        const error = await codedErrorOf(store.get(TEST_REPOSITORY, [a.id]));
        expect([error.code, error.retry]).toEqual(["BLOCK_CORRUPT", "elsewhere"]);
        expect(error.facts.block).toBe(toHex(a.id));
        expect(await store.reserve(scope, [a.id, b.id])).toEqual([false, true]);
        expect(await store.confirm(scope, [a.id, b.id])).toEqual([false, true]);
        await store.put(scope, [a]);
        expect(await store.confirm(scope, [a.id])).toEqual([true]);
        expect(plain((await store.get(TEST_REPOSITORY, [a.id]))[0])).toEqual(plain(a));
      });
    }
  });
}

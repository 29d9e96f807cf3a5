import { deriveRepositoryKeys } from "@permafrost/crypto";
import { encodeInnerPage, encodeLeafPage } from "@permafrost/format";
import type { StreamRoot } from "@permafrost/model";
import { CodedError, fromHex, systemRandom } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { BLOCK, extentsOf, failure, MIB, makeWorld, noise, type World } from "../testing/world.ts";
import { checkStream } from "./check.ts";
import type { Repository } from "./contract.ts";
import { PageReader } from "./page-reader.ts";
import { Sealing } from "./sealing.ts";

let world: World;
let store: World["store"];
let repository: Repository;

beforeEach(async () => {
  world = await makeWorld();
  ({ store, repository } = world);
});

describe("damage", () => {
  const blockAt = async (root: StreamRoot, offset: number) => {
    const extent = (await extentsOf(repository, root)).find((e) => e.offset === offset);
    if (extent?.kind !== "block") throw new Error("no block there");
    return extent.id;
  };

  it("is an error with its place, never other bytes", async () => {
    const data = noise(3 * MIB, 1);
    const { root } = await world.write(data);
    store.damage(await blockAt(root, 5 * BLOCK));
    expect(await failure(world.read(root))).toMatchObject({ code: "BLOCK_CORRUPT", facts: { offset: 5 * BLOCK, length: BLOCK } });
    expect((await world.read(root, { start: 6 * BLOCK })).equals(data.subarray(6 * BLOCK))).toBe(true);
    store.drop(await blockAt(root, 7 * BLOCK));
    const missing = await failure(world.read(root, { start: 6 * BLOCK }));
    expect(missing).toMatchObject({ code: "BLOCK_MISSING", facts: { offset: 7 * BLOCK, length: BLOCK } });
    expect(missing.hint).toBeTruthy();
  });

  it("is found in pages", async () => {
    const { root } = await world.write(noise(65 * MIB, 1));
    store.drop(fromHex(root.id));
    expect(await failure(world.read(root))).toMatchObject({
      code: "BLOCK_MISSING",
      facts: { offset: 0, length: 65 * MIB, kind: "page" },
    });
  });

  it("is found when a store swaps two blocks", async () => {
    const { root } = await world.write(noise(4 * BLOCK, 1));
    const [a, b] = [await blockAt(root, 0), await blockAt(root, BLOCK)];
    const get = store.get.bind(store);
    store.get = async (id, ids) => {
      const blocks = await get(id, ids);
      const at = (x: Uint8Array) => ids.findIndex((y) => Buffer.compare(x, y) === 0);
      if (at(a) < 0 || at(b) < 0) return blocks;
      const swapped = [...blocks];
      swapped[at(a)] = blocks[at(b)];
      swapped[at(b)] = blocks[at(a)];
      return swapped;
    };
    expect(await failure(world.read(root))).toMatchObject({ code: "BLOCK_CORRUPT", facts: { offset: 0, found: "SEAL_BROKEN" } });
  });

  it("is found when a root does not fit what it names", async () => {
    const { root } = await world.write(noise(4 * BLOCK, 1));
    const wrong = async (change: Partial<StreamRoot>) =>
      expect(await failure(world.read({ ...root, ...change }))).toMatchObject({ code: "BLOCK_CORRUPT" });
    await wrong({ sizeBytes: 4 * BLOCK + 1 });
    await wrong({ chunking: "content" });
    await wrong({ form: "block" });
    const { root: block } = await world.write(noise(100, 1));
    expect(await failure(world.read({ ...block, sizeBytes: 99 }))).toMatchObject({
      code: "BLOCK_CORRUPT",
      facts: { offset: 0, length: 99 },
    });
    expect(await failure(world.read({ ...block, form: "tree" }))).toMatchObject({
      code: "BLOCK_CORRUPT",
      facts: { kind: "page" },
    });
  });

  it("is found when an authentic page is in the wrong place", async () => {
    const sealing = new Sealing(repository.id, deriveRepositoryKeys(new Uint8Array(32), repository.id), "blake3", systemRandom);
    const pages = new PageReader(store, repository.id, sealing);
    const put = async (page: Buffer) => {
      const id = sealing.id("page", page);
      await store.put(world.scope(), [sealing.sealBlock(id, page)]);
      return id;
    };
    const leaf = encodeLeafPage("fixed", BLOCK, [{ kind: "zero", length: 10 }]);
    const leafId = await put(leaf);
    const walk = async (page: Buffer, sizeBytes: number) => {
      const leaves = [];
      const id = Buffer.from(await put(page)).toString("hex");
      for await (const leaf of pages.leaves({ form: "tree", id, sizeBytes, chunking: "fixed" })) leaves.push(leaf);
      return leaves;
    };
    expect(await walk(encodeInnerPage(1, "fixed", BLOCK, [{ id: leafId, length: 10 }]), 10)).toMatchObject([
      { offset: 0, page: { level: 0 } },
    ]);
    const skipped = await walk(encodeInnerPage(2, "fixed", BLOCK, [{ id: leafId, length: 10 }]), 10);
    expect(skipped).toMatchObject([{ damage: { code: "BLOCK_CORRUPT", message: expect.stringContaining("another level") } }]);
    const stretched = await walk(encodeInnerPage(1, "fixed", BLOCK, [{ id: leafId, length: 11 }]), 11);
    expect(stretched).toMatchObject([{ damage: { code: "BLOCK_CORRUPT", message: expect.stringContaining("other bytes") } }]);
    const nonsense = await walk(Buffer.from("PFM1 nonsense in a page that is authentic"), 10);
    expect(nonsense).toMatchObject([{ damage: { code: "BLOCK_CORRUPT", facts: { found: "MANIFEST_BROKEN" } } }]);
  });

  it("does not hide an error of the store itself", async () => {
    const { root } = await world.write(noise(4 * BLOCK, 1));
    const error = new CodedError("UNAVAILABLE", "no node answers", { retry: "later" });
    store.failNext(error, 1, "get");
    await expect(world.read(root)).rejects.toBe(error);
  });

  it("is listed by a check, which goes on past it", async () => {
    const { root } = await world.write(noise(130 * MIB, 1));
    expect(await checkStream(repository, root, { readData: false })).toEqual({ blocks: 2080, bytes: 130 * MIB, damaged: [] });
    expect(await checkStream(repository, root, { readData: true })).toEqual({ blocks: 2080, bytes: 130 * MIB, damaged: [] });
    store.drop(await blockAt(root, 3 * BLOCK));
    store.damage(await blockAt(root, 9 * BLOCK));
    const presence = await checkStream(repository, root, { readData: false });
    expect(presence.damaged).toMatchObject([{ code: "BLOCK_MISSING", facts: { offset: 3 * BLOCK, length: BLOCK } }]);
    const full = await checkStream(repository, root, { readData: true, scope: world.scope("check-1") });
    expect(full.damaged).toMatchObject([
      { code: "BLOCK_MISSING", facts: { offset: 3 * BLOCK } },
      { code: "BLOCK_CORRUPT", facts: { offset: 9 * BLOCK } },
    ]);
    const page = (await store.get(repository.id, [fromHex(root.id)]))[0];
    expect(page).toBeDefined();
    store.damage(fromHex(root.id));
    const headless = await checkStream(repository, root, { readData: false });
    expect(headless).toMatchObject({
      blocks: 0,
      damaged: [{ code: "BLOCK_CORRUPT", facts: { offset: 0, length: 130 * MIB, kind: "page" } }],
    });
  });

  it("checks streams without pages", async () => {
    const { root } = await world.write(noise(100, 1));
    expect(await checkStream(repository, root, { readData: true })).toEqual({ blocks: 1, bytes: 100, damaged: [] });
    const { root: empty } = await world.write(new Uint8Array(0));
    expect(await checkStream(repository, empty, { readData: true })).toEqual({ blocks: 0, bytes: 0, damaged: [] });
  });

  it("lists so many and counts the rest", async () => {
    const { root } = await world.write(noise(70 * MIB, 1));
    for (const extent of await extentsOf(repository, root)) if (extent.kind === "block") store.drop(extent.id);
    const { damaged, blocks } = await checkStream(repository, root, { readData: false });
    expect(blocks).toBe(1120);
    expect(damaged).toHaveLength(1001);
    expect(damaged.at(-1)?.facts).toEqual({ blocks: 120 });
  });

  it("ends a check that is aborted", async () => {
    const { root } = await world.write(noise(MIB, 1));
    await expect(checkStream(repository, root, { readData: true, signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow(
      "stop",
    );
  });
});

/** A stream from one repository into another: exact bytes under other keys, and nothing transferred that an earlier copy has. */

import type { BlockStore } from "@permafrost/blocks";
import type { StreamRoot } from "@permafrost/model";
import { fromHex, toHex } from "@permafrost/std";
import { expect, it } from "vitest";
import { BLOCK, extentsOf, failure, KEY_FILE, MIB, makeWorld, noise, readAll, type World } from "../testing/world.ts";
import type { Repository } from "./contract.ts";
import type { CopiedStream } from "./copied-blocks.ts";
import { initRepository, openRepository } from "./open.ts";

/** The source's repository, over a store that counts the bodies it gives. */
async function counted(world: World): Promise<{ repository: Repository; ids: string[] }> {
  const ids: string[] = [];
  const store = new Proxy(world.store as BlockStore, {
    get(target, name, receiver) {
      if (name !== "get") return Reflect.get(target, name, receiver);
      return (repositoryId: string, wanted: Uint8Array[]) => {
        ids.push(...wanted.map(toHex));
        return target.get(repositoryId, wanted);
      };
    },
  });
  return { repository: await openRepository(store, world.repository.id, KEY_FILE), ids };
}

async function copy(source: Repository, root: StreamRoot, to: World, parent?: CopiedStream) {
  const writer = to.repository.writer(to.scope());
  const written = await writer.copyStream(source, root, parent === undefined ? {} : { parent });
  await writer.finish();
  return written;
}

const gap = (data: Buffer) => Buffer.concat([data.subarray(0, 3 * BLOCK), Buffer.alloc(40 * BLOCK), data.subarray(3 * BLOCK)]);

it.each([
  ["fixed", 3 * MIB + 17],
  ["content", 3 * MIB + 17],
  ["fixed", 100],
  ["content", 0],
] as const)("copies a %s stream of %i bytes exactly, under its own keys, with the source's cuts", async (chunking, size) => {
  const [near, far] = [await makeWorld(), await makeWorld("hmac-sha256")];
  const data = size > BLOCK ? gap(noise(size, 1)) : noise(size, 1).subarray(0, size);
  const { root } = await near.write(data, { chunking });
  const made = await copy(near.repository, root, far);
  expect((await far.read(made.root)).equals(data)).toBe(true);
  const cuts = async (world: World, of: StreamRoot) =>
    (await extentsOf(world.repository, of)).map(({ kind, offset, length }) => [kind, offset, length]);
  expect(await cuts(far, made.root)).toEqual(await cuts(near, root));
  if (size === 0) return;
  expect(made.root.id).not.toBe(root.id);
  expect(made.stats).toMatchObject({ logicalBytes: data.length, readBytes: data.length - made.stats.zeroBytes });
});

it.each([
  ["fixed", "unmoved"],
  ["content", "moved on"],
  ["content", "moved back"],
] as const)("transfers of a later %s stream, %s, only what is new", async (chunking, moved) => {
  const [near, far] = [await makeWorld(), await makeWorld()];
  const data = gap(noise(6 * MIB, 2));
  const changed = Buffer.from(data);
  noise(BLOCK, 3).copy(changed, 50 * BLOCK);
  const next = {
    unmoved: changed,
    "moved on": Buffer.concat([noise(1_500_000, 4), changed]),
    "moved back": changed.subarray(1_500_000),
  }[moved];
  const first = await near.write(data, { chunking });
  const second = await near.write(next, { chunking, parent: first.root });
  const { repository: source, ids } = await counted(near);
  const parent = { source: first.root, copy: (await copy(source, first.root, far)).root };
  const before = new Set((await extentsOf(source, first.root)).flatMap((e) => (e.kind === "block" ? [toHex(e.id)] : [])));
  ids.length = 0;
  const made = await copy(source, second.root, far, parent);
  expect((await far.read(made.root)).equals(next)).toBe(true);
  expect(ids.filter((id) => before.has(id))).toEqual([]);
  expect(made.stats.readBytes).toBeGreaterThan(0);
  expect(made.stats.readBytes).toBeLessThan(moved === "unmoved" ? 2 * BLOCK : 3 * MIB);
  expect(made.stats.newBytes).toBe(made.stats.readBytes);

  ids.length = 0;
  const again = await copy(source, second.root, far, { source: second.root, copy: made.root });
  expect(again).toMatchObject({ root: made.root, stats: { readBytes: 0, logicalBytes: next.length } });
  expect(ids).toEqual([]);
});

it("copies all again when the source has the earlier manifest no more, or it is of other bytes", async () => {
  const [near, far] = [await makeWorld(), await makeWorld()];
  const data = noise(2 * MIB, 5);
  const first = await near.write(data);
  const earlier = await copy(near.repository, first.root, far);
  const second = await near.write(Buffer.concat([data, noise(BLOCK, 6)]));
  const gone = { ...first.root, id: toHex(noise(32, 7)) };
  for (const parent of [
    { source: gone, copy: earlier.root },
    { source: first.root, copy: { ...earlier.root, sizeBytes: 5 } },
  ]) {
    const made = await copy(near.repository, second.root, far, parent);
    expect(made.stats).toMatchObject({ readBytes: 2 * MIB + BLOCK, parentBlocks: 0 });
    expect((await far.read(made.root)).equals(Buffer.concat([data, noise(BLOCK, 6)]))).toBe(true);
  }
});

it("names the place of what the source has lost, and makes nothing of it", async () => {
  const [near, far] = [await makeWorld(), await makeWorld()];
  const { root } = await near.write(noise(2 * MIB, 9));
  const lost = (await extentsOf(near.repository, root))[5];
  if (lost?.kind !== "block") throw new Error("not a block");
  const store = new Proxy(near.store as BlockStore, {
    get(target, name, receiver) {
      if (name !== "get") return Reflect.get(target, name, receiver);
      return async (id: string, wanted: Uint8Array[]) =>
        (await target.get(id, wanted)).map((block, at) =>
          toHex(wanted[at] as Uint8Array) === toHex(lost.id) ? undefined : block,
        );
    },
  });
  const source = await openRepository(store, near.repository.id, KEY_FILE);
  expect(await failure(copy(source, root, far))).toMatchObject({
    code: "BLOCK_MISSING",
    facts: { offset: 5 * BLOCK, length: BLOCK, id: toHex(lost.id) },
  });
});

it("stops when it is told to", async () => {
  const [near, far] = [await makeWorld(), await makeWorld()];
  const { root } = await near.write(noise(2 * MIB, 10));
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  const writer = far.repository.writer(far.scope());
  await expect(writer.copyStream(near.repository, root, { signal: stop.signal })).rejects.toThrow("enough");
});

it("copies within one store from one repository to another", async () => {
  const near = await makeWorld();
  const { root } = await near.write(noise(MIB, 11));
  const { repository } = await initRepository(near.store, { name: "second", secret: KEY_FILE });
  const writer = repository.writer({ ...near.scope(), repositoryId: repository.id });
  const made = await writer.copyStream(near.repository, root, {});
  await writer.finish();
  expect((await readAll(repository.reader().readStream(made.root))).equals(noise(MIB, 11))).toBe(true);
  expect(fromHex(made.root.id)).toHaveLength(32);
});

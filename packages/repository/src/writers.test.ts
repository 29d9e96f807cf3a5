import type { StreamRoot } from "@permafrost/model";
import { CodedError, fromHex } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { BLOCK, chunks, failure, KEY_FILE, MIB, makeWorld, noise, type World } from "../testing/world.ts";
import type { Repository } from "./contract.ts";
import { initRepository } from "./open.ts";

let world: World;
let store: World["store"];
let repository: Repository;

beforeEach(async () => {
  world = await makeWorld();
  ({ store, repository } = world);
});

describe("writers", () => {
  it("work side by side", async () => {
    const streams = [1, 2, 3, 4, 5, 6].map((seed) => Buffer.concat([noise(2 * MIB, 0), noise(3 * MIB + seed, seed)]));
    const writers = [repository.writer(world.scope("s1")), repository.writer(world.scope("s2"))];
    const written = await Promise.all(
      streams.map((data, i) => writers[i % 2]?.writeStream(chunks(data), { chunking: i % 3 ? "fixed" : "content" })),
    );
    await Promise.all(writers.map((writer) => writer.finish()));
    for (const [i, data] of streams.entries()) expect((await world.read(written[i]?.root as StreamRoot)).equals(data)).toBe(true);
  });

  it("hold a bounded number of bytes while the store is slow", async () => {
    const seen = { held: 0, max: 0 };
    const slow = Object.create(store) as typeof store;
    slow.put = async (s, blocks) => {
      seen.held += blocks.length;
      seen.max = Math.max(seen.max, seen.held);
      await new Promise((resolve) => setImmediate(resolve));
      await store.put(s, blocks);
      seen.held -= blocks.length;
    };
    let produced = 0;
    let durable = 0;
    let ahead = 0;
    slow.reserve = async (s, ids) => {
      await new Promise((resolve) => setImmediate(resolve));
      durable = store.received.bytes;
      ahead = Math.max(ahead, produced - durable);
      return store.reserve(s, ids);
    };
    const slowRepository = (await initRepository(slow, { name: "slow", secret: KEY_FILE })).repository;
    const writer = slowRepository.writer({ ...world.scope(), repositoryId: slowRepository.id });
    const source = async function* () {
      for (let i = 0; i < 200; i++) {
        produced += MIB;
        yield noise(MIB, i);
      }
    };
    const { stats } = await writer.writeStream(source(), { chunking: "fixed" });
    await writer.finish();
    expect(stats.newBlocks).toBe(200 * 16);
    expect(ahead).toBeLessThan(64 * MIB);
    expect(seen.max).toBeLessThan(6 * 16);
  });

  it("take a great many tiny streams without waiting for ever", async () => {
    const writer = repository.writer(world.scope());
    const texts = Array.from({ length: 12_000 }, (_, i) => Buffer.from(`object ${i}`));
    const written = await Promise.all(texts.map((text) => writer.writeStream(chunks(text, 64), { chunking: "content" })));
    await writer.finish();
    expect((await world.read(written[7777]?.root as StreamRoot)).toString()).toBe("object 7777");
    expect(store.calls.reserve).toBeLessThan(100);
  });

  it("throw the error of a source as it is, and go on with other streams", async () => {
    const writer = repository.writer(world.scope());
    const broken = new Error("the cloud hung up");
    const source = async function* () {
      yield noise(MIB, 1);
      throw broken;
    };
    await expect(writer.writeStream(source(), { chunking: "fixed" })).rejects.toBe(broken);
    const { root } = await writer.writeStream(chunks(noise(2 * MIB, 1)), { chunking: "fixed" });
    await writer.finish();
    expect((await world.read(root)).equals(noise(2 * MIB, 1))).toBe(true);
  });

  it("end a stream when it is aborted, even if the source hangs", async () => {
    const writer = repository.writer(world.scope());
    const abort = new AbortController();
    const reason = new Error("enough");
    const source = async function* () {
      yield noise(MIB, 1);
      queueMicrotask(() => abort.abort(reason));
      await new Promise(() => {});
    };
    await expect(writer.writeStream(source(), { chunking: "fixed", signal: abort.signal })).rejects.toBe(reason);
    await expect(writer.writeStream(source(), { chunking: "fixed", signal: abort.signal })).rejects.toBe(reason);
    await writer.finish();
  });

  it("report progress and close the source", async () => {
    const progress: number[] = [];
    let isClosed = false;
    const source = async function* () {
      try {
        yield noise(100, 1);
        yield noise(50, 2);
      } finally {
        isClosed = true;
      }
    };
    await repository
      .writer(world.scope())
      .writeStream(source(), { chunking: "fixed", onProgress: (bytes) => progress.push(bytes) });
    expect(progress).toEqual([100, 50]);
    expect(isClosed).toBe(true);
  });

  it.each(["reserve", "put", "confirm"] as const)("never finish after a failed %s", async (method) => {
    const writer = repository.writer(world.scope());
    const error = new CodedError("STORE_FULL", "no room");
    store.failNext(error, 1, method);
    const run = async () => {
      await writer.writeStream(chunks(noise(MIB, 1)), { chunking: "fixed" });
      await writer.finish();
    };
    await expect(run()).rejects.toBe(error);
    await expect(writer.finish()).rejects.toBe(error);
    if (method !== "confirm") await expect(run()).rejects.toBe(error);
  });

  it("say NOT_DURABLE when a block is gone at the barrier", async () => {
    const writer = repository.writer(world.scope());
    const { root } = await writer.writeStream(chunks(noise(BLOCK, 1)), { chunking: "fixed" });
    const confirm = store.confirm.bind(store);
    store.confirm = async (s, ids) => {
      store.drop(fromHex(root.id));
      return confirm(s, ids);
    };
    const error = await failure(writer.finish());
    expect(error).toMatchObject({ code: "NOT_DURABLE", facts: { blocks: 1, id: root.id } });
    expect((await failure(writer.finish())).code).toBe("NOT_DURABLE");
  });

  it("say NOT_DURABLE when a block that was reserved is gone at the barrier", async () => {
    const { root } = await world.write(noise(BLOCK, 1));
    const writer = repository.writer(world.scope());
    expect((await writer.writeStream(chunks(noise(BLOCK, 1)), { chunking: "fixed" })).stats.reservedBlocks).toBe(1);
    store.drop(fromHex(root.id));
    expect((await failure(writer.finish())).code).toBe("NOT_DURABLE");
  });

  it("refuse the scope of another repository", () => {
    expect(() => repository.writer({ ...world.scope(), repositoryId: "0".repeat(32) })).toThrow(/another|is used with/);
  });
});

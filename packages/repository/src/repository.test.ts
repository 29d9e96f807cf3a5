import { createHash } from "node:crypto";
import { memoryBlockStore } from "@permafrost/blocks";
import type { StreamRoot } from "@permafrost/model";
import { CodedError, fromHex } from "@permafrost/std";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type InitializedRepository, initRepository, openRepository } from "./open.ts";

const KEY_FILE = { kind: "key", value: Buffer.alloc(32, 5).toString("base64") } as const;
const BLOCK = 65536;
const MIB = 1024 * 1024;

function noise(length: number, seed: number): Buffer {
  return createHash("shake256", { outputLength: Math.max(length, 1) }).update(`noise ${seed}`).digest().subarray(0, length);
}

async function* chunks(data: Uint8Array, sizeBytes = 256 * 1024): AsyncGenerator<Uint8Array> {
  // One buffer for all chunks, as a network reader has it: who keeps bytes must have copied them.
  const buffer = new Uint8Array(sizeBytes);
  for (let at = 0; at < data.length; at += sizeBytes) {
    const part = data.subarray(at, at + sizeBytes);
    buffer.set(part);
    yield buffer.subarray(0, part.length);
    buffer.fill(0xee);
  }
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

function setup() {
  const store = memoryBlockStore();
  let opened: InitializedRepository;
  beforeAll(async () => {
    opened = await initRepository(store, { name: "test", secret: KEY_FILE });
  });
  const scope = (sessionId = "s1") => ({ repositoryId: opened.repository.id, sessionId, taskId: "t1", fence: 1n });
  return {
    store,
    scope,
    get repository() {
      return opened.repository;
    },
    async write(data: Uint8Array, chunking: "fixed" | "content" = "fixed", parent?: StreamRoot, sliceBytes?: number) {
      const writer = opened.repository.writer(scope());
      const written = await writer.writeStream(chunks(data, sliceBytes), { chunking, ...(parent ? { parent } : {}) });
      await writer.finish();
      return written;
    },
    read: (root: StreamRoot, start?: number, end?: number) =>
      readAll(
        opened.repository.reader().readStream(root, { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }),
      ),
  };
}

describe("a stream", () => {
  const world = setup();

  it.each(["fixed", "content"] as const)("comes back bit by bit, whatever its size (%s)", async (chunking) => {
    const sizes = fc.oneof(fc.constantFrom(0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK), fc.nat(12 * BLOCK));
    const zeroSpan = fc.record({ at: fc.nat(10 * BLOCK), length: fc.nat(4 * BLOCK) });
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(1000), zeroSpan, fc.integer({ min: 1, max: 200_000 }), async (size, seed, zeros, slice) => {
        const data = noise(size, seed);
        data.subarray(zeros.at, zeros.at + zeros.length).fill(0);
        const { root, stats } = await world.write(data, chunking, undefined, Math.max(slice, size >> 6));
        expect(root.sizeBytes).toBe(size);
        expect(stats.logicalBytes).toBe(size);
        expect((await world.read(root)).equals(data)).toBe(true);
        const start = Math.floor(size / 3);
        const end = Math.floor((size * 2) / 3);
        expect((await world.read(root, start, end)).equals(data.subarray(start, end))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

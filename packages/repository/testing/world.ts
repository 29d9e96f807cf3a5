/** What the tests of this package share: a repository over a memory store, data from a seed, and short forms. */

import { createHash } from "node:crypto";
import { type MemoryBlockStore, memoryBlockStore } from "@permafrost/blocks";
import type { StreamRoot } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import type { Extent, Repository, Written } from "../src/contract.ts";
import { initRepository } from "../src/open.ts";

export const KEY_FILE = { kind: "key", value: Buffer.alloc(32, 5).toString("base64") } as const;
export const BLOCK = 65536;
export const MIB = 1024 * 1024;

export function noise(length: number, seed: number): Buffer {
  return createHash("shake256", { outputLength: Math.max(length, 1) })
    .update(`noise ${seed}`)
    .digest()
    .subarray(0, length);
}

export async function* chunks(data: Uint8Array, sizeBytes = 256 * 1024): AsyncGenerator<Uint8Array> {
  // One buffer for all chunks, as a network reader has it: who keeps bytes must have copied them.
  const buffer = new Uint8Array(sizeBytes);
  for (let at = 0; at < data.length; at += sizeBytes) {
    const part = data.subarray(at, at + sizeBytes);
    buffer.set(part);
    yield buffer.subarray(0, part.length);
    buffer.fill(0xee);
  }
}

export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

export async function extentsOf(repository: Repository, root: StreamRoot): Promise<Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of repository.reader().extents(root)) extents.push(extent);
  return extents;
}

export async function failure(work: Promise<unknown>): Promise<CodedError> {
  return CodedError.from(
    await work.then(
      () => new Error("it did not fail"),
      (error: unknown) => error,
    ),
  );
}

export interface World {
  readonly store: MemoryBlockStore;
  readonly repository: Repository;
  scope(sessionId?: string): { repositoryId: string; sessionId: string; taskId: string; fence: bigint };
  /** Writes with a writer of its own, and finishes it. */
  write(
    data: Uint8Array,
    options?: { chunking?: "fixed" | "content"; parent?: StreamRoot; sliceBytes?: number },
  ): Promise<Written>;
  read(root: StreamRoot, range?: { start?: number; end?: number }): Promise<Buffer>;
}

export async function makeWorld(hash: "blake3" | "hmac-sha256" = "blake3"): Promise<World> {
  const store = memoryBlockStore();
  const { repository } = await initRepository(store, { name: "test", secret: KEY_FILE, hash });
  const scope = (sessionId = "s1") => ({ repositoryId: repository.id, sessionId, taskId: "t1", fence: 1n });
  return {
    store,
    repository,
    scope,
    async write(data, { chunking = "fixed", parent, sliceBytes } = {}) {
      const writer = repository.writer(scope());
      const written = await writer.writeStream(chunks(data, sliceBytes), { chunking, ...(parent ? { parent } : {}) });
      await writer.finish();
      return written;
    },
    read: (root, range = {}) => readAll(repository.reader().readStream(root, range)),
  };
}

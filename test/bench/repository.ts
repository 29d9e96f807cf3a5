/**
 * What the repository itself costs, without a network or a disk: MB of source per CPU-second for a first backup, an
 * unchanged one, one with 1 % of the blocks changed, and a read, over the memory store.
 *
 *   node test/bench/repository.ts [MiB]
 *
 * The data is made from a seed: half of it random, half compressible about 2 : 1, in extents of 128 KiB.
 * The memory store hashes and copies what it is sent, which a real store does in another process; that is counted here,
 * except in the first lines, whose store forgets everything.
 */

import { type BlockStore, memoryBlockStore } from "@permafrost/blocks";
import type { StreamRoot } from "@permafrost/model";
import { initRepository, type Repository } from "@permafrost/repository";
import { fillCompressible, fillRandom } from "./content.ts";
import { Xoshiro } from "./xoshiro.ts";

const MIB = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const EXTENT_BYTES = 128 * 1024;
const sizeBytes = Number(process.argv[2] ?? 256) * MIB;

function makeData(): Buffer {
  const random = new Xoshiro("repository bench");
  const data = Buffer.allocUnsafeSlow(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 2 * EXTENT_BYTES) {
    fillRandom(data.subarray(at, at + EXTENT_BYTES), random);
    fillCompressible(data.subarray(at + EXTENT_BYTES, at + 2 * EXTENT_BYTES), random);
  }
  return data;
}

async function* source(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += CHUNK_BYTES) yield data.subarray(at, at + CHUNK_BYTES);
}

const SECRET = { kind: "key", value: Buffer.alloc(32, 7).toString("base64") } as const;
const { repository } = await initRepository(memoryBlockStore(), { name: "bench", secret: SECRET });
const forgetful: BlockStore = {
  ...memoryBlockStore(),
  reserve: async (_, ids) => ids.map(() => false),
  put: async () => {},
  confirm: async (_, ids) => ids.map(() => true),
};
const { repository: nowhere } = await initRepository(forgetful, { name: "nowhere", secret: SECRET });

async function measure<T>(name: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = (user + system) / 1e6;
  const wallSeconds = (performance.now() - started) / 1000;
  const rate = sizeBytes / 1e6 / cpuSeconds;
  const rss = process.memoryUsage().rss / MIB;
  console.log(
    `${name.padEnd(22)} ${rate.toFixed(0).padStart(6)} MB/CPU-s  ${cpuSeconds.toFixed(2)} s CPU  ${wallSeconds.toFixed(2)} s  rss ${rss.toFixed(0)} MiB`,
  );
  return result;
}

async function backup(name: string, data: Buffer, parent?: StreamRoot, into: Repository = repository): Promise<StreamRoot> {
  const { root, stats } = await measure(name, async () => {
    const writer = into.writer({ repositoryId: into.id, sessionId: name, taskId: "bench", fence: 1n });
    const written = await writer.writeStream(source(data), { chunking: "fixed", ...(parent ? { parent } : {}) });
    await writer.finish();
    return written;
  });
  console.log(`  ${stats.newBlocks} new blocks, ${(stats.storedBytes / MIB).toFixed(1)} MiB stored`);
  return root;
}

async function restore(name: string, root: StreamRoot): Promise<void> {
  await measure(name, async () => {
    let bytes = 0;
    for await (const part of repository.reader().readStream(root)) bytes += part.length;
    if (bytes !== sizeBytes) throw new Error(`read ${bytes} bytes`);
  });
}

const data = makeData();
for (const name of ["first, cold, no store", "first, no store"]) await backup(name, data, undefined, nowhere);
const first = await backup("first", data);
await backup("unchanged", data, first);
await backup("unchanged again", data, first);
await backup("unchanged, no parent", data);
for (let i = 0; i < sizeBytes / 65536; i += 100) data[i * 65536 + ((i * 7919) % 65536)] = i & 255;
const next = await backup("1 % changed", data, first);
await restore("read", next);
await restore("read again", next);

/** A process to be killed: puts blocks and a record without end into the directory it is given, and prints each acknowledgement. */

import { testBlock, testScope } from "@permafrost/blocks/testing";
import { utf8 } from "@permafrost/std";
import { openStorage } from "../src/index.ts";

const [directory, round] = process.argv.slice(2);
if (directory === undefined || round === undefined) throw new Error("usage: put-and-print DIRECTORY ROUND");
const store = await openStorage({ directory, packBytesMax: 256 * 1024, keepFreeBytes: 0, commitWindowMs: 1 });
const scope = testScope();

async function putEndlessly(writer: number): Promise<void> {
  for (let n = 0; ; n++) {
    const seeds = [0, 1, 2].map((i) => `${round}-${writer}-${n}-${i}`);
    await store.put(
      scope,
      seeds.map((seed, i) => testBlock(seed, 300 + 1700 * i)),
    );
    for (const seed of seeds) process.stdout.write(`block ${seed}\n`);
    if (writer > 0) continue;
    const version = BigInt(round ?? 0) * 1_000_000n + BigInt(n) + 1n;
    await store.putRecord(scope, { key: "session/1", version, body: utf8(String(version)) });
    process.stdout.write(`record ${version}\n`);
  }
}

await Promise.all([0, 1, 2].map(putEndlessly));

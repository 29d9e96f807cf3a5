/**
 * Whether a real object store keeps what packs need of it, and how fast: `npm run bucket -- storage-node.yaml [MIB]`.
 *
 * Takes `packs` of a storage node's configuration file, and works below a prefix of its own in that bucket, which it empties at the end. It
 * checks the bucket's promises, fills a gateway (64 MiB unless said), forgets it, takes over with an empty directory and reads
 * everything back; the forgotten one must then store nothing.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { type ObjectBucket, prefixedBucket } from "@permafrost/packs";
import { loadConfig, readEnvironment } from "@permafrost/runtime";
import { openBucket, storageNodeConfig } from "@permafrost/service-storage-node";
import { assert, CodedError, equalBytes, randomId, utf8 } from "@permafrost/std";
import { openStorage } from "@permafrost/storage";

const BLOCK_BYTES = 64 * 1024;
const BLOCKS_PER_PUT = 64;
const LISTED_WITHIN_LOOKS = 60;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function timed<T>(what: string, bytes: number, work: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const result = await work();
  const seconds = (performance.now() - from) / 1000;
  say(`${what}: ${seconds.toFixed(2)} s${bytes > 0 ? `, ${(bytes / 2 ** 20 / seconds).toFixed(1)} MiB/s` : ""}`);
  return result;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "it succeeded",
    (error: unknown) => CodedError.from(error).code,
  );
}

async function keysOf(bucket: ObjectBucket, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(bucket.list(prefix))).map(({ key }) => key);
}

async function checkPromises(bucket: ObjectBucket): Promise<void> {
  await bucket.put("check/a", utf8("0123456789"));
  assert((await bucket.get("check/a", 3, 4)).toString() === "3456", "a range is read");
  assert((await bucket.sizeBytes("check/a")) === 10, "the size is known");
  assert((await bucket.sizeBytes("check/none")) === undefined, "what is not there has no size");
  assert((await codeOf(bucket.get("check/none", 0, 1))) === "PACK_MISSING", "what is not there is PACK_MISSING");
  assert((await codeOf(bucket.get("check/a", 5, 9))) === "PACK_IO", "bytes behind the end are PACK_IO");
  assert(await bucket.putNew("check/new", utf8("first")), "a new object is put");
  assert(!(await bucket.putNew("check/new", utf8("second"))), "If-None-Match: * is honoured");
  assert((await bucket.get("check/new", 0, 5)).toString() === "first", "the first object stays");
  await bucket.put("check/empty", new Uint8Array(0));
  assert((await bucket.sizeBytes("check/empty")) === 0, "an empty object has 0 bytes");
  let looks = 1;
  while ((await keysOf(bucket, "check/")).join(" ") !== "check/a check/empty check/new" && looks < LISTED_WITHIN_LOOKS) {
    looks++;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  assert(looks < LISTED_WITHIN_LOOKS, "objects are listed within a minute");
  say(`promises: kept; objects were listed at look ${looks}`);
}

async function checkTakeOver(bucket: ObjectBucket, folder: string, mib: number): Promise<void> {
  const unclosed = { ...bucket, close: async () => undefined };
  const scope = testScope();
  const seeds = Array.from({ length: (mib * 2 ** 20) / BLOCK_BYTES }, (_, i) => `bucket-${i}`);
  const groups = Array.from({ length: Math.ceil(seeds.length / BLOCKS_PER_PUT) }, (_, i) =>
    seeds.slice(i * BLOCKS_PER_PUT, (i + 1) * BLOCKS_PER_PUT),
  );
  const blocksOf = (group: readonly string[]) => group.map((seed) => testBlock(seed, BLOCK_BYTES));
  const open = (name: string, takeOver: boolean) =>
    openStorage({ directory: join(folder, name), keepFreeBytes: 0, objects: { bucket: unclosed, takeOver } });
  const first = await timed("open an empty bucket", 0, () => open("first", false));
  await timed("store", mib * 2 ** 20, () => Promise.all(groups.map((group) => first.put(scope, blocksOf(group)))));
  assert((await codeOf(open("second", false))) === "STORE_OWNED", "a second gateway is refused");
  const second = await timed("take over with an empty directory", 0, () => open("second", true));
  assert((await codeOf(first.put(scope, [testBlock("late")]))) === "STORE_READ_ONLY", "the first one stores nothing any more");
  await timed("read back", mib * 2 ** 20, async () => {
    for (const group of groups) {
      const blocks = blocksOf(group);
      const got = await second.get(
        TEST_REPOSITORY,
        blocks.map(({ id }) => id),
      );
      for (const [i, block] of blocks.entries()) assert(equalBytes(got[i]?.body ?? utf8(""), block.body), "a block comes back");
    }
  });
  for await (const finding of second.scrub()) throw new Error(`the scrub found: ${finding.message}`);
  await second.close();
  await first.close();
}

const [file, mib = "64"] = process.argv.slice(2);
if (file === undefined) throw new CodedError("USAGE", "bucket.ts STORAGE-NODE.YAML [MIB]");
const config = loadConfig(storageNodeConfig, file, { env: readEnvironment(), envPrefix: "PERMAFROST_STORAGE_NODE_" });
const whole = await openBucket(config.packs);
if (whole === undefined) throw new CodedError("USAGE", `${file} keeps its packs on disk`);
const bucket = prefixedBucket(whole, `check-${randomId()}/`);
const folder = await mkdtemp(join(tmpdir(), "permafrost-bucket-"));
try {
  await checkPromises(bucket);
  await checkTakeOver(bucket, folder, Number(mib));
  say("ok");
} finally {
  for (const key of await keysOf(bucket, "")) await bucket.delete(key);
  await whole.close();
  await rm(folder, { recursive: true });
}

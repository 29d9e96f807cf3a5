/** A storage node whose index is lost or damaged: the packs are the backup, and everything reads as before. */

import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { backupStream, ended, initRepository, readStream } from "../harness/session.ts";
import { noise } from "../harness/tenant.ts";

const NODE = "node-1";
const data = noise("a stream", 2_000_000);
let cluster: Cluster;
let index: string;

async function* bytes(): AsyncIterable<Uint8Array> {
  for (let at = 0; at < data.length; at += 100_000) yield data.subarray(at, at + 100_000);
}

beforeAll(async () => {
  cluster = await Cluster.start();
  index = join(cluster.nodeDirectory(1), "index");
  await initRepository(cluster);
  expect(await backupStream(cluster, "dump", bytes())).toMatchObject({ state: "succeeded" });
}, 60_000);

afterAll(() => cluster?.close());

/** The restore point reads, is whole by a check of every byte, and the same bytes again are known. */
async function expectEverything(): Promise<void> {
  expect((await readStream(cluster)).equals(data)).toBe(true);
  const { sessionId } = await cluster.control.sessions.startCheck({ repository: "acme", sessionIds: [], readData: true });
  expect(await ended(cluster, sessionId)).toMatchObject({ state: "succeeded", failed: 0 });
  const again = await backupStream(cluster, "another name", bytes());
  expect(again).toMatchObject({ state: "succeeded", stats: { newBlocks: 0n } });
}

describe("a storage node", () => {
  it("that lost its index makes it anew when it starts", async () => {
    await cluster.kill(NODE);
    await rm(index, { recursive: true });
    await cluster.startRole(NODE);
    await expectEverything();
  }, 60_000);

  it("whose index is garbage makes it anew when it starts", async () => {
    await cluster.kill(NODE);
    for (const name of await readdir(index)) await writeFile(join(index, name), "garbage");
    await cluster.startRole(NODE);
    await expectEverything();
  }, 60_000);

  it("makes it anew when it is told to", async () => {
    await cluster.kill(NODE);
    await cluster.startRole(NODE, "--rebuild-index");
    expect(cluster.log(NODE)).toContain("Making the index anew from the packs");
    await expectEverything();
  }, 60_000);
});

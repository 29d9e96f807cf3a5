/** The thinnest whole path on a real cluster: bytes from a client to packs and back, through every process; and what wiping the bus leaves. */

import { systemRandom } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { backupStream, ended, initRepository, readStream } from "../harness/session.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
  await initRepository(cluster);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
});

const data = Buffer.concat([
  Buffer.from(systemRandom.bytes(3_000_000)),
  Buffer.alloc(5_000_000),
  Buffer.from("end of the stream"),
]);

async function* chunks(bytes: Buffer, size = 100_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe("a stream through a cluster", () => {
  it("comes back byte for byte", async () => {
    const session = await backupStream(cluster, "dump", chunks(data));
    expect(session).toMatchObject({ state: "succeeded", input: "stream", resources: 1, succeeded: 1 });
    expect(Number(session.stats?.logicalBytes)).toBe(data.length);
    expect((await readStream(cluster, session.id)).equals(data)).toBe(true);
  });

  it("is stored once, however often it comes", async () => {
    const session = await backupStream(cluster, "dump", chunks(data, 77_777));
    expect(Number(session.stats?.newBlocks)).toBe(0);
    expect(session.parentId).not.toBe("");
  });

  it("survives the loss of everything the bus knew", async () => {
    const before = (await cluster.control.sessions.listSessions({ repository: "acme", pageSize: 0, pageToken: "" })).sessions.map(
      (s) => s.id,
    );
    await cluster.wipeBus();
    const after = (await cluster.control.sessions.listSessions({ repository: "acme", pageSize: 0, pageToken: "" })).sessions.map(
      (s) => s.id,
    );
    expect(after).toEqual(before);
    expect((await readStream(cluster)).equals(data)).toBe(true);
    const session = await backupStream(cluster, "dump", chunks(data));
    expect(session.state).toBe("succeeded");
  }, 60_000);

  it("is checked, every block of it", async () => {
    const { sessionId } = await cluster.control.sessions.startCheck({ repository: "acme", sessionIds: [], readData: true });
    expect(await ended(cluster, sessionId)).toMatchObject({ state: "succeeded", kind: "check" });
  });

  it("that stops half way fails its session and leaves the last restore point", async () => {
    async function* broken(): AsyncIterable<Uint8Array> {
      yield data.subarray(0, 1_000_000);
      throw new Error("the source broke");
    }
    await expect(backupStream(cluster, "dump", broken())).rejects.toThrow();
    expect((await readStream(cluster)).equals(data)).toBe(true);
  });
});

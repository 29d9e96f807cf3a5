import { memoryBlockStore, replicatedStore } from "@permafrost/blocks";
import { CodedError, fromUtf8, utf8 } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { failure, KEY_FILE } from "../testing/world.ts";
import type { Records, Repository } from "./contract.ts";
import { initRepository } from "./open.ts";

const down = new CodedError("NODE_UNREACHABLE", "connection refused", { retry: "later" });

describe("sealed records over replicas", () => {
  let memories: ReturnType<typeof memoryBlockStore>[];
  let records: Records;
  let repository: Repository;
  let repositoryId: string;

  beforeEach(async () => {
    memories = Array.from({ length: 3 }, () => memoryBlockStore());
    const nodes = memories.map((store, i) => ({ id: `n${i}`, weight: 1, zone: `z${i}`, store }));
    const store = replicatedStore({ nodes, replicas: 3, writeQuorum: 2, suspectMs: 0 });
    ({ repository } = await initRepository(store, { name: "r", secret: KEY_FILE }));
    repositoryId = repository.id;
    records = repository.records({ repositoryId: repository.id, sessionId: "s", taskId: "t", fence: 0n });
  });

  const failPuts = (times: number) => {
    for (const memory of memories.slice(1)) memory.failNext(down, times, "putRecord");
  };
  const bodies = async () => {
    const held = await Promise.all(memories.map((memory) => memory.listRecords(repositoryId, "session/")));
    return new Set(held.map(([one]) => one && Buffer.from(one.body).toString("hex")));
  };

  it("can be repeated after too few replicas took them, and are then the same everywhere", async () => {
    failPuts(1);
    expect((await failure(records.put("session/1", 1n, utf8("one")))).code).toBe("QUORUM_LOST");
    await records.put("session/1", 1n, utf8("one"));
    expect(fromUtf8((await records.get("session/1"))?.value ?? utf8(""))).toBe("one");
    expect((await bodies()).size).toBe(1);
  });

  it("of another process are taken over with the bytes that a replica has", async () => {
    failPuts(3);
    await failure(records.put("session/1", 1n, utf8("one")));
    const other = repository.records({ repositoryId, sessionId: "s", taskId: "u", fence: 0n });
    for (const memory of memories.slice(1)) memory.failNext(down, 5);
    expect((await failure(other.put("session/1", 1n, utf8("one")))).code).toBe("QUORUM_LOST");
    for (const memory of memories) memory.failNext(down, 0);
    await other.put("session/1", 1n, utf8("one"));
    expect((await bodies()).size).toBe(1);
  });

  it("of another value are sealed anew, and find the conflict", async () => {
    failPuts(1);
    await failure(records.put("session/1", 1n, utf8("one")));
    expect((await failure(records.put("session/1", 1n, utf8("two")))).code).toBe("RECORD_CONFLICT");
  });

  it("keep few bodies for a repeat; the rest are sealed anew", async () => {
    const keys = Array.from({ length: 17 }, (_, i) => `session/${i}`);
    for (const memory of memories) memory.failNext(down, 17, "putRecord");
    for (const key of keys) expect((await failure(records.put(key, 1n, utf8(key)))).code).toBe("QUORUM_LOST");
    for (const key of keys) await records.put(key, 1n, utf8(key));
    expect((await records.list("session/")).map(({ key, value }) => key === fromUtf8(value))).toEqual(keys.map(() => true));
  });
});

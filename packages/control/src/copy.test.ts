/** Copies from one site to another, both in memory: exact bytes under other keys, alone restorable, what is there already not sent again. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type BlockStore, type MemoryBlockStore, memoryBlockStore, readOnlyStore } from "@permafrost/blocks";
import { type Bus, memoryBus } from "@permafrost/jobs";
import type { ResourceResult, SessionRecord, StreamRoot } from "@permafrost/model";
import { checkStream, initRepository, type ListingEntry, type Repository, readListing, saveSecret } from "@permafrost/repository";
import { CodedError, fromHex, systemClock, systemRandom, toHex } from "@permafrost/std";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Pieces, PruneWorld } from "../testing/prune-world.ts";
import { ended } from "../testing/two-volumes.ts";
import { Coordinator } from "./coordinator.ts";
import { copyOrigins, startCopy } from "./copies.ts";
import { SessionStore } from "./session-store.ts";
import { Sites } from "./sites.ts";
import { TASK_TABLE } from "./task-entry.ts";

const BLOCK = 65_536;
const NEAR_KEY = { kind: "key", value: Buffer.alloc(32, 7).toString("base64") } as const;
const FAR_KEY = { kind: "key", value: Buffer.alloc(32, 8).toString("base64") } as const;
const ROUTE = { repository: "far", site: "paris", sourceRepository: "world" };

let near: PruneWorld;
let farStore: MemoryBlockStore;
let farRepository: Repository;
let far: Coordinator;
let bus: Bus;
let stop: AbortController;
let leading: Promise<void>;
let folder: string;
/** Ids of all blocks that the near site was asked for. */
let asked: string[];
/** Ids that the near site has lost. */
let lost: Set<string>;
/** Awaited before the near site answers. */
let gate: Promise<unknown>;

beforeEach(async () => {
  near = await PruneWorld.make();
  [asked, lost, gate] = [[], new Set(), Promise.resolve()];
  folder = await mkdtemp(join(tmpdir(), "copy-"));
  farStore = memoryBlockStore();
  farRepository = (await initRepository(farStore, { name: "far", secret: FAR_KEY })).repository;
  await saveSecret(join(folder, "far"), "far", FAR_KEY);
  await saveSecret(join(folder, "paris"), "world", NEAR_KEY);
  bus = memoryBus({ clock: systemClock });
  stop = new AbortController();
  await lead();
});
afterEach(async () => {
  stop.abort(new CodedError("STOPPING", "the test ends"));
  await leading;
  await bus.close();
  await rm(folder, { recursive: true });
});

async function lead(): Promise<void> {
  far = await Coordinator.open({
    ...{ name: "far", bus, store: farStore, keyring: join(folder, "far"), clock: systemClock, random: systemRandom },
    sites: new Sites({ paris: { open: async () => readOnlyStore(watched(near.store)), keyring: join(folder, "paris") } }),
  });
  leading = far.run(stop.signal);
}

function watched(store: BlockStore): BlockStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      if (name !== "get") return Reflect.get(target, name, receiver);
      return async (repositoryId: string, ids: Uint8Array[]) => {
        asked.push(...ids.map(toHex));
        await gate;
        const found = await target.get(repositoryId, ids);
        return found.map((block, at) => (lost.has(toHex(ids[at] as Uint8Array)) ? undefined : block));
      };
    },
  });
}

async function copy(session: string): Promise<SessionRecord> {
  return await ended(far, (await startCopy(far, ROUTE, session)).id);
}

async function resultsOf(repository: Repository, record: SessionRecord): Promise<ResourceResult[]> {
  return await new SessionStore(repository).allResults(record);
}

const bytes = (pieces: Pieces) => Buffer.concat(pieces.map((piece) => Buffer.alloc(BLOCK, `piece ${piece}.`)));
const read = async (repository: Repository, root: StreamRoot) =>
  Buffer.concat(await Array.fromAsync(repository.reader().readStream(root)));

/** Reads it all with the far site's key and store alone. */
async function expectCopy(record: SessionRecord, pieces: Pieces, listed: Pieces): Promise<void> {
  const [result] = await resultsOf(farRepository, record);
  const { data, listing } = (result as ResourceResult).streams as { data: StreamRoot; listing: StreamRoot };
  expect((await read(farRepository, data)).equals(bytes(pieces))).toBe(true);
  const entries = await Array.fromAsync(readListing<ListingEntry>(farRepository.reader(), listing));
  expect(entries.map(({ name }) => name)).toEqual(["object"]);
  expect((await read(farRepository, entries[0]?.content as StreamRoot)).equals(bytes(listed))).toBe(true);
  expect(await farRepository.reader().readDocument(result?.document as StreamRoot)).toEqual({ name: "disk", pieces });
  for (const root of [data, listing, entries[0]?.content as StreamRoot])
    expect((await checkStream(farRepository, root, { readData: true })).damaged).toEqual([]);
}

it("makes a restore point of its own, with its origin noted, and each once", async () => {
  const id = await near.backup("disk", [1, 2, 3, 2], [9]);
  expect((await copyOrigins(far, ROUTE)).map(({ record, copy: made }) => [record.id, made?.id])).toEqual([[id, undefined]]);
  const record = await copy("latest");
  expect(record).toMatchObject({
    kind: "backup",
    state: "succeeded",
    source: { input: "stream", name: "disk" },
    origin: { site: "paris", repositoryId: near.repository.id, repositoryName: "world", sessionId: id },
  });
  await expectCopy(record, [1, 2, 3, 2], [9]);
  expect((await far.restorePoints("far")).map((point) => point.id)).toEqual([record.id]);
  expect((await copyOrigins(far, ROUTE)).map(({ copy: made }) => made?.id)).toEqual([record.id]);
  await expect(startCopy(far, ROUTE, id)).rejects.toMatchObject({ code: "COPY_EXISTS", facts: { copy: record.id } });
});

it("transfers of the next one what is new, without one data block that an earlier copy has, and survives the near site", async () => {
  const first = await near.backup("disk", [1, 2, 3, 4, 5, 6, 7, 8], [20, 21]);
  await copy(first);
  const next = await near.backup("disk", [1, 2, 3, 40, 5, 6, 7, 8], [20, 22]);
  const [before] = await resultsOf(near.repository, (await near.sessions().get(first)) as SessionRecord);
  const reader = near.repository.reader();
  const [entry] = await Array.fromAsync(readListing<ListingEntry>(reader, before?.streams.listing as StreamRoot));
  const old = new Set<string>();
  for (const root of [before?.streams.data, entry?.content] as StreamRoot[])
    for await (const extent of reader.extents(root)) if (extent.kind === "block") old.add(toHex(extent.id));
  asked.length = 0;
  const record = await copy(next);
  expect(old.size).toBe(10);
  expect(asked.filter((id) => old.has(id))).toEqual([]);
  const [result] = await resultsOf(farRepository, record);
  expect(result?.stats).toMatchObject({ parentBlocks: 8 });
  expect(result?.stats.readBytes).toBeLessThan(3 * BLOCK);
  for (const id of asked) lost.add(id);
  for (const memory of near.memories) await memory.close();
  await expectCopy(record, [1, 2, 3, 40, 5, 6, 7, 8], [20, 22]);
});

it("says which resource the other site has lost, copies the rest, and copies again when it is mended", async () => {
  const id = await near.backup("disk", [1, 2, 3], [9]);
  const [result] = await resultsOf(near.repository, (await near.sessions().get(id)) as SessionRecord);
  for await (const extent of near.repository.reader().extents(result?.streams.data as StreamRoot))
    if (extent.kind === "block" && extent.offset === BLOCK) lost.add(toHex(extent.id));
  const record = await copy(id);
  expect(record.state).toBe("failed");
  const [failed] = (await far.view(record.id)).resources();
  expect(failed).toMatchObject({ state: "failed", streams: {}, failure: { code: "BLOCK_MISSING", facts: { offset: BLOCK } } });
  expect(failed?.failure?.message).toContain("Site paris cannot give it");
  expect(await far.restorePoints("far")).toEqual([]);
  // A second resource that is whole there: the copy is a restore point without the first.
  const found = (await near.sessions().get(id)) as SessionRecord;
  const writer = near.repository.writer({ repositoryId: near.repository.id, sessionId: id, taskId: "more", fence: 0n });
  const { root: data } = await writer.writeStream(Readable.from([bytes([5])]), { chunking: "fixed" });
  const other = { ...(result as ResourceResult), id: "other", name: "other", streams: { data } };
  const { root: results } = await near.sessions().writeResults(writer, [result as ResourceResult, other]);
  await writer.finish();
  await near.sessions().save({ ...found, results });
  const partial = await copy(id);
  expect(partial).toMatchObject({ state: "partial", counts: { succeeded: 1, failed: 1 } });
  const [, whole] = await resultsOf(farRepository, partial);
  expect((await read(farRepository, whole?.streams.data as StreamRoot)).equals(bytes([5]))).toBe(true);
  expect((await copyOrigins(far, ROUTE)).map(({ copy: made }) => made)).toEqual([undefined]);
  lost.clear();
  await expectCopy(await copy(id), [1, 2, 3], [9]);
});

it("needs a site, its key, another repository than its own, and a restore point that is there", async () => {
  const id = await near.backup("disk", [1], [9]);
  await saveSecret(join(folder, "paris"), "world", FAR_KEY);
  await expect(startCopy(far, ROUTE, id)).rejects.toMatchObject({ code: "WRONG_KEY" });
  await rm(join(folder, "paris"), { recursive: true });
  await expect(startCopy(far, ROUTE, id)).rejects.toMatchObject({ code: "KEY_NOT_IN_KEYRING" });
  await saveSecret(join(folder, "paris"), "world", NEAR_KEY);
  await expect(startCopy(far, { ...ROUTE, site: "rome" }, id)).rejects.toMatchObject({ code: "SITE_UNKNOWN" });
  await expect(startCopy(far, { ...ROUTE, sourceRepository: "no" }, id)).rejects.toMatchObject({ code: "NO_REPOSITORY" });
  await expect(startCopy(far, ROUTE, "2020")).rejects.toMatchObject({ code: "SESSION_UNKNOWN" });
  const itself = new Sites({ paris: { open: async () => readOnlyStore(farStore), keyring: join(folder, "far") } });
  const other = { sites: itself, repositories: far.repositories } as Coordinator;
  await expect(copyOrigins(other, { ...ROUTE, sourceRepository: "far" })).rejects.toMatchObject({ code: "COPY_OF_ITSELF" });
  expect(await far.list("far")).toEqual([]);
});

it("ends as failed when its origin was forgotten meanwhile, and is no restore point", async () => {
  const id = await near.backup("disk", [1], [9]);
  stop.abort(new CodedError("STOPPING", "nobody leads"));
  await leading;
  const { id: copyId } = await startCopy(far, ROUTE, id);
  await expect(startCopy(far, ROUTE, id)).rejects.toMatchObject({ code: "COPY_RUNNING", facts: { copy: copyId } });
  await near.forget(id);
  stop = new AbortController();
  leading = far.run(stop.signal);
  const record = await ended(far, copyId);
  expect(record).toMatchObject({ state: "failed", failure: { code: "SESSION_UNKNOWN" } });
  expect(fromHex(record.origin?.repositoryId ?? "")).toHaveLength(16);
});

/** A copy that the near site does not answer; its leader is gone, and this function leads anew. */
async function leaveOneRunning(): Promise<{ readonly id: string; readonly again: () => Promise<void> }> {
  await near.backup("disk", [1, 2, 3], [9]);
  const open = Promise.withResolvers<void>();
  gate = open.promise;
  asked.length = 0;
  // Starting reads records alone; the first blocks are asked for by the session.
  const { id } = await startCopy(far, ROUTE, "latest");
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(0));
  stop.abort(new CodedError("STOPPING", "the leader dies"));
  open.resolve();
  await leading;
  expect((await new SessionStore(farRepository).get(id))?.state).toBe("running");
  return {
    id,
    again: async () => {
      stop = new AbortController();
      await lead();
    },
  };
}

it("is taken over by the next leader, from its beginning", async () => {
  const { id, again } = await leaveOneRunning();
  await again();
  const record = await ended(far, id);
  expect(record.state).toBe("succeeded");
  await expectCopy(record, [1, 2, 3], [9]);
});

it("is lost with the bus like any session, and nobody sweeps the cloud of its source", async () => {
  const { id, again } = await leaveOneRunning();
  const store = new SessionStore(farRepository, "test");
  const record = (await store.get(id)) as SessionRecord;
  await store.save({ ...record, source: { input: "tenant", cloud: "of-the-near-site", projectId: "p1" } });
  await bus.close();
  bus = memoryBus({ clock: systemClock });
  await again();
  expect(await ended(far, id)).toMatchObject({ state: "failed", failure: { code: "SESSION_LOST" } });
  expect(await (await bus.table(TASK_TABLE)).list("")).toEqual([]);
  expect((await copy("latest")).state).toBe("succeeded");
});

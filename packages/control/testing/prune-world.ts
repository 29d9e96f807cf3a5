/**
 * A repository over three storage nodes in memory, with sessions as short as can be: a backup writes one stream of blocks out of a small
 * pool (so that what one session needs another has just given up), and a listing that names a further stream.
 */

import { type BlockStore, memoryBlockStore, type NodePruning, replicatedStore } from "@permafrost/blocks";
import { EMPTY_STATS, type ResourceResult, type SessionId, type SessionRecord, type StreamRoot } from "@permafrost/model";
import { encodeListing, initRepository, LISTING_STREAMS, type Repository, readListing } from "@permafrost/repository";
import { type Clock, CodedError, isoTime, systemRandom } from "@permafrost/std";
import { expect } from "vitest";
import { runPrune } from "../src/prune.ts";
import { firstRecord } from "../src/run-context.ts";
import { newSessionId, type PruneSpec, type SessionSpec } from "../src/session-spec.ts";
import { SessionStore } from "../src/session-store.ts";
import { SessionView } from "../src/session-view.ts";
import type { TaskBoard } from "../src/task-board.ts";

const BLOCK_BYTES = 65_536;
const DAY_MS = 24 * 3600 * 1000;

export type Pieces = readonly number[];

type Asked = Pick<SessionSpec, "kind"> & { readonly name?: string } & Readonly<Record<string, unknown>>;

interface PruneHooks {
  readonly signal?: AbortSignal;
  readonly beforeCondemn?: () => Promise<void>;
}

export interface WorldOptions {
  /** Awaited before each call of the store. */
  readonly jitter?: () => Promise<void>;
}

async function* bytesOf(pieces: Pieces): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.alloc(BLOCK_BYTES, `piece ${piece}.`);
}

export class PruneWorld {
  readonly memories = [memoryBlockStore(), memoryBlockStore(), memoryBlockStore()];
  readonly store: BlockStore;
  /** What each restore point must give back. */
  readonly points = new Map<SessionId, { readonly pieces: Pieces; readonly listed: Pieces }>();
  repository!: Repository;
  nowMs = Date.parse("2026-11-01T00:00:00Z");

  static async make(options: WorldOptions = {}): Promise<PruneWorld> {
    const world = new PruneWorld(options);
    const secret = { kind: "key", value: Buffer.alloc(32, 7).toString("base64") } as const;
    world.repository = (await initRepository(world.store, { name: "world", secret })).repository;
    return world;
  }

  private constructor({ jitter }: WorldOptions) {
    const nodes = this.memories.map((store, i) => ({ id: store.nodeId, weight: 1, zone: `z${i}`, store }));
    const store = replicatedStore({ nodes, replicas: 2, writeQuorum: 2, suspectMs: 0 });
    this.store = jitter ? delayed(store, jitter) : store;
  }

  get clock(): Clock {
    return { now: () => this.nowMs, monotonic: () => this.nowMs, sleep: async () => undefined };
  }

  sessions(): SessionStore {
    return new SessionStore(this.repository, "world");
  }

  /** Backs up `pieces` as the newest of `name`, with a listing of one entry whose content is `listed`; `between` is awaited before the commit. */
  async backup(name: string, pieces: Pieces, listed: Pieces, between: () => Promise<void> = async () => undefined) {
    const { record, writer } = await this.#begin({ kind: "backup", input: "stream", name });
    const sessions = this.sessions();
    const parent = await sessions.parentOf(record.source);
    const [old] = parent ? await sessions.allResults(parent) : [];
    await between();
    const { root: data } = await writer.writeStream(bytesOf(pieces), {
      chunking: "fixed",
      ...(old?.streams.data ? { parent: old.streams.data } : {}),
    });
    await between();
    const { root: content } = await writer.writeStream(bytesOf(listed), { chunking: "fixed" });
    async function* entries() {
      yield { name: "object", content };
    }
    const { root: listing } = await writer.writeStream(encodeListing(entries()), { chunking: "content" });
    const { root: document } = await writer.writeDocument({ name, pieces: [...pieces] });
    await between();
    await writer.finish();
    const result = { type: "input.stream", id: name, name, state: "succeeded", streams: { data, listing }, stats: EMPTY_STATS };
    await this.#commit(record, [{ ...result, document, warnings: [] } as ResourceResult]);
    this.points.set(record.id, { pieces, listed });
    return record.id;
  }

  /** A session that writes and ends without committing. */
  async abandoned(name: string, pieces: Pieces): Promise<void> {
    const { record, writer } = await this.#begin({ kind: "backup", input: "stream", name });
    await writer.writeStream(bytesOf(pieces), { chunking: "fixed" });
    await writer.finish();
    await this.sessions().save({ ...record, state: "failed", phase: "ended" });
  }

  /** A session that runs until `end` is called. */
  async running(): Promise<{ readonly id: SessionId; readonly end: () => Promise<void> }> {
    const { record } = await this.#begin({ kind: "backup", input: "stream", name: "runs" });
    return { id: record.id, end: () => this.sessions().save({ ...record, state: "failed", phase: "ended" }) };
  }

  async forget(id: SessionId): Promise<void> {
    this.points.delete(id);
    await this.sessions().forget(id);
  }

  /** `beforeCondemn` is awaited before each node is told to condemn. */
  async prune(options: Partial<PruneSpec> & PruneHooks = {}): Promise<SessionRecord> {
    const { signal = new AbortController().signal, beforeCondemn = async () => undefined, ...changes } = options;
    const asked = { kind: "prune" as const, graceMs: 7 * DAY_MS, unusedPercentMax: 100, dryRun: false, ...changes };
    const { record, newWriter } = await this.#begin(asked);
    const view = new SessionView(record);
    const { repository, clock } = this;
    const board = {} as TaskBoard;
    const context = { repository, store: this.sessions(), newWriter, board, view, clock, signal, stopped: signal };
    const nodes = async () =>
      (await this.store.pruning()).map((node): NodePruning => {
        const condemn: NodePruning["condemn"] = async (...args) => {
          await beforeCondemn();
          return node.condemn(...args);
        };
        return { ...node, condemn };
      });
    const spec = { ...asked, sessionId: record.id, repositoryId: repository.id, startedAt: record.startedAt };
    await runPrune(context, spec, nodes);
    const ended = await this.sessions().get(record.id);
    if (!ended) throw new Error("the prune left no record");
    return ended;
  }

  /** As a prune whose program is killed at the node call `calls`: whatever it was doing is left as it is, its record says it runs. */
  async killedPrune(calls: number): Promise<void> {
    let left = calls;
    const dead = new CodedError("ASSERTION", "killed");
    const stop = new AbortController();
    const killing = (target: object): object =>
      new Proxy(target, {
        get: (of, name, receiver) => {
          const value = Reflect.get(of, name, receiver);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            if (left-- > 0) return value.apply(of, args);
            stop.abort(dead);
            throw dead;
          };
        },
      });
    const pruning = async () => (await this.store.pruning()).map((node) => killing(node) as typeof node);
    const { record, newWriter } = await this.#begin({ kind: "prune", graceMs: 0, unusedPercentMax: 100, dryRun: false });
    const context = {
      ...{ repository: this.repository, store: this.sessions(), newWriter, board: {} as TaskBoard, clock: this.clock },
      ...{ view: new SessionView(record), signal: stop.signal, stopped: stop.signal },
    };
    const spec = { kind: "prune", graceMs: 0, unusedPercentMax: 100, dryRun: false } as const;
    await runPrune(context, { ...spec, sessionId: record.id, repositoryId: this.repository.id, startedAt: "" }, pruning).catch(
      () => undefined,
    );
    // Whoever leads next would run it again; here it is given up.
    await this.sessions().save({ ...record, state: "failed", phase: "ended" });
  }

  /** Every restore point gives back what it took. */
  async expectWhole(why = ""): Promise<void> {
    const sessions = this.sessions();
    const reader = this.repository.reader();
    const read = async (root: StreamRoot) => Buffer.concat(await Array.fromAsync(reader.readStream(root)));
    for (const [id, { pieces, listed }] of this.points) {
      const record = await sessions.get(id);
      expect(record, `${why}: ${id}`).toBeDefined();
      const [result] = await sessions.allResults(record as SessionRecord);
      const { data, listing } = (result as ResourceResult).streams as { data: StreamRoot; listing: StreamRoot };
      expect((await read(data)).equals(Buffer.concat(await Array.fromAsync(bytesOf(pieces)))), `${why}: ${id}`).toBe(true);
      expect(LISTING_STREAMS.has("listing")).toBe(true);
      for await (const { content } of readListing(reader, listing)) {
        const expected = Buffer.concat(await Array.fromAsync(bytesOf(listed)));
        expect((await read(content as StreamRoot)).equals(expected), `${why}: listed by ${id}`).toBe(true);
      }
      if (result?.document) await reader.readDocument(result.document);
    }
  }

  /** Blocks of all nodes. */
  async blocks(): Promise<number> {
    return (await this.store.status()).reduce((sum, { blocks }) => sum + blocks, 0);
  }

  async #begin(asked: Asked) {
    const { repository } = this;
    this.nowMs += 1000;
    const startedAt = isoTime(this.nowMs);
    const spec = {
      ...asked,
      sessionId: newSessionId(this.nowMs, systemRandom),
      repositoryId: repository.id,
      startedAt,
    } as SessionSpec;
    const newWriter = () =>
      repository.writer({ repositoryId: repository.id, sessionId: spec.sessionId, taskId: "world", fence: 0n });
    const writer = newWriter();
    const { root } = await writer.writeDocument({ asked: spec.sessionId });
    await writer.finish();
    const source = asked.name === undefined ? { input: "tenant" as const } : { input: "stream" as const, name: asked.name };
    const record = { ...firstRecord(spec, source), spec: root };
    await this.sessions().save(record);
    return { record, writer, newWriter };
  }

  async #commit(record: SessionRecord, results: readonly ResourceResult[]): Promise<void> {
    const sessions = this.sessions();
    const writer = this.repository.writer({ repositoryId: this.repository.id, sessionId: record.id, taskId: "end", fence: 0n });
    const { root } = await sessions.writeResults(writer, results);
    await writer.finish();
    await sessions.save({ ...record, state: "succeeded", phase: "ended", results: root });
  }
}

function delayed(store: BlockStore, jitter: () => Promise<void>): BlockStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver);
      if (typeof value !== "function" || name === "close") return value;
      return async (...args: unknown[]) => {
        await jitter();
        return value.apply(target, args);
      };
    },
  });
}

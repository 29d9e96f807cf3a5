/**
 * Watching a table over a connection that comes and goes.
 *
 * Two sources of truth are merged: the change feed (fast, but it ends with a connection and is silent about expiry) and full
 * listings (complete, but a moment old). A listing that was under way while the feed reported a key says nothing about that key.
 * Changes of one key are reported in the order in which they happened; unchanged entries are not reported again.
 */

import type { KvWatchEntry } from "@nats-io/kv";
import type { Clock } from "@permafrost/std";
import { busClosed } from "../errors.ts";
import type { TableEntry } from "../jobs.ts";
import type { BusConnection } from "./connection.ts";

export interface TableChange {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly revision: bigint;
}

type Feed = AsyncIterable<KvWatchEntry> & { stop(): void };

export interface WatchOptions {
  readonly bus: BusConnection;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly list: () => Promise<readonly TableEntry[]>;
  readonly feed: () => Promise<Feed>;
  /** Undefined for an entry outside the prefix. */
  readonly toChange: (entry: KvWatchEntry) => TableChange | undefined;
  readonly relistMs: number;
}

const RETRY_MS = 250;

export async function* watchTable(options: WatchOptions): AsyncGenerator<TableChange> {
  const watcher = new Watcher(options);
  void watcher.run();
  try {
    for (;;) {
      const next = await watcher.next();
      if (next === undefined) return;
      yield next;
    }
  } finally {
    watcher.stop();
  }
}

class Watcher {
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  readonly #known = new Map<string, bigint>();
  readonly #changes: TableChange[] = [];
  #bell = Promise.withResolvers<void>();
  /** Keys that the feed reported while a listing is under way. */
  #touched: Set<string> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    const end = () => this.stop();
    if (options.signal.aborted) end();
    else options.signal.addEventListener("abort", end, { once: true, signal: this.#stop.signal });
  }

  stop(): void {
    this.#stop.abort();
    this.#bell.resolve();
  }

  /** The next change; undefined when stopped. Throws BUS_CLOSED when this process closed the bus. */
  async next(): Promise<TableChange | undefined> {
    for (;;) {
      if (this.#stop.signal.aborted) return undefined;
      if (this.#options.bus.isClosed) throw busClosed();
      const change = this.#changes.shift();
      if (change !== undefined) return change;
      this.#bell = Promise.withResolvers();
      await this.#bell.promise;
    }
  }

  /** Rounds of feed and listings, each ended by a reconnection or a failure, until stopped. */
  async run(): Promise<void> {
    const { bus, clock } = this.#options;
    const stopListening = bus.onChange(() => this.#bell.resolve());
    while (!this.#stop.signal.aborted && !bus.isClosed) {
      try {
        await this.#round();
      } catch {
        // The bus is away or the bucket gone: the next round reports what changed meanwhile.
        await clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
      }
    }
    stopListening();
    this.#bell.resolve();
  }

  async #round(): Promise<void> {
    const { bus, clock, relistMs } = this.#options;
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, this.#stop.signal]);
    const stopListening = bus.onChange(() => end.abort());
    const feed = await this.#options.feed();
    const pump = (async () => {
      for await (const entry of feed) this.#feed(entry);
      end.abort();
    })().catch(() => end.abort());
    try {
      while (!signal.aborted) {
        await this.#relist();
        await clock.sleep(relistMs, signal).catch(() => undefined);
      }
    } finally {
      stopListening();
      feed.stop();
      await pump;
    }
  }

  #feed(entry: KvWatchEntry): void {
    const change = this.#options.toChange(entry);
    if (change === undefined) return;
    this.#touched?.add(change.key);
    this.#report(change);
  }

  async #relist(): Promise<void> {
    this.#touched = new Set();
    try {
      const entries = await this.#options.list();
      const touched = this.#touched;
      const listed = new Set(entries.map((entry) => entry.key));
      for (const [key, revision] of [...this.#known]) {
        if (!listed.has(key) && !touched.has(key)) this.#report({ key, value: undefined, revision });
      }
      for (const entry of entries) if (!touched.has(entry.key)) this.#report(entry);
    } finally {
      this.#touched = undefined;
    }
  }

  #report(change: TableChange): void {
    if (change.value === undefined) {
      if (!this.#known.delete(change.key)) return;
    } else {
      if (this.#known.get(change.key) === change.revision) return;
      this.#known.set(change.key, change.revision);
    }
    this.#changes.push(change);
    this.#bell.resolve();
  }
}

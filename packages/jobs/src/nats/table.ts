/**
 * A table on one JetStream key-value bucket.
 *
 * Reads go to the stream's leader, so a read sees every acknowledged write. A watch is the bucket's own change feed, restarted at
 * every reconnection and compared with a full listing then and at intervals: so it also reports what the feed cannot, such as
 * entries whose time to live ended, changes made while disconnected, and a bucket that was wiped. An entry may be
 * reported again with the same value; the latest report of a key is always its state.
 */

import { DiscardPolicy, JetStreamApiError } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import { nanos } from "@nats-io/transport-node";
import { type Clock, CodedError, mapPool } from "@permafrost/std";
import { busClosed, revisionConflict } from "../errors.ts";
import type { Table, TableEntry } from "../jobs.ts";
import { checkKey, checkPrefix, checkValue } from "../limits.ts";
import type { BusConnection } from "./connection.ts";
import { ensureStream } from "./stream.ts";
import { type TableChange, watchTable } from "./watch.ts";

const WRONG_REVISION_CODES = [10071, 10164];
const GETS_AT_ONCE = 16;
/** A deleted key's marker is removed when it has been seen for so long; watchers have had it by then. */
const MARKER_AGE_MS = 60_000;

export class NatsTable implements Table {
  readonly #bus: BusConnection;
  readonly #clock: Clock;
  readonly #bucket: string;
  readonly #stream: string;
  readonly #ttlMs: number | undefined;
  readonly #markers = new Map<string, { readonly revision: number; readonly sinceMs: number }>();
  #kv: KV | undefined;

  private constructor(bus: BusConnection, clock: Clock, name: string, ttlMs: number | undefined) {
    this.#bus = bus;
    this.#clock = clock;
    this.#bucket = `permafrost_${name}`;
    this.#stream = `KV_${this.#bucket}`;
    this.#ttlMs = ttlMs;
  }

  static async open(bus: BusConnection, clock: Clock, name: string, ttlMs: number | undefined): Promise<NatsTable> {
    const table = new NatsTable(bus, clock, name, ttlMs);
    await table.ensure();
    return table;
  }

  /** Makes the bucket if it is not there, with the settings of the NATS key-value convention. */
  readonly ensure = async (): Promise<void> => {
    await ensureStream(this.#bus, {
      name: this.#stream,
      subjects: [`$KV.${this.#bucket}.>`],
      max_msgs_per_subject: 1,
      max_age: this.#ttlMs === undefined ? 0 : nanos(this.#ttlMs),
      // The server wants the window not to exceed the age.
      duplicate_window: nanos(Math.min(this.#ttlMs ?? 120_000, 120_000)),
      allow_rollup_hdrs: true,
      deny_delete: false,
      allow_direct: false,
      discard: DiscardPolicy.New,
    });
    this.#kv = await new Kvm(this.#bus.js).open(this.#bucket, { allow_direct: false });
  };

  get #open(): KV {
    if (this.#bus.isClosed) throw busClosed();
    if (this.#kv === undefined) throw new CodedError("ASSERTION", "a table is used before it was opened");
    return this.#kv;
  }

  #call<T>(work: (kv: KV) => Promise<T>): Promise<T> {
    return this.#bus.call(async () => await work(this.#open), this.ensure);
  }

  async #write(key: string, value: Uint8Array, work: (kv: KV) => Promise<number>): Promise<bigint> {
    checkKey(key);
    checkValue(value, this.#bus.valueBytesMax);
    try {
      return BigInt(await this.#call(work));
    } catch (error) {
      const cause = CodedError.is(error) ? error.cause : error;
      if (cause instanceof JetStreamApiError && WRONG_REVISION_CODES.includes(cause.code)) throw revisionConflict(key);
      throw error;
    }
  }

  put(key: string, value: Uint8Array): Promise<bigint> {
    return this.#write(key, value, (kv) => kv.put(key, value));
  }

  create(key: string, value: Uint8Array): Promise<bigint> {
    return this.#write(key, value, (kv) => kv.create(key, value));
  }

  update(key: string, value: Uint8Array, revision: bigint): Promise<bigint> {
    if (revision <= 0n) throw new RangeError("a revision is positive");
    return this.#write(key, value, (kv) => kv.update(key, value, Number(revision)));
  }

  async get(key: string): Promise<TableEntry | undefined> {
    checkKey(key);
    const entry = await this.#call((kv) => kv.get(key));
    return entry === null || isMarker(entry) ? undefined : toEntry(entry);
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.#call((kv) => kv.delete(key));
  }

  async list(prefix: string): Promise<TableEntry[]> {
    checkPrefix(prefix);
    const start = `$KV.${this.#bucket}.`;
    const info = await this.#call(() =>
      this.#bus.jsm.streams.info(this.#stream, { subjects_filter: `${start}${filterOf(prefix)}` }),
    );
    const keys = Object.keys(info.state.subjects ?? {})
      .map((subject) => subject.slice(start.length))
      .filter((key) => key.startsWith(prefix))
      .sort();
    const entries = await mapPool(keys, GETS_AT_ONCE, async (key) => {
      const entry = await this.#call((kv) => kv.get(key));
      if (entry === null) return undefined;
      if (!isMarker(entry)) return toEntry(entry);
      await this.#forgetMarker(entry);
      return undefined;
    });
    return entries.filter((entry) => entry !== undefined);
  }

  watch(prefix: string, signal: AbortSignal): AsyncIterable<TableChange> {
    checkPrefix(prefix);
    return watchTable({
      bus: this.#bus,
      clock: this.#clock,
      signal,
      list: () => this.list(prefix),
      feed: () => this.#call((kv) => kv.watch({ key: filterOf(prefix) })),
      toChange: (entry) =>
        entry.key.startsWith(prefix) ? { ...toEntry(entry), value: isMarker(entry) ? undefined : entry.value } : undefined,
      relistMs: Math.min(Math.max(250, (this.#ttlMs ?? 60_000) / 2), 30_000),
    });
  }

  /** Deleted keys must not fill the bucket. Only what is not newer than the marker is removed, so a new value is safe. */
  async #forgetMarker(entry: KvEntry): Promise<void> {
    const seen = this.#markers.get(entry.key);
    const now = this.#clock.monotonic();
    if (seen?.revision !== entry.revision) {
      this.#markers.set(entry.key, { revision: entry.revision, sinceMs: now });
    } else if (now - seen.sinceMs > MARKER_AGE_MS) {
      this.#markers.delete(entry.key);
      const filter = `$KV.${this.#bucket}.${entry.key}`;
      await this.#call(() => this.#bus.jsm.streams.purge(this.#stream, { filter, seq: entry.revision + 1 }));
    }
  }
}

/** The narrowest NATS filter that covers every key with this prefix: whole parts, then anything. */
export function filterOf(prefix: string): string {
  return `${prefix.slice(0, prefix.lastIndexOf(".") + 1)}>`;
}

function isMarker(entry: KvEntry): boolean {
  return entry.operation !== "PUT";
}

function toEntry(entry: KvEntry): TableEntry {
  return { key: entry.key, value: entry.value, revision: BigInt(entry.revision) };
}

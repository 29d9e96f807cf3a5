/**
 * The bus in memory: for tests and simulations. Same promises as JetStream within one process; nothing survives it.
 *
 * Time is the given clock's: acknowledgement waits, delays and times to live are checked when someone asks, and a waiting
 * claim sleeps on the clock until the next job becomes due. Bytes are copied in and out, as a network would.
 */

import { type Clock, systemClock } from "@permafrost/std";
import { busClosed, revisionConflict } from "./errors.ts";
import type { Bus, ClaimedJob, JobQueue, Table, TableEntry } from "./jobs.ts";
import { LeaseKeeper } from "./leases.ts";
import { checkJobId, checkKey, checkName, checkPrefix, checkValue, DUPLICATE_WINDOW_MS } from "./limits.ts";

interface Change {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly revision: bigint;
}

/** Wakes everyone who waits; a waiter takes the promise before it looks at the state. */
class Bell {
  #waiting = Promise.withResolvers<void>();
  get next(): Promise<void> {
    return this.#waiting.promise;
  }
  ring(): void {
    this.#waiting.resolve();
    this.#waiting = Promise.withResolvers();
  }
}

/** Ends with whichever comes first: the bell, `ms` on the clock, or the signal. */
async function waitFor(bell: Promise<void>, clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  const stop = new AbortController();
  const signals = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const slept = clock.sleep(ms, signals).catch(() => undefined);
  await Promise.race([bell, slept]);
  stop.abort();
}

interface StoredJob {
  readonly id: string;
  readonly body: Uint8Array;
  deliveries: number;
  /** Not delivered before this monotonic time: the end of a claim or of a delay. */
  dueMs: number;
}

class MemoryQueue implements JobQueue {
  readonly #clock: Clock;
  readonly #isClosed: () => boolean;
  ackWaitMs: number;
  #jobs: StoredJob[] = [];
  readonly #recent = new Map<string, number>();
  readonly bell = new Bell();

  constructor(clock: Clock, ackWaitMs: number, isClosed: () => boolean) {
    this.#clock = clock;
    this.ackWaitMs = ackWaitMs;
    this.#isClosed = isClosed;
  }

  async publish(id: string, body: Uint8Array): Promise<void> {
    this.#check();
    checkJobId(id);
    checkValue(body);
    const now = this.#clock.monotonic();
    for (const [old, until] of this.#recent) if (until <= now) this.#recent.delete(old);
    if (this.#recent.has(id)) return;
    this.#recent.set(id, now + DUPLICATE_WINDOW_MS);
    this.#jobs.push({ id, body: Uint8Array.from(body), deliveries: 0, dueMs: now });
    this.bell.ring();
  }

  async claim(waitMs: number, signal?: AbortSignal): Promise<ClaimedJob | undefined> {
    const deadline = this.#clock.monotonic() + waitMs;
    for (;;) {
      this.#check();
      if (signal?.aborted) return undefined;
      const bell = this.bell.next;
      const now = this.#clock.monotonic();
      const job = this.#jobs.find((candidate) => candidate.dueMs <= now);
      if (job !== undefined) return this.#deliver(job, now);
      if (now >= deadline) return undefined;
      const nextDue = Math.min(deadline, ...this.#jobs.map((candidate) => candidate.dueMs));
      await waitFor(bell, this.#clock, Math.max(1, nextDue - now), signal);
    }
  }

  #deliver(job: StoredJob, now: number): ClaimedJob {
    job.deliveries++;
    job.dueMs = now + this.ackWaitMs;
    const delivery = job.deliveries;
    const isMine = () => job.deliveries === delivery && this.#jobs.includes(job);
    return {
      id: job.id,
      body: Uint8Array.from(job.body),
      deliveries: delivery,
      working: async () => {
        this.#check();
        if (isMine()) job.dueMs = this.#clock.monotonic() + this.ackWaitMs;
      },
      done: async () => {
        this.#check();
        this.#jobs = this.#jobs.filter((other) => other !== job);
      },
      giveBack: async (delayMs) => {
        this.#check();
        if (!isMine()) return;
        job.dueMs = this.#clock.monotonic() + delayMs;
        this.bell.ring();
      },
    };
  }

  async pending(): Promise<number> {
    this.#check();
    return this.#jobs.length;
  }

  async purge(): Promise<void> {
    this.#check();
    this.#jobs = [];
  }

  #check(): void {
    if (this.#isClosed()) throw busClosed();
  }
}

class MemoryTable implements Table {
  readonly #clock: Clock;
  readonly #isClosed: () => boolean;
  readonly #ttlMs: number | undefined;
  readonly #entries = new Map<string, { value: Uint8Array; revision: bigint; untilMs: number }>();
  readonly #watchers = new Set<{ readonly prefix: string; readonly changes: Change[] }>();
  readonly bell = new Bell();
  #revision = 0n;

  constructor(clock: Clock, ttlMs: number | undefined, isClosed: () => boolean) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#isClosed = isClosed;
  }

  async get(key: string): Promise<TableEntry | undefined> {
    this.#check(key);
    const entry = this.#entries.get(key);
    return entry && { key, value: Uint8Array.from(entry.value), revision: entry.revision };
  }

  async put(key: string, value: Uint8Array): Promise<bigint> {
    this.#check(key);
    return this.#set(key, value);
  }

  async create(key: string, value: Uint8Array): Promise<bigint> {
    this.#check(key);
    if (this.#entries.has(key)) throw revisionConflict(key);
    return this.#set(key, value);
  }

  async update(key: string, value: Uint8Array, revision: bigint): Promise<bigint> {
    this.#check(key);
    if (this.#entries.get(key)?.revision !== revision) throw revisionConflict(key);
    return this.#set(key, value);
  }

  async delete(key: string): Promise<void> {
    this.#check(key);
    this.#remove(key);
  }

  async list(prefix: string): Promise<TableEntry[]> {
    checkPrefix(prefix);
    this.#check();
    return [...this.#entries]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => ({ key, value: Uint8Array.from(entry.value), revision: entry.revision }));
  }

  async *watch(prefix: string, signal: AbortSignal): AsyncGenerator<Change> {
    const watcher = { prefix, changes: (await this.list(prefix)) as Change[] };
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted) {
        const bell = this.bell.next;
        this.#check();
        const change = watcher.changes.shift();
        if (change !== undefined) {
          yield change;
          continue;
        }
        const now = this.#clock.monotonic();
        const expiry = Math.min(now + 60_000, ...[...this.#entries.values()].map((entry) => entry.untilMs));
        await waitFor(bell, this.#clock, Math.max(1, expiry - now), signal);
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  #set(key: string, value: Uint8Array): bigint {
    checkValue(value);
    const revision = ++this.#revision;
    const untilMs = this.#ttlMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + this.#ttlMs;
    this.#entries.set(key, { value: Uint8Array.from(value), revision, untilMs });
    this.#tell({ key, value: Uint8Array.from(value), revision });
    return revision;
  }

  #remove(key: string): void {
    if (this.#entries.delete(key)) this.#tell({ key, value: undefined, revision: ++this.#revision });
  }

  #tell(change: Change): void {
    for (const watcher of this.#watchers) if (change.key.startsWith(watcher.prefix)) watcher.changes.push(change);
    this.bell.ring();
  }

  /** Refuses what may not be asked, and lets expired entries go first. */
  #check(key?: string): void {
    if (this.#isClosed()) throw busClosed();
    if (key !== undefined) checkKey(key);
    const now = this.#clock.monotonic();
    for (const [old, entry] of this.#entries) if (entry.untilMs <= now) this.#remove(old);
  }
}

/** A bus for one process. Everyone who should see each other shares the one returned object. */
export function memoryBus(options: { readonly clock?: Clock } = {}): Bus {
  const clock = options.clock ?? systemClock;
  const queues = new Map<string, MemoryQueue>();
  const tables = new Map<string, MemoryTable>();
  let isClosed = false;
  const check = () => {
    if (isClosed) throw busClosed();
  };
  const openTable = (name: string, ttlMs?: number): MemoryTable => {
    const table = tables.get(name) ?? new MemoryTable(clock, ttlMs, () => isClosed);
    tables.set(name, table);
    return table;
  };
  // A table name cannot contain a space: nobody else can open this one.
  const leases = new LeaseKeeper(async () => openTable("the leases"), clock);
  return {
    async queue(name, { ackWaitMs }) {
      check();
      checkName(name);
      const queue = queues.get(name) ?? new MemoryQueue(clock, ackWaitMs, () => isClosed);
      queue.ackWaitMs = ackWaitMs;
      queues.set(name, queue);
      return queue;
    },
    async table(name, tableOptions) {
      check();
      checkName(name);
      return openTable(name, tableOptions?.ttlMs);
    },
    async lease(name, holder, ttlMs) {
      check();
      return await leases.acquire(name, holder, ttlMs);
    },
    async ping() {
      check();
    },
    async close() {
      isClosed = true;
      for (const waiting of [...queues.values(), ...tables.values()]) waiting.bell.ring();
    },
  };
}

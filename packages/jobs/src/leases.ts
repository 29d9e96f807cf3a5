/**
 * Leases over a table: who may act alone, for instance as the leading coordinator.
 *
 * The record of a lease is `{holder, fence, ttlMs, beat}` under its name; every change is a compare-and-set. No clock of
 * another machine is trusted: a contender takes a held lease only after it has itself seen the same revision for longer
 * than the time to live, by its own monotonic clock. So a contender has to ask repeatedly (every third of the time to live
 * is right), and a lease changes hands between one and two times the time to live after the last renewal.
 *
 * Interleavings: two contenders update the same revision: one gets a conflict. A holder that slept past its time renews by
 * reading first, sees another fence, and learns it has lost. A renewal whose answer was lost is recognised as its own by holder and
 * fence. A holder that cannot reach the bus for `ttlMs` must stop by itself; what it still sends is refused by its fence.
 * Fences grow even when the bus is wiped: a new one is at least the time in milliseconds when it was given.
 */

import { type Clock, CodedError, fromUtf8, utf8 } from "@permafrost/std";
import type { Lease, Table, TableEntry } from "./jobs.ts";
import { checkName } from "./limits.ts";

interface LeaseRecord {
  /** Empty when released. */
  readonly holder: string;
  readonly fence: string;
  readonly ttlMs: number;
  /** Changes with every renewal, so that the revision does. */
  readonly beat: number;
}

interface Sighting {
  readonly revision: bigint;
  readonly sinceMs: number;
}

export class LeaseKeeper {
  readonly #table: () => Promise<Table>;
  readonly #clock: Clock;
  readonly #sightings = new Map<string, Sighting>();

  constructor(table: () => Promise<Table>, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  /** As `Bus.lease`. The same holder asking again gets the lease with a new fence; its older handle has lost. */
  async acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    checkName(name);
    if (holder === "" || !(ttlMs > 0)) throw new RangeError("a lease needs a holder and a positive time to live");
    const table = await this.#table();
    const entry = await table.get(name);
    const record = entry && parse(entry);
    if (entry && record && record.holder !== "" && record.holder !== holder && !this.#isExpired(name, entry, record, ttlMs)) {
      return undefined;
    }
    const now = BigInt(Math.trunc(this.#clock.now()));
    const after = record === undefined ? 1n : BigInt(record.fence) + 1n;
    const fence = now > after ? now : after;
    const taken = encode({ holder, fence: String(fence), ttlMs, beat: 0 });
    try {
      const revision = entry === undefined ? await table.create(name, taken) : await table.update(name, taken, entry.revision);
      this.#see(name, revision);
    } catch (error) {
      if (CodedError.is(error, "REVISION_CONFLICT")) return undefined;
      throw error;
    }
    return {
      name,
      holder,
      fence,
      renew: () => this.#write(name, holder, fence, (old) => ({ ...old, ttlMs, beat: old.beat + 1 })),
      release: async () => {
        await this.#write(name, holder, fence, (old) => ({ ...old, holder: "", beat: old.beat + 1 }));
      },
    };
  }

  /** Changes the record if it is still that of this holder and fence; false if it is not. */
  async #write(name: string, holder: string, fence: bigint, change: (old: LeaseRecord) => LeaseRecord): Promise<boolean> {
    const table = await this.#table();
    const entry = await table.get(name);
    const record = entry && parse(entry);
    if (!entry || !record || record.holder !== holder || record.fence !== String(fence)) return false;
    try {
      this.#see(name, await table.update(name, encode(change(record)), entry.revision));
      return true;
    } catch (error) {
      if (CodedError.is(error, "REVISION_CONFLICT")) return false;
      throw error;
    }
  }

  #see(name: string, revision: bigint): void {
    this.#sightings.set(name, { revision, sinceMs: this.#clock.monotonic() });
  }

  #isExpired(name: string, entry: TableEntry, record: LeaseRecord, ttlMs: number): boolean {
    const seen = this.#sightings.get(name);
    if (seen === undefined || seen.revision !== entry.revision) {
      this.#see(name, entry.revision);
      return false;
    }
    return this.#clock.monotonic() - seen.sinceMs > Math.max(ttlMs, record.ttlMs);
  }
}

function encode(record: LeaseRecord): Uint8Array {
  return utf8(JSON.stringify(record));
}

/** Undefined for bytes that are no lease record: such an entry counts as free and is overwritten by compare-and-set. */
function parse(entry: TableEntry): LeaseRecord | undefined {
  try {
    const value = JSON.parse(fromUtf8(entry.value)) as Partial<LeaseRecord> | null;
    if (typeof value?.holder !== "string" || !/^\d+$/.test(value.fence ?? "") || typeof value.ttlMs !== "number")
      return undefined;
    return { holder: value.holder, fence: value.fence as string, ttlMs: value.ttlMs, beat: Number(value.beat) || 0 };
  } catch {
    return undefined;
  }
}

/** Workers that live: each renews its row; rows that are not renewed vanish. Used to find one that takes a client's bytes. */

import type { Bus, Table } from "@permafrost/jobs";
import { type Clock, CodedError, fromUtf8, utf8 } from "@permafrost/std";

const TTL_MS = 30_000;
const RENEW_MS = 8_000;

export class WorkerTable {
  readonly #table: Table;
  readonly #clock: Clock;

  private constructor(table: Table, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  static async open(bus: Bus, clock: Clock): Promise<WorkerTable> {
    return new WorkerTable(await bus.table("workers", { ttlMs: TTL_MS }), clock);
  }

  /** Keeps the row of worker `name`, reachable at `address`, until the signal aborts; then removes it. */
  async announce(name: string, address: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#table.put(name, utf8(JSON.stringify({ address }))).catch(() => undefined);
      await this.#clock.sleep(RENEW_MS, signal).catch(() => undefined);
    }
    await this.#table.delete(name).catch(() => undefined);
  }

  /** `host:port` of a worker. Throws NO_WORKER. */
  async locate(): Promise<string> {
    const rows = await this.#table.list("");
    const newest = rows.sort((a, b) => Number(b.revision - a.revision))[0];
    if (newest === undefined)
      throw new CodedError("NO_WORKER", "No worker is running", {
        retry: "later",
        hint: "Start one with `permafrost worker --config FILE`.",
      });
    return (JSON.parse(fromUtf8(newest.value)) as { address: string }).address;
  }
}

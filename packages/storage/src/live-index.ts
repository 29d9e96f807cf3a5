/**
 * The index in use, and its replacement by a new one when it proves damaged.
 *
 * `ask` retries a question once over a rebuilt index; `hold` keeps a rebuild away while a batch is written. A rebuild
 * waits for what is held, and everything else waits for the rebuild. The packs are the truth: no answer is lost by it.
 * An index that is not whole answers nothing: after a rebuild that failed every call says INDEX_UNAVAILABLE, until one
 * of them has rebuilt it.
 */

import type { FooterEntry } from "@permafrost/format";
import type { PackStore } from "@permafrost/packs";
import { CodedError, fromHex } from "@permafrost/std";
import { indexUnavailable, storeClosed } from "./errors.ts";
import type { IndexHome } from "./index-home.ts";
import { type FoundRecord, indexFound } from "./indexing.ts";
import { NodeIndex, packOperation } from "./node-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";
import { readFooter, scanRecords } from "./pack-scan.ts";
import { type RecoveryReport, recover } from "./recovery.ts";

/** The records of the pack that is being written. */
export interface OpenEntries {
  readonly name: string;
  readonly entries: readonly FooterEntry[];
}

export class LiveIndex {
  readonly #home: IndexHome;
  readonly #packs: PackStore;
  readonly #catalog: PackCatalog;
  readonly cleanStart: boolean;
  readonly recovery: RecoveryReport;
  #current: NodeIndex;
  #rebuilding: Promise<void> | undefined;
  /** Why the index is not whole, if it is not. */
  #broken: CodedError | undefined;
  #closed = false;
  #held: Promise<unknown> = Promise.resolve();
  #turn: Promise<unknown> = Promise.resolve();
  #rebuilds: number;

  /**
   * Opens the index and makes it agree with the packs; a damaged one is replaced. `locked` runs when this process has the
   * index's lock and nothing is changed yet.
   */
  static async open(home: IndexHome, packs: PackStore, catalog: PackCatalog, locked: () => Promise<void>): Promise<LiveIndex> {
    const anew = async () => {
      await home.destroy();
      return LiveIndex.#start(home, packs, catalog, locked, 1);
    };
    if (await home.isSuspect()) return anew();
    try {
      return await LiveIndex.#start(home, packs, catalog, locked, 0);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return anew();
    }
  }

  static async #start(
    home: IndexHome,
    packs: PackStore,
    catalog: PackCatalog,
    locked: () => Promise<void>,
    rebuilds: number,
  ): Promise<LiveIndex> {
    const index = new NodeIndex(await home.open());
    try {
      await locked();
      const { clean } = await index.start();
      const recovery = await recover(packs, index, catalog);
      return new LiveIndex(home, packs, catalog, index, clean, recovery, rebuilds);
    } catch (error) {
      await index.close();
      await home.release();
      throw error;
    }
  }

  private constructor(
    home: IndexHome,
    packs: PackStore,
    catalog: PackCatalog,
    index: NodeIndex,
    cleanStart: boolean,
    recovery: RecoveryReport,
    rebuilds: number,
  ) {
    this.#home = home;
    this.#packs = packs;
    this.#catalog = catalog;
    this.#current = index;
    this.cleanStart = cleanStart;
    this.recovery = recovery;
    this.#rebuilds = rebuilds;
  }

  get current(): NodeIndex {
    return this.#current;
  }

  get rebuilds(): number {
    return this.#rebuilds;
  }

  /** Whether it says all that the packs hold, as far as is known. */
  get isWhole(): boolean {
    return this.#broken === undefined;
  }

  /** The answer of the index; when it is damaged, that of the rebuilt one. INDEX_UNAVAILABLE, STORE_CLOSED. */
  async ask<T>(question: (index: NodeIndex) => Promise<T>): Promise<T> {
    for (let isRebuilt = false; ; ) {
      await this.#untilWhole();
      const asked = this.#current;
      try {
        return await question(asked);
      } catch (error) {
        const closed = CodedError.is(error, "KV_CLOSED");
        if (closed && this.#closed) throw storeClosed();
        const replaced = closed && (this.#rebuilding !== undefined || asked !== this.#current);
        if (replaced) continue;
        if (!isDamage(error) || isRebuilt) throw error;
        isRebuilt = true;
        if (asked === this.#current && !this.#rebuilding) await this.rebuild(undefined);
      }
    }
  }

  /** Runs `work`, one after the other, over a whole index, with no rebuild in between. It must not `ask`: that may wait for a rebuild. INDEX_UNAVAILABLE. */
  hold<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(async () => {
      // Again if a rebuild began between its answer and now: that one would not wait for this work.
      do await this.#untilWhole();
      while (this.#rebuilding !== undefined);
      const held = work();
      this.#held = held.catch(() => undefined);
      return held;
    });
    this.#turn = run.catch(() => undefined);
    return run;
  }

  /** Makes the index again from the packs. Joins a rebuild that runs. INDEX_UNAVAILABLE, STORE_CLOSED. */
  rebuild(open: OpenEntries | undefined): Promise<void> {
    this.#rebuilding ??= this.#rebuild(open)
      .catch((error: unknown) => {
        // What is there now is half an index, and it must not speak for the packs.
        this.#broken = indexUnavailable(`its index was not rebuilt: ${CodedError.from(error).message}`, error);
        throw this.#broken;
      })
      .finally(() => {
        this.#rebuilding = undefined;
      });
    return this.#rebuilding;
  }

  /** `clean`: everything is sealed and written; then the index is marked so, unless it is not whole. */
  async close(clean: boolean): Promise<void> {
    this.#closed = true;
    await this.#rebuilding?.catch(() => undefined);
    if (clean && this.isWhole) await this.#current.markClean().catch(() => undefined);
    await this.#current.close();
    await this.#home.release();
  }

  async #untilWhole(): Promise<void> {
    await this.#rebuilding;
    if (this.#broken !== undefined) await this.rebuild(undefined);
  }

  async #rebuild(open: OpenEntries | undefined): Promise<void> {
    if (this.#closed) throw storeClosed();
    await this.#held;
    await this.#current.close();
    await this.#home.destroy();
    const index = new NodeIndex(await this.#home.open());
    this.#current = index;
    await index.start();
    for (const { name, sizeBytes, sealed } of this.#catalog.all()) {
      const entries = open?.name === name ? open.entries : (await readFooter(this.#packs, name, sizeBytes))?.entries;
      const { found, isRead } = entries ? { found: entries, isRead: true } : await this.#scan(name, sizeBytes);
      if (!isRead) index.lost.noteUnread(name);
      const lost = await indexFound(index, this.#packs, this.#catalog, name, found);
      // What could not be read now may be read at the next start.
      const state = sealed && isRead && lost === 0 ? "sealed" : "open";
      const operation = packOperation(fromHex(name), { state, sizeBytes });
      await index.change(async () => ({ operations: [operation] }), { sync: true });
    }
    this.#rebuilds++;
    this.#broken = undefined;
  }

  async #scan(name: string, sizeBytes: number) {
    const found: FoundRecord[] = [];
    let isRead = true;
    const onUnreadable = () => {
      isRead = false;
    };
    for await (const { intact, ...record } of scanRecords(this.#packs, name, sizeBytes, onUnreadable)) {
      found.push({ ...record, damaged: !intact, wasAcknowledged: true });
    }
    return { found, isRead };
  }
}

function isDamage(error: unknown): boolean {
  return CodedError.is(error, "KV_CORRUPT") || CodedError.is(error, "INDEX_DAMAGED");
}

/**
 * The index in use, and its replacement by a new one when it proves damaged.
 *
 * `ask` retries a question once over a rebuilt index; `hold` keeps a rebuild away while a batch is written. A rebuild
 * waits for what is held, and everything else waits for the rebuild. The packs are the truth: no answer is lost by it.
 */

import type { FooterEntry } from "@permafrost/format";
import type { PackStore } from "@permafrost/packs";
import { CodedError, fromHex } from "@permafrost/std";
import type { IndexHome } from "./index-home.ts";
import { indexFound } from "./indexing.ts";
import { NodeIndex, packOperation } from "./node-index.ts";
import type { PackCatalog } from "./pack-catalog.ts";
import { readFooter, scanRecords } from "./pack-scan.ts";
import { type RecoveryReport, recover } from "./recovery.ts";

export class LiveIndex {
  readonly #home: IndexHome;
  readonly #packs: PackStore;
  readonly #catalog: PackCatalog;
  readonly cleanStart: boolean;
  readonly recovery: RecoveryReport;
  #current: NodeIndex;
  #rebuilding: Promise<void> | undefined;
  #held: Promise<unknown> = Promise.resolve();
  #rebuilds: number;

  /**
   * Opens the index and makes it agree with the packs; a damaged one is replaced. `locked` runs when this process has the
   * index's lock and nothing is changed yet.
   */
  static async open(home: IndexHome, packs: PackStore, catalog: PackCatalog, locked: () => Promise<void>): Promise<LiveIndex> {
    try {
      return await LiveIndex.#start(home, packs, catalog, locked, 0);
    } catch (error) {
      if (!isDamage(error)) throw error;
      await home.destroy();
      return LiveIndex.#start(home, packs, catalog, locked, 1);
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

  /** The answer of the index; when it is damaged, that of the rebuilt one. */
  async ask<T>(question: (index: NodeIndex) => Promise<T>): Promise<T> {
    await this.#rebuilding;
    const asked = this.#current;
    try {
      return await question(asked);
    } catch (error) {
      const replaced = CodedError.is(error, "KV_CLOSED") && (this.#rebuilding !== undefined || asked !== this.#current);
      if (!isDamage(error) && !replaced) throw error;
      if (asked === this.#current && !this.#rebuilding) await this.rebuild(undefined);
      else await this.#rebuilding;
      return question(this.#current);
    }
  }

  /** Runs `work` (one at a time) with no rebuild in between. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    await this.#rebuilding;
    const run = work();
    this.#held = run.catch(() => undefined);
    return run;
  }

  /** Makes the index again from the packs. Joins a rebuild that runs. */
  rebuild(open: { readonly name: string; readonly entries: readonly FooterEntry[] } | undefined): Promise<void> {
    this.#rebuilding ??= this.#rebuild(open).finally(() => {
      this.#rebuilding = undefined;
    });
    return this.#rebuilding;
  }

  async close(whole: boolean): Promise<void> {
    await this.#rebuilding;
    if (whole) await this.#current.markClean().catch(() => undefined);
    await this.#current.close();
  }

  async #rebuild(open: { readonly name: string; readonly entries: readonly FooterEntry[] } | undefined): Promise<void> {
    await this.#held;
    await this.#current.close();
    await this.#home.destroy();
    const index = new NodeIndex(await this.#home.open());
    await index.start();
    this.#current = index;
    this.#rebuilds++;
    for (const { name, sizeBytes, sealed } of this.#catalog.all()) {
      const entries = open?.name === name ? open.entries : (await readFooter(this.#packs, name, sizeBytes))?.entries;
      await indexFound(index, this.#packs, this.#catalog, name, entries ?? (await this.#scan(name, sizeBytes)));
      const state = packOperation(fromHex(name), { state: sealed ? "sealed" : "open", sizeBytes });
      await index.change(async () => ({ operations: [state], newBlocks: 0 }), { sync: true });
    }
  }

  async #scan(name: string, sizeBytes: number) {
    const found = [];
    for await (const { intact, ...record } of scanRecords(this.#packs, name, sizeBytes)) {
      found.push({ ...record, damaged: !intact });
    }
    return found;
  }
}

function isDamage(error: unknown): boolean {
  return CodedError.is(error, "KV_CORRUPT") || CodedError.is(error, "INDEX_DAMAGED");
}

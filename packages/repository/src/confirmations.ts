/**
 * The commit barrier of a writer: every id it put or had reserved is confirmed by the store to be durable on enough
 * replicas, or `finish` throws NOT_DURABLE.
 *
 * Ids wait in packed memory. A very long stream confirms its oldest ids on the way, so that what waits stays bounded.
 */

import type { BlockStore, Scope } from "@permafrost/blocks";
import { BLOCK_ID_BYTES, type BlockId, IDS_PER_REQUEST_MAX } from "@permafrost/model";
import { CodedError, mapPool, toHex } from "@permafrost/std";

const IN_FLIGHT_MAX = 4;
/** 8 MiB of ids: 16 GiB of new 64 KiB blocks. */
const WAITING_IDS_MAX = 256 * 1024;

export class Confirmations {
  readonly #store: BlockStore;
  readonly #scope: Scope;
  /** Full pages of IDS_PER_REQUEST_MAX ids, then one that fills. */
  #pages: Buffer[] = [];
  #page: Buffer = emptyPage();
  #pageIds = 0;
  #early: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(store: BlockStore, scope: Scope) {
    this.#store = store;
    this.#scope = scope;
  }

  add(id: BlockId): void {
    this.#page.set(id, this.#pageIds * BLOCK_ID_BYTES);
    if (++this.#pageIds < IDS_PER_REQUEST_MAX) return;
    this.#pages.push(this.#page);
    this.#page = emptyPage();
    this.#pageIds = 0;
    if (this.#pages.length * IDS_PER_REQUEST_MAX >= WAITING_IDS_MAX && !this.#early) {
      this.#early = this.#confirm(this.#pages.splice(0))
        .catch((error: unknown) => {
          this.#failure ??= { error };
        })
        .finally(() => {
          this.#early = undefined;
        });
    }
  }

  /** Confirms all ids added so far. */
  async finish(): Promise<void> {
    await this.#early;
    if (this.#failure) throw this.#failure.error;
    const pages = this.#pages.splice(0);
    if (this.#pageIds > 0) pages.push(this.#page.subarray(0, this.#pageIds * BLOCK_ID_BYTES));
    this.#page = emptyPage();
    this.#pageIds = 0;
    try {
      await this.#confirm(pages);
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #confirm(pages: readonly Buffer[]): Promise<void> {
    await mapPool(pages, IN_FLIGHT_MAX, async (page) => {
      const ids: BlockId[] = [];
      for (let at = 0; at < page.length; at += BLOCK_ID_BYTES) ids.push(page.subarray(at, at + BLOCK_ID_BYTES));
      const durable = await this.#store.confirm(this.#scope, ids);
      const lost = ids.filter((_, index) => durable[index] !== true);
      if (lost.length === 0) return;
      throw new CodedError("NOT_DURABLE", `${lost.length} of ${ids.length} blocks are not durable on enough storage nodes`, {
        facts: { blocks: lost.length, id: toHex(lost[0] as BlockId) },
        hint: "See the state of the storage nodes, then run the backup again: blocks that are durable are not sent again.",
        retry: "later",
      });
    });
  }
}

function emptyPage(): Buffer {
  return Buffer.allocUnsafeSlow(IDS_PER_REQUEST_MAX * BLOCK_ID_BYTES);
}

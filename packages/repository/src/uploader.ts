/**
 * From new plaintext to durable blocks: ask the store which blocks it lacks, seal those, send them, confirm.
 * Shared by all streams of one writer.
 *
 * Questions and sendings are batched and several are in flight; the memory of all that is underway is bounded
 * (`room` waits). A block offered twice while it is remembered is asked and sent once. The first failure is kept and
 * thrown by every later call: a writer that lost a block can never be finished. An offered block is uploaded
 * whatever becomes of the stream that offered it, since another stream may count on it.
 */

import type { BlockStore, Scope, SealedBlock } from "@permafrost/blocks";
import type { BlockKind } from "@permafrost/crypto";
import { type BlockId, IDS_PER_REQUEST_MAX, MESSAGE_BYTES } from "@permafrost/model";
import { nextTurn } from "@permafrost/std";
import { BufferPool } from "./buffer-pool.ts";
import { Confirmations } from "./confirmations.ts";
import { RecentIds } from "./recent-ids.ts";
import type { Sealing } from "./sealing.ts";

/** Plaintext in one question. */
const ASK_BYTES_MAX = 8 * 1024 * 1024;
const ASKS_IN_FLIGHT_MAX = 4;
const PUTS_IN_FLIGHT_MAX = 4;
/** Bytes offered and not yet durable, plaintext or sealed, above which `room` waits. */
const HELD_BYTES_MAX = 48 * 1024 * 1024;
const HELD_BLOCKS_MAX = 8 * 1024;
/** Above HELD_BLOCKS_MAX, so that a block in flight is always remembered. */
const RECENT_IDS = 32 * 1024;
/** Plaintext sealed before other work gets its turn: about 5 ms. */
const SEAL_SLICE_BYTES = 1024 * 1024;

/** What became of the blocks of one stream; `undecided` is how many the store has not answered for or are not sealed. */
export interface Tally {
  newBytes: number;
  storedBytes: number;
  newBlocks: number;
  reservedBlocks: number;
  undecided: number;
}

export function emptyTally(): Tally {
  return { newBytes: 0, storedBytes: 0, newBlocks: 0, reservedBlocks: 0, undecided: 0 };
}

interface Offered {
  readonly kind: BlockKind;
  readonly id: BlockId;
  readonly plaintext: Buffer;
  /** The pooled buffer behind `plaintext`. */
  readonly buffer: Buffer;
  readonly tally: Tally;
}

export class Uploader {
  readonly #store: BlockStore;
  readonly #scope: Scope;
  readonly #sealing: Sealing;
  readonly #pool = new BufferPool();
  readonly #recent = new RecentIds(RECENT_IDS);
  readonly #confirmations: Confirmations;
  #asking: Offered[] = [];
  #askingBytes = 0;
  #askNow = false;
  #asksInFlight = 0;
  #lacking: Offered[] = [];
  #isSealing = false;
  #putting: SealedBlock[] = [];
  #puttingBytes = 0;
  #putsInFlight = 0;
  #heldBytes = 0;
  #heldBlocks = 0;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(store: BlockStore, scope: Scope, sealing: Sealing) {
    this.#store = store;
    this.#scope = scope;
    this.#sealing = sealing;
    this.#confirmations = new Confirmations(store, scope);
  }

  /** Takes a copy of `plaintext` unless the block is underway or was seen before. Call `room` between offers. */
  offer(kind: BlockKind, id: BlockId, plaintext: Uint8Array, tally: Tally): void {
    this.throwIfFailed();
    if (!this.#recent.add(id)) return;
    const { bytes, buffer } = this.#pool.copy(plaintext);
    this.#asking.push({ kind, id, plaintext: bytes, buffer, tally });
    this.#askingBytes += buffer.length;
    this.#heldBytes += buffer.length;
    this.#heldBlocks++;
    tally.undecided++;
    if (this.#isQuestionFull()) this.#ask();
  }

  /** Undefined when there is room for another block; else a promise of room. */
  room(signal?: AbortSignal): Promise<void> | undefined {
    if (this.#hasRoom()) return undefined;
    return this.#until(() => this.#hasRoom(), signal);
  }

  /** Resolves when every block of `tally` was found present or is sealed, and its counters are final. */
  async settle(tally: Tally, signal?: AbortSignal): Promise<void> {
    this.throwIfFailed();
    if (tally.undecided === 0) return;
    this.#askNow = true;
    this.#ask();
    await this.#until(() => tally.undecided === 0, signal);
  }

  /** Resolves when everything offered so far is durable and confirmed; NOT_DURABLE if the store does not confirm. */
  async finish(): Promise<void> {
    this.throwIfFailed();
    this.#askNow = true;
    this.#ask();
    await this.#until(
      () => this.#asking.length === 0 && this.#asksInFlight === 0 && this.#lacking.length === 0 && !this.#isSealing,
    );
    this.#put();
    await this.#until(() => this.#heldBlocks === 0 && this.#putsInFlight === 0);
    await this.#confirmations.finish();
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  #hasRoom(): boolean {
    return this.#heldBytes < HELD_BYTES_MAX && this.#heldBlocks < HELD_BLOCKS_MAX;
  }

  #isQuestionFull(): boolean {
    return this.#asking.length >= IDS_PER_REQUEST_MAX || this.#askingBytes >= ASK_BYTES_MAX;
  }

  /** Sends what waits to be asked, when it fills a question or someone waits for the answer. */
  #ask(): void {
    while (
      this.#asking.length > 0 &&
      this.#asksInFlight < ASKS_IN_FLIGHT_MAX &&
      !this.#failure &&
      (this.#askNow || this.#isQuestionFull())
    ) {
      const batch = this.#asking.splice(0, IDS_PER_REQUEST_MAX);
      for (const block of batch) this.#askingBytes -= block.buffer.length;
      this.#asksInFlight++;
      this.#askBatch(batch).then(
        () => this.#asked(),
        (error: unknown) => this.#fail(error),
      );
    }
    if (this.#asking.length === 0) this.#askNow = false;
  }

  async #askBatch(batch: readonly Offered[]): Promise<void> {
    const present = await this.#store.reserve(
      this.#scope,
      batch.map((block) => block.id),
    );
    for (const [index, block] of batch.entries()) {
      if (present[index] !== true) {
        this.#lacking.push(block);
        continue;
      }
      this.#confirmations.add(block.id);
      if (block.kind === "data") block.tally.reservedBlocks++;
      this.#released(block);
      this.#heldBlocks--;
      block.tally.undecided--;
    }
  }

  #asked(): void {
    this.#asksInFlight--;
    this.#ask();
    if (this.#lacking.length > 0 && !this.#isSealing) {
      this.#isSealing = true;
      this.#sealAll().catch((error: unknown) => this.#fail(error));
    }
    this.#changed();
  }

  async #sealAll(): Promise<void> {
    while (this.#lacking.length > 0 && !this.#failure) {
      const batch = this.#lacking;
      this.#lacking = [];
      let sliceBytes = 0;
      for (const block of batch) {
        this.#seal(block);
        sliceBytes += block.plaintext.length;
        if (this.#puttingBytes >= MESSAGE_BYTES || this.#putting.length >= IDS_PER_REQUEST_MAX) {
          if (this.#putsInFlight >= PUTS_IN_FLIGHT_MAX) await this.#until(() => this.#putsInFlight < PUTS_IN_FLIGHT_MAX);
          this.#put();
        }
        if (sliceBytes >= SEAL_SLICE_BYTES) {
          sliceBytes = 0;
          this.#changed();
          await nextTurn();
          this.throwIfFailed();
        }
      }
    }
    this.#isSealing = false;
    this.#changed();
  }

  #seal(block: Offered): void {
    const sealed = this.#sealing.sealBlock(block.id, block.plaintext);
    if (block.kind === "data") {
      block.tally.newBlocks++;
      block.tally.newBytes += block.plaintext.length;
    }
    block.tally.storedBytes += sealed.body.length;
    block.tally.undecided--;
    this.#released(block);
    this.#heldBytes += sealed.body.length;
    this.#putting.push(sealed);
    this.#puttingBytes += sealed.body.length;
  }

  /** Sends what is sealed. */
  #put(): void {
    if (this.#putting.length === 0) return;
    const batch = this.#putting;
    const batchBytes = this.#puttingBytes;
    this.#putting = [];
    this.#puttingBytes = 0;
    this.#putsInFlight++;
    this.#store.put(this.#scope, batch).then(
      () => {
        this.#putsInFlight--;
        this.#heldBytes -= batchBytes;
        this.#heldBlocks -= batch.length;
        for (const block of batch) this.#confirmations.add(block.id);
        this.#changed();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #released(block: Offered): void {
    this.#heldBytes -= block.buffer.length;
    this.#pool.release(block.buffer);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#asking = [];
    this.#lacking = [];
    this.#putting = [];
    this.#changed();
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  async #until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    for (;;) {
      this.throwIfFailed();
      signal?.throwIfAborted();
      if (condition()) return;
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        signal?.addEventListener("abort", wake, { once: true });
        this.#waiting.push(wake);
      });
    }
  }
}

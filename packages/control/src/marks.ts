/**
 * The blocks that are in use, as a set of the first 8 bytes of their ids: 8 bytes in an open-addressed table that is at most two thirds full.
 *
 * Ids are keyed hashes, so prefixes are spread evenly and nobody can choose them. Two ids of one prefix are one mark: then a block that is
 * not in use is taken for one that is, which costs its space and nothing else. Never the other way round.
 */

import type { BlockId } from "@permafrost/model";

const FIRST_SLOTS = 1 << 12;

export class Marks {
  /** Two words to a slot; both 0: empty. */
  #table = new Uint32Array(FIRST_SLOTS * 2);
  #slots = FIRST_SLOTS;
  #size = 0;
  /** Whether the prefix of two zero words, which looks empty, is in it. */
  #hasZero = false;

  /** Bytes of memory. */
  get memoryBytes(): number {
    return this.#table.byteLength;
  }

  add(id: BlockId): void {
    const [high, low] = prefix(id);
    if (high === 0 && low === 0) {
      this.#hasZero = true;
      return;
    }
    if (this.#size * 3 >= this.#slots * 2) this.#grow();
    if (place(this.#table, this.#slots, high, low)) this.#size++;
  }

  has(id: BlockId): boolean {
    const [high, low] = prefix(id);
    if (high === 0 && low === 0) return this.#hasZero;
    for (let slot = high & (this.#slots - 1); ; slot = (slot + 1) & (this.#slots - 1)) {
      const [a, b] = [this.#table[slot * 2] as number, this.#table[slot * 2 + 1] as number];
      if (a === high && b === low) return true;
      if (a === 0 && b === 0) return false;
    }
  }

  #grow(): void {
    const slots = this.#slots * 2;
    const table = new Uint32Array(slots * 2);
    for (let at = 0; at < this.#table.length; at += 2) {
      const [high, low] = [this.#table[at] as number, this.#table[at + 1] as number];
      if (high !== 0 || low !== 0) place(table, slots, high, low);
    }
    this.#table = table;
    this.#slots = slots;
  }
}

function prefix(id: BlockId): readonly [high: number, low: number] {
  const word = (at: number) =>
    (((id[at] as number) << 24) | ((id[at + 1] as number) << 16) | ((id[at + 2] as number) << 8) | (id[at + 3] as number)) >>> 0;
  return [word(0), word(4)];
}

/** Whether it was not there. The table has room. */
function place(table: Uint32Array, slots: number, high: number, low: number): boolean {
  for (let slot = high & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
    const [a, b] = [table[slot * 2] as number, table[slot * 2 + 1] as number];
    if (a === high && b === low) return false;
    if (a !== 0 || b !== 0) continue;
    table[slot * 2] = high;
    table[slot * 2 + 1] = low;
    return true;
  }
}

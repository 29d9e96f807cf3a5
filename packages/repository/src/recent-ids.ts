/**
 * The ids seen last, in bounded memory: two generations, the older dropped when the younger is full. An id is
 * remembered for at least `generationSize` further ids, so nothing in flight is forgotten.
 */

import type { BlockId } from "@permafrost/model";

export class RecentIds {
  #young = new Set<string>();
  #old = new Set<string>();
  readonly #generationSize: number;

  constructor(generationSize: number) {
    this.#generationSize = generationSize;
  }

  /** True if `id` was not remembered; it is from now on. */
  add(id: BlockId): boolean {
    const name = idName(id);
    if (this.#young.has(name)) return false;
    const isNew = !this.#old.has(name);
    this.#young.add(name);
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    return isNew;
  }
}

/** An id as the key of a Map or Set: cheaper than hex, not for people. */
export function idName(id: BlockId): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
}

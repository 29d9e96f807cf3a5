/** Opened blocks, the least recently used dropped first; bounded in bytes. */

import type { BlockId } from "@permafrost/model";
import { idName } from "./recent-ids.ts";

const BYTES_MAX = 8 * 1024 * 1024;

export class PlaintextCache {
  readonly #blocks = new Map<string, Uint8Array>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  has(id: BlockId): boolean {
    return this.#blocks.has(idName(id));
  }

  get(id: BlockId): Uint8Array | undefined {
    const name = idName(id);
    const plaintext = this.#blocks.get(name);
    if (plaintext) {
      this.#blocks.delete(name);
      this.#blocks.set(name, plaintext);
    }
    return plaintext;
  }

  set(id: BlockId, plaintext: Uint8Array): void {
    const name = idName(id);
    this.#bytes += plaintext.length - (this.#blocks.get(name)?.length ?? 0);
    this.#blocks.delete(name);
    this.#blocks.set(name, plaintext);
    for (const [oldest, block] of this.#blocks) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#blocks.delete(oldest);
      this.#bytes -= block.length;
    }
  }
}

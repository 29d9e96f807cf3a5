/**
 * A fixed set of block ids from which members are taken away: 32 bytes and a bit per id. Ids are hashes, so that their first
 * two bytes lead to a short run in which to look.
 */

import { BLOCK_ID_BYTES } from "@permafrost/model";

const BUCKETS = 65_536;

export class IdSet {
  /** All ids it was made of, ascending, whether or not they are still in it. */
  readonly bytes: Buffer;
  readonly #starts = new Uint32Array(BUCKETS + 1);
  readonly #gone: Uint8Array;
  #size: number;

  /** Of ids in ascending order, one after another. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#size = bytes.length / BLOCK_ID_BYTES;
    this.#gone = new Uint8Array(Math.ceil(this.#size / 8));
    for (let at = 0; at < bytes.length; at += BLOCK_ID_BYTES) {
      const next = bytes.readUInt16BE(at) + 1;
      this.#starts[next] = (this.#starts[next] as number) + 1;
    }
    for (let bucket = 1; bucket <= BUCKETS; bucket++)
      this.#starts[bucket] = (this.#starts[bucket] as number) + (this.#starts[bucket - 1] as number);
  }

  get size(): number {
    return this.#size;
  }

  has(id: Uint8Array): boolean {
    const at = this.#find(id);
    return at >= 0 && !this.#isGone(at);
  }

  /** Whether the id was in it once. */
  held(id: Uint8Array): boolean {
    return this.#find(id) >= 0;
  }

  /** Takes the id away; whether it was there. */
  delete(id: Uint8Array): boolean {
    const at = this.#find(id);
    if (at < 0 || this.#isGone(at)) return false;
    this.#gone[at >> 3] = (this.#gone[at >> 3] as number) | (1 << (at & 7));
    this.#size--;
    return true;
  }

  /** Ascending. Views into one buffer. */
  *[Symbol.iterator](): Generator<Buffer> {
    const count = this.bytes.length / BLOCK_ID_BYTES;
    for (let at = 0; at < count; at++) {
      if (!this.#isGone(at)) yield this.bytes.subarray(at * BLOCK_ID_BYTES, (at + 1) * BLOCK_ID_BYTES);
    }
  }

  #isGone(at: number): boolean {
    return ((this.#gone[at >> 3] as number) & (1 << (at & 7))) !== 0;
  }

  #find(id: Uint8Array): number {
    const bucket = ((id[0] as number) << 8) | (id[1] as number);
    let low = this.#starts[bucket] as number;
    let high = this.#starts[bucket + 1] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.bytes.compare(id, 0, BLOCK_ID_BYTES, middle * BLOCK_ID_BYTES, (middle + 1) * BLOCK_ID_BYTES);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }
}

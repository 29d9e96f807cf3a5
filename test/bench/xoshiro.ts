/**
 * xoshiro128**, seeded by the first 16 bytes of SHA-256 of a label: the same numbers on every machine, so that a generated image is
 * known by its label alone. Not for secrets.
 */

import { createHash } from "node:crypto";

export class Xoshiro {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(label: string) {
    const seed = createHash("sha256").update(label).digest();
    this.#a = seed.readUInt32LE(0);
    this.#b = seed.readUInt32LE(4);
    this.#c = seed.readUInt32LE(8);
    this.#d = seed.readUInt32LE(12);
  }

  /** 32 random bits as an unsigned number. */
  next(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.next() / 2 ** 32;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** Of the standard normal distribution. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.fraction()));
    return radius * Math.cos(2 * Math.PI * this.fraction());
  }
}

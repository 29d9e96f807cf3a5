/**
 * The bytes of a fake volume, image or object, held compactly.
 *
 * Only 64 KiB blocks that were written exist; everything else reads as zeros (or as what `generator` makes of
 * the block's number). A clone costs one reference per written block: blocks are shared and copied on the first
 * write after a clone. So a volume snapshot is instant and stays as it was, whatever happens to its volume.
 */

import { createHash } from "node:crypto";
import { assert } from "@permafrost/std";

export const BLOCK_BYTES = 65_536;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/** Makes block `index` of a seeded resource; at most BLOCK_BYTES long, shorter is padded with zeros. */
export type BlockGenerator = (index: number) => Uint8Array;

export interface Digests {
  readonly md5: string;
  readonly sha512: string;
}

export class SparseBytes {
  #size: number;
  readonly #blocks = new Map<number, Buffer>();
  #owned = new Set<number>();
  readonly #generator: BlockGenerator | undefined;
  #digests: Promise<Digests> | undefined;

  constructor(sizeBytes: number, generator?: BlockGenerator) {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, `a size is a whole number, not ${sizeBytes}`);
    this.#size = sizeBytes;
    this.#generator = generator;
  }

  static from(bytes: Uint8Array): SparseBytes {
    const made = new SparseBytes(bytes.length);
    made.write(0, bytes);
    return made;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that written blocks take. */
  get allocatedBytes(): number {
    return this.#blocks.size * BLOCK_BYTES;
  }

  /** The same bytes under another name; later writes to either are not seen by the other. */
  clone(sizeBytes: number = this.#size): SparseBytes {
    const copy = new SparseBytes(sizeBytes, this.#generator);
    for (const [index, block] of this.#blocks) if (index * BLOCK_BYTES < sizeBytes) copy.#blocks.set(index, block);
    this.#owned = new Set();
    if (this.#generator !== undefined && sizeBytes > this.#size) copy.#endGenerator(this.#size);
    if (sizeBytes < this.#size) copy.#clearTail();
    return copy;
  }

  /** Grows (with zeros) or cuts. */
  resize(sizeBytes: number): void {
    const before = this.#size;
    this.#size = sizeBytes;
    this.#digests = undefined;
    if (sizeBytes > before && this.#generator !== undefined) this.#endGenerator(before);
    if (sizeBytes < before) this.#clearTail();
  }

  /** Writes at `offset`, growing when needed; zero blocks that were never written stay unallocated. */
  write(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.#size) this.resize(offset + bytes.length);
    this.#digests = undefined;
    for (let done = 0; done < bytes.length; ) {
      const index = Math.floor((offset + done) / BLOCK_BYTES);
      const within = (offset + done) % BLOCK_BYTES;
      const part = bytes.subarray(done, done + Math.min(BLOCK_BYTES - within, bytes.length - done));
      done += part.length;
      const absent = this.#generator === undefined && !this.#blocks.has(index);
      if (absent && ZERO_BLOCK.compare(part, 0, part.length, 0, part.length) === 0) continue;
      this.#writable(index).set(part, within);
    }
  }

  /** `length` bytes from `offset`, fewer at the end. */
  read(offset = 0, length: number = this.#size - offset): Buffer {
    const end = Math.min(this.#size, offset + length);
    const out = Buffer.alloc(Math.max(0, end - offset));
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / BLOCK_BYTES);
      const within = at % BLOCK_BYTES;
      const take = Math.min(BLOCK_BYTES - within, end - at);
      const block = this.#block(index);
      if (block !== undefined) out.set(block.subarray(within, within + take), at - offset);
      at += take;
    }
    return out;
  }

  /** MD5 and SHA-512 of all bytes, computed once per content; gives way to other work every 8 MiB. */
  digests(): Promise<Digests> {
    this.#digests ??= this.#computeDigests();
    return this.#digests;
  }

  async #computeDigests(): Promise<Digests> {
    const frozen = this.clone();
    const md5 = createHash("md5");
    const sha512 = createHash("sha512");
    const step = 2 ** 23;
    for (let at = 0; at < frozen.size; at += step) {
      const part = frozen.read(at, step);
      md5.update(part);
      sha512.update(part);
      if (at + step < frozen.size) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return { md5: md5.digest("hex"), sha512: sha512.digest("hex") };
  }

  #block(index: number): Uint8Array | undefined {
    return this.#blocks.get(index) ?? this.#generator?.(index).subarray(0, BLOCK_BYTES);
  }

  #writable(index: number): Buffer {
    const present = this.#blocks.get(index);
    if (present !== undefined && this.#owned.has(index)) return present;
    const block = Buffer.alloc(BLOCK_BYTES);
    const before = this.#block(index);
    if (before !== undefined) block.set(before);
    this.#blocks.set(index, block);
    this.#owned.add(index);
    return block;
  }

  /** What lies beyond a former end reads as zeros, not as what the generator would have made there. */
  #endGenerator(formerSize: number): void {
    for (let index = Math.floor(formerSize / BLOCK_BYTES); index * BLOCK_BYTES < this.#size; index++) {
      const from = Math.max(0, formerSize - index * BLOCK_BYTES);
      this.#writable(index).fill(0, Math.min(from, BLOCK_BYTES));
    }
  }

  #clearTail(): void {
    for (const index of [...this.#blocks.keys()]) {
      if (index * BLOCK_BYTES >= this.#size) {
        this.#blocks.delete(index);
        this.#owned.delete(index);
      }
    }
    const last = Math.floor(this.#size / BLOCK_BYTES);
    if (this.#blocks.has(last)) this.#writable(last).fill(0, this.#size % BLOCK_BYTES);
  }
}

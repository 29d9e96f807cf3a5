/**
 * Buffers that are used again: a fresh 64 KiB costs more (page faults) than copying into an old one.
 * Two sizes, for fixed and for content-defined blocks; small copies are not worth pooling and are cut to size.
 * What is acquired must be released at most once and not be read afterwards.
 */

const SMALL_BYTES_MAX = 8 * 1024;
const CLASS_BYTES: readonly number[] = [64 * 1024, 256 * 1024];
/** Per class; more than this many idle buffers are left to the garbage collector. */
const IDLE_MAX = 256;

export class BufferPool {
  readonly #idle: Buffer[][] = CLASS_BYTES.map(() => []);

  /** A copy of `bytes` in a buffer whose capacity is the memory it holds. */
  copy(bytes: Uint8Array): { readonly bytes: Buffer; readonly buffer: Buffer } {
    const buffer = this.#acquire(bytes.length);
    buffer.set(bytes, 0);
    return { bytes: buffer.length === bytes.length ? buffer : buffer.subarray(0, bytes.length), buffer };
  }

  release(buffer: Buffer): void {
    const idle = this.#idle[CLASS_BYTES.indexOf(buffer.length)];
    if (idle && idle.length < IDLE_MAX) idle.push(buffer);
  }

  #acquire(length: number): Buffer {
    const index = length <= SMALL_BYTES_MAX ? -1 : CLASS_BYTES.findIndex((size) => length <= size);
    return this.#idle[index]?.pop() ?? Buffer.allocUnsafeSlow(CLASS_BYTES[index] ?? length);
  }
}

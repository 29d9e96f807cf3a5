/**
 * A zstd context that is used again. Node's one-shot calls make a context and an output buffer each time, which costs
 * 30 to 45 µs per 64 KiB block: as much as decompressing it, four times as much as finding random data incompressible.
 *
 * Node has no public way to keep one, so this reaches for the stream's native handle. Hence the caution: where the
 * handle is not what it was (`openContext` tries it), or does not do what was asked, the caller gets undefined and uses
 * the one-shot call, which decides. A context that failed is not used again.
 */

import { constants, createZstdCompress, createZstdDecompress, type ZstdOptions } from "node:zlib";

/** What is relied on of a zlib stream in Node 24 to 26. */
interface NativeStream {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputBytes: number,
      output: Uint8Array,
      outputAt: number,
      outputBytes: number,
    ): void;
    onerror: () => void;
  };
  /** After a call: bytes of output not written, bytes of input not read. */
  readonly _writeState: Uint32Array;
}

/** Writes one whole frame (or its content) into `output`: bytes written, or undefined if that did not come out. */
export type Context = (input: Uint8Array, output: Uint8Array) => number | undefined;

export function openCompressor(options: ZstdOptions): Context {
  return openContext(() => createZstdCompress(options) as unknown as NativeStream);
}

export function openDecompressor(): Context {
  return openContext(() => createZstdDecompress() as unknown as NativeStream);
}

function openContext(open: () => NativeStream): Context {
  let stream: NativeStream | undefined;
  let isUsable = true;
  return (input, output) => {
    if (!isUsable) return undefined;
    try {
      stream ??= open();
      let failed = false;
      stream._handle.onerror = () => {
        failed = true;
      };
      stream._handle.writeSync(constants.ZSTD_e_end, input, 0, input.length, output, 0, output.length);
      const [outputLeft, inputLeft] = stream._writeState;
      if (!failed && outputLeft !== undefined && inputLeft === 0) return output.length - outputLeft;
    } catch {
      isUsable = false; // another Node: the handle is not as it was
    }
    stream = undefined;
    return undefined;
  };
}

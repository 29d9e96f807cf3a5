/**
 * One stream into blocks and a manifest: cut, test for zeros, name, compare with the parent, offer what may be new.
 *
 * A chunk of the source is read only until the next one is asked for, so a source may reuse its buffer. Work on a block
 * that the parent has is synchronous and asks nobody. A failing source or an abort ends this stream alone.
 */

import { type Cutter, contentCutter, fixedCutter } from "@permafrost/chunker";
import { type BlockId, DISK_BLOCK_BYTES } from "@permafrost/model";
import { equalBytes } from "@permafrost/std";
import { abortable } from "./abortable.ts";
import type { WriteOptions, Written } from "./contract.ts";
import type { PageReader } from "./page-reader.ts";
import { PageTree } from "./page-tree.ts";
import { ParentBlocks } from "./parent-blocks.ts";
import type { Sealing } from "./sealing.ts";
import { emptyTally, type Uploader } from "./uploader.ts";
import { ZEROS } from "./zeros.ts";

export interface StreamWriterParts {
  readonly sealing: Sealing;
  readonly uploader: Uploader;
  readonly reader: PageReader;
  /** The table of the content-defined cutter. */
  readonly gear: Int32Array;
}

/** See `Writer.writeStream`. */
export async function writeStream(
  { sealing, uploader, reader, gear }: StreamWriterParts,
  source: AsyncIterable<Uint8Array>,
  options: WriteOptions,
): Promise<Written> {
  const { chunking, signal, onProgress } = options;
  const tally = emptyTally();
  const parent = new ParentBlocks(reader, options.parent, chunking);
  let zeroBytes = 0;
  let parentBlocks = 0;
  let offset = 0;
  const tree = new PageTree(chunking, (page) => {
    const id = sealing.id("page", page);
    if (!parent.hasPage(id)) uploader.offer("page", id, page, tally);
    return id;
  });
  const addBlock = (block: Uint8Array) => {
    if (isZero(block)) {
      zeroBytes += block.length;
      tree.addZeros(block.length);
    } else {
      const id: BlockId = sealing.id("data", block);
      if (parent.has(offset, id)) parentBlocks++;
      else uploader.offer("data", id, block, tally);
      tree.addBlock(id, block.length);
    }
    offset += block.length;
  };
  /** Undefined when the next block can be taken at once. */
  const obstacle = () => parent.arriveAt(offset) ?? uploader.room(signal);

  const cutter: Cutter = chunking === "fixed" ? fixedCutter(DISK_BLOCK_BYTES) : contentCutter(gear);
  try {
    uploader.throwIfFailed();
    for await (const chunk of abortable(source, signal)) {
      for (const block of cutter.push(chunk)) {
        for (let wait = obstacle(); wait; wait = obstacle()) await wait;
        addBlock(block);
      }
      onProgress?.(chunk.length);
    }
    for (let wait = obstacle(); wait; wait = obstacle()) await wait;
    const rest = cutter.end();
    if (rest) addBlock(rest);
    const root = tree.finish();
    await uploader.settle(tally, signal);
    const { newBytes, storedBytes, newBlocks, reservedBlocks } = tally;
    const stats = {
      logicalBytes: offset,
      readBytes: offset,
      zeroBytes,
      newBytes,
      storedBytes,
      newBlocks,
      parentBlocks,
      reservedBlocks,
    };
    return { root, stats };
  } finally {
    await parent.close();
  }
}

function isZero(block: Uint8Array): boolean {
  if (block[0] !== 0 || block[block.length - 1] !== 0) return false;
  return equalBytes(block, block.length === DISK_BLOCK_BYTES ? ZERO_BLOCK : ZEROS.subarray(0, block.length));
}

const ZERO_BLOCK = ZEROS.subarray(0, DISK_BLOCK_BYTES);

/**
 * What an earlier copy has already: ids of the source's blocks to ids of the copy's, learnt from two manifests that are walked side by side.
 *
 * A copy keeps the cuts of its source, so both have the same extents. Pairs near the offset are held, so that what was inserted or removed in a
 * content-defined stream still meets its block. Manifests that differ or cannot be read are no parent: the blocks are then transferred again,
 * and nothing is lost but time.
 */

import type { BlockId, StreamRoot } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import type { Extent, Reader } from "./contract.ts";
import { idName } from "./recent-ids.ts";

/** Pairs are held so far before and behind the offset. */
const WINDOW_BYTES = 32 * 1024 * 1024;

/** One stream in two repositories: as the source has it, and its copy. */
export interface CopiedStream {
  readonly source: StreamRoot;
  readonly copy: StreamRoot;
}

interface Pair {
  readonly id: BlockId;
  readonly length: number;
  readonly end: number;
}

export class CopiedBlocks {
  readonly #source: AsyncIterator<Extent>;
  readonly #copy: AsyncIterator<Extent>;
  /** By the source's id, in order of offset. */
  readonly #pairs = new Map<string, Pair>();
  #knownUntil = 0;
  #isAtEnd: boolean;

  constructor(source: Reader, copy: Reader, parent: CopiedStream | undefined) {
    const isUsable = parent?.source.sizeBytes === parent?.copy.sizeBytes && parent?.source.chunking === parent?.copy.chunking;
    this.#isAtEnd = parent === undefined || !isUsable;
    this.#source = (parent ? source.extents(parent.source) : nothing())[Symbol.asyncIterator]();
    this.#copy = (parent ? copy.extents(parent.copy) : nothing())[Symbol.asyncIterator]();
  }

  /** The copy's id of the source's block `id`, met at `offset`. Offsets must not decrease. */
  async find(id: BlockId, length: number, offset: number): Promise<BlockId | undefined> {
    if (!this.#isAtEnd && this.#knownUntil <= offset + WINDOW_BYTES) await this.#readTo(offset + WINDOW_BYTES);
    for (const [name, pair] of this.#pairs) {
      if (pair.end + WINDOW_BYTES > offset) break;
      this.#pairs.delete(name);
    }
    const pair = this.#pairs.get(idName(id));
    return pair?.length === length ? pair.id : undefined;
  }

  async close(): Promise<void> {
    await Promise.all([this.#source.return?.(undefined), this.#copy.return?.(undefined)]);
  }

  async #readTo(end: number): Promise<void> {
    try {
      while (!this.#isAtEnd && this.#knownUntil <= end) {
        const [source, copy] = await Promise.all([this.#source.next(), this.#copy.next()]);
        if (source.done || copy.done || !isSame(source.value, copy.value)) {
          this.#isAtEnd = true;
          return;
        }
        this.#knownUntil = source.value.offset + source.value.length;
        if (source.value.kind === "zero" || copy.value.kind === "zero") continue;
        const name = idName(source.value.id);
        this.#pairs.delete(name);
        this.#pairs.set(name, { id: copy.value.id, length: copy.value.length, end: this.#knownUntil });
      }
    } catch (error) {
      if (!CodedError.is(error)) throw error;
      this.#isAtEnd = true;
    }
  }
}

function isSame(a: Extent, b: Extent): boolean {
  return a.kind === b.kind && a.offset === b.offset && a.length === b.length;
}

async function* nothing(): AsyncGenerator<Extent> {}

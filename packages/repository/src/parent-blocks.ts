/**
 * What the parent stream holds at an offset, learnt from its leaf pages as the writer comes to them.
 *
 * A block or page found here is committed already, so it is neither asked nor sent nor confirmed. Fixed blocks are
 * compared at the same offset; content-defined ones with the ids of the leaves near it. A parent that cannot be read
 * is no parent: the writer then asks the store, and nothing is lost but time.
 */

import type { LeafPage } from "@permafrost/format";
import { BLOCK_ID_BYTES, type BlockId, DISK_BLOCK_BYTES, type StreamRoot } from "@permafrost/model";
import { CodedError, equalBytes, fromHex } from "@permafrost/std";
import type { PageReader, WalkedLeaf } from "./page-reader.ts";
import { idName } from "./recent-ids.ts";

/** Leaves of a content-defined parent whose ids are kept: those around the offset. */
const CONTENT_LEAVES = 4;

interface Leaf {
  readonly start: number;
  readonly end: number;
  readonly has: (offset: number, id: BlockId) => boolean;
}

export class ParentBlocks {
  readonly #chunking: StreamRoot["chunking"];
  readonly #walk: AsyncGenerator<WalkedLeaf>;
  readonly #pages = new Set<string>();
  #leaves: Leaf[] = [];
  #isAtEnd = false;

  constructor(reader: PageReader, parent: StreamRoot | undefined, chunking: StreamRoot["chunking"]) {
    this.#chunking = chunking;
    const usable = parent?.chunking === chunking ? parent : undefined;
    this.#isAtEnd = usable?.form !== "tree";
    this.#walk = usable?.form === "tree" ? this.#walkTree(reader, usable) : nothing();
    if (usable?.form === "block") {
      const id = fromHex(usable.id);
      this.#leaves.push({ start: 0, end: usable.sizeBytes, has: (_, other) => equalBytes(id, other) });
    }
  }

  /** Undefined when the parent is known around `offset`; else a promise of that. Offsets must not decrease. */
  arriveAt(offset: number): Promise<void> | undefined {
    return this.#isAtEnd || this.#knownUntil() > offset ? undefined : this.#readTo(offset);
  }

  /** Whether the parent has this block at `offset` (fixed) or near it (content). */
  has(offset: number, id: BlockId): boolean {
    for (const leaf of this.#leaves) {
      if ((this.#chunking === "content" || (leaf.start <= offset && offset < leaf.end)) && leaf.has(offset, id)) return true;
    }
    return false;
  }

  /** Whether the parent has a page of this id among those read so far. */
  hasPage(id: BlockId): boolean {
    return this.#pages.has(idName(id));
  }

  async close(): Promise<void> {
    await this.#walk.return(undefined);
  }

  /** Content-defined leaves are read one ahead, since what was inserted moves the rest to later offsets. */
  #knownUntil(): number {
    const last = this.#leaves.at(-1);
    if (!last) return -1;
    return this.#chunking === "fixed" ? last.end : last.start;
  }

  async #readTo(offset: number): Promise<void> {
    try {
      while (!this.#isAtEnd && this.#knownUntil() <= offset) {
        const next = await this.#walk.next();
        if (next.done) {
          this.#isAtEnd = true;
          break;
        }
        const leaf = next.value;
        if ("damage" in leaf) continue; // unknown there; the blocks are asked for
        this.#leaves.push(this.#chunking === "fixed" ? fixedLeaf(leaf.page, leaf.offset) : contentLeaf(leaf.page, leaf.offset));
        if (this.#leaves.length > (this.#chunking === "fixed" ? 1 : CONTENT_LEAVES)) this.#leaves.shift();
      }
    } catch (error) {
      if (!CodedError.is(error)) throw error;
      this.#isAtEnd = true;
    }
  }

  #walkTree(reader: PageReader, root: StreamRoot): AsyncGenerator<WalkedLeaf> {
    return reader.leaves(root, {
      onPage: (id) => this.#pages.add(idName(id)),
    });
  }
}

/** By block number: the ids one after the other, with zeros where the leaf has a zero run (no id is all zeros). */
function fixedLeaf(page: LeafPage, start: number): Leaf {
  const ids = Buffer.alloc(Math.ceil(page.totalBytes / DISK_BLOCK_BYTES) * BLOCK_ID_BYTES);
  let at = 0;
  for (const entry of page.entries) {
    if (entry.kind === "block") ids.set(entry.id, (at / DISK_BLOCK_BYTES) * BLOCK_ID_BYTES);
    at += entry.length;
  }
  return {
    start,
    end: start + page.totalBytes,
    has(offset, id) {
      const slot = ((offset - start) / DISK_BLOCK_BYTES) * BLOCK_ID_BYTES;
      return ids.compare(id, 0, BLOCK_ID_BYTES, slot, slot + BLOCK_ID_BYTES) === 0;
    },
  };
}

function contentLeaf(page: LeafPage, start: number): Leaf {
  const ids = new Set(page.entries.flatMap((entry) => (entry.kind === "block" ? [idName(entry.id)] : [])));
  return { start, end: start + page.totalBytes, has: (_, id) => ids.has(idName(id)) };
}

async function* nothing(): AsyncGenerator<WalkedLeaf> {}

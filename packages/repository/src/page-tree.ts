/**
 * Builds a stream's manifest as its extents come, in memory of one open page per level; FORMAT.md, B4.
 *
 * Same extents, same pages: fixed leaves end at multiples of FIXED_LEAF_BYTES, content-defined leaves after an id that
 * says so, hence an unchanged span keeps its page's id. Pages are handed to `store`, which gives back their ids.
 */

import {
  type ChildEntry,
  type Chunking,
  encodeInnerPage,
  encodeLeafPage,
  type LeafEntry,
  PAGE_ENTRIES_MAX,
} from "@permafrost/format";
import { type BlockId, DISK_BLOCK_BYTES, type StreamRoot } from "@permafrost/model";
import { assert, toHex } from "@permafrost/std";

/** Content leaves end after an id with these bits zero: one in 512. */
const CONTENT_LEAF_MASK = 511;

/** Stores a page and returns its id. `start` is the stream's offset that the page begins at. */
export type StorePage = (page: Buffer, level: number, start: number) => BlockId;

export class PageTree {
  readonly #chunking: Chunking;
  readonly #blockBytes: number;
  readonly #store: StorePage;
  #entries: LeafEntry[] = [];
  /** Extents of the open leaf in blocks of the fixed size; what bounds a fixed leaf. */
  #leafStart = 0;
  #offset = 0;
  /** Per level above the leaves: children without a parent page yet, and where the first begins. */
  readonly #levels: { children: ChildEntry[]; start: number }[] = [];

  constructor(chunking: Chunking, store: StorePage) {
    this.#chunking = chunking;
    this.#blockBytes = chunking === "fixed" ? DISK_BLOCK_BYTES : 0;
    this.#store = store;
  }

  addBlock(id: BlockId, length: number): void {
    this.#entries.push({ kind: "block", length, id });
    this.#offset += length;
    if (this.#chunking === "content" && (((id[0] as number) << 8) | (id[1] as number)) & CONTENT_LEAF_MASK) {
      if (this.#entries.length >= PAGE_ENTRIES_MAX) this.#closeLeaf();
    } else if (this.#chunking === "content") this.#closeLeaf();
    else this.#closeFixedLeaf();
  }

  addZeros(length: number): void {
    const last = this.#entries.at(-1);
    if (last?.kind === "zero") this.#entries[this.#entries.length - 1] = { kind: "zero", length: last.length + length };
    else this.#entries.push({ kind: "zero", length });
    this.#offset += length;
    if (this.#chunking === "fixed") this.#closeFixedLeaf();
    else if (this.#entries.length >= PAGE_ENTRIES_MAX) this.#closeLeaf();
  }

  /** The root over everything added. */
  finish(): StreamRoot {
    const { chunking, sizeBytes } = { chunking: this.#chunking, sizeBytes: this.#offset };
    if (sizeBytes === 0) return { form: "empty", id: "", sizeBytes, chunking };
    const only = this.#entries[0];
    if (this.#levels.length === 0 && this.#entries.length === 1 && only?.kind === "block") {
      return { form: "block", id: toHex(only.id), sizeBytes, chunking };
    }
    if (this.#entries.length > 0) this.#closeLeaf();
    for (let index = 0; ; index++) {
      const level = this.#levels[index];
      assert(level, "a level is missing");
      const only = level.children[0];
      if (index === this.#levels.length - 1 && level.children.length === 1 && only) {
        return { form: "tree", id: toHex(only.id), sizeBytes, chunking };
      }
      if (level.children.length > 0) this.#closeInner(index);
    }
  }

  #closeFixedLeaf(): void {
    if (this.#offset - this.#leafStart >= this.#blockBytes * PAGE_ENTRIES_MAX) this.#closeLeaf();
  }

  #closeLeaf(): void {
    const page = encodeLeafPage(this.#chunking, this.#blockBytes, this.#entries);
    const start = this.#leafStart;
    this.#entries = [];
    this.#leafStart = this.#offset;
    this.#addChild(0, { id: this.#store(page, 0, start), length: this.#offset - start }, start);
  }

  #closeInner(index: number): void {
    const level = this.#levels[index];
    assert(level, "a level is missing");
    const { children, start } = level;
    const page = encodeInnerPage(index + 1, this.#chunking, this.#blockBytes, children);
    level.children = [];
    const length = children.reduce((sum, child) => sum + child.length, 0);
    this.#addChild(index + 1, { id: this.#store(page, index + 1, start), length }, start);
  }

  /** Adds a page to the parent that is open at `index`. */
  #addChild(index: number, child: ChildEntry, start: number): void {
    const level = this.#levels[index] ?? { children: [], start };
    this.#levels[index] = level;
    if (level.children.length === PAGE_ENTRIES_MAX) this.#closeInner(index);
    if (level.children.length === 0) level.start = start;
    level.children.push(child);
  }
}

/**
 * Reads blocks and walks manifests; the base of reading, comparing with a parent, and checking.
 *
 * A body that is missing or damaged is a value here, so that a walk can go on past it. Every page is authenticated, its
 * id recomputed, its rules checked (format), and its place checked: level, span and chunking are what its parent says.
 */

import type { BlockStore, SealedBlock } from "@permafrost/blocks";
import type { BlockKind } from "@permafrost/crypto";
import { decodeManifestPage, isLeaf, type LeafPage, type ManifestPage } from "@permafrost/format";
import type { BlockId, RepositoryId, StreamRoot } from "@permafrost/model";
import { CodedError, fromHex, toHex } from "@permafrost/std";
import type { Sealing } from "./sealing.ts";

/** Child pages fetched in one call, and one such group ahead. */
const GROUP_PAGES = 8;

/** A leaf, or the damage in its place. */
export type WalkedLeaf =
  | { readonly offset: number; readonly id: BlockId; readonly page: LeafPage }
  | { readonly offset: number; readonly id: BlockId; readonly length: number; readonly damage: CodedError };

export interface WalkOptions {
  readonly start?: number;
  readonly end?: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether to leave out the page of this id, which is not the root, and all below it. */
  readonly skip?: (id: BlockId) => boolean;
  /** Told of every page before what lies below it. */
  readonly onPage?: (id: BlockId, page: ManifestPage, offset: number) => void;
}

interface PageRef {
  readonly id: BlockId;
  readonly offset: number;
  readonly length: number;
  /** Undefined for the root, whose level nobody knows yet. */
  readonly level: number | undefined;
}

export class PageReader {
  readonly #store: BlockStore;
  readonly #repositoryId: RepositoryId;
  readonly #sealing: Sealing;

  constructor(store: BlockStore, repositoryId: RepositoryId, sealing: Sealing) {
    this.#store = store;
    this.#repositoryId = repositoryId;
    this.#sealing = sealing;
  }

  /** Sealed blocks in the order of `ids` (at most IDS_PER_REQUEST_MAX); one that is missing or damaged is its error. */
  async fetch(ids: readonly BlockId[]): Promise<(SealedBlock | CodedError)[]> {
    if (ids.length === 0) return [];
    try {
      const blocks = await this.#store.get(this.#repositoryId, ids);
      return ids.map((id, index) => blocks[index] ?? missing(id));
    } catch (error) {
      // One damaged block fails the call: ask one by one to learn which.
      if (!CodedError.is(error, "BLOCK_CORRUPT")) throw error;
      if (ids.length === 1) return [error];
    }
    const each: (SealedBlock | CodedError)[] = [];
    for (const id of ids) each.push(...(await this.fetch([id])));
    return each;
  }

  /** The plaintext of a fetched block of `length` bytes (any, for a page), or its error. */
  open(kind: BlockKind, id: BlockId, block: SealedBlock | CodedError, length?: number): Uint8Array | CodedError {
    if (block instanceof CodedError) return block;
    try {
      const plaintext = this.#sealing.openBlock(kind, id, block.body);
      if (length === undefined || plaintext.length === length) return plaintext;
      return corrupt(`the block has ${plaintext.length} bytes, its manifest says ${length}`);
    } catch (cause) {
      const error = CodedError.from(cause);
      return corrupt(error.message, error);
    }
  }

  /** The leaves of a `tree` that intersect [start, end), in order. */
  async *leaves(root: StreamRoot, options: WalkOptions = {}): AsyncGenerator<WalkedLeaf> {
    const range = { start: options.start ?? 0, end: options.end ?? root.sizeBytes };
    const ref: PageRef = { id: fromHex(root.id), offset: 0, length: root.sizeBytes, level: undefined };
    const [page] = await this.#pages([ref], root.chunking);
    yield* this.#descend(ref, page as ManifestPage | CodedError, root.chunking, range, options);
  }

  async *#descend(
    ref: PageRef,
    page: ManifestPage | CodedError,
    chunking: StreamRoot["chunking"],
    range: { start: number; end: number },
    options: WalkOptions,
  ): AsyncGenerator<WalkedLeaf> {
    options.signal?.throwIfAborted();
    const { id, offset, length } = ref;
    if (page instanceof CodedError) {
      yield { offset, id, length, damage: located(page, offset, length, id, "page") };
      return;
    }
    options.onPage?.(id, page, offset);
    if (isLeaf(page)) {
      yield { offset, id, page };
      return;
    }
    const refs: PageRef[] = [];
    let at = offset;
    for (const child of page.children) {
      if (at < range.end && at + child.length > range.start && options.skip?.(child.id) !== true) {
        refs.push({ id: child.id, offset: at, length: child.length, level: page.level - 1 });
      }
      at += child.length;
    }
    let ahead = this.#ahead(refs.slice(0, GROUP_PAGES), chunking);
    for (let first = 0; first < refs.length; first += GROUP_PAGES) {
      const group = refs.slice(first, first + GROUP_PAGES);
      const pages = await ahead;
      ahead = this.#ahead(refs.slice(first + GROUP_PAGES, first + 2 * GROUP_PAGES), chunking);
      for (const [index, child] of group.entries()) {
        yield* this.#descend(child, pages[index] as ManifestPage | CodedError, chunking, range, options);
      }
    }
  }

  /** Pages asked for before they are needed; a failure is thrown when they are, and never otherwise. */
  #ahead(refs: readonly PageRef[], chunking: StreamRoot["chunking"]): Promise<(ManifestPage | CodedError)[]> {
    const pages = this.#pages(refs, chunking);
    pages.catch(() => {});
    return pages;
  }

  async #pages(refs: readonly PageRef[], chunking: StreamRoot["chunking"]): Promise<(ManifestPage | CodedError)[]> {
    const blocks = await this.fetch(refs.map((ref) => ref.id));
    return refs.map((ref, index) => this.#page(ref, blocks[index] as SealedBlock | CodedError, chunking));
  }

  #page(ref: PageRef, block: SealedBlock | CodedError, chunking: StreamRoot["chunking"]): ManifestPage | CodedError {
    const plaintext = this.open("page", ref.id, block);
    if (plaintext instanceof CodedError) return plaintext;
    try {
      const page = decodeManifestPage(plaintext);
      if (ref.level !== undefined && page.level !== ref.level)
        return corrupt("the page is of another level than its parent says");
      if (page.totalBytes !== ref.length) return corrupt("the page spans other bytes than its parent says");
      if (page.chunking !== chunking) return corrupt("the page is of another chunking than its root");
      return page;
    } catch (cause) {
      const error = CodedError.from(cause);
      return corrupt(error.message, error);
    }
  }
}

/** `error` of a block with its place in the stream; only BLOCK_MISSING and BLOCK_CORRUPT come here. */
export function located(error: CodedError, offset: number, length: number, id: BlockId, kind: BlockKind): CodedError {
  const what = kind === "page" ? "manifest page" : "block";
  const hint = error.hint ?? "Check the repository; a repair copies what another storage node still has.";
  return new CodedError(error.code, `${error.message} (${what} of bytes ${offset} to ${offset + length})`, {
    facts: { ...error.facts, offset, length, id: toHex(id), kind },
    hint,
    retry: error.retry,
    cause: error.cause ?? error,
  });
}

function missing(id: BlockId): CodedError {
  return new CodedError("BLOCK_MISSING", "no storage node has the block", { facts: { id: toHex(id) } });
}

function corrupt(reason: string, cause?: CodedError): CodedError {
  return new CodedError("BLOCK_CORRUPT", `the stored block is damaged: ${reason}`, {
    facts: { reason, ...(cause ? { found: cause.code } : {}) },
    ...(cause ? { cause } : {}),
  });
}

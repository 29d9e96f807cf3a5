/**
 * The deduplicating repository of one project, as its users see it. Where blocks live is the BlockStore's
 * affair; what they mean is in FORMAT.md, part B. Opened with a key; see `open.ts`.
 */

import type { Scope } from "@permafrost/blocks";
import type { StreamRoot, StreamStats } from "@permafrost/model";
import type { Json } from "@permafrost/std";
import type { CopiedStream } from "./copied-blocks.ts";

export interface Repository {
  readonly id: string;
  readonly name: string;
  /** One per task; may write many streams at once. */
  writer(scope: Scope): Writer;
  reader(): Reader;
  records(scope: Scope): Records;
}

export interface WriteOptions {
  readonly chunking: "fixed" | "content";
  /** The same resource's stream in the parent session: blocks found there at the same offset are asked of no node. */
  readonly parent?: StreamRoot;
  readonly signal?: AbortSignal;
  /** Called with the bytes read since the last call. */
  readonly onProgress?: (readBytes: number) => void;
}

export interface CopyOptions {
  /** The same resource's stream in an earlier restore point of the source, and its copy here: what both have is not transferred again. */
  readonly parent?: CopiedStream;
  readonly signal?: AbortSignal;
  /** Called with the bytes of the stream that were dealt with since the last call. */
  readonly onProgress?: (bytes: number) => void;
}

export interface Written {
  readonly root: StreamRoot;
  readonly stats: StreamStats;
}

export interface Writer {
  /**
   * Reads `source` to its end and queues its blocks and pages. The bytes are durable only after `finish`.
   * Memory is bounded whatever the size of the source. An error of the source is thrown as it is.
   */
  writeStream(source: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<Written>;
  /**
   * Copies a stream of another repository, block by block, under this one's keys; durable after `finish`. `readBytes` of its stats are what was
   * transferred. BLOCK_MISSING or BLOCK_CORRUPT for damage at the source, with its place.
   */
  copyStream(source: Repository, root: StreamRoot, options: CopyOptions): Promise<Written>;
  /** Canonical JSON, content-defined chunking. */
  writeDocument(value: Json): Promise<Written>;
  /** Barrier: every block of every stream so far is durable on W replicas, else NOT_DURABLE. */
  finish(): Promise<void>;
}

export interface ReadOptions {
  /** First byte; default 0. */
  readonly start?: number;
  /** One past the last byte; default the end. */
  readonly end?: number;
  readonly signal?: AbortSignal;
}

/** A run of a stream: one block, or zeros. */
export type Extent =
  | { readonly kind: "block"; readonly offset: number; readonly length: number; readonly id: Uint8Array }
  | { readonly kind: "zero"; readonly offset: number; readonly length: number };

export interface Reader {
  /**
   * The bytes in order, read ahead. Every block is authenticated and its id recomputed: exact bytes or an error,
   * BLOCK_MISSING or BLOCK_CORRUPT with `offset` and `length` in its facts. Zero runs come as zero bytes.
   */
  readStream(root: StreamRoot, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** At most `bytesMax` (default 64 MiB), else DOCUMENT_TOO_LARGE. */
  readDocument(root: StreamRoot, bytesMax?: number): Promise<Json>;
  /** The extents in order, without reading data blocks. */
  extents(root: StreamRoot): AsyncIterable<Extent>;
}

/** Small sealed values under a text key, kept on the storage nodes. */
export interface Records {
  get(key: string): Promise<{ readonly version: bigint; readonly value: Uint8Array } | undefined>;
  /** Writes version `version`; RECORD_CONFLICT if the record moved on. */
  put(key: string, version: bigint, value: Uint8Array): Promise<void>;
  delete(key: string, version: bigint): Promise<void>;
  list(prefix: string): Promise<{ readonly key: string; readonly version: bigint; readonly value: Uint8Array }[]>;
}

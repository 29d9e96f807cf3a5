/**
 * Where a node keeps its pack files: named files that only grow, until they never change.
 *
 * What an implementer promises: a write is durable once `sync` of its file resolved, and a new or renamed file once
 * `syncDirectory` resolved after it; nothing earlier is promised. A pack whose sync failed is not written to again: a disk may have
 * dropped the pages and call the file clean, an object store may apply a request late. `sync` of it fails for ever after with
 * PACK_SYNC_FAILED, without trying again.
 * Errors: PACK_EXISTS, PACK_MISSING, PACK_NO_SPACE (the disk or a quota is full), PACK_SYNC_FAILED, PACK_IO; of an object store also
 * PACK_UNREACHABLE (it does not answer: says nothing about the pack), PACK_DENIED, PACK_FENCED (another gateway owns the packs now).
 */

/** Letters, digits, `-` and `_`; a pack id in hex. */
export type PackName = string;

export interface PackInfo {
  readonly name: PackName;
  readonly sizeBytes: number;
}

export interface PackSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface PackStore {
  /** Makes an empty pack. PACK_EXISTS if there is one. */
  create(name: PackName): Promise<void>;
  /** Writes the parts one after another from `offset` on, where the pack ends: all of them or an error; what is written then is undefined. */
  append(name: PackName, offset: number, parts: readonly Uint8Array[]): Promise<void>;
  /** Cuts the pack to `sizeBytes`. */
  truncate(name: PackName, sizeBytes: number): Promise<void>;
  /**
   * Makes all of the pack durable that was written or cut. PACK_NO_SPACE and PACK_UNREACHABLE: that did not happen to this pack, or nobody
   * knows; another pack may be written. Any other error: the store is not to be written to until it is opened again.
   */
  sync(name: PackName): Promise<void>;
  /** As `sync`, for packs that are new or were set aside. */
  syncDirectory(): Promise<void>;
  /** Up to `length` bytes from `offset`: fewer only where the pack ends. */
  read(name: PackName, offset: number, length: number): Promise<Buffer>;
  /** Every pack, in order of name; quarantined ones are left out. */
  list(): Promise<PackInfo[]>;
  sizeBytes(name: PackName): Promise<number>;
  delete(name: PackName): Promise<void>;
  /** Sets the pack aside under another name, for people to look at; it is no longer listed or read. */
  quarantine(name: PackName): Promise<void>;
  space(): Promise<PackSpace>;
  close(): Promise<void>;
}

/**
 * Where a node keeps its pack files: named files that only grow, until they never change.
 *
 * What an implementer promises: a write is durable once `sync` of its file resolved, and a new or renamed file once
 * `syncDirectory` resolved after it; nothing earlier is promised. A failed sync is final: the system may have dropped the
 * pages and call the file clean, so `sync` of that file fails for ever after, without asking the system again.
 * Errors: PACK_EXISTS, PACK_MISSING, PACK_NO_SPACE (the disk or a quota is full), PACK_SYNC_FAILED, PACK_IO.
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
  /** Writes the parts one after another from `offset` on, all of them or an error; what is written then is undefined. */
  append(name: PackName, offset: number, parts: readonly Uint8Array[]): Promise<void>;
  /** Cuts the pack to `sizeBytes`. */
  truncate(name: PackName, sizeBytes: number): Promise<void>;
  sync(name: PackName): Promise<void>;
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

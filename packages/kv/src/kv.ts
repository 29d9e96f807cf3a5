/** An ordered key-value store with atomic, optionally synced batches. LevelDB and memory implement it and pass `testing/suite.ts`. */

export type KvOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: Uint8Array };

export interface Kv {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** Values in the order of `keys`. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** All or nothing. With `sync` it resolves only after an fsync. */
  batch(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void>;
  /** Entries with `from <= key < to`, in key order. Safe against concurrent writes: sees the state at the call. */
  range(from: Uint8Array, to: Uint8Array): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>;
  close(): Promise<void>;
}

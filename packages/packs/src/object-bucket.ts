/**
 * Whole objects under keys: the little of an object store that packs need. S3 and Swift each have one.
 *
 * What an implementer promises: an object is durable once `put` resolved, and from then on `get` and `sizeBytes` of its key see it. A
 * listing may lag behind. A call that failed may have been applied, or may still be; what comes is whole. Calls are repeated
 * inside, for a bounded time, where that may help.
 * Errors: PACK_MISSING, PACK_NO_SPACE (a quota), PACK_DENIED, PACK_UNREACHABLE (retry `later`), PACK_IO.
 */

export interface ListedKey {
  readonly key: string;
  readonly sizeBytes: number;
}

export interface ObjectBucket {
  /** Stores the object, checked by its MD5 on arrival; replaces one that is there. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** As `put`, if there is none: else false, which may also be our own object of an attempt whose answer was lost. */
  putNew(key: string, bytes: Uint8Array): Promise<boolean>;
  /** `length` bytes from `offset`. PACK_MISSING; PACK_IO if the object has fewer. */
  get(key: string, offset: number, length: number): Promise<Buffer>;
  /** Undefined: there is none. */
  sizeBytes(key: string): Promise<number | undefined>;
  /** Keys that start with `prefix`, in order; in pages inside. */
  list(prefix: string): AsyncIterable<ListedKey>;
  /** Gone already is success. */
  delete(key: string): Promise<void>;
  close(): Promise<void>;
}

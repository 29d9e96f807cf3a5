/**
 * What the repository gives back for stored bytes: a handle small enough to travel in a message.
 * A `StreamRoot` is not a secret: without the keys its id says nothing.
 */

/** The stored form of one byte stream: the root page of its manifest. JSON-safe. */
export interface StreamRoot {
  /** `tree`: `id` is a manifest page. `block`: the stream is the one data block `id`. `empty`: no bytes, `id` is "". */
  readonly form: "tree" | "block" | "empty";
  /** Hex BlockId. */
  readonly id: string;
  readonly sizeBytes: number;
  /** `fixed` blocks have equal size and may be compared with a parent at the same offset. */
  readonly chunking: "fixed" | "content";
}

/** Counters of one written stream; every name ends in its unit. */
export interface StreamStats {
  /** Bytes of the stream as its reader sees it. */
  readonly logicalBytes: number;
  /** Bytes that came from the source; less than logical when something proved unchanged was not read. */
  readonly readBytes: number;
  /** Bytes in zero runs. */
  readonly zeroBytes: number;
  /** Plaintext bytes of blocks that were not there before. */
  readonly newBytes: number;
  /** Sealed bytes sent to one replica: new blocks, manifest pages and documents. */
  readonly storedBytes: number;
  readonly newBlocks: number;
  /** Blocks proved present by the parent manifest at the same offset, without a question to a node. */
  readonly parentBlocks: number;
  /** Blocks proved present by asking. */
  readonly reservedBlocks: number;
}

export const EMPTY_STATS: StreamStats = {
  logicalBytes: 0,
  readBytes: 0,
  zeroBytes: 0,
  newBytes: 0,
  storedBytes: 0,
  newBlocks: 0,
  parentBlocks: 0,
  reservedBlocks: 0,
};

export function addStats(a: StreamStats, b: StreamStats): StreamStats {
  return {
    logicalBytes: a.logicalBytes + b.logicalBytes,
    readBytes: a.readBytes + b.readBytes,
    zeroBytes: a.zeroBytes + b.zeroBytes,
    newBytes: a.newBytes + b.newBytes,
    storedBytes: a.storedBytes + b.storedBytes,
    newBlocks: a.newBlocks + b.newBlocks,
    parentBlocks: a.parentBlocks + b.parentBlocks,
    reservedBlocks: a.reservedBlocks + b.reservedBlocks,
  };
}

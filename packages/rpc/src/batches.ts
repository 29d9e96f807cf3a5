/** Splits a list into runs of bounded size, so that messages are large but never too large. Order is kept. */

/** Runs of at most `bytesMax` (a run has at least one item, however large) and at most `itemsMax`. */
export function inBatches<T>(items: readonly T[], sizeOf: (item: T) => number, bytesMax: number, itemsMax: number): T[][] {
  const batches: T[][] = [];
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (batch.length > 0 && (bytes + size > bytesMax || batch.length >= itemsMax)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

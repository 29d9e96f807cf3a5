/** Comparing what is in the target with what was captured. */

import { canonicalJson } from "@permafrost/std";

/** The first offset where the two byte streams differ, or undefined if they are equal. Reads both to the end unless they differ. */
export async function firstDifference(
  a: AsyncIterable<Uint8Array>,
  b: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<number | undefined> {
  const left = a[Symbol.asyncIterator]();
  const right = b[Symbol.asyncIterator]();
  let [x, y]: [Uint8Array | undefined, Uint8Array | undefined] = [undefined, undefined];
  let offset = 0;
  const next = async (from: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> => {
    for (;;) {
      const step = await from.next();
      if (step.done === true) return undefined;
      if (step.value.length > 0) return step.value;
    }
  };
  try {
    for (;;) {
      if (x === undefined || x.length === 0) x = await next(left);
      if (y === undefined || y.length === 0) y = await next(right);
      if (x === undefined && y === undefined) return undefined;
      if (x === undefined || y === undefined) return offset;
      const length = Math.min(x.length, y.length);
      const [p, q] = [x.subarray(0, length), y.subarray(0, length)];
      if (Buffer.compare(p, q) !== 0) {
        for (let i = 0; ; i++) if (p[i] !== q[i]) return offset + i;
      }
      offset += length;
      onBytes(length);
      x = x.subarray(length);
      y = y.subarray(length);
    }
  } finally {
    await left.return?.(undefined);
    await right.return?.(undefined);
  }
}

/** Fields that differ, as `<field>: expected …, found …`. Both sides are compared in canonical form; only the fields of `expected` count. */
export function fieldDifferences(
  expected: Readonly<Record<string, unknown>>,
  found: Readonly<Record<string, unknown>>,
): string[] {
  const differences: string[] = [];
  for (const field of Object.keys(expected).sort()) {
    const [want, have] = [canonicalJson(expected[field] ?? null), canonicalJson(found[field] ?? null)];
    if (want !== have) differences.push(`${field}: expected ${want}, found ${have}`);
  }
  return differences;
}

/**
 * What became of damages done on purpose: how many were detected, how many lie in bytes that nothing depends on, and how many were repaired
 * from a good copy. A damage that is none of these, and any wrong byte, is a RotFailure.
 */

export class RotFailure extends Error {}

export interface RotRow {
  damages: number;
  detected: number;
  repaired: number;
  /** Whether there was a good copy to repair from. */
  readonly repairable: boolean;
  /** How many were harmless, by where they lay. */
  readonly harmless: Map<string, number>;
}

export interface RotOutcome {
  readonly isDetected: boolean;
  /** Undefined: there was no good copy. */
  readonly isRepaired: boolean | undefined;
  /** Where it lies, if nothing depends on the bytes there. */
  readonly unusedBytes: string | undefined;
}

export class RotTally {
  /** By kind of damage, in the order of their first damage. */
  readonly rows = new Map<string, RotRow>();

  /** Counts one damage. RotFailure unless it was detected or harmless, and repaired if it could be. */
  count(kind: string, { isDetected, isRepaired, unusedBytes }: RotOutcome): void {
    const row = this.rows.get(kind) ?? {
      ...{ damages: 0, detected: 0, repaired: 0, repairable: isRepaired !== undefined, harmless: new Map<string, number>() },
    };
    this.rows.set(kind, row);
    if (!isDetected && unusedBytes === undefined) throw new RotFailure("nobody noticed");
    if (isDetected && isRepaired === false) throw new RotFailure("it was not repaired");
    row.damages++;
    if (isDetected) row.detected++;
    else if (unusedBytes !== undefined) row.harmless.set(unusedBytes, (row.harmless.get(unusedBytes) ?? 0) + 1);
    if (isDetected && isRepaired) row.repaired++;
  }

  /** Of all kinds. */
  total(): { readonly damages: number; readonly detected: number; readonly harmless: number; readonly repaired: number } {
    const sum = { damages: 0, detected: 0, harmless: 0, repaired: 0 };
    for (const { damages, detected, repaired, harmless } of this.rows.values()) {
      sum.damages += damages;
      sum.detected += detected;
      sum.repaired += repaired;
      for (const count of harmless.values()) sum.harmless += count;
    }
    return sum;
  }
}

/** Flips the bit `bit` of `bytes`, in place. */
export function flipBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7));
}

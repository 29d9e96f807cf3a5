/** Randomness as a parameter. Only this file draws it from the system. */

import { randomBytes } from "node:crypto";
import { toHex } from "./bytes.ts";

export interface Random {
  /** `length` bytes from a cryptographically secure source. */
  bytes(length: number): Uint8Array;
  /** A number in [0, 1); for jitter only. */
  fraction(): number;
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  fraction: () => randomBytes(4).readUInt32BE(0) / 2 ** 32,
};

/** 16 random bytes as 32 hex digits: repository, session and node ids. */
export function randomId(random: Random = systemRandom): string {
  return toHex(random.bytes(16));
}

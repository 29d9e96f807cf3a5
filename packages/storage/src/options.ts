/** Options of a node's engine and their defaults. */

import { type Clock, type Random, systemClock, systemRandom } from "@permafrost/std";

export interface EngineOptions {
  /** A pack is sealed when it reaches this. */
  readonly packBytesMax: number;
  /** How long a batch of puts waits for company. */
  readonly commitWindowMs: number;
  /** A batch of this size waits no longer. */
  readonly commitBytes: number;
  /** Bytes of puts that may wait; further puts wait before they are taken. */
  readonly queueBytesMax: number;
  /** Puts are refused that would leave less; undefined: one pack and 5 % of the disk. Records and deletions are still taken. */
  readonly keepFreeBytes: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

const MIB = 1024 * 1024;

/** The given options and the defaults of the others. */
export function engineOptions(given: Partial<EngineOptions> = {}): EngineOptions {
  return {
    packBytesMax: given.packBytesMax ?? 256 * MIB,
    commitWindowMs: given.commitWindowMs ?? 5,
    commitBytes: given.commitBytes ?? 8 * MIB,
    queueBytesMax: given.queueBytesMax ?? 64 * MIB,
    keepFreeBytes: given.keepFreeBytes,
    clock: given.clock ?? systemClock,
    random: given.random ?? systemRandom,
  };
}

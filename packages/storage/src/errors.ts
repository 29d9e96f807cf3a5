/** The errors of this package that more than one file raises. */

import type { RecordType } from "@permafrost/format";
import { CodedError } from "@permafrost/std";

/** Where and what a damaged record is. */
export interface DamagedPlace {
  readonly nodeId: string;
  readonly repositoryId: string;
  /** Hex id of the block, or the key of the record. */
  readonly name: string;
  readonly pack: string;
  readonly offset: number;
  readonly reason: string;
  /** Of a record. */
  readonly version?: string;
}

export function storeClosed(): CodedError {
  return new CodedError("STORE_CLOSED", "the store is closed", { retry: "elsewhere" });
}

/** The index is not whole, so that what it does not name may be here all the same. */
export function indexUnavailable(reason: string, cause?: unknown): CodedError {
  return new CodedError("INDEX_UNAVAILABLE", `the node cannot say what it has: ${reason}`, {
    facts: { reason },
    hint: "Check the disk and start the node again; it then reads what it could not read. A pack that stays unreadable can be moved away.",
    retry: "later",
    cause,
  });
}

export function storeReadOnly(reason: string): CodedError {
  return new CodedError("STORE_READ_ONLY", `the node takes no writes: ${reason}`, {
    facts: { reason },
    hint: "Check the disk, then start the node again; it reads its packs anew.",
    retry: "elsewhere",
  });
}

export function storeFull(facts: { readonly freeBytes?: number; readonly keepFreeBytes?: number }): CodedError {
  return new CodedError("STORE_FULL", "the node has no room left", {
    facts,
    hint: "Free space on the node, or add a node.",
    retry: "elsewhere",
  });
}

export function recordConflict(record: { readonly key: string; readonly version: bigint }, stored: bigint): CodedError {
  return new CodedError("RECORD_CONFLICT", "the record has moved on", {
    facts: { key: record.key, version: String(record.version), storedVersion: String(stored) },
    hint: "Read the record again and decide anew.",
  });
}

/** BLOCK_CORRUPT, or RECORD_CORRUPT for a record. */
export function corrupt(type: RecordType, place: DamagedPlace): CodedError {
  const { name, ...facts } = place;
  const [code, what] = type === 1 ? ["BLOCK_CORRUPT", "block"] : ["RECORD_CORRUPT", "record"];
  return new CodedError(code, `the ${what} is stored here but damaged: ${place.reason}`, {
    facts: { ...facts, [what]: name },
    hint: "Another replica may be intact.",
    retry: "elsewhere",
  });
}

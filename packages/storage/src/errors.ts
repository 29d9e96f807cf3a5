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

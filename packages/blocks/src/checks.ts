/**
 * What every store checks of a request before it acts: sizes, counts, forms, the digest of a body.
 * Two kinds of refusal: REQUEST_INVALID (the caller's mistake in form) and BLOCK_REFUSED (a body that is not
 * what its digest says, or too large). Neither is worth repeating.
 */

import { blake3 } from "@permafrost/crypto";
import { BLOCK_BYTES_MAX, BLOCK_ID_BYTES, type BlockId, IDS_PER_REQUEST_MAX, SEAL_OVERHEAD_BYTES_MAX } from "@permafrost/model";
import { CodedError, equalBytes, toHex } from "@permafrost/std";
import type { Scope, SealedBlock, StoredRecord } from "./block-store.ts";

/** No sealed body is larger. */
export const SEALED_BYTES_MAX = BLOCK_BYTES_MAX + SEAL_OVERHEAD_BYTES_MAX;
/** Records are small: a session's record, a ledger entry, a repository's header. */
export const RECORD_BYTES_MAX = 1024 * 1024;
export const RECORD_KEY_BYTES_MAX = 512;

const REPOSITORY_ID = /^[0-9a-f]{32}$/;
const RECORD_KEY = /^[\x20-\x7e]+$/;
const FENCE_MAX = 2n ** 64n - 1n;

function invalid(what: string, facts: Record<string, string | number>): CodedError {
  return new CodedError("REQUEST_INVALID", what, { facts });
}

export function checkRepositoryId(repositoryId: string): void {
  if (!REPOSITORY_ID.test(repositoryId)) throw invalid("a repository id is 32 lower-case hex digits", { repositoryId });
}

export function checkScope(scope: Scope): void {
  checkRepositoryId(scope.repositoryId);
  if (scope.sessionId.length === 0 || scope.sessionId.length > 128) throw invalid("a session id has 1 to 128 characters", {});
  if (scope.taskId.length === 0 || scope.taskId.length > 128) throw invalid("a task id has 1 to 128 characters", {});
  if (scope.fence < 0n || scope.fence > FENCE_MAX) throw invalid("a fence is an unsigned 64-bit number", {});
}

export function checkIds(ids: readonly BlockId[]): void {
  if (ids.length > IDS_PER_REQUEST_MAX) {
    throw invalid(`at most ${IDS_PER_REQUEST_MAX} ids in one request`, { ids: ids.length });
  }
  for (const id of ids) {
    if (id.length !== BLOCK_ID_BYTES) throw invalid(`a block id has ${BLOCK_ID_BYTES} bytes`, { idBytes: id.length });
  }
}

/** Throws BLOCK_REFUSED unless the body has an allowed size and the digest it is sent with. */
export function checkBlock(block: SealedBlock): void {
  checkIds([block.id]);
  const bytes = block.body.length;
  if (bytes === 0 || bytes > SEALED_BYTES_MAX) {
    throw new CodedError("BLOCK_REFUSED", `a sealed block has 1 to ${SEALED_BYTES_MAX} bytes`, {
      facts: { block: toHex(block.id), bodyBytes: bytes },
    });
  }
  if (!digestMatches(block)) {
    throw new CodedError("BLOCK_REFUSED", "the body does not have the digest it was sent with", {
      facts: { block: toHex(block.id), bodyBytes: bytes },
      hint: "the body was damaged on its way; check the memory and the network of the sender",
    });
  }
}

/** Whether `digest` is the BLAKE3-256 of `body`. */
export function digestMatches(block: Pick<SealedBlock, "body" | "digest">): boolean {
  return equalBytes(blake3(block.body), block.digest);
}

export function checkRecordKey(key: string): void {
  if (key.length === 0 || key.length > RECORD_KEY_BYTES_MAX || !RECORD_KEY.test(key)) {
    throw invalid(`a record key has 1 to ${RECORD_KEY_BYTES_MAX} printable ASCII characters`, { keyBytes: key.length });
  }
}

export function checkRecord(record: StoredRecord): void {
  checkRecordKey(record.key);
  if (record.version < 1n) throw invalid("a record's version starts at 1", { key: record.key });
  if (record.body.length > RECORD_BYTES_MAX) {
    throw invalid(`a record has at most ${RECORD_BYTES_MAX} bytes`, { key: record.key, bodyBytes: record.body.length });
  }
}

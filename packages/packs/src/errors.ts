/**
 * The codes of this package: PACK_EXISTS, PACK_MISSING, PACK_NO_SPACE, PACK_SYNC_FAILED, PACK_IO; of object stores also
 * PACK_UNREACHABLE, PACK_DENIED, PACK_FENCED, BUCKET_UNFIT.
 */

import { CodedError, type Facts } from "@permafrost/std";

/** What the file system raised during `operation`, as one of our codes. */
export function packError(error: unknown, operation: string, pack: string): CodedError {
  if (CodedError.is(error)) return error;
  const errno = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  const facts = { pack, operation, errno };
  const options = { facts, cause: error };
  if (operation === "sync") {
    return new CodedError("PACK_SYNC_FAILED", `the pack could not be made durable: ${errno}`, {
      ...options,
      hint: "Check the disk; what was written since the last sync must be taken as lost.",
      retry: "elsewhere",
    });
  }
  switch (errno) {
    case "EEXIST":
      return new CodedError("PACK_EXISTS", "there is a pack of this name", options);
    case "ENOENT":
      return new CodedError("PACK_MISSING", "there is no pack of this name", { ...options, retry: "elsewhere" });
    case "ENOSPC":
    case "EDQUOT":
      return new CodedError("PACK_NO_SPACE", "no space is left for packs", {
        ...options,
        hint: "Free space, or add a node.",
        retry: "elsewhere",
      });
    default:
      return new CodedError("PACK_IO", `${operation} of a pack failed: ${errno}`, { ...options, retry: "elsewhere" });
  }
}

/** What an object store refused or failed to do. `reason` is its own short word for it; no secret is ever in it. */
export interface BucketFailure {
  readonly operation: string;
  readonly key: string;
  /** Undefined: there was no answer. */
  readonly status: number | undefined;
  readonly reason: string;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

const QUOTA_REASON = /quota|storage ?full|insufficient ?(storage|capacity)/i;
/** Refusals that another attempt may not meet: bytes damaged on the way, two conditional writes at once. */
const PASSING_REASON =
  /^(BadDigest|XAmzContentSHA256Mismatch|RequestTimeout|IncompleteBody|OperationAborted|ConditionalRequestConflict|HASH_MISMATCH)$/;

/** One of our codes for what an object store answered. */
export function bucketError({ operation, key, status, reason, requestId, cause }: BucketFailure): CodedError {
  const facts = { operation, key, status, reason, requestId };
  const text = `${operation} of ${key}: ${status ?? "no answer"} ${reason}`.trim();
  const options = { facts, cause };
  if (status === undefined || PASSING_REASON.test(reason)) return unreachable(text, options);
  if (status === 413 || status === 507 || (status >= 400 && status !== 404 && QUOTA_REASON.test(reason))) {
    return new CodedError("PACK_NO_SPACE", text, {
      ...options,
      hint: "The object store's quota is full: free space in it, raise the quota, or add a node.",
      retry: "elsewhere",
    });
  }
  if ((status >= 500 && status !== 501) || status === 408 || status === 429 || status === 498) return unreachable(text, options);
  if (status === 401 || status === 403) {
    return new CodedError("PACK_DENIED", text, {
      ...options,
      hint: "Check the credentials, that they may read, write, delete and list in the bucket, and this machine's clock.",
      retry: "elsewhere",
    });
  }
  if (status === 404) return new CodedError("PACK_MISSING", text, { ...options, retry: "elsewhere" });
  return new CodedError("PACK_IO", text, { ...options, retry: "elsewhere" });
}

function unreachable(text: string, options: { readonly facts: Facts; readonly cause?: unknown }): CodedError {
  return new CodedError("PACK_UNREACHABLE", text, {
    ...options,
    hint: "The object store does not answer as it should; once it does, writes go on by themselves.",
    retry: "later",
  });
}

/** Somebody else writes here by now. */
export function packFenced(facts: Facts): CodedError {
  return new CodedError("PACK_FENCED", "another gateway has taken over these packs", {
    facts,
    hint: "Only one storage node may use a prefix of a bucket. Stop this one, or give it a prefix of its own.",
    retry: "elsewhere",
  });
}

/** BUCKET_UNFIT: the store cannot keep an object from being replaced. */
export function bucketUnfit(message: string, facts: Readonly<Record<string, string | number>>): CodedError {
  return new CodedError("BUCKET_UNFIT", message, {
    facts,
    hint: "Without it two storage nodes could write the same packs. Use a store that honours conditional writes, or Swift's own API.",
  });
}

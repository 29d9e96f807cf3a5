/**
 * Codes of ours and of gRPC, both ways. The one such table.
 *
 * A code that is not in the table crosses the wire all the same (the whole error travels in trailing metadata); the table only
 * says how a client that does not know Permafrost sees it. The default is FAILED_PRECONDITION for what is not worth
 * repeating and UNAVAILABLE for what is.
 */

import type { Retry } from "@permafrost/std";
import { Status } from "nice-grpc-common";

export const STATUS_BY_CODE: Readonly<Record<string, Status>> = {
  // Forms.
  REQUEST_INVALID: Status.INVALID_ARGUMENT,
  SELECTION_MALFORMED: Status.INVALID_ARGUMENT,
  UPLOAD_MALFORMED: Status.INVALID_ARGUMENT,
  PATH_REFUSED: Status.INVALID_ARGUMENT,
  RECOVERY_KEY_MALFORMED: Status.INVALID_ARGUMENT,
  KEY_FILE_SHORT: Status.INVALID_ARGUMENT,
  SESSION_AMBIGUOUS: Status.INVALID_ARGUMENT,
  LOCK_TOO_EARLY: Status.INVALID_ARGUMENT,
  POLICY_INVALID: Status.INVALID_ARGUMENT,
  BLOCK_REFUSED: Status.INVALID_ARGUMENT,
  // Authority.
  UNAUTHENTICATED: Status.UNAUTHENTICATED,
  READ_ONLY_TOKEN: Status.PERMISSION_DENIED,
  WRONG_KEY: Status.PERMISSION_DENIED,
  KEY_NOT_IN_KEYRING: Status.PERMISSION_DENIED,
  // Things named that are not there, or are there already.
  NO_REPOSITORY: Status.NOT_FOUND,
  SESSION_UNKNOWN: Status.NOT_FOUND,
  POLICY_UNKNOWN: Status.NOT_FOUND,
  RESOURCE_UNKNOWN: Status.NOT_FOUND,
  NOT_IN_BACKUP: Status.NOT_FOUND,
  PROJECT_UNKNOWN: Status.NOT_FOUND,
  REPOSITORY_EXISTS: Status.ALREADY_EXISTS,
  // Races.
  FENCED: Status.ABORTED,
  RECORD_CONFLICT: Status.ABORTED,
  REVISION_CONFLICT: Status.ABORTED,
  PRUNE_RUNNING: Status.ABORTED,
  CANCELLED: Status.CANCELLED,
  // Bytes.
  BLOCK_MISSING: Status.DATA_LOSS,
  BLOCK_CORRUPT: Status.DATA_LOSS,
  RECORD_CORRUPT: Status.DATA_LOSS,
  FORMAT_UNKNOWN: Status.DATA_LOSS,
  // Places.
  NOT_DURABLE: Status.UNAVAILABLE,
  STORE_FULL: Status.RESOURCE_EXHAUSTED,
  QUOTA_EXCEEDED: Status.RESOURCE_EXHAUSTED,
  STORE_READ_ONLY: Status.UNAVAILABLE,
  STORE_CLOSED: Status.UNAVAILABLE,
  QUORUM_LOST: Status.UNAVAILABLE,
  NODES_UNAVAILABLE: Status.UNAVAILABLE,
  NODE_UNREACHABLE: Status.UNAVAILABLE,
  BUS_UNREACHABLE: Status.UNAVAILABLE,
  CLOUD_UNREACHABLE: Status.UNAVAILABLE,
  DEADLINE: Status.DEADLINE_EXCEEDED,
  // Ourselves. Their messages stay on the server.
  INTERNAL: Status.INTERNAL,
  ASSERTION: Status.INTERNAL,
};

/** The gRPC status of an error. */
export function statusOf(error: { readonly code: string; readonly retry: Retry }): Status {
  return STATUS_BY_CODE[error.code] ?? (error.retry === "never" ? Status.FAILED_PRECONDITION : Status.UNAVAILABLE);
}

/** What a bare gRPC status means when no error of ours came with it: from a proxy, from grpc itself, from another program. */
export function codeOfStatus(status: Status): { readonly code: string; readonly retry: Retry } {
  switch (status) {
    case Status.UNAVAILABLE:
      return { code: "NODE_UNREACHABLE", retry: "later" };
    case Status.DEADLINE_EXCEEDED:
      return { code: "DEADLINE", retry: "later" };
    case Status.CANCELLED:
      return { code: "CANCELLED", retry: "never" };
    case Status.UNAUTHENTICATED:
    case Status.PERMISSION_DENIED:
      return { code: "UNAUTHENTICATED", retry: "never" };
    case Status.UNIMPLEMENTED:
      return { code: "METHOD_UNKNOWN", retry: "never" };
    case Status.RESOURCE_EXHAUSTED:
      return { code: "MESSAGE_TOO_LARGE", retry: "never" };
    default:
      return { code: "REMOTE_FAILED", retry: "never" };
  }
}

/**
 * The codes this package raises.
 *
 * BUS_UNREACHABLE (retry later), BUS_DENIED, BUS_TOO_OLD, BUS_NO_JETSTREAM, BUS_CLOSED, BUS_FAILED, REVISION_CONFLICT, KEY_INVALID,
 * VALUE_TOO_LARGE, NATS_SERVER_MISSING, NATS_SERVER_FAILED. Facts name servers and keys, never a token.
 */

import { CodedError } from "@permafrost/std";

/** The server did not answer; whether it did what was asked is unknown. */
export function busUnreachable(servers: string, cause?: unknown): CodedError {
  return new CodedError("BUS_UNREACHABLE", `no answer from the message bus at ${servers}`, {
    facts: { servers },
    hint: "Check that nats-server runs and that this machine reaches it.",
    retry: "later",
    cause,
  });
}

export function busClosed(): CodedError {
  return new CodedError("BUS_CLOSED", "the message bus was closed by this process");
}

export function revisionConflict(key: string): CodedError {
  return new CodedError("REVISION_CONFLICT", `${key} was changed by another`, {
    facts: { key },
    hint: "Read it again and repeat.",
  });
}

/** The codes of this package: KV_CLOSED, KV_CORRUPT, KV_LOCKED, KV_FAILED. Callers switch on them; none may be retried as it is. */

import { CodedError } from "@permafrost/std";

/** The store was closed, by its owner or while the call ran. */
export function kvClosed(): CodedError {
  return new CodedError("KV_CLOSED", "the key-value store is closed");
}

/** Whatever LevelDB raised, as one of our codes. `directory` goes into the facts. */
export function kvError(error: unknown, directory: string): CodedError {
  if (CodedError.is(error)) return error;
  const codes: string[] = [];
  let message = "";
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ("code" in at) codes.push(String(at.code));
    message = at.message;
  }
  const facts = { directory, reason: message };
  if (codes.includes("LEVEL_LOCKED")) {
    return new CodedError("KV_LOCKED", "another process has this key-value store open", {
      facts,
      hint: "End the other process, or give this one its own directory.",
      cause: error,
    });
  }
  if (
    codes.includes("LEVEL_CORRUPTION") ||
    /corrupt|does not exist|missing files/i.test(message) ||
    OWN_FILE_GONE.test(message)
  ) {
    return new CodedError("KV_CORRUPT", "the key-value store is damaged", {
      facts,
      hint: "It can be rebuilt from the packs.",
      cause: error,
    });
  }
  if (codes.length > 0 && codes.every((code) => CLOSED_CODES.has(code))) return kvClosed();
  return new CodedError("KV_FAILED", "the key-value store failed", { facts, cause: error });
}

/** LevelDB calls it an I/O error when a file that it counts on is not there. */
const OWN_FILE_GONE = /\/(MANIFEST-\d+|\d+\.(ldb|sst|log)): No such file/;

const CLOSED_CODES = new Set(["LEVEL_DATABASE_NOT_OPEN", "LEVEL_ITERATOR_NOT_OPEN", "LEVEL_ABORTED", "LEVEL_STATUS_NOT_OPEN"]);

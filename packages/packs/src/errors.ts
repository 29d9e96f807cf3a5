/** The codes of this package: PACK_EXISTS, PACK_MISSING, PACK_NO_SPACE, PACK_SYNC_FAILED, PACK_IO. */

import { CodedError } from "@permafrost/std";

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

/**
 * The messages of an upload: `open`, then for each entry its head and its data in pieces of at most 512 KiB.
 * Small pieces of a pipe are put together, for one message costs as much as a large one.
 */

import type { Readable } from "node:stream";
import { CodedError } from "@permafrost/std";
import type { UploadRequest } from "../api.ts";
import type { WalkedEntry } from "./walk.ts";

export const PIECE_BYTES = 512 * 1024;

/** The upload of standard input, or any stream, as the one entry of a session. */
export async function* streamSteps(sessionId: string, source: Readable): AsyncGenerator<UploadRequest> {
  yield { step: { $case: "open", value: { sessionId } } };
  yield { step: { $case: "entry", value: { path: "", type: "file", mode: 0o600, size: 0n, linkTarget: "" } } };
  for await (const piece of pieces(source)) yield { step: { $case: "data", value: piece } };
}

/** The upload of a tree. */
export async function* treeSteps(sessionId: string, tree: AsyncIterable<WalkedEntry>): AsyncGenerator<UploadRequest> {
  yield { step: { $case: "open", value: { sessionId } } };
  for await (const { entry, file } of tree) {
    try {
      yield { step: { $case: "entry", value: entry } };
      if (file === undefined) continue;
      for (;;) {
        // A fresh buffer each time: the transport may still hold the last one.
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES);
        if (bytesRead === 0) break;
        yield { step: { $case: "data", value: buffer.subarray(0, bytesRead) } };
      }
    } catch (cause) {
      if (typeof (cause as NodeJS.ErrnoException).syscall !== "string") throw cause;
      // Its head is sent already: half a file must not pass for a whole one.
      const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
      throw new CodedError("INPUT_READ_FAILED", `Reading ${entry.path} failed: ${reason}`, {
        facts: { path: entry.path, reason },
        hint: "Nothing was committed; run the backup again.",
        cause,
      });
    } finally {
      await file?.close();
    }
  }
}

async function* pieces(source: Readable): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of source) {
    const bytes: Buffer = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PIECE_BYTES - heldBytes);
      held.push(part);
      heldBytes += part.length;
      at += part.length;
      if (heldBytes === PIECE_BYTES) {
        yield Buffer.concat(held);
        held = [];
        heldBytes = 0;
      }
    }
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

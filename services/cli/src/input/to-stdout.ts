/** Writes a downloaded stream to standard output, at the pace of its reader. */

import { CodedError } from "@permafrost/std";
import type { DownloadResponse } from "../api.ts";
import type { Output } from "../context.ts";

/** The bytes written. Throws PROTOCOL if more than one entry comes, OUTPUT_CLOSED if the reader goes away, or what `steps` throws. */
export async function writeStream(steps: AsyncIterable<DownloadResponse>, output: Output): Promise<number> {
  let bytes = 0;
  let entries = 0;
  for await (const { step } of steps) {
    if (step?.$case === "entry" && ++entries > 1) {
      throw new CodedError("PROTOCOL", "The worker sent more than one entry for a stream");
    }
    if (step?.$case !== "data") continue;
    await output.write(step.value);
    if (output.isClosed()) {
      throw new CodedError("OUTPUT_CLOSED", "The reader of standard output went away before the end", {
        hint: "It has only the beginning of the stream.",
      });
    }
    bytes += step.value.length;
  }
  return bytes;
}

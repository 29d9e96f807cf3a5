/**
 * How a volume's bytes get in and out of a cloud that only lets images move: volume → temporary image → download, and upload →
 * temporary image → volume. Every object is in the ledger before it exists.
 */

import { CodedError } from "@permafrost/std";
import type { Context } from "./resource-type.ts";
import { TEMPORARY_IMAGE } from "./temporaries.ts";

/** The bytes of an available volume, by a temporary image that is removed when they have been read. `subject` names the use of it. */
export async function* readVolume(
  context: Pick<Context, "cloud" | "ledger" | "signal">,
  volumeId: string,
  subject: string,
  sizeGiB: number,
): AsyncIterable<Uint8Array> {
  const { cloud, ledger, signal } = context;
  const imageId = await ledger.obtain(TEMPORARY_IMAGE, subject, (imageName) => startUpload(context, volumeId, imageName));
  const { sizeBytes } = await cloud.image.waitFor(imageId, ["active"], { signal, sizeBytes: sizeGiB * 2 ** 30 });
  yield* cloud.image.download(imageId, { sizeBytes, signal });
  await ledger.release(TEMPORARY_IMAGE, subject, imageId);
}

/** The id of the image that fills. Throws RESOURCE_STATE, `later`, when a request of a worker that died came first: its image is adopted then. */
async function startUpload({ cloud }: Pick<Context, "cloud">, volumeId: string, imageName: string): Promise<string> {
  try {
    const fields = { imageName, diskFormat: "raw", containerFormat: "bare", force: false };
    return (await cloud.volume.uploadToImage(volumeId, fields)).imageId;
  } catch (error) {
    if (!CodedError.is(error, "CLOUD_HTTP") || error.facts.status !== 400) throw error;
    throw new CodedError("RESOURCE_STATE", `The temporary volume ${volumeId} is busy: ${error.message}`, {
      facts: error.facts,
      retry: "later",
      cause: error,
    });
  }
}

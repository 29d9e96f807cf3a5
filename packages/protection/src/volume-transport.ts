/**
 * How a volume's bytes get in and out of a cloud that only lets images move: volume → temporary image → download, and upload →
 * temporary image → volume. Every object is in the ledger before it exists.
 */

import type { Context } from "./resource-type.ts";
import { TEMPORARY_IMAGE } from "./temporaries.ts";

/** The bytes of an available volume, by a temporary image that is removed when they have been read. `subject` names the use of it. */
export async function* readVolume(
  context: Context,
  volumeId: string,
  subject: string,
  sizeGiB: number,
): AsyncIterable<Uint8Array> {
  const { cloud, ledger, signal } = context;
  const imageId = await ledger.obtain(TEMPORARY_IMAGE, subject, async (name) => {
    return (
      await cloud.volume.uploadToImage(volumeId, { imageName: name, diskFormat: "raw", containerFormat: "bare", force: false })
    ).imageId;
  });
  const { sizeBytes } = await cloud.image.waitFor(imageId, ["active"], { signal, sizeBytes: sizeGiB * 2 ** 30 });
  yield* cloud.image.download(imageId, { sizeBytes, signal });
  await ledger.release(TEMPORARY_IMAGE, subject, imageId);
}

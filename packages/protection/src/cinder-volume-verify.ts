/** Whether a volume of the target holds the bytes that were captured: Cinder keeps no hash, so it is read back. */

import type { StreamRoot } from "@permafrost/model";
import { firstDifference } from "./compare.ts";
import type { Context } from "./resource-type.ts";
import { TEMPORARY_SNAPSHOT, TEMPORARY_VOLUME } from "./temporaries.ts";
import { readVolume } from "./volume-transport.ts";

/** The first byte of the volume that is not the stream's. Read through a snapshot: the volume may be in use again. */
export async function differenceOf(
  context: Context,
  {
    volumeId,
    sizeGiB,
    encrypted,
    data,
  }: { readonly volumeId: string; readonly sizeGiB: number; readonly encrypted: boolean; readonly data: StreamRoot },
): Promise<number | undefined> {
  const { cloud, ledger, signal } = context;
  const subject = `verify ${volumeId}`;
  const snapshotId = await ledger.obtain(
    TEMPORARY_SNAPSHOT,
    subject,
    async (name) => (await cloud.volume.createSnapshot({ volumeId, name, force: true })).id,
  );
  await cloud.volume.waitForSnapshot(snapshotId, ["available"], { signal, sizeGiB });
  const copyId = await ledger.obtain(
    TEMPORARY_VOLUME,
    subject,
    async (name) => (await cloud.volume.createVolume({ name, snapshotId, sizeGiB })).id,
  );
  await cloud.volume.waitForVolume(copyId, ["available"], { signal, sizeGiB });
  const differs = await firstDifference(
    context.reader.readStream(data, { signal }),
    first(readVolume(context, copyId, subject, sizeGiB), encrypted ? data.sizeBytes : Number.POSITIVE_INFINITY),
    context.progress,
  );
  await ledger.release(TEMPORARY_VOLUME, subject, copyId);
  await ledger.release(TEMPORARY_SNAPSHOT, subject, snapshotId);
  return differs;
}

/** What is behind the bytes of an encrypted volume is not its own: the volume had to be made larger. Reads to the end. */
async function* first(bytes: AsyncIterable<Uint8Array>, count: number): AsyncIterable<Uint8Array> {
  let left = count;
  for await (const chunk of bytes) {
    if (left > 0) yield chunk.subarray(0, Math.min(left, chunk.length));
    left -= chunk.length;
  }
}

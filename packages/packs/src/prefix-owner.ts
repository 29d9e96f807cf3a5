/**
 * Who writes below a prefix of a bucket: one gateway at a time, and the last to claim it.
 *
 * Each claim is an object of its own, `owner/<epoch>`, put only if there is none. A write counts once, after it, the claim of the next
 * epoch was seen not to be there (`check`): then the write came before that claim, and whoever claims looks at the packs after its
 * claim, so it sees the write. A gateway that was stopped, cut off or forgotten therefore acknowledges nothing that its
 * successor does not have. A listing that lags is no danger: epochs have no gaps, and the last one is looked for key by key.
 */

import { CodedError, fromUtf8, type Random, randomId, utf8 } from "@permafrost/std";
import { bucketUnfit, packFenced } from "./errors.ts";
import type { ObjectBucket } from "./object-bucket.ts";
import { OWNERS, ownerKey, parseOwnerKey, releasedKey } from "./object-keys.ts";

/** The last to claim a prefix. */
export interface PrefixOwner {
  readonly epoch: number;
  /** One data directory of a storage node. */
  readonly gatewayId: string;
  readonly nodeId: string;
  /** It ended in order. */
  readonly isReleased: boolean;
}

const CLAIM = /^\{"claim":"([0-9a-f]{32})","format":1,"gatewayId":"([0-9a-f]{32})","nodeId":"([0-9a-f]{32})"\}\n$/;

/** The last owner; undefined: nobody ever claimed the prefix. FORMAT_UNKNOWN. */
export async function readOwner(bucket: ObjectBucket): Promise<PrefixOwner | undefined> {
  let epoch = 0;
  for await (const { key } of bucket.list(OWNERS)) epoch = Math.max(epoch, parseOwnerKey(key) ?? 0);
  while ((await bucket.sizeBytes(ownerKey(epoch + 1))) !== undefined) epoch++;
  if (epoch === 0) return undefined;
  const text = await textOf(bucket, ownerKey(epoch));
  const [, , gatewayId, nodeId] = CLAIM.exec(text ?? "") ?? [];
  if (gatewayId === undefined || nodeId === undefined) {
    throw new CodedError("FORMAT_UNKNOWN", `${ownerKey(epoch)} is no claim that is known here`, {
      facts: { key: ownerKey(epoch) },
      hint: "A newer version of Permafrost may have written it, or it is not Permafrost's prefix.",
    });
  }
  const isReleased = (await bucket.sizeBytes(releasedKey(epoch))) !== undefined;
  return { epoch, gatewayId, nodeId, isReleased };
}

/**
 * Becomes the owner after `last`, which nobody may have followed meanwhile: PACK_FENCED. BUCKET_UNFIT if the store does not keep
 * an object from being replaced. Answers the epoch.
 */
export async function claimPrefix(
  bucket: ObjectBucket,
  last: PrefixOwner | undefined,
  who: { readonly gatewayId: string; readonly nodeId: string },
  random: Random,
): Promise<number> {
  const epoch = (last?.epoch ?? 0) + 1;
  const key = ownerKey(epoch);
  const claim = (id: string) => utf8(`{"claim":"${id}","format":1,"gatewayId":"${who.gatewayId}","nodeId":"${who.nodeId}"}\n`);
  const mine = claim(randomId(random));
  const isMade = await bucket.putNew(key, mine);
  // "There is one" may be our own, of an attempt whose answer was lost.
  if (!isMade && (await textOf(bucket, key)) !== fromUtf8(mine)) throw packFenced({ epoch });
  if (await bucket.putNew(key, mine)) {
    throw bucketUnfit("the object store replaces an object in spite of If-None-Match: *", { key });
  }
  return epoch;
}

/** Throws PACK_FENCED once another has claimed the prefix after `epoch`. */
export async function checkOwner(bucket: ObjectBucket, epoch: number): Promise<void> {
  if ((await bucket.sizeBytes(ownerKey(epoch + 1))) !== undefined) throw packFenced({ epoch });
}

/** Lets anybody claim it next. */
export async function releasePrefix(bucket: ObjectBucket, epoch: number): Promise<void> {
  await bucket.put(releasedKey(epoch), utf8("released\n"));
}

/** Text of a small object; undefined if there is none. */
export async function textOf(bucket: ObjectBucket, key: string): Promise<string | undefined> {
  const sizeBytes = await bucket.sizeBytes(key);
  if (sizeBytes === undefined) return undefined;
  return fromUtf8(await bucket.get(key, 0, Math.min(sizeBytes, 4096)));
}

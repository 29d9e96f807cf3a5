/**
 * How our temporary objects are found and removed, kind by kind. Found by exact name, which holds the session and a digest of what it
 * is for; removed until gone, since a parent cannot go before its child.
 */

import type { Cloud } from "@permafrost/openstack";

import { type Clock, CodedError } from "@permafrost/std";
import { leaveGroup } from "./cinder-volume-group.ts";
import { KEY_PROPERTY, temporaryKey } from "./encryption-key.ts";
import { ifThere } from "./if-there.ts";
import { type FoundTemporary, TEMPORARY_PREFIX, type TemporaryKind } from "./ledger.ts";

export const TEMPORARY_IMAGE = "glance.image";
/** An image we fill ourselves: one whose upload broke off is `saving`, then `queued`, and must not be filled again. */
export const TEMPORARY_UPLOAD = "glance.upload";
export const TEMPORARY_VOLUME = "cinder.volume";
export const TEMPORARY_SNAPSHOT = "cinder.snapshot";
/** What a restore is making: temporary until it is complete and loses the mark that says so. */
export const UNFINISHED_IMAGE = "glance.image.unfinished";
export const UNFINISHED_VOLUME = "cinder.volume.unfinished";
/** Property of an image, metadata of a volume: the name in the ledger, since such an object has the restored one's own name. */
export const UNFINISHED_MARK = "permafrost_restore";

type ImageQuery = NonNullable<Parameters<Cloud["image"]["list"]>[0]>;
type VolumeQuery = NonNullable<Parameters<Cloud["volume"]["listVolumes"]>[0]>;

const BROKEN_IMAGE = /^(killed|deleted|pending_delete|deactivated)$/;
const BROKEN_UPLOAD = /^(?!active$)/;
const BROKEN_VOLUME = /^(error|deleting|.*_error)/;
const BUSY_ATTEMPTS_MAX = 30;
const BUSY_DELAY_MS = 2_000;

export function temporaryKinds(cloud: Cloud, clock: Clock, signal: AbortSignal): readonly TemporaryKind[] {
  /**
   * A service refuses to remove what is still being made or copied: wait for that to end. It refuses, too, what it is removing already,
   * for a worker that died since: then only wait.
   */
  const remove = async (
    request: () => Promise<void>,
    status: () => Promise<string>,
    gone: () => Promise<void>,
  ): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await request();
        return await gone();
      } catch (error) {
        if (CodedError.is(error, "NOT_FOUND")) return;
        const busy = CodedError.is(error, "CONFLICT") || (CodedError.is(error, "CLOUD_HTTP") && error.facts.status === 400);
        if (!busy || attempt >= BUSY_ATTEMPTS_MAX) throw error;
      }
      const now = await status();
      if (now === "gone") return;
      if (now === "deleting") return await gone();
      await clock.sleep(BUSY_DELAY_MS, signal);
    }
  };
  const image = (kind: string, broken: RegExp, query: (name: string) => ImageQuery): TemporaryKind => ({
    kind,
    order: 1,
    find: async (name) => await found(cloud.image.list({ owner: cloud.projectId, ...query(name) }), broken),
    remove: (id) =>
      remove(
        () => cloud.image.delete(id),
        () => statusOf(cloud.image.get(id)),
        () => cloud.image.waitForGone(id, { signal }),
      ),
  });
  const volume = (kind: string, query: (name: string) => VolumeQuery): TemporaryKind => ({
    kind,
    order: 2,
    find: async (name) => await found(cloud.volume.listVolumes(query(name)), BROKEN_VOLUME),
    remove: (id) =>
      remove(
        async () => {
          if (kind === UNFINISHED_VOLUME) await leaveGroup(cloud, id, signal);
          await cloud.volume.deleteVolume(id);
        },
        () => statusOf(cloud.volume.getVolume(id)),
        () => cloud.volume.waitForVolumeGone(id, { signal }),
      ),
  });
  /** A volume keeps its key, and so does an image that lost our mark and is none of our temporaries. */
  const isKept = async (keyId: string): Promise<boolean> => {
    for await (const { encryptionKeyId } of cloud.volume.listVolumes({})) if (encryptionKeyId === keyId) return true;
    const images = cloud.image.list({ owner: cloud.projectId, properties: { [KEY_PROPERTY]: keyId } });
    for await (const { name, properties } of images)
      if (!name.startsWith(TEMPORARY_PREFIX) && !(UNFINISHED_MARK in properties)) return true;
    return false;
  };
  return [
    temporaryKey(cloud, isKept),
    image(TEMPORARY_IMAGE, BROKEN_IMAGE, (name) => ({ name })),
    image(TEMPORARY_UPLOAD, BROKEN_UPLOAD, (name) => ({ name })),
    image(UNFINISHED_IMAGE, BROKEN_UPLOAD, (name) => ({ properties: { [UNFINISHED_MARK]: name } })),
    volume(TEMPORARY_VOLUME, (name) => ({ name })),
    volume(UNFINISHED_VOLUME, (name) => ({ metadata: { [UNFINISHED_MARK]: name } })),
    {
      kind: TEMPORARY_SNAPSHOT,
      order: 3,
      find: async (name) => await found(cloud.volume.listSnapshots({ name }), BROKEN_VOLUME),
      remove: (id) =>
        remove(
          () => cloud.volume.deleteSnapshot(id),
          () => statusOf(cloud.volume.getSnapshot(id)),
          () => cloud.volume.waitForSnapshotGone(id, { signal }),
        ),
    },
  ];
}

/** Of an administrator, whose temporaries may be in either of two projects, and who removes each by its id. */
export function inBoth(own: readonly TemporaryKind[], other: readonly TemporaryKind[]): readonly TemporaryKind[] {
  return own.map((kind, at) => ({
    ...kind,
    find: async (name, detail) => [...(await kind.find(name, detail)), ...((await other[at]?.find(name, detail)) ?? [])],
  }));
}

async function statusOf(object: Promise<{ readonly status: string }>): Promise<string> {
  return (await ifThere(object))?.status ?? "gone";
}

async function found(
  objects: AsyncIterable<{ readonly id: string; readonly status: string }>,
  broken: RegExp,
): Promise<FoundTemporary[]> {
  return await Array.fromAsync(objects, ({ id, status }) => ({ id, usable: !broken.test(status) }));
}

/**
 * How our temporary objects are found and removed, kind by kind. Found by exact name, which holds the session and a digest of what it
 * is for; removed until gone, since a parent cannot go before its child.
 */

import type { Cloud } from "@permafrost/openstack";
import { type Clock, CodedError } from "@permafrost/std";
import type { TemporaryKind } from "./ledger.ts";

export const TEMPORARY_IMAGE = "glance.image";
export const TEMPORARY_VOLUME = "cinder.volume";
export const TEMPORARY_SNAPSHOT = "cinder.snapshot";

const BUSY_ATTEMPTS_MAX = 30;
const BUSY_DELAY_MS = 2_000;

export function temporaryKinds(cloud: Cloud, clock: Clock, signal: AbortSignal): readonly TemporaryKind[] {
  /** A service refuses to remove what is still being made or copied: wait for that to end. */
  const whenIdle = async (work: () => Promise<void>): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (CodedError.is(error, "NOT_FOUND")) return;
        const busy = CodedError.is(error, "CONFLICT") || (CodedError.is(error, "CLOUD_HTTP") && error.facts.status === 400);
        if (!busy || attempt >= BUSY_ATTEMPTS_MAX) throw error;
        await clock.sleep(BUSY_DELAY_MS, signal);
      }
    }
  };
  return [
    {
      kind: TEMPORARY_IMAGE,
      order: 1,
      find: async (name) => await ids(cloud.image.list({ owner: cloud.projectId, name })),
      remove: (id) =>
        whenIdle(async () => {
          await cloud.image.delete(id);
          await cloud.image.waitForGone(id, { signal });
        }),
    },
    {
      kind: TEMPORARY_VOLUME,
      order: 2,
      find: async (name) => await ids(cloud.volume.listVolumes({ name })),
      remove: (id) =>
        whenIdle(async () => {
          await cloud.volume.deleteVolume(id);
          await cloud.volume.waitForVolumeGone(id, { signal });
        }),
    },
    {
      kind: TEMPORARY_SNAPSHOT,
      order: 3,
      find: async (name) => await ids(cloud.volume.listSnapshots({ name })),
      remove: (id) =>
        whenIdle(async () => {
          await cloud.volume.deleteSnapshot(id);
          await cloud.volume.waitForSnapshotGone(id, { signal });
        }),
    },
  ];
}

async function ids(objects: AsyncIterable<{ readonly id: string }>): Promise<string[]> {
  const found: string[] = [];
  for await (const object of objects) found.push(object.id);
  return found;
}

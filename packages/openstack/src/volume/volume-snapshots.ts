/** Cinder v3 volume snapshots. https://docs.openstack.org/api-ref/block-storage/v3/#volume-snapshots-snapshots */

import { atLeast } from "../http/microversion.ts";
import { listAll, nextOf } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { type WaitOptions, waitForStatus, waitUntilGone } from "../wait.ts";

export interface VolumeSnapshot {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly status: string;
  readonly volumeId: string;
  readonly sizeGiB: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Cinder's clock, UTC, as it gives it: `2026-11-23T17:00:08.123456`. */
  readonly createdAt: string;
}

export interface SnapshotQuery {
  readonly name?: string;
  readonly status?: string;
  readonly volumeId?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly allProjects?: boolean;
}

export interface SnapshotFields {
  readonly volumeId: string;
  readonly name: string;
  readonly description?: string;
  /** Also of an attached volume. From microversion 3.66 this is so without asking, and asking is an error in some releases. */
  readonly force?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface SnapshotsApi {
  listSnapshots(query?: SnapshotQuery): AsyncIterable<VolumeSnapshot>;
  getSnapshot(id: string): Promise<VolumeSnapshot>;
  /** Status `creating`. Throws QUOTA_EXCEEDED, OUTCOME_UNKNOWN. */
  createSnapshot(fields: SnapshotFields): Promise<VolumeSnapshot>;
  /** Accepted, or already gone. */
  deleteSnapshot(id: string): Promise<void>;
  waitForSnapshot(id: string, wanted: readonly string[], options?: WaitOptions): Promise<VolumeSnapshot>;
  waitForSnapshotGone(id: string, options?: WaitOptions): Promise<void>;
}

/** First microversion in which an attached volume needs no `force`, and a false one is refused (cinder/api/v3/snapshots.py). */
const IN_USE_WITHOUT_FORCE = "3.66";

interface WireSnapshot {
  id: string;
  name?: string | null;
  description?: string | null;
  status: string;
  volume_id: string;
  size: number;
  metadata?: Record<string, string>;
  created_at?: string;
}

interface SnapshotPage {
  snapshots: WireSnapshot[];
  snapshots_links?: { rel?: string; href?: string }[];
}

export function snapshotsApi(client: ServiceClient): SnapshotsApi {
  const path = (id: string) => `/snapshots/${encodeURIComponent(id)}`;

  async function* listSnapshots(query: SnapshotQuery = {}): AsyncGenerator<VolumeSnapshot> {
    const found = listAll<SnapshotPage, WireSnapshot>(client, {
      path: "/snapshots/detail",
      query: {
        name: query.name === "" ? undefined : query.name,
        status: query.status,
        volume_id: query.volumeId,
        // From microversion 3.22; before it is ignored and applied below.
        metadata: query.metadata === undefined ? undefined : JSON.stringify(query.metadata),
        all_tenants: query.allProjects === true ? 1 : undefined,
      },
      expect: [200],
      items: (page) => page.snapshots,
      next: (page) => nextOf(page.snapshots_links),
    });
    for await (const wire of found) {
      const snapshot = fromWire(wire);
      if (matches(snapshot, query)) yield snapshot;
    }
  }

  async function getSnapshot(id: string): Promise<VolumeSnapshot> {
    return fromWire((await client.json<{ snapshot: WireSnapshot }>({ method: "GET", path: path(id), expect: [200] })).snapshot);
  }

  return {
    listSnapshots,
    getSnapshot,
    async createSnapshot(fields) {
      const forced = fields.force === true && !atLeast(await client.microversion(), IN_USE_WITHOUT_FORCE);
      const snapshot = {
        volume_id: fields.volumeId,
        name: fields.name,
        description: fields.description,
        metadata: fields.metadata,
        force: forced ? true : undefined,
      };
      const body = await client.json<{ snapshot: WireSnapshot }>({
        method: "POST",
        path: "/snapshots",
        json: { snapshot },
        expect: [200, 202],
      });
      return fromWire(body.snapshot);
    },
    async deleteSnapshot(id) {
      await client.send({ method: "DELETE", path: path(id), expect: [202, 404] });
    },
    waitForSnapshot: (id, wanted, options = {}) =>
      waitForStatus({
        clock: client.clock,
        random: client.random,
        kind: "snapshot",
        id,
        get: () => getSnapshot(id),
        status: (s) => s.status,
        wanted,
        passing: ["creating", "backing-up", "restoring"],
        options,
      }),
    waitForSnapshotGone: (id, options = {}) =>
      waitUntilGone({
        clock: client.clock,
        random: client.random,
        kind: "snapshot",
        id,
        get: () => getSnapshot(id),
        status: (s) => s.status,
        // Back in `available`: the backend still has a volume made of it (SnapshotIsBusy).
        passing: ["deleting"],
        options,
      }),
  };
}

function fromWire(wire: WireSnapshot): VolumeSnapshot {
  return {
    id: wire.id,
    name: wire.name ?? "",
    description: wire.description ?? "",
    status: wire.status,
    volumeId: wire.volume_id,
    sizeGiB: wire.size,
    metadata: wire.metadata ?? {},
    createdAt: wire.created_at ?? "",
  };
}

function matches(snapshot: VolumeSnapshot, query: SnapshotQuery): boolean {
  if (query.name !== undefined && snapshot.name !== query.name) return false;
  if (query.status !== undefined && snapshot.status !== query.status) return false;
  if (query.volumeId !== undefined && snapshot.volumeId !== query.volumeId) return false;
  return Object.entries(query.metadata ?? {}).every(([key, value]) => snapshot.metadata[key] === value);
}

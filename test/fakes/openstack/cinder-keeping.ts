/** Volume backups and group snapshots, as listings of what was seeded, and volume transfers: offered, listed, taken back. */

import { bodyOf, type CinderCall, EMPTY_202, fail } from "./cinder-call.ts";
import type { CinderState, VolumeRoutes } from "./cinder-volumes.ts";
import { json, type Reply } from "./http.ts";
import { cinderTime, uuid } from "./ids.ts";
import type { VolumeBackup, VolumeTransfer } from "./volumes.ts";

export class KeepingRoutes {
  readonly #state: CinderState;
  readonly #volumes: VolumeRoutes;

  constructor(state: CinderState, volumes: VolumeRoutes) {
    this.#state = state;
    this.#volumes = volumes;
  }

  backups(context: CinderCall): Reply {
    const [, id] = context.parts;
    if (context.call.method !== "GET") fail(404, "The resource could not be found.");
    const mine = this.#state.volumes.backups.filter((each) => each.projectId === context.projectId);
    if (id === undefined) {
      const links = linksOf(context, "backups");
      return json(200, { backups: mine.map((each) => ({ id: each.id, name: each.name, links: links(each.id) })) });
    }
    if (id === "detail") return json(200, { backups: mine.map((each) => backupView(context, each)) });
    const found = mine.find((each) => each.id === id) ?? fail(404, `Backup ${id} could not be found.`);
    return json(200, { backup: backupView(context, found) });
  }

  groupSnapshots(context: CinderCall): Reply {
    const [, id] = context.parts;
    if (context.call.method !== "GET") fail(404, "The resource could not be found.");
    const mine = this.#state.volumes.groupSnapshots.filter((each) => each.projectId === context.projectId);
    if (id === undefined)
      return json(200, { group_snapshots: mine.map((g) => ({ id: g.id, name: g.name, group_type_id: g.groupTypeId })) });
    const detailed = mine.map((each) => ({
      ...{ id: each.id, group_id: each.groupId, group_type_id: each.groupTypeId, status: "available" },
      ...{ created_at: cinderTime(each.createdMs), name: each.name, description: each.description },
      ...(context.admin && context.view.version >= 3058 ? { project_id: each.projectId } : {}),
    }));
    if (id === "detail") return json(200, { group_snapshots: detailed });
    const found = detailed.find((each) => each.id === id) ?? fail(404, `GroupSnapshot ${id} could not be found.`);
    return json(200, { group_snapshot: found });
  }

  async transfers(context: CinderCall): Promise<Reply> {
    const [, id] = context.parts;
    const { method } = context.call;
    const { transfers } = this.#state.volumes;
    if (id === undefined && method === "POST") return await this.#offer(context);
    const mine = transfers.filter((each) => each.sourceProjectId === context.projectId);
    if (id === undefined) {
      const links = linksOf(context, "os-volume-transfer");
      const brief = ({ id: own, volumeId, name }: VolumeTransfer) => ({ id: own, volume_id: volumeId, name, links: links(own) });
      return json(200, { transfers: mine.map(brief) });
    }
    if (id === "detail") return json(200, { transfers: mine.map((each) => transferView(context, each)) });
    const found = mine.find((each) => each.id === id) ?? fail(404, `Transfer ${id} could not be found.`);
    if (method === "GET") return json(200, { transfer: transferView(context, found) });
    if (method !== "DELETE") fail(404, "The resource could not be found.");
    transfers.splice(transfers.indexOf(found), 1);
    const volume = this.#state.volumes.volumes.get(found.volumeId);
    if (volume !== undefined) this.#state.volumes.setStatus(volume, "available");
    context.call.deleted("volume_transfer", id);
    return EMPTY_202;
  }

  async #offer(context: CinderCall): Promise<Reply> {
    const { volumes, transitions } = this.#state;
    const wanted = await bodyOf(context.call, "transfer");
    const volumeId = String(wanted.volume_id);
    await transitions.settle(volumeId);
    const volume = this.#volumes.find(context, volumeId);
    if (volume.status !== "available") fail(400, "Invalid volume: status must be available");
    if (volume.encryptionKeyId !== undefined && context.view.version < 3070)
      fail(400, "Invalid volume: transferring encrypted volume is not supported");
    const transfer: VolumeTransfer = {
      ...{ id: uuid(), volumeId, sourceProjectId: volume.projectId, name: (wanted.name ?? null) as string | null },
      ...{ noSnapshots: wanted.no_snapshots === true, createdMs: volumes.nowMs() },
    };
    volumes.transfers.push(transfer);
    volumes.setStatus(volume, "awaiting-transfer");
    context.call.created("volume_transfer", transfer.id);
    return json(202, { transfer: { ...transferView(context, transfer), auth_key: "b1c2d3e4f5a6b7c8" } });
  }
}

const linksOf =
  ({ view }: CinderCall, path: string) =>
  (id: string) => [
    { rel: "self", href: `${view.origin}/v3${view.prefix}/${path}/${id}` },
    { rel: "bookmark", href: `${view.origin}${view.prefix}/${path}/${id}` },
  ];

function backupView(context: CinderCall, backup: VolumeBackup): Record<string, unknown> {
  const at = (minor: number) => context.view.version >= 3000 + minor;
  return {
    ...{ id: backup.id, status: "available", size: backup.sizeGib, object_count: 22, availability_zone: "nova" },
    ...{ container: backup.container, created_at: cinderTime(backup.createdMs), updated_at: cinderTime(backup.createdMs) },
    ...{ name: backup.name, description: backup.description, fail_reason: null, volume_id: backup.volumeId },
    ...{ links: linksOf(context, "backups")(backup.id), is_incremental: backup.isIncremental, has_dependent_backups: false },
    ...{ snapshot_id: backup.snapshotId, data_timestamp: cinderTime(backup.createdMs) },
    ...(at(43) ? { metadata: backup.metadata } : {}),
  };
}

function transferView(context: CinderCall, transfer: VolumeTransfer): Record<string, unknown> {
  const at = (minor: number) => context.view.version >= 3000 + minor;
  const { id, name, volumeId, sourceProjectId, noSnapshots, createdMs } = transfer;
  return {
    ...{ id, created_at: cinderTime(createdMs), name, volume_id: volumeId, links: linksOf(context, "os-volume-transfer")(id) },
    ...(at(55) ? { no_snapshots: noSnapshots } : {}),
    ...(at(57) ? { destination_project_id: null, source_project_id: sourceProjectId, accepted: false } : {}),
  };
}

/** Volume snapshots: list, show, create with the rules of `force`, update, delete. */

import { bodyOf, type CinderCall, EMPTY_202, fail, forbid, invalid, paginate } from "./cinder-call.ts";
import { type CinderState, checkMetadata, metadataSelected, type VolumeRoutes } from "./cinder-volumes.ts";
import { json, type Reply } from "./http.ts";
import { UUID } from "./ids.ts";
import { type Snapshot, snapshotView } from "./volumes.ts";

export class SnapshotRoutes {
  readonly #state: CinderState;
  readonly #volumes: VolumeRoutes;

  constructor(state: CinderState, volumes: VolumeRoutes) {
    this.#state = state;
    this.#volumes = volumes;
  }

  find(context: CinderCall, id: string): Snapshot {
    const snapshot = this.#state.volumes.snapshots.get(id);
    if (snapshot === undefined || (!context.admin && snapshot.projectId !== context.projectId))
      fail(404, `Snapshot ${id} could not be found.`);
    return snapshot;
  }

  async list(context: CinderCall, detailed: boolean): Promise<Reply> {
    const { query } = context.call;
    const everyone = context.admin && ["1", "true", "True"].includes(query.get("all_tenants") ?? "");
    const rows = [...this.#state.volumes.snapshots.values()].filter((each) =>
      everyone ? (query.get("project_id") ?? each.projectId) === each.projectId : each.projectId === context.projectId,
    );
    for (const snapshot of rows) await this.#state.transitions.poll(snapshot.id);
    const present = rows.filter(
      (each) =>
        this.#state.volumes.snapshots.has(each.id) &&
        (query.get("volume_id") ?? each.volumeId) === each.volumeId &&
        (query.get("status") ?? each.status) === each.status &&
        (query.get("name") ?? each.name) === each.name &&
        metadataSelected(each.metadata, query),
    );
    const { shown, next } = paginate(
      context,
      present,
      this.#state.pageSize,
      (each, key) => snapshotView(each, context.view, true)[key],
      (id) => `Snapshot ${id} could not be found.`,
    );
    const answer: Record<string, unknown> = { snapshots: shown.map((each) => snapshotView(each, context.view, detailed)) };
    if (next !== undefined) answer.snapshots_links = [{ rel: "next", href: next }];
    if (context.view.version >= 3045 && query.get("with_count")?.toLowerCase() === "true") answer.count = present.length;
    return json(200, answer);
  }

  async show(context: CinderCall, id: string): Promise<Reply> {
    await this.#state.transitions.poll(id);
    return json(200, { snapshot: snapshotView(this.find(context, id), context.view, true) });
  }

  async create(context: CinderCall): Promise<Reply> {
    const { call, view } = context;
    const { volumes, transitions } = this.#state;
    const wanted = await bodyOf(call, "snapshot");
    const volumeId = wanted.volume_id;
    if (typeof volumeId !== "string") invalid("snapshot", wanted, "'volume_id' is a required property");
    if (!UUID.test(volumeId)) invalid("volume_id", volumeId, `'${volumeId}' is not valid under any of the given schemas`);
    let force = wanted.force === true || /^(true|1|yes|on|t|y)$/i.test(String(wanted.force ?? ""));
    if (view.version >= 3066) {
      if (wanted.force !== undefined && !force) {
        fail(
          400,
          "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored.",
        );
      }
      force = true;
    }
    await transitions.settle(volumeId);
    const volume = this.#volumes.find(context, volumeId);
    const metadata = checkMetadata(wanted.metadata);
    if (volume.status === "error")
      fail(400, "Invalid volume: The snapshot cannot be created when the volume is in error status.");
    const valid = force ? ["available", "in-use"] : ["available"];
    if (!valid.includes(volume.status))
      fail(
        400,
        `Invalid volume: Volume ${volumeId} status must be ${valid.join(" or ")}, but current status is: ${volume.status}.`,
      );
    // Whose request it is pays for it, not whose volume.
    this.#volumes.checkQuota(context.projectId, "snapshots", volume.size, volume.type.name);
    const snapshot = volumes.addSnapshot(volume, {
      projectId: context.projectId,
      userId: context.token.user.id,
      name: (wanted.name ?? null) as string | null,
      description: (wanted.description ?? null) as string | null,
      metadata,
    });
    call.created("snapshot", snapshot.id);
    transitions.start([snapshot.id], [() => volumes.setStatus(snapshot, call.fails ? "error" : "available")]);
    return json(202, { snapshot: snapshotView(snapshot, view, false) });
  }

  async update(context: CinderCall, id: string): Promise<Reply> {
    const snapshot = this.find(context, id);
    const wanted = await bodyOf(context.call, "snapshot");
    if (wanted.name !== undefined) snapshot.name = wanted.name as string | null;
    if (wanted.description !== undefined) snapshot.description = wanted.description as string | null;
    this.#state.volumes.touch(snapshot);
    return json(200, { snapshot: snapshotView(snapshot, context.view, false) });
  }

  async remove(context: CinderCall, id: string, force = false): Promise<Reply> {
    const { volumes, transitions } = this.#state;
    await transitions.settle(id);
    const snapshot = this.find(context, id);
    if (!force && snapshot.status !== "available" && snapshot.status !== "error") {
      fail(400, "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.");
    }
    volumes.setStatus(snapshot, "deleting");
    transitions.start(
      [id],
      [
        () => {
          const clones = [...volumes.volumes.values()].some((volume) => volume.snapshotId === id);
          if (context.call.fails) volumes.setStatus(snapshot, "error_deleting");
          else if (clones && this.#state.snapshotWithClones === "refuse") volumes.setStatus(snapshot, "available");
          else volumes.snapshots.delete(id);
        },
      ],
    );
    context.call.deleted("snapshot", id);
    return EMPTY_202;
  }

  /** The admin's actions: reset the status, delete by force. */
  async act(context: CinderCall, id: string): Promise<Reply> {
    const body = ((await context.call.json()) ?? {}) as Record<string, { status?: string } | null>;
    const [name = ""] = Object.keys(body);
    const snapshot = this.find(context, id);
    if (name !== "os-reset_status" && name !== "os-force_delete") {
      fail(400, `There is no such action: ${name}. Verify the request body and Content-Type header and try again.`);
    }
    if (!context.admin) forbid(`volume_extension:snapshot_admin_actions:${name.slice(3)}`);
    if (name === "os-force_delete") return this.remove(context, id, true);
    this.#state.transitions.abandon(id);
    this.#state.volumes.setStatus(snapshot, String(body[name]?.status));
    return { status: 202, headers: { "content-type": "application/json", "content-length": "0" } };
  }
}

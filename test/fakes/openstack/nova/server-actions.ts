/** POST /servers/{id}/action: power, pause, suspend, shelve, lock, rebuild, rescue, and the administrator's reset. */

import { json, type Reply } from "../http.ts";
import { isVolumeBacked, POWER, type Server } from "./compute.ts";
import type { ImageCreation } from "./create-image.ts";
import { check } from "./json-schema.ts";
import { ACCEPTED, bodyOf, conflict, fail, forbid, type NovaCall } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { lock, rebuild } from "./schemas.ts";
import { HOST } from "./server-build.ts";
import { serverView } from "./server-view.ts";

interface Move {
  /** How a 409 calls it. */
  readonly name: string;
  readonly from: readonly string[];
  readonly task: string;
  readonly to: string;
  readonly power: number;
}

const MOVES: Readonly<Record<string, Move>> = {
  "os-start": { name: "start", from: ["stopped"], task: "powering-on", to: "active", power: POWER.running },
  "os-stop": { name: "stop", from: ["active", "error"], task: "powering-off", to: "stopped", power: POWER.shutdown },
  pause: { name: "pause", from: ["active"], task: "pausing", to: "paused", power: POWER.paused },
  unpause: { name: "unpause", from: ["paused"], task: "unpausing", to: "active", power: POWER.running },
  suspend: { name: "suspend", from: ["active"], task: "suspending", to: "suspended", power: POWER.shutdown },
  resume: { name: "resume", from: ["suspended"], task: "resuming", to: "active", power: POWER.running },
  reboot: {
    name: "reboot",
    from: ["active", "stopped", "paused", "suspended", "error"],
    task: "rebooting",
    to: "active",
    power: POWER.running,
  },
  unrescue: { name: "unrescue", from: ["rescued"], task: "unrescuing", to: "active", power: POWER.running },
};
const RESET: readonly string[] = ["active", "error"];

export class ServerActions {
  readonly #state: NovaState;
  readonly #images: ImageCreation;

  constructor(state: NovaState, images: ImageCreation) {
    this.#state = state;
    this.#images = images;
  }

  async run(context: NovaCall, server: Server): Promise<Reply> {
    const body = await bodyOf(context);
    const names = Object.keys(body);
    const [name = ""] = names;
    if (names.length !== 1) fail(400, "The request body must have exactly one action.");
    const move = MOVES[name];
    if (move !== undefined) return this.#move(context, server, move, name);
    switch (name) {
      case "createImage":
        return this.#images.run(context, server, body);
      case "lock":
      case "unlock":
        return this.#lock(context, server, body);
      case "shelve":
        return this.#shelve(context, server);
      case "shelveOffload":
        if (!context.admin) forbid("os-shelve:shelve_offload");
        this.guard(context, server, "shelveOffload", ["shelved"]);
        this.#offload(server);
        return ACCEPTED;
      case "unshelve":
        return this.#unshelve(context, server, (body.unshelve ?? {}) as { availability_zone?: string | null });
      case "rebuild":
        return this.#rebuild(context, server, body);
      case "rescue":
        return this.#rescue(context, server);
      case "os-resetState": {
        if (!context.admin) forbid("os-admin-actions:reset_state");
        const wanted = String((body[name] as { state?: string } | null)?.state);
        if (!RESET.includes(wanted))
          fail(400, `Invalid input for field/attribute state. Value: ${wanted}. '${wanted}' is not one of ['active', 'error']`);
        this.#state.transitions.abandon(server.id);
        Object.assign(server, { vmState: wanted, taskState: null });
        this.#state.compute.touch(server);
        return ACCEPTED;
      }
      default:
        return fail(400, `There is no such action: ${name}`);
    }
  }

  /** Refuses while locked (to all but administrators), or in a state that does not allow it. */
  guard(context: NovaCall, server: Server, name: string, from: readonly string[]): void {
    if (server.lockedBy !== null && !context.admin) fail(409, `Instance ${server.id} is locked`);
    if (!from.includes(server.vmState)) conflict(name, server.id, "vm_state", server.vmState);
    if (server.taskState !== null) conflict(name, server.id, "task_state", server.taskState);
    if (server.launchedMs === null) conflict(name, server.id, "launched_at", null);
  }

  #move(context: NovaCall, server: Server, move: Move, name: string): Reply {
    this.guard(context, server, move.name, move.from);
    const to = name === "unrescue" ? (server.rescuedFrom ?? "active") : move.to;
    const power = to === "stopped" ? POWER.shutdown : move.power;
    this.#change(context, server, move.task, () => {
      Object.assign(server, { vmState: to, powerState: power, fault: undefined });
      if (name === "unrescue") server.rescuedFrom = null;
    });
    return ACCEPTED;
  }

  /** Shows `task` for a while, then does `effect`; a `fail` fault leaves the server as it was. */
  #change(context: NovaCall, server: Server, task: string, effect: () => void): void {
    const { compute, transitions } = this.#state;
    server.taskState = task;
    compute.touch(server);
    const done = () => {
      if (!compute.servers.has(server.id)) return;
      server.taskState = null;
      if (!context.call.fails) effect();
      compute.touch(server);
    };
    transitions.start([server.id], [done]);
  }

  #lock(context: NovaCall, server: Server, body: Record<string, unknown>): Reply {
    const owns = server.projectId === context.projectId;
    if ("unlock" in body) {
      const expected = owns ? "owner" : "admin";
      if (server.lockedBy !== null && server.lockedBy !== expected && !context.admin)
        forbid("os-lock-server:unlock:unlock_override");
      Object.assign(server, { lockedBy: null, lockedReason: null });
    } else {
      check(lock(context.version), body);
      const reason = context.version >= 73 ? (body.lock as { locked_reason?: string } | null)?.locked_reason : undefined;
      if (server.lockedBy !== null && owns) return ACCEPTED;
      server.lockedBy = owns ? "owner" : "admin";
      server.lockedReason = reason ?? server.lockedReason;
    }
    this.#state.compute.touch(server);
    return ACCEPTED;
  }

  #shelve(context: NovaCall, server: Server): Reply {
    this.guard(context, server, "shelve", ["active", "stopped", "paused", "suspended"]);
    const shelved = () => {
      Object.assign(server, { vmState: "shelved", powerState: POWER.shutdown });
      this.#offload(server);
    };
    if (isVolumeBacked(server)) this.#change(context, server, "shelving", shelved);
    else {
      const image = this.#images.ofDisk(context, server, `${server.name}-shelved`, {}, "shelving_image_uploading", shelved);
      server.taskState = "shelving";
      server.shelvedImageId = image.id;
    }
    this.#state.compute.touch(server);
    return ACCEPTED;
  }

  #offload(server: Server): void {
    const { compute, transitions } = this.#state;
    server.taskState = "shelving_offloading";
    const gone = () => {
      Object.assign(server, { vmState: "shelved_offloaded", taskState: null, powerState: POWER.shutdown, host: null });
      server.zone = server.pinnedZone;
      if (server.shelvedImageId !== null) server.disk = undefined;
      compute.touch(server);
    };
    transitions.start([server.id], [gone]);
  }

  #unshelve(context: NovaCall, server: Server, wanted: { availability_zone?: string | null }): Reply {
    this.guard(context, server, "unshelve", ["shelved", "shelved_offloaded"]);
    const zone = wanted.availability_zone;
    if (typeof zone === "string" && !this.#state.compute.zones.includes(zone))
      fail(400, "The requested availability zone is not available");
    this.#change(context, server, "unshelving", () => {
      const { images, compute } = this.#state;
      const image = server.shelvedImageId === null ? undefined : images.all.get(server.shelvedImageId);
      if (server.shelvedImageId !== null && server.disk === undefined) {
        if (image?.bytes === undefined) {
          Object.assign(server, { vmState: "error" });
          return;
        }
        server.disk = image.bytes.clone();
      }
      if (image !== undefined && images.all.delete(image.id)) context.call.deleted("image", image.id);
      if (zone !== undefined) server.pinnedZone = zone;
      Object.assign(server, { vmState: "active", powerState: POWER.running, host: HOST, shelvedImageId: null });
      server.zone = server.pinnedZone ?? compute.zones[0] ?? "nova";
    });
    return ACCEPTED;
  }

  #rebuild(context: NovaCall, server: Server, body: Record<string, unknown>): Reply {
    check(rebuild(context.version), body);
    this.guard(context, server, "rebuild", ["active", "stopped", "error"]);
    const wanted = body.rebuild as Record<string, unknown>;
    const image = this.#state.images.visible(String(wanted.imageRef), context.token);
    if (image === undefined) return fail(400, "Cannot find image for rebuild");
    if (image.status !== "active") return fail(400, `Image ${image.id} is not active.`);
    if (typeof wanted.name === "string") server.name = wanted.name;
    if (wanted.description !== undefined) server.description = wanted.description as string | null;
    if (wanted.metadata !== undefined) server.metadata = { ...(wanted.metadata as Record<string, string>) };
    if (wanted.key_name !== undefined) server.keyName = wanted.key_name as string | null;
    if (wanted.user_data !== undefined) server.userData = wanted.user_data as string | null;
    const to = server.vmState === "stopped" ? "stopped" : "active";
    this.#change(context, server, "rebuilding", () => {
      server.imageId = image.id;
      server.disk = image.bytes?.clone(Math.max(image.bytes.size, server.disk?.size ?? 0));
      Object.assign(server, { vmState: to, powerState: to === "stopped" ? POWER.shutdown : POWER.running, fault: undefined });
    });
    const view = serverView(this.#state, context, server, { stage: "change" });
    const userData = context.version >= 57 ? { user_data: server.userData } : {};
    return json(202, { server: { ...view, adminPass: wanted.adminPass ?? "fakeAdminPw1", ...userData } });
  }

  #rescue(context: NovaCall, server: Server): Reply {
    this.guard(context, server, "rescue", ["active", "stopped", "error"]);
    if (isVolumeBacked(server)) fail(400, `Instance ${server.id} cannot be rescued: Cannot rescue a volume-backed instance`);
    server.rescuedFrom = server.vmState;
    this.#change(context, server, "rescuing", () => {
      Object.assign(server, { vmState: "rescued", powerState: POWER.running });
    });
    return json(200, { adminPass: "fakeAdminPw1" });
  }
}

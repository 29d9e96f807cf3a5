/** How a server comes to be and goes: ports bound, volumes made and attached, then running; and all of it undone. */

import { SparseBytes } from "../bytes.ts";
import { POWER, type Server } from "./compute.ts";
import type { Disks } from "./disks.ts";
import type { NetworkRequest } from "./network-request.ts";
import type { NovaCall } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";

export const HOST = "lab";

export class Builder {
  readonly #state: NovaState;
  readonly #disks: Disks;

  constructor(state: NovaState, disks: Disks) {
    this.#state = state;
    this.#disks = disks;
  }

  build(context: NovaCall, server: Server, networks: NetworkRequest, securityGroups: readonly string[]): void {
    const { compute, transitions } = this.#state;
    const volumes = server.devices.map((device) => device.volumeId).filter((id): id is string => id !== null);
    const isThere = () => compute.servers.has(server.id);
    const plug = () => {
      if (!isThere()) return;
      if (context.call.fails) {
        this.fail(server, "No valid host was found. There are not enough hosts available.");
        return;
      }
      server.host = HOST;
      server.zone = server.pinnedZone ?? compute.zones[0] ?? "nova";
      server.taskState = "spawning";
      this.#plugPorts(context, server, networks, securityGroups);
      this.#plugDisks(context, server);
      compute.touch(server);
    };
    const start = () => {
      if (!isThere() || server.vmState === "error") return;
      Object.assign(server, { vmState: "active", taskState: null, powerState: POWER.running, launchedMs: compute.nowMs() });
      compute.touch(server);
    };
    transitions.start([server.id, ...volumes], [plug, start]);
  }

  fail(server: Server, message: string): void {
    const { compute } = this.#state;
    server.fault = { code: 500, message, details: `Traceback: ${message}`, createdMs: compute.nowMs() };
    server.vmState = "error";
    server.taskState = null;
    server.powerState = POWER.none;
    compute.touch(server);
  }

  #plugPorts(context: NovaCall, server: Server, networks: NetworkRequest, securityGroups: readonly string[]): void {
    const zone = server.zone ?? "nova";
    for (const nic of networks.nics) {
      if (nic.portId !== null) {
        this.#state.networks.bind(nic.portId, server.id, zone, HOST);
        server.ports.push({ id: nic.portId, tag: nic.tag, ours: false });
        continue;
      }
      const networkId = nic.networkId ?? "";
      if (this.#state.networks.network(context.token, networkId) === "external") {
        this.fail(server, `It is not allowed to create an interface on external network ${networkId}`);
        return;
      }
      const id = this.#state.networks.create({
        networkId,
        projectId: server.projectId,
        serverId: server.id,
        zone,
        host: HOST,
        fixedIp: nic.fixedIp,
        securityGroups,
      });
      if (id === undefined) {
        this.fail(server, `Build of instance ${server.id} aborted: Failed to allocate the network(s), not rescheduling.`);
        return;
      }
      context.call.created("port", id);
      server.ports.push({ id, tag: nic.tag, ours: true });
    }
  }

  /** Root first: libvirt names the disks in order and ignores the names that were asked for. */
  #plugDisks(context: NovaCall, server: Server): void {
    if (server.vmState === "error") return;
    for (const device of server.devices) device.deviceName = null;
    const ordered = [...server.devices].sort((a, b) => Number(b.bootIndex === 0) - Number(a.bootIndex === 0));
    for (const device of ordered) {
      device.deviceName = this.#disks.nextName(server);
      if (device.bootIndex === 0) server.rootDeviceName = device.deviceName;
      if (device.destinationType !== "volume") {
        if (device.bootIndex === 0) server.disk = this.#rootDisk(server);
        continue;
      }
      if (device.volumeId === null) {
        const made = this.#disks.make(server, device);
        if (typeof made === "string") {
          this.fail(server, `Build of instance ${server.id} aborted: ${made}`);
          return;
        }
        device.volumeId = made.id;
        context.call.created("volume", made.id);
      }
      this.#disks.attach(server, device);
    }
  }

  #rootDisk(server: Server): SparseBytes {
    const size = server.flavor.disk * this.#state.cinder.volumes.bytesPerGib;
    const bytes = this.#state.images.all.get(server.imageId)?.bytes;
    if (bytes === undefined) return new SparseBytes(size);
    return bytes.clone(Math.max(size, bytes.size));
  }

  /** Takes a server down: its volumes come free or go with it, its own ports go. */
  remove(context: NovaCall, server: Server): void {
    const { compute, transitions, networks } = this.#state;
    transitions.abandon(server.id);
    this.#dropUnfinishedImages(context, server);
    server.taskState = "deleting";
    compute.touch(server);
    const gone = () => {
      if (context.call.fails) {
        this.fail(server, "Failed to terminate instance");
        return;
      }
      for (const { id, ours } of server.ports) {
        if (ours) networks.remove(id);
        else networks.unbind(id);
      }
      for (const device of server.devices) this.#release(context, device.deleteOnTermination, server, device.volumeId);
      const shelved = server.shelvedImageId;
      if (shelved !== null && this.#state.images.all.delete(shelved)) context.call.deleted("image", shelved);
      compute.servers.delete(server.id);
    };
    transitions.start([server.id], [gone]);
    context.call.deleted("server", server.id);
    for (const { id, ours } of server.ports) if (ours) context.call.deleted("port", id);
  }

  /** An image that was being made of it goes with it. */
  #dropUnfinishedImages(context: NovaCall, server: Server): void {
    for (const image of this.#state.images.all.values()) {
      const unfinished = image.status === "queued" || image.status === "saving";
      if (!unfinished || image.properties.instance_uuid !== server.id) continue;
      this.#state.images.all.delete(image.id);
      context.call.deleted("image", image.id);
    }
  }

  #release(context: NovaCall, withServer: boolean, server: Server, volumeId: string | null): void {
    const { volumes } = this.#state.cinder;
    const volume = this.#disks.volume(volumeId);
    const device = server.devices.find((each) => each.volumeId === volumeId);
    if (volume === undefined || device === undefined) return;
    this.#disks.detach(device);
    // Cinder refuses to delete a volume with volume snapshots, and Nova goes on without a word.
    const kept = volume.attachments.length > 0 || [...volumes.snapshots.values()].some((each) => each.volumeId === volume.id);
    if (!withServer || kept) return;
    volumes.volumes.delete(volume.id);
    context.call.deleted("volume", volume.id);
  }
}

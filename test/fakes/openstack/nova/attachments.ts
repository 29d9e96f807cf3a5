/** os-volume_attachments and os-interface: what is plugged into a server besides its root disk. */

import { json, type Reply } from "../http.ts";
import { blockDevice } from "./block-devices.ts";
import type { BlockDevice, Server } from "./compute.ts";
import type { Disks } from "./disks.ts";
import { check } from "./json-schema.ts";
import { ACCEPTED, bodyOf, fail, forbid, type NovaCall, noRoute, sliceOf, truthy } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import type { Nic } from "./ports.ts";
import { attachInterface, attachVolume, updateAttachment } from "./schemas.ts";
import type { ServerActions } from "./server-actions.ts";
import { HOST } from "./server-build.ts";
import { attachmentView } from "./server-view.ts";

const DISKS_FROM = ["active", "paused", "stopped", "resized", "shelved", "shelved_offloaded"];
const PORTS_FROM = ["active", "paused", "stopped"];

export class Attachments {
  readonly #state: NovaState;
  readonly #disks: Disks;
  readonly #actions: ServerActions;

  constructor(state: NovaState, disks: Disks, actions: ServerActions) {
    this.#state = state;
    this.#disks = disks;
    this.#actions = actions;
  }

  async volumes(context: NovaCall, server: Server, volumeId: string | undefined): Promise<Reply> {
    const { method } = context.call;
    if (volumeId === undefined) {
      if (method === "POST") return this.#attach(context, server);
      const rows = sliceOf(context, server.devices, 1000).filter((device) => device.volumeId !== null);
      return json(200, { volumeAttachments: rows.map((device) => attachmentView(context, server, device)) });
    }
    const device = server.devices.find((each) => each.volumeId === volumeId);
    const missing = () => fail(404, `Instance ${server.id} is not attached to volume ${volumeId}`);
    if (method === "GET") return json(200, { volumeAttachment: attachmentView(context, server, device ?? missing()) });
    if (method === "PUT") return this.#update(context, server, volumeId, device);
    if (method !== "DELETE") return noRoute();
    const volume = this.#disks.volume(volumeId);
    if (volume === undefined || (!context.admin && volume.projectId !== context.projectId))
      fail(404, `Volume ${volumeId} could not be found.`);
    return this.#detach(context, server, device ?? missing());
  }

  async #attach(context: NovaCall, server: Server): Promise<Reply> {
    const body = await bodyOf(context);
    check(attachVolume(context.version), body);
    const wanted = body.volumeAttachment as Record<string, unknown>;
    await this.#state.transitions.settle(String(wanted.volumeId));
    this.#actions.guard(context, server, "attach_volume", DISKS_FROM);
    const volume = this.#disks.volume(String(wanted.volumeId));
    if (volume === undefined || (!context.admin && volume.projectId !== context.projectId))
      return fail(404, `Volume ${wanted.volumeId} could not be found.`);
    const shared = volume.type.extraSpecs.multiattach !== undefined;
    const holders = [...this.#state.compute.servers.values()].filter((each) =>
      each.devices.some((device) => device.volumeId === volume.id),
    );
    if (holders.length > 0 && !shared)
      fail(
        400,
        `Invalid volume: volume ${volume.id} is already attached to instances: ${holders.map((each) => each.id).join(" ")}`,
      );
    if (holders.includes(server)) fail(400, `Invalid volume: volume ${volume.id} already attached`);
    if (shared && context.version < 60)
      fail(400, "Multiattach volumes are only supported starting with compute API version 2.60.");
    const offloaded = server.vmState === "shelved_offloaded";
    if (offloaded && wanted.tag !== undefined)
      fail(400, "Tagged volume attachment is not supported for shelved-offloaded instances.");
    const device = blockDevice({
      sourceType: "volume",
      destinationType: "volume",
      volumeId: volume.id,
      volumeSize: volume.size,
      deleteOnTermination: truthy(wanted.delete_on_termination),
      tag: (wanted.tag ?? null) as string | null,
    });
    this.#disks.reserve(volume, device);
    if (!offloaded) device.deviceName = this.#disks.nextName(server);
    server.devices.push(device);
    const finish = () => {
      if (!server.devices.includes(device)) return;
      if (context.call.fails) {
        server.devices = server.devices.filter((each) => each !== device);
        this.#disks.detach(device);
        return;
      }
      this.#disks.attach(server, device);
      if (offloaded) device.deviceName = null;
    };
    if (volume.status === "reserved") this.#state.cinder.volumes.setStatus(volume, "attaching");
    this.#state.transitions.start([server.id, volume.id], [finish]);
    const view = {
      id: volume.id,
      serverId: server.id,
      volumeId: volume.id,
      device: device.deviceName,
      ...(context.version >= 70 ? { tag: device.tag } : {}),
      ...(context.version >= 79 ? { delete_on_termination: wanted.delete_on_termination ?? false } : {}),
    };
    return json(200, { volumeAttachment: view });
  }

  async #update(context: NovaCall, server: Server, volumeId: string, device: BlockDevice | undefined): Promise<Reply> {
    const body = await bodyOf(context);
    check(updateAttachment(context.version), body);
    const wanted = body.volumeAttachment as Record<string, unknown>;
    if ((context.version < 85 || wanted.volumeId !== volumeId) && !context.admin) forbid("os-volumes-attachments:swap");
    if (context.version < 85) fail(409, `volume ${volumeId} is not migrating this api should only be called by Cinder`);
    if (device === undefined) fail(404, `No volume Block Device Mapping with id ${volumeId}.`);
    const fixed = { id: volumeId, serverId: server.id, device: device.deviceName, tag: device.tag };
    for (const [key, value] of Object.entries(fixed))
      if (wanted[key] !== undefined && wanted[key] !== value) fail(400, `The ${key} property is not mutable`);
    if (wanted.delete_on_termination !== undefined) device.deleteOnTermination = truthy(wanted.delete_on_termination);
    return ACCEPTED;
  }

  #detach(context: NovaCall, server: Server, device: BlockDevice): Reply {
    if (device.bootIndex === 0) fail(400, "Cannot detach a root device volume");
    this.#actions.guard(context, server, "detach_volume", DISKS_FROM);
    const volume = this.#disks.volume(device.volumeId);
    if (volume !== undefined && volume.status !== "in-use") {
      fail(
        400,
        `Invalid volume: Invalid input received: Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.`,
      );
    }
    if (volume !== undefined) this.#state.cinder.volumes.setStatus(volume, "detaching");
    const finish = () => {
      if (!server.devices.includes(device)) return;
      if (context.call.fails) {
        if (volume !== undefined) this.#state.cinder.volumes.setStatus(volume, "in-use");
        return;
      }
      server.devices = server.devices.filter((each) => each !== device);
      this.#disks.detach(device);
    };
    this.#state.transitions.start([server.id, device.volumeId ?? ""], [finish]);
    return ACCEPTED;
  }

  async interfaces(context: NovaCall, server: Server, portId: string | undefined): Promise<Reply> {
    const { method } = context.call;
    const view = (nic: Nic, tag: string | null) => ({
      net_id: nic.networkId,
      port_id: nic.portId,
      mac_addr: nic.mac,
      port_state: nic.status,
      fixed_ips: nic.fixedIps,
      ...(context.version >= 70 ? { tag } : {}),
    });
    if (portId === undefined && method === "GET") {
      const rows = server.ports.flatMap(({ id, tag }) => {
        const nic = this.#state.networks.nic(id);
        return nic === undefined ? [] : [view(nic, tag)];
      });
      return json(200, { interfaceAttachments: rows });
    }
    if (portId === undefined) return method === "POST" ? this.#plug(context, server, view) : noRoute();
    const port = server.ports.find((each) => each.id === portId);
    if (method === "GET") {
      const nic = this.#state.networks.nic(portId);
      if (nic === undefined) fail(404, `Port id ${portId} could not be found.`);
      if (port === undefined) fail(404, `Instance ${server.id} does not have a port with id ${portId}`);
      return json(200, { interfaceAttachment: view(nic, port.tag) });
    }
    if (method !== "DELETE") return noRoute();
    this.#actions.guard(context, server, "detach_interface", PORTS_FROM);
    if (port === undefined) return fail(404, `Port id ${portId} could not be found.`);
    const finish = () => {
      server.ports = server.ports.filter((each) => each !== port);
      if (port.ours) this.#state.networks.remove(portId);
      else this.#state.networks.unbind(portId);
    };
    this.#state.transitions.start([server.id], [finish]);
    if (port.ours) context.call.deleted("port", portId);
    return ACCEPTED;
  }

  async #plug(context: NovaCall, server: Server, view: (nic: Nic, tag: string | null) => unknown): Promise<Reply> {
    const body = await bodyOf(context);
    check(attachInterface(context.version), body);
    const wanted = (body.interfaceAttachment ?? {}) as {
      net_id?: string;
      port_id?: string;
      fixed_ips?: { ip_address: string }[];
      tag?: string;
    };
    const fixedIp = wanted.fixed_ips?.[0]?.ip_address;
    if (wanted.net_id !== undefined && wanted.port_id !== undefined) fail(400, "Must not input both network_id and port_id");
    if (fixedIp !== undefined && wanted.net_id === undefined) fail(400, "Must input network_id when request IP address");
    this.#actions.guard(context, server, "attach_interface", PORTS_FROM);
    const { networks } = this.#state;
    const tag = wanted.tag ?? null;
    const zone = server.zone ?? "nova";
    if (wanted.port_id !== undefined) {
      const port = networks.port(context.token, wanted.port_id);
      if (port === undefined) fail(404, `Port id ${wanted.port_id} could not be found.`);
      if (port.deviceId !== "") fail(409, `Port ${wanted.port_id} is still in use.`);
      networks.bind(wanted.port_id, server.id, zone, HOST);
      server.ports.push({ id: wanted.port_id, tag, ours: false });
    } else {
      const own = networks.availableNetworks(context.token);
      const networkId = wanted.net_id ?? own[0];
      if (networkId === undefined) return fail(400, "No specific network was requested and none are available.");
      if (wanted.net_id === undefined && own.length > 1)
        fail(400, "Multiple possible networks found, use a Network ID to be more specific.");
      const found = networks.network(context.token, networkId);
      if (found === undefined) fail(404, `Network ${networkId} could not be found.`);
      if (found === "external") fail(403, `It is not allowed to create an interface on external network ${networkId}`);
      const request = { networkId, projectId: server.projectId, serverId: server.id, zone, host: HOST, fixedIp };
      const id = networks.create({ ...request, securityGroups: [] });
      if (id === undefined) return fail(400, "Failed to allocate an address.");
      context.call.created("port", id);
      server.ports.push({ id, tag, ours: true });
    }
    const nic = networks.nic(server.ports.at(-1)?.id ?? "");
    return nic === undefined ? fail(500, "the port has gone") : json(200, { interfaceAttachment: view(nic, tag) });
  }
}

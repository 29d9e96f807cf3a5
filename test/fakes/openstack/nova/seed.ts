/** Servers, key pairs, groups and flavors put straight into the fake cloud, as a tenant would have made them before. */

import { assert } from "@permafrost/std";
import { SparseBytes } from "../bytes.ts";
import { blockDevice, imageRoot } from "./block-devices.ts";
import { type ComputeQuota, DEFAULT_COMPUTE_QUOTA, type Flavor, type KeyPair, type Server, type ServerGroup } from "./compute.ts";
import { Disks } from "./disks.ts";
import { fingerprintOf } from "./key-pairs.ts";
import type { NovaState } from "./nova-state.ts";
import { HOST } from "./server-build.ts";
import { POWER_OF } from "./server-view.ts";

export interface SeededServer {
  readonly name: string;
  /** A flavor's name or id; default lab.nano. */
  readonly flavor?: string;
  /** Boots from this image; its disk starts with the image's bytes. Without it the first volume is the root. */
  readonly imageId?: string;
  readonly volumes?: readonly {
    readonly id: string;
    readonly tag?: string;
    readonly deleteOnTermination?: boolean;
    readonly bootIndex?: number;
  }[];
  /** Ports of the fake Neutron, in order. */
  readonly ports?: readonly (string | { readonly id: string; readonly tag?: string })[];
  readonly groupId?: string;
  /** Default `active`. */
  readonly vmState?: string;
  readonly userId?: string;
  readonly description?: string | null;
  readonly hostname?: string;
  readonly metadata?: Record<string, string>;
  readonly tags?: string[];
  readonly keyName?: string;
  readonly configDrive?: boolean;
  readonly pinnedZone?: string;
  readonly userData?: string;
  readonly lockedBy?: "owner" | "admin";
  readonly lockedReason?: string;
  readonly imageProperties?: Record<string, string>;
}

export function isComputeQuota(name: string): boolean {
  return name in DEFAULT_COMPUTE_QUOTA;
}

export class ComputeSeed {
  readonly #state: NovaState;
  readonly #disks: Disks;

  constructor(state: NovaState) {
    this.#state = state;
    this.#disks = new Disks(state);
  }

  server(fields: SeededServer & { projectId: string; userId: string }): Server {
    const { compute, images, networks } = this.#state;
    const { flavor: flavorName = "lab.nano", volumes = [], ports = [], groupId, vmState = "active", ...rest } = fields;
    const flavor = [...compute.flavors.values()].find((each) => each.name === flavorName || each.id === flavorName);
    assert(flavor !== undefined, `no flavor ${flavorName}`);
    const image = images.all.get(rest.imageId ?? "");
    assert(rest.imageId === undefined || image !== undefined, `no image ${rest.imageId}`);
    const server = compute.addServer({
      ...rest,
      flavor: { ...flavor, extraSpecs: { ...flavor.extraSpecs } },
      imageProperties: {
        base_image_ref: rest.imageId ?? "",
        min_disk: String(flavor.disk),
        min_ram: "0",
        ...image?.properties,
        ...rest.imageProperties,
      },
      vmState,
      taskState: null,
      powerState: POWER_OF[vmState] ?? 0,
      host: vmState === "shelved_offloaded" ? null : HOST,
      zone: rest.pinnedZone ?? compute.zones[0] ?? "nova",
      launchedMs: compute.nowMs(),
      rootDeviceName: "/dev/vda",
      devices: rest.imageId === undefined ? [] : [{ ...imageRoot(rest.imageId), deviceName: "/dev/vda" }],
    });
    if (image !== undefined) {
      const size = flavor.disk * this.#state.cinder.volumes.bytesPerGib;
      server.disk = image.bytes?.clone(Math.max(size, image.bytes.size)) ?? new SparseBytes(size);
    }
    for (const [index, each] of volumes.entries()) {
      const volume = this.#disks.volume(each.id);
      assert(volume !== undefined, `no volume ${each.id}`);
      const isRoot = rest.imageId === undefined && index === 0;
      const device = blockDevice({
        sourceType: "volume",
        destinationType: "volume",
        volumeId: each.id,
        volumeSize: volume.size,
        bootIndex: each.bootIndex ?? (isRoot ? 0 : null),
        deleteOnTermination: each.deleteOnTermination ?? false,
        tag: each.tag ?? null,
        deviceName: isRoot ? "/dev/vda" : null,
      });
      server.devices.push(device);
      this.#disks.attach(server, device);
    }
    for (const each of ports) {
      const port = typeof each === "string" ? { id: each } : each;
      networks.bind(port.id, server.id, server.zone ?? "nova", HOST);
      server.ports.push({ id: port.id, tag: port.tag ?? null, ours: false });
    }
    if (groupId !== undefined) {
      compute.groups.get(groupId)?.members.push(server.id);
      server.schedulerHints = { group: [groupId] };
    }
    return server;
  }

  keyPair(fields: { userId: string; name: string; publicKey?: string }): KeyPair {
    const publicKey = fields.publicKey ?? `ssh-ed25519 ${Buffer.from(`key of ${fields.name}`).toString("base64")} ${fields.name}`;
    const fingerprint = fingerprintOf(publicKey, "ssh");
    assert(fingerprint !== undefined, "not a public key");
    return this.#state.compute.addKeyPair({ userId: fields.userId, name: fields.name, type: "ssh", publicKey, fingerprint });
  }

  serverGroup(fields: Pick<ServerGroup, "projectId" | "userId" | "name" | "policy"> & Partial<ServerGroup>): ServerGroup {
    return this.#state.compute.addGroup(fields);
  }

  flavor(fields: Partial<Flavor> & { name: string }): Flavor {
    return this.#state.compute.addFlavor(fields);
  }

  quota(projectId: string): ComputeQuota {
    return this.#state.compute.quota(projectId);
  }

  writeDisk(id: string, offset: number, bytes: Uint8Array): void {
    const disk = this.#state.compute.servers.get(id)?.disk;
    assert(disk !== undefined, `server ${id} has no root disk of its own`);
    assert(offset + bytes.length <= disk.size, "a guest cannot write beyond its disk");
    disk.write(offset, bytes);
  }
}

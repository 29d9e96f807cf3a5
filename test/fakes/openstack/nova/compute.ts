/**
 * What the fake Nova keeps: servers with their disks and block devices, flavors, key pairs, server groups, quotas.
 * Volumes and images are not here: a server names those of the fake Cinder and Glance.
 */

import type { Clock } from "@permafrost/std";
import type { SparseBytes } from "../bytes.ts";
import { uuid } from "../ids.ts";

export interface Flavor {
  readonly id: string;
  readonly name: string;
  readonly ram: number;
  readonly vcpus: number;
  readonly disk: number;
  readonly ephemeral: number;
  readonly swap: number;
  readonly rxtxFactor: number;
  readonly isPublic: boolean;
  description: string | null;
  extraSpecs: Record<string, string>;
  /** Projects that may use it when it is not public. */
  readonly access: Set<string>;
}

/** One block device mapping, as Nova's database has it. */
export interface BlockDevice {
  readonly uuid: string;
  readonly sourceType: string;
  readonly destinationType: string;
  readonly imageId: string | null;
  readonly snapshotId: string | null;
  /** Set once the volume is there; for other sources than a volume that is while the server builds. */
  volumeId: string | null;
  volumeSize: number | null;
  readonly bootIndex: number | null;
  deviceName: string | null;
  deleteOnTermination: boolean;
  readonly tag: string | null;
  readonly diskBus: string | null;
  readonly deviceType: string | null;
  readonly guestFormat: string | null;
  readonly volumeType: string | null;
  attachmentId: string | null;
}

export const POWER = { none: 0, running: 1, paused: 3, shutdown: 4, suspended: 7 } as const;

export interface Server {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  name: string;
  description: string | null;
  hostname: string;
  vmState: string;
  taskState: string | null;
  powerState: number;
  flavor: Flavor;
  /** Empty when it boots from a volume. */
  imageId: string;
  /** What Nova remembers of the image: properties, and min_disk, min_ram, formats. */
  imageProperties: Record<string, string>;
  metadata: Record<string, string>;
  tags: string[];
  keyName: string | null;
  configDrive: boolean;
  /** The zone it runs in, once it has a host. */
  zone: string | null;
  pinnedZone: string | null;
  schedulerHints: Record<string, unknown>;
  host: string | null;
  lockedBy: "owner" | "admin" | null;
  lockedReason: string | null;
  userData: string | null;
  rootDeviceName: string | null;
  accessIPv4: string;
  accessIPv6: string;
  diskConfig: "AUTO" | "MANUAL";
  devices: BlockDevice[];
  /** Ports in order, with Nova's tag and whether Nova made the port and so removes it. */
  ports: { id: string; tag: string | null; ours: boolean }[];
  /** The root disk of a server that boots from an image. */
  disk: SparseBytes | undefined;
  /** Where a shelved server's disk is. */
  shelvedImageId: string | null;
  fault: { code: number; message: string; details: string; createdMs: number } | undefined;
  /** What it was before a rescue. */
  rescuedFrom: string | null;
  readonly reservationId: string;
  readonly launchIndex: number;
  readonly createdMs: number;
  updatedMs: number | null;
  launchedMs: number | null;
  readonly sequence: number;
}

export interface KeyPair {
  readonly id: number;
  readonly userId: string;
  readonly name: string;
  readonly type: "ssh" | "x509";
  readonly publicKey: string;
  readonly fingerprint: string;
  readonly createdMs: number;
}

export interface ServerGroup {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly name: string;
  readonly policy: string;
  readonly rules: Record<string, number>;
  readonly members: string[];
}

export type ComputeQuota = Record<string, number>;
export const DEFAULT_COMPUTE_QUOTA: Readonly<ComputeQuota> = {
  instances: 50,
  cores: 100,
  ram: 204_800,
  metadata_items: 128,
  key_pairs: 100,
  server_groups: 10,
  server_group_members: 10,
};

export class Compute {
  readonly servers = new Map<string, Server>();
  readonly flavors = new Map<string, Flavor>();
  /** By `user/name`. */
  readonly keyPairs = new Map<string, KeyPair>();
  readonly groups = new Map<string, ServerGroup>();
  /** Availability zones of hosts, besides `internal`. */
  readonly zones = ["nova"];
  readonly #quotas = new Map<string, ComputeQuota>();
  readonly #clock: Clock;
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    for (const [name, ram, disk] of [
      ["lab.nano", 96, 1],
      ["lab.tiny", 128, 1],
      ["lab.small", 192, 2],
      ["lab.zero", 96, 0],
    ] as const)
      this.addFlavor({ name, ram, disk });
  }

  addFlavor(fields: Partial<Flavor> & Pick<Flavor, "name">): Flavor {
    const flavor: Flavor = {
      id: uuid(),
      ram: 128,
      vcpus: 1,
      disk: 1,
      ephemeral: 0,
      swap: 0,
      rxtxFactor: 1,
      isPublic: true,
      description: null,
      extraSpecs: {},
      access: new Set(),
      ...fields,
    };
    this.flavors.set(flavor.id, flavor);
    return flavor;
  }

  /** The flavor, if this project may use it. */
  flavor(id: string, projectId: string, admin: boolean): Flavor | undefined {
    const flavor = this.flavors.get(id);
    return flavor !== undefined && (flavor.isPublic || admin || flavor.access.has(projectId)) ? flavor : undefined;
  }

  addServer(fields: Partial<Server> & Pick<Server, "projectId" | "userId" | "name" | "flavor">): Server {
    const server: Server = {
      id: uuid(),
      description: null,
      hostname: hostnameOf(fields.name),
      vmState: "building",
      taskState: "scheduling",
      powerState: POWER.none,
      imageId: "",
      imageProperties: {},
      metadata: {},
      tags: [],
      keyName: null,
      configDrive: false,
      zone: null,
      pinnedZone: null,
      schedulerHints: {},
      host: null,
      lockedBy: null,
      lockedReason: null,
      userData: null,
      rootDeviceName: null,
      accessIPv4: "",
      accessIPv6: "",
      diskConfig: "MANUAL",
      devices: [],
      ports: [],
      disk: undefined,
      shelvedImageId: null,
      fault: undefined,
      rescuedFrom: null,
      reservationId: `r-${uuid().slice(0, 8)}`,
      launchIndex: 0,
      createdMs: this.#clock.now(),
      updatedMs: null,
      launchedMs: null,
      sequence: this.#sequence++,
      ...fields,
    };
    this.servers.set(server.id, server);
    return server;
  }

  addKeyPair(fields: Omit<KeyPair, "id" | "createdMs">): KeyPair {
    const pair: KeyPair = { id: ++this.#sequence, createdMs: this.#clock.now(), ...fields };
    this.keyPairs.set(`${pair.userId}/${pair.name}`, pair);
    return pair;
  }

  addGroup(fields: Partial<ServerGroup> & Pick<ServerGroup, "projectId" | "userId" | "name" | "policy">): ServerGroup {
    const group: ServerGroup = { id: uuid(), rules: {}, members: [], ...fields };
    this.groups.set(group.id, group);
    return group;
  }

  groupOf(serverId: string): ServerGroup | undefined {
    return [...this.groups.values()].find((group) => group.members.includes(serverId));
  }

  /** Ids of the group's servers that are still there. */
  membersOf(group: ServerGroup): string[] {
    return group.members.filter((id) => this.servers.has(id));
  }

  touch(server: Server): void {
    server.updatedMs = this.#clock.now();
  }

  nowMs(): number {
    return this.#clock.now();
  }

  quota(projectId: string): ComputeQuota {
    let quota = this.#quotas.get(projectId);
    if (quota === undefined) {
      quota = { ...DEFAULT_COMPUTE_QUOTA };
      this.#quotas.set(projectId, quota);
    }
    return quota;
  }

  resetQuota(projectId: string): void {
    this.#quotas.delete(projectId);
  }

  usage(projectId: string): ComputeQuota {
    const used: ComputeQuota = { instances: 0, cores: 0, ram: 0, server_groups: 0 };
    for (const server of this.servers.values()) {
      if (server.projectId !== projectId) continue;
      used.instances = (used.instances ?? 0) + 1;
      used.cores = (used.cores ?? 0) + server.flavor.vcpus;
      used.ram = (used.ram ?? 0) + server.flavor.ram;
    }
    used.server_groups = [...this.groups.values()].filter((group) => group.projectId === projectId).length;
    return used;
  }

  keyPairsOf(userId: string): KeyPair[] {
    return [...this.keyPairs.values()].filter((pair) => pair.userId === userId).sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

/** Whether it boots from a volume. */
export function isVolumeBacked(server: Server): boolean {
  return server.devices.some((device) => device.bootIndex === 0 && device.destinationType === "volume");
}

/** A name as Nova makes a host name of it. */
export function hostnameOf(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/[^\x20-\x7e]/g, "")
    .replace(/[ _.]/g, "-")
    .replace(/[^\w.-]+/g, "")
    .toLowerCase()
    .replace(/^[.-]+|[.-]+$/g, "")
    .slice(0, 63);
}

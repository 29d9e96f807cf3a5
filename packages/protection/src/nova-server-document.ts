/**
 * What is captured of a server: everything that Nova says of it, and of what belongs to it. What a later version learns to restore is in
 * backups that exist already.
 */

import { type ApiObject, SERVER_GROUPS } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import { ifThere } from "./if-there.ts";
import { flavorKey, flavorOf } from "./nova-flavor.ts";
import { type FlavorSpecs, specsOf } from "./nova-flavor-specs.ts";
import type { Context } from "./resource-type.ts";

/** Document version 1. */
export type ServerDocument = {
  readonly version: 1;
  /** As `GET /servers/<id>` gave it. */
  readonly server: ApiObject;
  /** The resource id of its flavor, and what that gives it. */
  readonly flavorKey: string;
  readonly flavor: FlavorSpecs;
  /** In the order in which the guest has them, as far as that can be told; see `inOrder`. */
  readonly interfaces: readonly ApiObject[];
  readonly attachments: readonly ApiObject[];
  readonly group: ApiObject | null;
  /** Its public key, where the credentials may read it. */
  readonly keypair: ApiObject | null;
  /** Of what it refers to, by `kind/id`. */
  readonly names: Readonly<Record<string, string>>;
  /** Of one that is booted from an image: its root disk, whose bytes are the stream `data`. */
  readonly disk?: RootDisk;
  /** Of one that is booted from a volume: its volumes with what only Nova's image of it says. */
  readonly devices?: readonly BlockDevice[];
};

export type RootDisk = {
  readonly diskFormat: string;
  readonly containerFormat: string;
  readonly sizeBytes: number;
  readonly minDiskGiB: number;
  readonly minRamMiB: number;
  readonly hashAlgorithm: string;
  readonly hashValue: string;
  /** Of the server's image: how the guest's hardware looks. */
  readonly properties: Readonly<Record<string, string>>;
};

export type BlockDevice = {
  readonly volumeId: string;
  readonly snapshotId: string;
  /** 0 is the root disk, -1 is not booted from. */
  readonly bootIndex: number;
  readonly diskBus: string;
  readonly deviceType: string;
};

/**
 * How the bytes of its disks are had: an image of the root disk, the volumes' snapshots, the image that shelving it made, or not at all.
 */
export type DiskSource = "image" | "volumes" | "shelved-image" | "none";

const AT_REST = /^(ACTIVE|SHUTOFF|PAUSED|SUSPENDED)$/;
const SHELVED = /^SHELVED(_OFFLOADED)?$/;
const USER_DATA = "OS-EXT-SRV-ATTR:user_data";

export function isVolumeBacked(server: ApiObject): boolean {
  return typeof server.image !== "object" || server.image === null;
}

export function imageIdOf(server: ApiObject): string {
  return isVolumeBacked(server) ? "" : String((server.image as JsonObject).id);
}

export function diskSourceOf(server: ApiObject): DiskSource {
  const status = String(server.status);
  if (AT_REST.test(status)) return isVolumeBacked(server) ? "volumes" : "image";
  return SHELVED.test(status) && !isVolumeBacked(server) ? "shelved-image" : "none";
}

/** A server that vanishes while it is read is not there any more: NOT_FOUND. */
export async function describeServer(context: Context, id: string, flavors: readonly ApiObject[]): Promise<ServerDocument> {
  const { compute } = context.cloud;
  const server = await compute.getServer(id);
  if (server.name === undefined) return { ...EMPTY, server };
  const used = (server.flavor ?? {}) as ApiObject;
  const interfaces = inOrder(server, await compute.interfaces(id));
  const attachments = await compute.volumeAttachments(id);
  const group = await groupOf(context, server);
  const names: Record<string, string> = {};
  const note = async (kind: string, of: string) => {
    const name = of === "" ? "" : await context.nameOf(kind, of);
    if (name !== "") names[`${kind}/${of}`] = name;
  };
  await note("glance.image", imageIdOf(server));
  for (const { volumeId } of attachments) await note("cinder.volume", String(volumeId));
  if (group !== null) names[`nova.server-group/${String(group.id)}`] = String(group.name);
  return {
    version: 1,
    server,
    flavorKey: flavorKey(used, flavors),
    flavor: specsOf(flavorOf(used, flavors) ?? used),
    interfaces,
    attachments,
    group,
    keypair: await keypairOf(context, server),
    names,
  };
}

const EMPTY = {
  version: 1 as const,
  flavorKey: "",
  flavor: specsOf({}),
  interfaces: [],
  attachments: [],
  group: null,
  keypair: null,
  names: {},
};

/** What a backup of this server cannot have. */
export function warningsOf(document: ServerDocument): string[] {
  const { server, flavor } = document;
  const status = String(server.status);
  if (server.name === undefined) return [`Nova does not reach the server's cell (it is ${status}): only its id is backed up`];
  const warnings: string[] = [];
  if (diskSourceOf(server) === "none")
    warnings.push(
      SHELVED.test(status)
        ? `The server is ${status} and booted from a volume: its volumes are snapshotted one by one`
        : `The server is ${status}: only its metadata is backed up`,
    );
  if (/^(PAUSED|SUSPENDED)$/.test(status)) warnings.push(`The server is ${status}: its memory is not backed up, its disks are`);
  if (!(USER_DATA in server)) warnings.push("user_data may be read by an administrator only: it is not backed up");
  if (flavor.ephemeral > 0 || flavor.swap > 0)
    warnings.push("No image of a server has its ephemeral and swap disks: they are not backed up");
  const hints = Object.keys((server.scheduler_hints ?? {}) as JsonObject).filter((h) => h !== "group");
  if (hints.length > 0) warnings.push(`Scheduler hints name things of this cloud and are not restored: ${hints.join(", ")}`);
  return warnings;
}

/**
 * Nova lists interfaces in no order, but addresses by network in the order of the interfaces: by network, inside a network by MAC as
 * the addresses have them. One without any address comes last. Networks that alternate cannot be told from ones that do not.
 */
export function inOrder(server: ApiObject, interfaces: readonly ApiObject[]): ApiObject[] {
  const macs: string[] = [];
  for (const addresses of Object.values((server.addresses ?? {}) as JsonObject))
    for (const address of addresses as readonly JsonObject[]) macs.push(String(address["OS-EXT-IPS-MAC:mac_addr"]));
  const place = (i: ApiObject) => {
    const found = macs.indexOf(String(i.mac_addr));
    return found < 0 ? macs.length : found;
  };
  return [...interfaces].sort((a, b) => place(a) - place(b));
}

/** The volume that it is booted from. */
export function rootVolumeOf(document: ServerDocument): string | undefined {
  const first = document.devices?.find((d) => d.bootIndex === 0);
  if (first !== undefined) return first.volumeId;
  const root = document.server["OS-EXT-SRV-ATTR:root_device_name"];
  const isRoot = (a: ApiObject) =>
    typeof root === "string" ? a.device === root : /^\/dev\/([vsh]|xv)da$/.test(String(a.device ?? ""));
  const found = document.attachments.find(isRoot) ?? (document.attachments.length === 1 ? document.attachments[0] : undefined);
  return found === undefined ? undefined : String(found.volumeId);
}

/** In the order of their devices, so that a hypervisor that chooses the names chooses the same. */
export function byDevice(attachments: readonly ApiObject[]): ApiObject[] {
  const key = (a: ApiObject) => String(a.device ?? "");
  return [...attachments].sort((a, b) => key(a).length - key(b).length || (key(a) < key(b) ? -1 : 1));
}

export function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** Before microversion 2.71 a server does not say its group, but the group its servers. */
async function groupOf({ cloud }: Context, server: ApiObject): Promise<ApiObject | null> {
  const groups = cloud.collection(SERVER_GROUPS);
  if (Array.isArray(server.server_groups)) {
    const [id] = server.server_groups;
    return id === undefined ? null : ((await ifThere(groups.get(String(id)))) ?? null);
  }
  for await (const group of groups.list())
    if (Array.isArray(group.members) && group.members.includes(server.id ?? "")) return group;
  return null;
}

/** The key belongs to whoever made the server: its own user reads it, and an administrator. */
async function keypairOf({ cloud }: Context, server: ApiObject): Promise<ApiObject | null> {
  const name = textOf(server.key_name);
  if (name === "") return null;
  try {
    return (await ifThere(cloud.compute.keypairOf(name, textOf(server.user_id)))) ?? null;
  } catch (error) {
    if (CodedError.is(error, "FORBIDDEN")) return null;
    throw error;
  }
}

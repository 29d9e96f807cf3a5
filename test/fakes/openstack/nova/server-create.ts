/** POST /servers: every check Nova makes before it answers, in its order, then the server and its build. */

import { json, type Reply } from "../http.ts";
import { uuid } from "../ids.ts";
import type { Image } from "../images.ts";
import { checkDevices, fromRequest, imageRoot, mergeDevices } from "./block-devices.ts";
import { type BlockDevice, type Flavor, hostnameOf, type Server } from "./compute.ts";
import type { Disks } from "./disks.ts";
import { check } from "./json-schema.ts";
import { requestedNetworks } from "./network-request.ts";
import { bodyOf, fail, forbid, type NovaCall, self, truthy } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";
import { createServer } from "./schemas.ts";
import type { Builder } from "./server-build.ts";

type Wanted = Record<string, unknown>;

export class ServerCreation {
  readonly #state: NovaState;
  readonly #disks: Disks;
  readonly #builder: Builder;

  constructor(state: NovaState, disks: Disks, builder: Builder) {
    this.#state = state;
    this.#disks = disks;
    this.#builder = builder;
  }

  async run(context: NovaCall): Promise<Reply> {
    const body = await bodyOf(context);
    check(createServer(context.version), body);
    const wanted = body.server as Wanted;
    const hints = (body["os:scheduler_hints"] ?? body["OS-SCH-HNT:scheduler_hints"] ?? {}) as Wanted;
    const count = this.#count(wanted);
    const zone = this.#zone(context, wanted.availability_zone as string | undefined);
    const imageRef = String(wanted.imageRef ?? "");
    const asked = this.#devices(wanted, imageRef);
    if (imageRef === "" && asked.length === 0) fail(400, "Missing imageRef attribute");
    const networks = requestedNetworks(this.#state, context, wanted.networks);
    const flavor = this.#flavor(context, wanted);
    const image = this.#image(context, imageRef);
    const bootMeta = image?.properties ?? this.#bootProperties(context, asked);
    const groups = ((wanted.security_groups ?? []) as { name?: string }[]).flatMap(({ name }) =>
      name === undefined ? [] : [name],
    );
    for (const group of groups)
      if (!this.#state.networks.hasSecurityGroup(context.token, group)) fail(400, `Security group ${group} not found.`);
    networks.check(count);
    if (typeof wanted.key_name === "string" && !this.#state.compute.keyPairs.has(`${context.userId}/${wanted.key_name}`))
      fail(400, "Invalid key_name provided.");
    const devices = mergeDevices(asked, image, flavor);
    const root = devices.find((device) => device.bootIndex === 0);
    this.#fits(context, image, flavor, root);
    this.#checkMetadata(context, wanted);
    const group = this.#group(context, hints);
    this.#checkQuota(context, flavor, count);
    if (count > 1 && devices.some((device) => device.sourceType === "volume"))
      fail(400, "Cannot attach one or more volumes to multiple instances");
    checkDevices(this.#state, this.#disks, context, devices, imageRef);
    const made: Server[] = [];
    for (let index = 0; index < count; index++) {
      const server = this.#add(context, wanted, { index, count, flavor, image, imageRef, hints, bootMeta, devices, zone });
      if (group !== undefined) {
        const limit = this.#state.compute.quota(group.projectId).server_group_members ?? -1;
        if (limit >= 0 && this.#state.compute.membersOf(group).length >= limit) {
          this.#state.compute.servers.delete(server.id);
          fail(403, "Quota exceeded, too many servers in group");
        }
        group.members.push(server.id);
      }
      context.call.created("server", server.id);
      this.#builder.build(context, server, networks, groups);
      made.push(server);
    }
    return this.#answer(context, wanted, made);
  }

  #answer(context: NovaCall, wanted: Wanted, made: readonly Server[]): Reply {
    const [server] = made;
    if (server === undefined) return fail(500, "no server was made");
    if (truthy(wanted.return_reservation_id)) return json(202, { reservation_id: server.reservationId });
    const links = self(context, "servers", server.id);
    const view = {
      id: server.id,
      links,
      "OS-DCF:diskConfig": server.diskConfig,
      security_groups: wanted.security_groups ?? [{ name: "default" }],
      adminPass: wanted.adminPass ?? "fakeAdminPw1",
    };
    return json(202, { server: view }, { location: links[0]?.href ?? "" });
  }

  #count(wanted: Wanted): number {
    const least = Number(wanted.min_count ?? 1);
    const most = Number(wanted.max_count ?? least);
    if (least > most) fail(400, "min_count must be <= max_count");
    if (most > 1 && wanted.hostname !== undefined) fail(400, "Unable to allocate a single hostname to multiple instances");
    return most;
  }

  /** `zone`, or `zone:host:node` by an administrator. */
  #zone(context: NovaCall, asked: string | undefined): string | null {
    if (asked === undefined) return null;
    const [zone = "", host] = asked.split(":");
    if (host !== undefined && !context.admin) forbid("servers:create:forced_host");
    if (!this.#state.compute.zones.includes(zone)) fail(400, "The requested availability zone is not available");
    return zone;
  }

  #devices(wanted: Wanted, imageRef: string): BlockDevice[] {
    if (((wanted.block_device_mapping ?? []) as unknown[]).length > 0)
      fail(400, "fake cloud: block_device_mapping of version 1 is not known here; use block_device_mapping_v2");
    const asked = ((wanted.block_device_mapping_v2 ?? []) as Wanted[]).map((each) => fromRequest(each, imageRef !== ""));
    return asked.length === 0 && imageRef !== "" ? [imageRoot(imageRef)] : asked;
  }

  #flavor(context: NovaCall, wanted: Wanted): Flavor {
    const id = String(wanted.flavorRef).split("/").at(-1) ?? "";
    return this.#state.compute.flavor(id, context.projectId, context.admin) ?? fail(400, `Flavor ${id} could not be found.`);
  }

  #image(context: NovaCall, imageRef: string): Image | undefined {
    if (imageRef === "") return undefined;
    const image = this.#state.images.visible(imageRef, context.token);
    if (image === undefined) fail(400, "Can not find requested image");
    if (image.status !== "active") fail(400, `Image ${imageRef} is not active.`);
    return image;
  }

  /** Without an image, what the root volume or the volume of the root snapshot remembers of one. */
  #bootProperties(context: NovaCall, devices: readonly BlockDevice[]): Record<string, string> {
    const root = devices.find((device) => device.bootIndex === 0);
    const { volumes } = this.#state.cinder;
    if (root?.volumeId !== null && root?.volumeId !== undefined) {
      const volume = this.#disks.volume(root.volumeId);
      if (volume === undefined || (!context.admin && volume.projectId !== context.projectId))
        fail(400, `Block Device Mapping is Invalid: failed to get volume ${root.volumeId}.`);
      if (!volume.bootable) fail(400, `Block Device ${root.volumeId} is not bootable.`);
      return withoutImageFields(volume.imageMetadata);
    }
    if (root?.imageId) return this.#state.images.all.get(root.imageId)?.properties ?? {};
    const snapshot = root?.snapshotId ? volumes.snapshots.get(root.snapshotId) : undefined;
    if (root?.snapshotId && (snapshot === undefined || (!context.admin && snapshot.projectId !== context.projectId)))
      fail(400, `Snapshot ${root.snapshotId} could not be found.`);
    return withoutImageFields(snapshot?.imageMetadata);
  }

  #fits(context: NovaCall, image: Image | undefined, flavor: Flavor, root: BlockDevice | undefined): void {
    const gib = 2 ** 30;
    if (image === undefined) return;
    if (flavor.ram < image.minRam) fail(400, "Flavor's memory is too small for requested image.");
    if (root?.destinationType === "volume") {
      if (root.volumeSize !== null && image.minDisk > root.volumeSize) {
        fail(
          400,
          `Volume is smaller than the minimum size specified in image metadata. Volume size is ${root.volumeSize * gib} bytes, minimum size is ${image.minDisk * gib} bytes.`,
        );
      }
      return;
    }
    if (flavor.disk === 0) {
      if (!context.admin) fail(403, "Only volume-backed servers are allowed for flavors with zero disk.");
      return;
    }
    const size = image.size ?? 0;
    const { bytesPerGib } = this.#state.cinder.volumes;
    if (size > flavor.disk * bytesPerGib) {
      fail(
        400,
        `Flavor's disk is too small for requested image. Flavor disk is ${flavor.disk * bytesPerGib} bytes, image is ${size} bytes.`,
      );
    }
    if (image.minDisk > flavor.disk) {
      fail(
        400,
        `Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is ${flavor.disk * gib} bytes, minimum size is ${image.minDisk * gib} bytes.`,
      );
    }
  }

  #checkMetadata(context: NovaCall, wanted: Wanted): void {
    const limit = this.#state.compute.quota(context.projectId).metadata_items ?? -1;
    if (limit >= 0 && Object.keys((wanted.metadata ?? {}) as object).length > limit)
      fail(403, `Maximum number of metadata items exceeds ${limit}`);
  }

  #group(context: NovaCall, hints: Wanted) {
    if (typeof hints.group !== "string") return undefined;
    const group = this.#state.compute.groups.get(hints.group);
    if (group === undefined || (!context.admin && group.projectId !== context.projectId))
      fail(400, `Instance group ${hints.group} could not be found.`);
    return group;
  }

  #checkQuota(context: NovaCall, flavor: Flavor, count: number): void {
    const quota = this.#state.compute.quota(context.projectId);
    const used = this.#state.compute.usage(context.projectId);
    const asked: Record<string, number> = { cores: flavor.vcpus * count, instances: count, ram: flavor.ram * count };
    const over = Object.keys(asked).filter(
      (name) => (quota[name] ?? -1) >= 0 && (used[name] ?? 0) + (asked[name] ?? 0) > (quota[name] ?? 0),
    );
    if (over.length === 0) return;
    const list = (of: Record<string, number>) => over.map((name) => of[name] ?? 0).join(", ");
    const names = over.join(", ");
    fail(403, `Quota exceeded for ${names}: Requested ${list(asked)}, but already used ${list(used)} of ${list(quota)} ${names}`);
  }

  #add(
    context: NovaCall,
    wanted: Wanted,
    of: {
      index: number;
      count: number;
      flavor: Flavor;
      image: Image | undefined;
      imageRef: string;
      hints: Wanted;
      bootMeta: Record<string, string>;
      devices: readonly BlockDevice[];
      zone: string | null;
    },
  ): Server {
    const { flavor, image, index, count } = of;
    const name = String(wanted.name);
    const suffix = count > 1 ? `-${index + 1}` : "";
    const server = this.#state.compute.addServer({
      projectId: context.projectId,
      userId: context.userId,
      name: name + suffix,
      flavor: { ...flavor, extraSpecs: { ...flavor.extraSpecs } },
      description: context.version >= 19 ? ((wanted.description ?? null) as string | null) : name,
      imageId: of.imageRef,
      imageProperties: rememberedOf(context, image, flavor, of.bootMeta, of.imageRef),
      metadata: { ...((wanted.metadata ?? {}) as Record<string, string>) },
      tags: [...((wanted.tags ?? []) as string[])].sort(),
      keyName: (wanted.key_name ?? null) as string | null,
      configDrive: truthy(wanted.config_drive),
      pinnedZone: of.zone,
      // The scheduler keeps lists.
      schedulerHints: Object.fromEntries(Object.entries(of.hints).map(([key, value]) => [key, [value].flat()])),
      userData: (wanted.user_data ?? null) as string | null,
      accessIPv4: String(wanted.accessIPv4 ?? ""),
      accessIPv6: String(wanted.accessIPv6 ?? ""),
      diskConfig: wanted["OS-DCF:diskConfig"] === "AUTO" ? "AUTO" : "MANUAL",
      devices: of.devices.map((device) => ({ ...device, uuid: uuid() })),
      launchIndex: index,
    });
    server.hostname = typeof wanted.hostname === "string" ? wanted.hostname : hostnameOf(name) + suffix || `Server-${server.id}`;
    return server;
  }
}

/** Nova's `system_metadata`: the image's properties and limits, and who asked. */
function rememberedOf(
  context: NovaCall,
  image: Image | undefined,
  flavor: Flavor,
  properties: Record<string, string>,
  imageRef: string,
): Record<string, string> {
  const { block_device_mapping: _mapping, mappings: _mappings, ...kept } = properties;
  return {
    base_image_ref: imageRef,
    ...kept,
    min_disk: String(Math.max(image?.minDisk ?? 0, flavor.disk)),
    min_ram: String(image?.minRam ?? 0),
    ...(image?.diskFormat ? { disk_format: image.diskFormat } : {}),
    ...(image?.containerFormat ? { container_format: image.containerFormat } : {}),
    owner_user_name: context.token.user.name,
    owner_project_name: context.token.project?.name ?? "",
    boot_roles: [...context.token.roles].join(","),
  };
}

function withoutImageFields(metadata: Record<string, string> | undefined): Record<string, string> {
  const dropped = ["image_id", "image_name", "size", "checksum", "container_format", "disk_format", "min_ram", "min_disk"];
  return Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => !dropped.includes(key)));
}

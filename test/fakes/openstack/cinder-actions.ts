/**
 * Volume actions: upload to an image, image metadata, bootable, readonly, extend, and the admin's reset and force
 * delete. An upload ties a volume and an image together: `uploading` with `queued`, then `saving`, then both done.
 */

import { type CinderCall, EMPTY_202, fail, forbid, invalid } from "./cinder-call.ts";
import { type CinderState, customProperties, type VolumeRoutes } from "./cinder-volumes.ts";
import { json, type Reply } from "./http.ts";
import { cinderTime, uuid } from "./ids.ts";
import type { Volume } from "./volumes.ts";

const UPLOAD_FORMATS = ["raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"];
const EMPTY_JSON = { "content-type": "application/json", "content-length": "0" };

type Body = Record<string, unknown>;

export class VolumeActions {
  readonly #state: CinderState;
  readonly #volumes: VolumeRoutes;

  constructor(state: CinderState, volumes: VolumeRoutes) {
    this.#state = state;
    this.#volumes = volumes;
  }

  async run(context: CinderCall, id: string): Promise<Reply> {
    const body = ((await context.call.json()) ?? {}) as Body;
    const [name = "", value] = Object.entries(body)[0] ?? [];
    await this.#state.transitions.settle(id);
    const volume = this.#volumes.find(context, id);
    const wanted = (value ?? {}) as Body;
    switch (name) {
      case "os-volume_upload_image":
        return this.#upload(context, volume, wanted);
      case "os-set_image_metadata": {
        volume.imageMetadata = { ...volume.imageMetadata, ...(wanted.metadata as Record<string, string> | undefined) };
        return json(200, { metadata: volume.imageMetadata });
      }
      case "os-show_image_metadata":
        return json(200, { metadata: volume.imageMetadata ?? {} });
      case "os-unset_image_metadata": {
        const key = String(wanted.key);
        if (volume.imageMetadata?.[key] === undefined) fail(404, `Glance metadata for volume/snapshot ${id} cannot be found.`);
        delete volume.imageMetadata[key];
        return { status: 200, headers: { "content-type": "text/html; charset=UTF-8", "content-length": "0" } };
      }
      case "os-set_bootable":
        if (!isBoolean(wanted.bootable))
          invalid(
            "bootable",
            wanted.bootable,
            `'${wanted.bootable}' is not one of [True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no', 'n', 'f']`,
          );
        volume.bootable = truthy(wanted.bootable);
        this.#state.volumes.touch(volume);
        return { status: 200, headers: EMPTY_JSON };
      case "os-update_readonly_flag":
        if (volume.status !== "available")
          fail(
            400,
            `Invalid volume: Volume ${id} status must be available to update readonly flag, but current status is: ${volume.status}.`,
          );
        volume.readonly = truthy(wanted.readonly);
        return { status: 202, headers: EMPTY_JSON };
      case "os-extend":
        return this.#extend(context, volume, Number(wanted.new_size));
      case "os-attach":
        if (volume.status !== "available" && volume.type.extraSpecs.multiattach === undefined)
          fail(400, `Invalid volume: Volume ${id} status must be available to attach, but current status is: ${volume.status}.`);
        volume.attachments.push({
          id,
          attachment_id: uuid(),
          volume_id: id,
          server_id: wanted.instance_uuid ?? null,
          host_name: wanted.host_name ?? null,
          device: wanted.mountpoint ?? null,
          attached_at: cinderTime(this.#state.volumes.nowMs()),
        });
        this.#state.volumes.setStatus(volume, "in-use");
        return { status: 202, headers: EMPTY_JSON };
      case "os-detach":
        volume.attachments = volume.attachments.filter(
          (each) => wanted.attachment_id !== undefined && each.attachment_id !== wanted.attachment_id,
        );
        if (volume.attachments.length === 0) this.#state.volumes.setStatus(volume, "available");
        return { status: 202, headers: EMPTY_JSON };
      case "os-reset_status":
        if (!context.admin) forbid("volume_extension:volume_admin_actions:reset_status");
        if (wanted.status === "in-use" && volume.attachments.length === 0)
          fail(400, "Cannot reset-state to in-use because volume does not have any attachments.");
        this.#state.transitions.abandon(id);
        this.#state.volumes.setStatus(volume, String(wanted.status));
        return { status: 202, headers: EMPTY_JSON };
      case "os-force_delete":
        if (!context.admin) forbid("volume_extension:volume_admin_actions:force_delete");
        return this.#volumes.remove(context, id, true);
      default:
        return fail(400, `There is no such action: ${name}. Verify the request body and Content-Type header and try again.`);
    }
  }

  #upload(context: CinderCall, volume: Volume, wanted: Body): Reply {
    const { volumes, images, transitions } = this.#state;
    const { call, view } = context;
    if (typeof wanted.image_name !== "string") invalid("os-volume_upload_image", wanted, "'image_name' is a required property");
    const diskFormat = String(wanted.disk_format ?? "raw");
    if (!UPLOAD_FORMATS.includes(diskFormat))
      invalid(
        "disk_format",
        diskFormat,
        `'${diskFormat}' is not one of [${UPLOAD_FORMATS.map((each) => `'${each}'`).join(", ")}]`,
      );
    const force = truthy(wanted.force) && this.#state.enableForceUpload;
    const before = volume.status;
    if (before !== "available" && !(force && before === "in-use"))
      fail(400, `Invalid volume: Volume ${volume.id} status must be available${force ? " or in-use" : ""}`);
    const visibility = view.version >= 3001 ? String(wanted.visibility ?? "shared") : "shared";
    const isProtected = view.version >= 3001 && truthy(wanted.protected);
    if (visibility === "public" && !context.admin) forbid("volume_extension:volume_actions:upload_public");
    const containerFormat = String(wanted.container_format ?? "bare");
    const key = volume.encryptionKeyId;
    if (key !== undefined && (diskFormat !== "raw" || containerFormat !== "bare"))
      fail(
        400,
        "An encrypted volume uploaded as an image must use 'raw' disk_format and 'bare' container_format, which are the defaults for these options.",
      );
    const imageKey = key === undefined ? undefined : volumes.cloneKey(key, volume.projectId, context.token.user.id);
    const image = images.add(volume.projectId, {
      name: wanted.image_name,
      diskFormat,
      containerFormat,
      visibility,
      protected: isProtected,
      properties: {
        ...customProperties(volume.imageMetadata),
        ...(imageKey === undefined
          ? {}
          : { cinder_encryption_key_id: imageKey, cinder_encryption_key_deletion_policy: "on_image_deletion" }),
      },
    });
    call.created("image", image.id);
    volumes.setStatus(volume, "uploading");
    transitions.start(
      [volume.id, image.id],
      [
        () => {
          image.status = "saving";
        },
        async () => {
          // Only raw can be made without qemu; and a service whose token has run out leaves a dead image behind.
          if (call.fails || diskFormat !== "raw") image.status = "killed";
          else if (images.all.has(image.id)) await images.activate(image, volume.bytes.clone());
          volumes.setStatus(volume, before);
        },
      ],
    );
    return json(202, {
      "os-volume_upload_image": {
        id: volume.id,
        updated_at: cinderTime(volume.updatedMs ?? volume.createdMs),
        status: "uploading",
        display_description: volume.description,
        size: volume.size,
        volume_type: {
          id: volume.type.id,
          name: volume.type.name,
          description: volume.type.description,
          is_public: true,
          extra_specs: volume.type.extraSpecs,
          qos_specs_id: null,
          created_at: cinderTime(volume.createdMs),
          updated_at: null,
          deleted_at: null,
          deleted: false,
        },
        image_id: image.id,
        container_format: image.containerFormat,
        disk_format: diskFormat,
        image_name: image.name,
        protected: isProtected,
        visibility,
      },
    });
  }

  #extend(context: CinderCall, volume: Volume, newSize: number): Reply {
    const { volumes, transitions } = this.#state;
    const allowed = context.view.version >= 3042 ? ["available", "in-use"] : ["available"];
    if (!allowed.includes(volume.status))
      fail(
        400,
        `Invalid volume: Volume ${volume.id} status must be '{'status': 'available'}' to extend, currently ${volume.status}.`,
      );
    if (!(newSize > volume.size))
      fail(
        400,
        `Invalid input received: New size for extend must be greater than current size. (current: ${volume.size}, extended: ${newSize}).`,
      );
    this.#volumes.checkQuota(volume.projectId, "volumes", newSize - volume.size, volume.type.name);
    const before = volume.status;
    volumes.setStatus(volume, "extending");
    const finish = () => {
      if (context.call.fails) return volumes.setStatus(volume, "error_extending");
      volume.size = newSize;
      volume.bytes.resize(newSize * volumes.bytesPerGib);
      volumes.setStatus(volume, before);
    };
    transitions.start([volume.id], [finish]);
    return { ...EMPTY_202, headers: EMPTY_JSON };
  }
}

function truthy(value: unknown): boolean {
  return value === true || /^(true|1|yes|on|t|y)$/i.test(String(value ?? ""));
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean" || /^(true|1|yes|on|t|y|false|0|no|off|n|f)$/i.test(String(value ?? ""));
}

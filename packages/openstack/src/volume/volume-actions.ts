/** Cinder v3 volume actions. https://docs.openstack.org/api-ref/block-storage/v3/#volume-actions-volumes-action */

import type { ServiceClient } from "../http/service-client.ts";

export interface UploadToImageFields {
  readonly imageName: string;
  /** An encrypted volume: only `raw`. Default `raw`. */
  readonly diskFormat?: string;
  /** Default `bare`. */
  readonly containerFormat?: string;
  /** Also of an attached volume, where the operator allows it (`enable_force_upload`); else CLOUD_HTTP 400. */
  readonly force?: boolean;
}

export interface VolumeActionsApi {
  /** The volume becomes `uploading`, the image is `queued` and fills. Throws OUTCOME_UNKNOWN, CLOUD_HTTP 400 for a wrong status. */
  uploadToImage(volumeId: string, fields: UploadToImageFields): Promise<{ readonly imageId: string }>;
  setBootable(volumeId: string, bootable: boolean): Promise<void>;
  setReadonly(volumeId: string, readonly: boolean): Promise<void>;
  /** Merged into what is there; the properties a server booted from the volume gets. */
  setImageMetadata(volumeId: string, metadata: Readonly<Record<string, string>>): Promise<void>;
  /** A key that is not there is success. */
  deleteImageMetadata(volumeId: string, key: string): Promise<void>;
}

export function volumeActionsApi(client: ServiceClient): VolumeActionsApi {
  const path = (id: string) => `/volumes/${encodeURIComponent(id)}/action`;
  return {
    async uploadToImage(volumeId, fields) {
      const body = await client.json<{ "os-volume_upload_image": { image_id: string } }>({
        method: "POST",
        path: path(volumeId),
        json: {
          "os-volume_upload_image": {
            image_name: fields.imageName,
            disk_format: fields.diskFormat ?? "raw",
            container_format: fields.containerFormat ?? "bare",
            force: fields.force ?? false,
          },
        },
        expect: [202],
      });
      return { imageId: body["os-volume_upload_image"].image_id };
    },
    async setBootable(volumeId, bootable) {
      await client.send({
        method: "POST",
        path: path(volumeId),
        json: { "os-set_bootable": { bootable } },
        idempotent: true,
        expect: [200],
      });
    },
    async setReadonly(volumeId, readonly) {
      await client.send({
        method: "POST",
        path: path(volumeId),
        json: { "os-update_readonly_flag": { readonly } },
        idempotent: true,
        expect: [202],
      });
    },
    async setImageMetadata(volumeId, metadata) {
      await client.send({
        method: "POST",
        path: path(volumeId),
        json: { "os-set_image_metadata": { metadata } },
        idempotent: true,
        expect: [200],
      });
    },
    async deleteImageMetadata(volumeId, key) {
      await client.send({
        method: "POST",
        path: path(volumeId),
        json: { "os-unset_image_metadata": { key } },
        idempotent: true,
        expect: [200, 404],
      });
    },
  };
}

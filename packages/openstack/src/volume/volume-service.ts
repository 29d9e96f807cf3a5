/**
 * Cinder v3 as one object: volumes, their snapshots and actions, and what is on offer, put together from their files.
 * Has no behaviour of its own.
 */

import type { ServiceClient } from "../http/service-client.ts";
import { type VolumeActionsApi, volumeActionsApi } from "./volume-actions.ts";
import { type VolumeGroupsApi, volumeGroupsApi } from "./volume-groups.ts";
import { type VolumeOffersApi, volumeOffersApi } from "./volume-offers.ts";
import { type SnapshotsApi, snapshotsApi } from "./volume-snapshots.ts";
import { type VolumeTypesApi, volumeTypesApi } from "./volume-types.ts";
import { type VolumesApi, volumesApi } from "./volumes.ts";

export interface VolumeService
  extends VolumesApi,
    VolumeGroupsApi,
    SnapshotsApi,
    VolumeActionsApi,
    VolumeOffersApi,
    VolumeTypesApi {
  readonly client: ServiceClient;
}

export function volumeService(client: ServiceClient): VolumeService {
  return {
    client,
    ...volumesApi(client),
    ...volumeGroupsApi(client),
    ...snapshotsApi(client),
    ...volumeActionsApi(client),
    ...volumeOffersApi(client),
    ...volumeTypesApi(client),
  };
}

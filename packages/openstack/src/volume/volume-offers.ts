/** What Cinder offers a project: types, zones, and how much is left of its quota. */

import { listAll, nextOf } from "../http/pager.ts";
import type { ServiceClient } from "../http/service-client.ts";

export interface VolumeType {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly isPublic: boolean;
  /** Empty for members: they see only what the policy shows them. */
  readonly extraSpecs: Readonly<Record<string, string>>;
}

export interface AvailabilityZone {
  readonly name: string;
  readonly available: boolean;
}

/** -1 is no limit. */
export interface QuotaUse {
  readonly limit: number;
  readonly inUse: number;
  readonly reserved: number;
}

export interface VolumeOffersApi {
  listTypes(): Promise<VolumeType[]>;
  listAvailabilityZones(): Promise<AvailabilityZone[]>;
  /** By resource: `volumes`, `snapshots`, `gigabytes`, `gigabytes_TYPE`, `per_volume_gigabytes`, `backups`, … */
  getQuotas(projectId: string): Promise<Record<string, QuotaUse>>;
  /** Absolute limits as Cinder names them: `maxTotalVolumes`, `totalGigabytesUsed`, … */
  getLimits(): Promise<Record<string, number>>;
}

interface WireType {
  id: string;
  name: string;
  description?: string | null;
  is_public?: boolean;
  extra_specs?: Record<string, string>;
}

export function volumeOffersApi(client: ServiceClient): VolumeOffersApi {
  return {
    async listTypes() {
      const found = listAll<{ volume_types: WireType[]; volume_type_links?: { rel?: string; href?: string }[] }, WireType>(
        client,
        {
          path: "/types",
          // For an administrator: public or not. Others see what they may use, whatever they ask for.
          query: { is_public: "None" },
          expect: [200],
          items: (page) => page.volume_types,
          next: (page) => nextOf(page.volume_type_links),
        },
      );
      return await Array.fromAsync(found, (wire) => ({
        id: wire.id,
        name: wire.name,
        description: wire.description ?? "",
        isPublic: wire.is_public ?? true,
        extraSpecs: wire.extra_specs ?? {},
      }));
    },
    async listAvailabilityZones() {
      const body = await client.json<{ availabilityZoneInfo: { zoneName: string; zoneState?: { available?: boolean } }[] }>({
        method: "GET",
        path: "/os-availability-zone",
        expect: [200],
      });
      return body.availabilityZoneInfo.map((zone) => ({ name: zone.zoneName, available: zone.zoneState?.available ?? false }));
    },
    async getQuotas(projectId) {
      const body = await client.json<{ quota_set: Record<string, { limit: number; in_use: number; reserved: number } | string> }>(
        {
          method: "GET",
          path: `/os-quota-sets/${encodeURIComponent(projectId)}`,
          query: { usage: "true" },
          expect: [200],
        },
      );
      const quotas: Record<string, QuotaUse> = {};
      for (const [name, quota] of Object.entries(body.quota_set)) {
        if (typeof quota === "object") quotas[name] = { limit: quota.limit, inUse: quota.in_use, reserved: quota.reserved };
      }
      return quotas;
    },
    async getLimits() {
      const body = await client.json<{ limits: { absolute: Record<string, number> } }>({
        method: "GET",
        path: "/limits",
        expect: [200],
      });
      return body.limits.absolute;
    },
  };
}

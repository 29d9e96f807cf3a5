/**
 * Whether a plan fits into the target's quota: what it makes, by limit, against what is free there. Services that do not show their quota
 * to the credentials are not asked twice, and nothing is said of them: the restore will tell.
 *
 * APIs: Nova GET /os-quota-sets/{project}/detail, Cinder GET /os-quota-sets/{project}?usage=true, Neutron GET
 * /quotas/{project}/details (extension quota_details), Octavia GET /lbaas/quotas/{project} (limits without usage), Glance GET
 * /v2/info/usage (of the token's project; sizes in MiB; empty where it has no unified limits). Glance's cap of an image (`image_size_cap`)
 * is in no API: an image above it is refused when it is uploaded.
 */

import type { Failure } from "@permafrost/model";
import type { Cloud, ServiceType } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import type { QuotaUse } from "./resource-type.ts";

interface Room {
  readonly limit: number;
  readonly used: number;
}

interface Wanted {
  readonly amount: number;
  readonly isEach: boolean;
}

interface QuotaView {
  readonly path: (projectId: string) => string;
  readonly envelope: "quota_set" | "quota" | "usage";
  readonly query?: Readonly<Record<string, string>>;
}

const VIEWS: Partial<Record<ServiceType, QuotaView>> = {
  compute: { path: (id) => `/os-quota-sets/${id}/detail`, envelope: "quota_set" },
  "block-storage": { path: (id) => `/os-quota-sets/${id}`, query: { usage: "true" }, envelope: "quota_set" },
  network: { path: (id) => `/quotas/${id}/details`, envelope: "quota" },
  image: { path: () => "/info/usage", envelope: "usage" },
  "load-balancer": { path: (id) => `/lbaas/quotas/${id}`, envelope: "quota" },
};

/** One QUOTA_SHORT per limit that the plan would exceed. `raised`: the limits that the plan itself sets before anything else. */
export async function quotaProblems(
  cloud: Cloud,
  uses: readonly QuotaUse[],
  raised: ReadonlyMap<ServiceType, Readonly<Record<string, number>>> = new Map(),
): Promise<Failure[]> {
  const wanted = new Map<ServiceType, Map<string, Wanted>>();
  for (const { service, limit, amount, each } of uses) {
    const limits = wanted.get(service) ?? new Map<string, Wanted>();
    const before = limits.get(limit)?.amount ?? 0;
    limits.set(limit, { amount: each ? Math.max(before, amount) : before + amount, isEach: each === true });
    wanted.set(service, limits);
  }
  const problems: Failure[] = [];
  for (const [service, limits] of wanted) {
    const rooms = await roomsOf(cloud, service);
    for (const [limit, { amount, isEach }] of limits) {
      const known = rooms?.get(limit);
      const there = known && isEach ? { ...known, used: 0 } : known;
      const room = there && { ...there, limit: higher(there.limit, raised.get(service)?.[limit] ?? there.limit) };
      if (room === undefined || room.limit < 0 || room.used + amount <= room.limit) continue;
      problems.push({
        code: "QUOTA_SHORT",
        message: isEach
          ? `${service} ${limit}: the plan has one of ${amount}, and ${room.limit} is the most`
          : `${service} ${limit}: the plan needs ${amount}, and ${Math.max(0, room.limit - room.used)} of ${room.limit} are free`,
        facts: { service, limit, needed: amount, used: room.used, quota: room.limit },
        hint: `Let an administrator raise the quota of project ${cloud.projectName}, or restore less.`,
      });
    }
  }
  return problems;
}

/** Of two limits; -1 is none. */
export function higher(one: number, other: number): number {
  return one < 0 || other < 0 ? -1 : Math.max(one, other);
}

/** Undefined: the service does not say. */
async function roomsOf(cloud: Cloud, service: ServiceType): Promise<ReadonlyMap<string, Room> | undefined> {
  const view = VIEWS[service];
  if (view === undefined || !(await cloud.hasService(service))) return undefined;
  try {
    const body = await cloud.service(service).json<JsonObject>({
      method: "GET",
      path: view.path(cloud.projectId),
      ...(view.query === undefined ? {} : { query: view.query }),
      expect: [200],
    });
    const set = Object.entries((body[view.envelope] ?? {}) as JsonObject);
    return new Map(set.flatMap(([name, value]) => (roomOf(value) === undefined ? [] : [[name, roomOf(value) as Room]])));
  } catch (error) {
    if (CodedError.is(error, "FORBIDDEN") || CodedError.is(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** Nova and Cinder say `in_use`, Neutron `used`, Glance `usage`; Octavia's limit stands alone. */
function roomOf(value: Json): Room | undefined {
  if (typeof value === "number") return { limit: value, used: 0 };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { limit, in_use, used, usage, reserved } = value as JsonObject;
  if (typeof limit !== "number") return undefined;
  const number = (n: Json | undefined) => (typeof n === "number" ? n : 0);
  return { limit, used: number(in_use) + number(used) + number(usage) + number(reserved) };
}

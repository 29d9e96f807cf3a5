/**
 * nova.quota, cinder.quota, neutron.quota, octavia.quota: what the project may use. Captured always, as far as the credentials may read
 * them; set by an administrator only. Limits of what the target does not have, such as a volume type's, are left out.
 *
 * A restore only raises them at first, for what it is going to make, and sets them as they were when all of that is done.
 */

import { EMPTY_STATS, type PlannedResource, resourceKeyText } from "@permafrost/model";
import type { Cloud, ServiceType } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { higher } from "./plan-quotas.ts";
import type {
  Context,
  FinishInput,
  Found,
  PlanInput,
  Planned,
  ResourceType,
  Restored,
  RestoreInput,
  UndoInput,
  VerifyInput,
} from "./resource-type.ts";

/** Document version 1. Limits by the service's own names; -1 is no limit. */
export type QuotaDocument = { readonly version: 1; readonly limits: Readonly<Record<string, number>> };

interface QuotaKind {
  readonly type: string;
  readonly service: ServiceType;
  readonly envelope: "quota_set" | "quota";
  readonly path: (projectId: string) => string;
}

const KINDS: readonly QuotaKind[] = [
  { type: "nova.quota", service: "compute", envelope: "quota_set", path: (id) => `/os-quota-sets/${id}` },
  { type: "cinder.quota", service: "block-storage", envelope: "quota_set", path: (id) => `/os-quota-sets/${id}` },
  { type: "neutron.quota", service: "network", envelope: "quota", path: (id) => `/quotas/${id}` },
  { type: "octavia.quota", service: "load-balancer", envelope: "quota", path: (id) => `/lbaas/quotas/${id}` },
];

const NEEDS_ADMIN = "only an administrator may set quotas";

export const quotas: readonly ResourceType<QuotaDocument>[] = KINDS.map((kind) => ({
  type: kind.type,

  async *discover({ cloud }: Context): AsyncIterable<Found> {
    const limits = await limitsOf(cloud, kind);
    if (limits === undefined) return;
    const document: QuotaDocument = { version: 1, limits };
    yield { id: cloud.projectId, name: cloud.projectName, document, logicalBytes: 0, captures: false, freezes: false };
  },

  async plan({ cloud }: Context, { document }: PlanInput<QuotaDocument>): Promise<Planned> {
    const targetId = cloud.projectId;
    const there = await limitsOf(cloud, kind);
    if (there === undefined)
      return { action: "skip", reason: "the target does not show these quotas to the credentials", dependsOn: [] };
    const differences = fieldDifferences(common(document.limits, there), there);
    if (differences.length === 0) return { action: "reuse", reason: "the same limits", dependsOn: [], targetId };
    if (!cloud.roles.has("admin"))
      return { action: "skip", reason: `${NEEDS_ADMIN}: ${differences.join("; ")}`, dependsOn: [], targetId };
    return { action: "update", reason: differences.join("; "), dependsOn: [], finishAfter: [], around: true, targetId };
  },

  async restore(context: Context, { resource, document }: RestoreInput<QuotaDocument>): Promise<Restored> {
    const { cloud } = context;
    if (resource.action === "update") {
      const there = (await limitsOf(cloud, kind)) ?? {};
      await context.journal.noteChanged(kind.type, resource.id, cloud.projectId, { limits: there });
      const raised = Object.entries(common(document.limits, there)).map(([name, limit]) => [
        name,
        higher(limit, there[name] ?? limit),
      ]);
      await set(cloud, kind, changesOf(Object.fromEntries(raised), there));
    }
    return { targetId: cloud.projectId, stats: EMPTY_STATS };
  },

  async finish({ cloud }: Context, { document }: FinishInput<QuotaDocument>): Promise<readonly string[]> {
    const there = (await limitsOf(cloud, kind)) ?? {};
    await set(cloud, kind, changesOf(common(document.limits, there), there));
    return [];
  },

  async verify({ cloud }: Context, { document }: VerifyInput<QuotaDocument>) {
    const there = (await limitsOf(cloud, kind)) ?? {};
    return { level: "metadata" as const, mismatches: fieldDifferences(common(document.limits, there), there) };
  },

  /** A quota is changed, never made. */
  async undo({ cloud }: Context, { before }: UndoInput<QuotaDocument>): Promise<void> {
    if (before !== undefined) await set(cloud, kind, before.limits as Record<string, number>);
  },

  coverage: {
    captured: ["every limit"],
    restored: ["every limit that the target knows"],
    roles: { capture: kind.type === "nova.quota" || kind.type === "cinder.quota" ? "member" : "admin", restore: "admin" },
    reported: { "limits of volume types and resources that the target lacks": "there is nothing to limit" },
  },
}));

/** By service, the limits that a plan sets. */
export function raisedBy(
  plan: readonly PlannedResource[],
  documents: ReadonlyMap<string, Json>,
): ReadonlyMap<ServiceType, QuotaDocument["limits"]> {
  const updates = plan.filter((r) => r.action === "update");
  return new Map(
    KINDS.flatMap(({ type, service }) => {
      const update = updates.find((r) => r.type === type);
      const document = update && (documents.get(resourceKeyText(update)) as QuotaDocument | undefined);
      return document === undefined ? [] : [[service, document.limits] as const];
    }),
  );
}

function changesOf(wanted: QuotaDocument["limits"], there: QuotaDocument["limits"]): Record<string, number> {
  return Object.fromEntries(Object.entries(wanted).filter(([name, limit]) => there[name] !== limit));
}

async function set(cloud: Cloud, kind: QuotaKind, limits: Readonly<Record<string, number>>): Promise<void> {
  if (Object.keys(limits).length === 0) return;
  const json = { [kind.envelope]: limits };
  await cloud.service(kind.service).json({ method: "PUT", path: kind.path(cloud.projectId), json, expect: [200, 202] });
}

/** Undefined without the service, or when the credentials may not read them (Neutron and Octavia show quotas to administrators only). */
async function limitsOf(cloud: Cloud, kind: QuotaKind): Promise<Record<string, number> | undefined> {
  if (!(await cloud.hasService(kind.service))) return undefined;
  try {
    const body = await cloud
      .service(kind.service)
      .json<JsonObject>({ method: "GET", path: kind.path(cloud.projectId), expect: [200] });
    return numbersOf(body[kind.envelope]);
  } catch (error) {
    if (CodedError.is(error, "FORBIDDEN") || CodedError.is(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

function numbersOf(set: Json | undefined): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const [name, limit] of Object.entries((set ?? {}) as JsonObject)) if (typeof limit === "number") limits[name] = limit;
  return limits;
}

function common(wanted: QuotaDocument["limits"], there: QuotaDocument["limits"]): Record<string, number> {
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => name in there));
}

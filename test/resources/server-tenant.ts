/** A project with servers of every kind, and its way into a second project: all steps of a plan in the order that the plan asks for. */

import {
  type PlannedResource,
  type PlanResult,
  type ResourceResult,
  type RestoreOptions,
  resourceKeyText,
} from "@permafrost/model";
import { noise } from "../harness/tenant.ts";
import type { Backup, TwoProjects } from "./two-projects.ts";

const GIB = 256 * 1024;
export const DISK = noise("guest", 90_000);
export const ROOT_VOLUME = noise("root volume", GIB);
export const DATA_VOLUME = noise("data volume", GIB);
export const EXTRA_VOLUME = noise("extra volume", GIB);

export interface ServerTenant {
  readonly imageServer: string;
  readonly volumeServer: string;
  readonly extra: string;
  readonly root: string;
  readonly data: string;
}

/** One server of an image with a volume more, one of two volumes; every field set that a seed can set. */
export async function seedServers(two: TwoProjects): Promise<ServerTenant> {
  const { seed } = two.fake;
  const project = two.sourceId;
  const userId = two.cloud("source").userId;
  seed.keyPair({ userId, name: "ann" });
  const group = seed.serverGroup({ project, name: "apart", policy: "anti-affinity", rules: { max_server_per_host: 3 } });
  const image = await seed.image({
    project: seed.project("elsewhere").id,
    name: "debian",
    visibility: "public",
    bytes: DISK,
    properties: { hw_vif_model: "e1000", os_distro: "debian" },
  });
  const volume = (name: string, bytes: Uint8Array, bootable: boolean) =>
    seed.volume({ project, name, size: 1, bytes, bootable, metadata: { of: name } }).id;
  const extra = volume("extra", EXTRA_VOLUME, false);
  const root = volume("root", ROOT_VOLUME, true);
  const data = volume("data", DATA_VOLUME, false);
  const imageServer = seed.server({
    project,
    name: "pictured",
    imageId: image.id,
    flavor: "lab.nano",
    groupId: group.id,
    keyName: "ann",
    hostname: "guest-one",
    description: "a server of an image",
    metadata: { tier: "gold", owner: "ann" },
    tags: ["blue", "red"],
    configDrive: true,
    pinnedZone: "nova",
    userData: Buffer.from("#!/bin/sh").toString("base64"),
    lockedBy: "owner",
    lockedReason: "do not touch",
    volumes: [{ id: extra, tag: "more", deleteOnTermination: true }],
  });
  seed.writeServerDisk(imageServer.id, 70_000, noise("written by its guest", 4096));
  const volumeServer = seed.server({
    project,
    name: "voluminous",
    flavor: "lab.zero",
    volumes: [
      { id: root, deleteOnTermination: true },
      { id: data, tag: "data" },
    ],
  });
  return { imageServer: imageServer.id, volumeServer: volumeServer.id, extra, root, data };
}

export interface Restoration {
  readonly sessionId: string;
  readonly planned: readonly PlannedResource[];
  /** By name. */
  readonly made: ReadonlyMap<string, PlannedResource>;
  readonly targets: Readonly<Record<string, string>>;
}

/** Plans all and makes what can be made; what is left to finish comes last. */
export async function restoreAll(
  two: TwoProjects,
  backup: Backup,
  options: Partial<Omit<RestoreOptions, "target">> = {},
): Promise<Restoration> {
  const sessionId = two.session();
  const target = { cloud: "target" };
  const all: RestoreOptions = { maps: {}, onConflict: "create", ...options, target };
  const resources = [...backup.results.values()];
  const plan = await two.run<PlanResult>(sessionId, { kind: "plan", options: all, resources, others: [] });
  const targets: Record<string, string> = {};
  for (const { kind, id, targetId } of plan.references) if (targetId !== undefined) targets[`${kind}/${id}`] = targetId;
  const made = new Map<string, PlannedResource>();
  const waiting = new Map(plan.resources.map((r) => [resourceKeyText(r), r]));
  for (const r of plan.resources) if (r.action === "conflict" || r.action === "skip") waiting.delete(resourceKeyText(r));
  while (waiting.size > 0) {
    const ready = [...waiting].find(([, r]) => r.dependsOn.every((d) => !waiting.has(d.replace(/#.*/, ""))));
    if (ready === undefined) throw new Error(`a circle: ${[...waiting.keys()].join(", ")}`);
    const [key, resource] = ready;
    waiting.delete(key);
    const work = { kind: "apply" as const, step: "create", journalId: sessionId, options: all, resource, targets };
    const done = await two.run<ResourceResult>(sessionId, work);
    if (done.targetId !== undefined) targets[key] = done.targetId;
    made.set(resource.name, { ...resource, ...done });
  }
  for (const resource of made.values()) {
    if (resource.finishAfter === undefined || resource.action === "reuse") continue;
    await two.run(sessionId, { kind: "apply", step: "finish", journalId: sessionId, options: all, resource, targets });
  }
  await two.run(sessionId, { kind: "sweep", source: target });
  return { sessionId, planned: plan.resources, made, targets };
}

/** Every difference that verifying finds. */
export async function mismatches(
  two: TwoProjects,
  { made, targets }: Restoration,
  options: Partial<Omit<RestoreOptions, "target">> = {},
): Promise<string[]> {
  const all: RestoreOptions = { maps: {}, onConflict: "create", ...options, target: { cloud: "target" } };
  const found: string[] = [];
  for (const resource of made.values()) {
    const work = { kind: "verify" as const, options: all, resource, targets, level: "metadata" };
    const verified = await two.run<ResourceResult>(two.session(), work);
    found.push(...(verified.mismatches ?? []).map((m) => `${resource.name}: ${m}`));
  }
  return found;
}

/** Takes all of it back, last made first. */
export async function undoAll(two: TwoProjects, { sessionId, made }: Restoration): Promise<void> {
  for (const resource of [...made.values()].reverse()) await two.undo(resource, sessionId);
}

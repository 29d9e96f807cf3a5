/** A volume's membership in a group of volumes: where it is restored to, and how it ends, for Cinder removes no volume that is in one. */

import type { Cloud } from "@permafrost/openstack";
import type { VolumeDocument } from "./cinder-volume-document.ts";
import { ifThere } from "./if-there.ts";
import type { Planned, PlanScope } from "./resource-type.ts";

export function groupKey(id: string): string {
  return `cinder.group/${id}`;
}

/** What a volume waits for that is made as a member of its group, or that it will be none. */
export async function groupPart(
  { groupId }: VolumeDocument,
  scope: PlanScope,
): Promise<{ readonly dependsOn: Planned["dependsOn"]; readonly warnings: readonly string[] }> {
  if (groupId === undefined) return { dependsOn: [], warnings: [] };
  const key = groupKey(groupId);
  const planned = scope.planned(key);
  if (planned !== undefined && planned.action !== "conflict") return { dependsOn: [key], warnings: [] };
  const name = planned?.name ?? groupId;
  const found = planned === undefined ? await scope.resolve({ kind: "cinder.group", id: groupId, name: "" }) : undefined;
  const warnings = found?.targetId === undefined ? [`its group ${name} is not restored: it will be in none`] : [];
  return { dependsOn: [], warnings };
}

/** The group of the target that it is made in. */
export function groupIn(targets: Readonly<Record<string, string>>, { groupId }: VolumeDocument): string | undefined {
  return groupId === undefined ? undefined : targets[groupKey(groupId)];
}

export async function leaveGroup(cloud: Cloud, volumeId: string, signal: AbortSignal): Promise<void> {
  const groupId = (await ifThere(cloud.volume.getVolume(volumeId)))?.groupId;
  if (groupId !== undefined) await cloud.volume.leaveGroup(groupId, [volumeId], { signal });
}

/** What the Cinder checks share: the keys of its resources, and short ways to make, drop and be refused. */

import type { World } from "./contract.ts";

export const CREATED = [
  "id",
  "status",
  "size",
  "availability_zone",
  "created_at",
  "updated_at",
  "name",
  "description",
  "volume_type",
  "snapshot_id",
  "source_volid",
  "metadata",
  "links",
  "user_id",
  "bootable",
  "encrypted",
  "replication_status",
  "consistencygroup_id",
  "multiattach",
  "attachments",
];
export const SHOWN = [...CREATED, "os-vol-tenant-attr:tenant_id"];
export const SHOWN_370 = [...SHOWN, "group_id", "shared_targets", "service_uuid", "volume_type_id", "consumes_quota"];
export const SNAPSHOT = ["id", "created_at", "updated_at", "name", "description", "volume_id", "status", "size", "metadata"];
export const SNAPSHOT_SHOWN = [
  ...SNAPSHOT,
  "os-extended-snapshot-attributes:project_id",
  "os-extended-snapshot-attributes:progress",
];
export const ABSENT = "3f3f3938-ceea-4fb8-87b0-b2444ce630b5";

export const at = (version: string) => ({ headers: { "openstack-api-version": `volume ${version}` } });
export const url = (world: World, rest: string) => `${world.urls.volume}${rest}`;

export async function volume(world: World, fields: Record<string, unknown>): Promise<string> {
  const made = await world.expect(202, "POST", url(world, "/volumes"), { json: { volume: { name: "fake-volume", ...fields } } });
  const id = made.json?.volume?.id;
  await world.until(url(world, `/volumes/${id}`), ["available", "error"]);
  return id;
}

export async function drop(world: World, kind: "volumes" | "snapshots", id: string): Promise<void> {
  await world.expect(202, "DELETE", url(world, `/${kind}/${id}`));
  await world.until(url(world, `/${kind}/${id}`), ["404", "error_deleting"]);
}

export async function badRequest(world: World, path: string, json: unknown, part: string, status = 400): Promise<void> {
  const answer = await world.expect(status, "POST", url(world, path), { json });
  const kind = { 400: "badRequest", 404: "itemNotFound", 403: "forbidden", 413: "overLimit" }[status] ?? "";
  world.contains(`${path} ${JSON.stringify(json)}`, String(answer.json?.[kind]?.message), part);
}

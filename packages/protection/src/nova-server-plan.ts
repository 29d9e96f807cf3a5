/**
 * The plan of a server: its flavor, zone, root disk, volumes, ports, keypair and group in the target. What it cannot be without is a
 * conflict; what it can do without is left out with a warning.
 */

import type { PlannedResource, RestoreOptions } from "@permafrost/model";
import { atLeast, type Cloud, PORTS } from "@permafrost/openstack";
import { ifThere } from "./if-there.ts";
import { decideByName, restoredName } from "./name-conflict.ts";
import { chooseFlavor } from "./nova-flavor-specs.ts";
import { imageIdOf, isVolumeBacked, rootVolumeOf, type ServerDocument, textOf } from "./nova-server-document.ts";
import { keypairNeeds, keypairPart } from "./nova-server-keypair.ts";
import type { Context, PlanInput, Planned, PlanScope } from "./resource-type.ts";

/** Pike: tags of a server when it is made, tags of its devices. */
const LEAST = "2.52";
const DELETE_ON_TERMINATION = "2.85";

/** What a part of the plan says. */
interface Part {
  readonly needs?: string;
  readonly warning?: string;
  readonly conflict?: string;
}

export async function planServer(context: Context, input: PlanInput<ServerDocument>, scope: PlanScope): Promise<Planned> {
  const { cloud, sessionId } = context;
  const { resource, document, options } = input;
  const conflict = (reason: string): Planned => ({ action: "conflict", reason, dependsOn: [] });
  if (!(await cloud.hasService("compute"))) return conflict("the target has no service compute");
  const version = await cloud.compute.client.microversion();
  if (!atLeast(version, LEAST))
    return conflict(`the target's Nova speaks microversion ${version ?? "2.1"}: at least ${LEAST} is needed`);
  if (document.server.name === undefined) return conflict("the backup has no metadata of it");

  const name = restoredName(String(document.server.name), resource, options);
  const existing: string[] = [];
  for await (const server of cloud.compute.listServers({ name })) existing.push(String(server.id));
  const decided = decideByName("server", name, existing, options.onConflict, sessionId);
  if (decided.action !== "create") return { ...decided, dependsOn: [] };

  const parts: Part[] = [
    await flavorPart(cloud, input, scope),
    await zonePart(cloud, document, options),
    ...(isVolumeBacked(document.server) ? [] : await imageParts(input, scope)),
    ...(await volumeParts(cloud, document, scope)),
    ...(await portParts(cloud, document, scope)),
    await keypairPart(cloud, document, scope),
    await groupPart(document, scope),
  ];
  if (document.attachments.some((a) => a.delete_on_termination === true) && !atLeast(version, DELETE_ON_TERMINATION))
    parts.push({
      warning: `before microversion ${DELETE_ON_TERMINATION} a volume cannot be told later to go with its server: they all stay`,
    });
  const conflicts = parts.flatMap((p) => p.conflict ?? []);
  const rest = {
    dependsOn: [...new Set(parts.flatMap((p) => p.needs ?? []))],
    warnings: parts.flatMap((p) => p.warning ?? []),
  };
  if (conflicts.length > 0) return { action: "conflict", reason: conflicts.join("; "), ...rest };
  return { ...decided, ...rest };
}

/** All that it is made of, as far as it has it. Of images only those that its disk does not hold. */
export function needsOf(document: ServerDocument): string[] {
  const { server, group, disk, attachments, interfaces } = document;
  if (server.name === undefined) return [];
  const { kernel_id, ramdisk_id } = disk?.properties ?? {};
  const images = disk === undefined ? [imageIdOf(server)] : [kernel_id, ramdisk_id];
  return [
    `nova.flavor/${document.flavorKey}`,
    ...keypairNeeds(document),
    ...(group === null ? [] : [`nova.server-group/${String(group.id)}`]),
    ...images.filter((id) => id !== undefined && id !== "").map((id) => `glance.image/${id}`),
    ...attachments.map((a) => `cinder.volume/${String(a.volumeId)}`),
    ...interfaces.map((i) => `neutron.port/${String(i.port_id)}`),
  ];
}

/** The zone to ask for: as the user asked, or, where that is not told (before microversion 2.96), where the server was. */
export function zoneOf(
  document: ServerDocument,
  maps: RestoreOptions["maps"],
): { readonly name: string; readonly isAsked: boolean } {
  const { server } = document;
  const isAsked = "pinned_availability_zone" in server;
  const name = textOf(isAsked ? server.pinned_availability_zone : server["OS-EXT-AZ:availability_zone"]);
  return { name: name === "" ? "" : (maps.zone?.[name] ?? maps.zone?.["*"] ?? name), isAsked };
}

async function flavorPart(cloud: Cloud, { document, options }: PlanInput<ServerDocument>, scope: PlanScope): Promise<Part> {
  const key = `nova.flavor/${document.flavorKey}`;
  const planned = scope.planned(key);
  if (planned?.action === "conflict") return { conflict: `its flavor: ${planned.actionReason ?? "conflict"}` };
  if (scope.includes(key)) return { needs: key };
  const { flavor: specs } = document;
  const chosen = await chooseFlavor(cloud, options.maps, { id: document.flavorKey, specs });
  if (chosen === undefined)
    return { conflict: `the target has no flavor like ${specs.name}: map it with --map nova.flavor:${specs.name}=NEW` };
  return chosen.warnings.length === 0 ? {} : { warning: `with flavor ${chosen.name}: ${chosen.warnings.join("; ")}` };
}

async function zonePart(cloud: Cloud, document: ServerDocument, { maps }: RestoreOptions): Promise<Part> {
  const { name, isAsked } = zoneOf(document, maps);
  if (name === "" || (await hasZone(cloud, name))) return {};
  const zones = (await cloud.compute.computeZones()).map((z) => z.name).join(", ");
  const reason = `the target has no availability zone ${name} (it has ${zones})`;
  return isAsked
    ? { conflict: `${reason}: map it with --map zone:${name}=NEW` }
    : { warning: `${reason}: the scheduler chooses` };
}

export async function hasZone(cloud: Cloud, name: string): Promise<boolean> {
  return (await cloud.compute.computeZones()).some((z) => z.name === name && z.available);
}

/** The root disk is in the backup; or else the image that the server was made of must be. A kernel's image is named by the disk. */
async function imageParts({ resource, document }: PlanInput<ServerDocument>, scope: PlanScope): Promise<Part[]> {
  const { disk, names } = document;
  const hasData = resource.streams.data !== undefined && disk !== undefined;
  const wanted = hasData
    ? [disk.properties.kernel_id, disk.properties.ramdisk_id].filter((id) => id !== undefined && id !== "")
    : [imageIdOf(document.server)];
  const parts: Part[] = hasData
    ? []
    : [{ warning: "The backup has no data of its root disk: it begins as the image that the server was made of" }];
  for (const id of wanted as string[]) {
    const key = `glance.image/${id}`;
    const inPlan = scope.planned(key);
    if (scope.includes(key) && inPlan?.action !== "conflict") parts.push({ needs: key });
    else {
      const found = inPlan === undefined ? await scope.resolve({ kind: "glance.image", id, name: names[key] ?? "" }) : undefined;
      if (found?.targetId === undefined)
        parts.push({
          conflict: `the target has no image ${names[key] ?? id}: map it with --map glance.image:${names[key] ?? id}=NEW`,
        });
    }
  }
  return parts;
}

async function volumeParts(cloud: Cloud, document: ServerDocument, scope: PlanScope): Promise<Part[]> {
  const root = isVolumeBacked(document.server) ? rootVolumeOf(document) : undefined;
  const parts: Part[] = [];
  if (isVolumeBacked(document.server) && root === undefined)
    parts.push({ conflict: "the backup does not tell which of its volumes it is booted from" });
  for (const attachment of document.attachments) {
    const id = String(attachment.volumeId);
    const key = `cinder.volume/${id}`;
    const what = `volume ${document.names[key] || id}`;
    const planned = scope.planned(key);
    const targetId = await presentId(scope, planned, "cinder.volume", id, document.names[key]);
    if (planned?.action !== "create" && targetId === undefined) {
      const reason = `${what} (${textOf(attachment.device)}) is neither restored nor in the target`;
      parts.push(id === root ? { conflict: reason } : { warning: `${reason}: it is left out` });
      continue;
    }
    if (scope.includes(key)) parts.push({ needs: key });
    const volume = targetId === undefined ? undefined : await ifThere(cloud.volume.getVolume(targetId));
    if (volume !== undefined && volume.status !== "available" && !(volume.multiattach && volume.status === "in-use"))
      parts.push({ conflict: `${what} of the target is ${volume.status}: it cannot be attached` });
  }
  return parts;
}

async function portParts(cloud: Cloud, document: ServerDocument, scope: PlanScope): Promise<Part[]> {
  const parts: Part[] = [];
  for (const { port_id } of document.interfaces) {
    const id = String(port_id);
    const key = `neutron.port/${id}`;
    const planned = scope.planned(key);
    const targetId = await presentId(scope, planned, "neutron.port", id, "");
    if (planned?.action !== "create" && targetId === undefined) {
      parts.push({ conflict: `its port ${id} is neither restored nor in the target` });
      continue;
    }
    // A server that starts before its port is a trunk never sees the subports.
    if (scope.includes(key)) parts.push({ needs: `${key}#finished` });
    const port = targetId === undefined ? undefined : await ifThere(cloud.collection(PORTS).get(targetId));
    if (textOf(port?.device_id) !== "")
      parts.push({ conflict: `port ${targetId} is in use by ${textOf(port?.device_id)}: restore the server's ports with it` });
  }
  return parts;
}

/** The id in the target of what is there before the restore. */
async function presentId(
  scope: PlanScope,
  planned: PlannedResource | undefined,
  kind: string,
  id: string,
  name: string | undefined,
): Promise<string | undefined> {
  if (planned !== undefined) return planned.action === "create" || planned.action === "conflict" ? undefined : planned.targetId;
  return (await scope.resolve({ kind, id, name: name ?? "" })).targetId;
}

async function groupPart({ group, names }: ServerDocument, scope: PlanScope): Promise<Part> {
  if (group === null) return {};
  const id = String(group.id);
  const key = `nova.server-group/${id}`;
  const planned = scope.planned(key);
  if (planned !== undefined && planned.action !== "conflict") return { needs: key };
  const name = names[key] ?? "";
  const found = planned === undefined ? await scope.resolve({ kind: "nova.server-group", id, name }) : undefined;
  return found?.targetId === undefined ? { warning: `the target has no server group ${name || id}: the server is in none` } : {};
}

/** A restored server compared with the captured one, field by field, as the restore was told to make it. */

import type { RestoreOptions } from "@permafrost/model";
import type { ApiObject } from "@permafrost/openstack";
import type { JsonObject } from "@permafrost/std";
import { fieldDifferences } from "./compare.ts";
import { restoredName } from "./name-conflict.ts";
import { describeServer, isVolumeBacked, type ServerDocument, textOf } from "./nova-server-document.ts";
import { expectedKeyName } from "./nova-server-keypair.ts";
import { zoneOf } from "./nova-server-plan.ts";
import type { Context, VerifyInput } from "./resource-type.ts";

/** A paused or suspended guest's memory is gone: to start it would not be to have it again. */
export function wantsToRun(document: ServerDocument, { powerOn }: Pick<RestoreOptions, "powerOn">): boolean {
  return powerOn !== "never" && document.server.status === "ACTIVE";
}

export async function differencesOf(
  context: Context,
  { resource, document, options, targets, targetId }: VerifyInput<ServerDocument>,
): Promise<string[]> {
  const { cloud } = context;
  const have = await describeServer(context, targetId, await Array.fromAsync(cloud.compute.listFlavors()));
  const flavor = targets[`nova.flavor/${document.flavorKey}`];
  const expected: Record<string, unknown> = {
    ...comparable(document),
    name: restoredName(String(document.server.name), resource, options),
    status: wantsToRun(document, options) ? "ACTIVE" : "SHUTOFF",
    key_name: expectedKeyName(document, targets),
    group: document.group === null ? "" : (targets[`nova.server-group/${String(document.group.id)}`] ?? ""),
    interfaces: document.interfaces.flatMap((i) => portOf(i, targets[`neutron.port/${String(i.port_id)}`])),
    attachments: sorted(document.attachments.flatMap((a) => attachmentOf(a, targets[`cinder.volume/${String(a.volumeId)}`]))),
  };
  const found: Record<string, unknown> = {
    ...comparable(have),
    interfaces: have.interfaces.flatMap((i) => portOf(i, String(i.port_id))),
    attachments: sorted(have.attachments.flatMap((a) => attachmentOf(a, String(a.volumeId)))),
  };
  const zone = zoneOf(document, options.maps);
  if (zone.isAsked && "pinned_availability_zone" in have.server) {
    expected.availability_zone = zone.name;
    found.availability_zone = textOf(have.server.pinned_availability_zone);
  }
  // What the plan chose is right, whatever its specs; it has said what was different.
  if (flavor !== undefined && flavor === have.flavorKey) expected.flavor = found.flavor;
  // Each known to an administrator or a newer Nova only.
  for (const field of ["user_data", "hostname", "imageProperties"])
    if (expected[field] === undefined || found[field] === undefined) delete expected[field];
  return fieldDifferences(expected, found);
}

function comparable(document: ServerDocument): Record<string, unknown> {
  const { server, flavor, group } = document;
  return {
    name: textOf(server.name),
    status: textOf(server.status),
    description: textOf(server.description),
    metadata: server.metadata ?? {},
    tags: [...((server.tags ?? []) as string[])].sort(),
    flavor: { ...flavor, name: "" },
    key_name: textOf(server.key_name),
    group: group === null ? "" : String(group.id),
    config_drive: /^(true|1)$/i.test(String(server.config_drive)),
    diskConfig: textOf(server["OS-DCF:diskConfig"]),
    accessIPv4: textOf(server.accessIPv4),
    accessIPv6: textOf(server.accessIPv6),
    locked: server.locked === true,
    locked_reason: textOf(server.locked_reason),
    isVolumeBacked: isVolumeBacked(server),
    user_data: "OS-EXT-SRV-ATTR:user_data" in server ? textOf(server["OS-EXT-SRV-ATTR:user_data"]) : undefined,
    hostname: "OS-EXT-SRV-ATTR:hostname" in server ? textOf(server["OS-EXT-SRV-ATTR:hostname"]) : undefined,
    imageProperties: hardwareOf(server),
  };
}

/**
 * From microversion 2.98; what Nova computes for the image itself is not the guest's. `os_version` is no property of Nova's (nova/objects/image_meta.py,
 * ImageMetaProps): 2025.1 shows it all the same, 2026.2 does not.
 */
function hardwareOf(server: ApiObject): Record<string, unknown> | undefined {
  const properties = isVolumeBacked(server) ? undefined : ((server.image as JsonObject).properties as JsonObject | undefined);
  if (properties === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(properties).filter(([name]) => /^(hw_|os_|img_)/.test(name) && !/^os_(hash_|version$)/.test(name)),
  );
}

function portOf(of: ApiObject, port: string | undefined): readonly unknown[] {
  return port === undefined ? [] : [{ port, tag: textOf(of.tag) }];
}

function attachmentOf(of: ApiObject, volume: string | undefined): readonly Record<string, unknown>[] {
  if (volume === undefined) return [];
  const goes = of.delete_on_termination;
  return [
    { volume, device: textOf(of.device), tag: textOf(of.tag), ...(goes === undefined ? {} : { delete_on_termination: goes }) },
  ];
}

function sorted(attachments: readonly Record<string, unknown>[]): readonly Record<string, unknown>[] {
  return [...attachments].sort((a, b) => (String(a.device) < String(b.device) ? -1 : 1));
}

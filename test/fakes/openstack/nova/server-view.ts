/** Servers as Nova shows them, by microversion and role: see `views/servers.py` of 2025.1. */

import { createHash } from "node:crypto";
import { type BlockDevice, POWER, type Server } from "./compute.ts";
import { bookmark, databaseTime, type NovaCall, novaTime, self } from "./nova-call.ts";
import type { NovaState } from "./nova-state.ts";

/** vm_state → status, and the task states that show another. */
const STATUSES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  active: {
    "": "ACTIVE",
    rebooting: "REBOOT",
    rebooting_hard: "HARD_REBOOT",
    rebuilding: "REBUILD",
    rebuild_spawning: "REBUILD",
    resize_prep: "RESIZE",
    resize_migrating: "RESIZE",
  },
  building: { "": "BUILD" },
  stopped: { "": "SHUTOFF", rebuilding: "REBUILD", rebuild_spawning: "REBUILD" },
  paused: { "": "PAUSED" },
  suspended: { "": "SUSPENDED" },
  rescued: { "": "RESCUE" },
  resized: { "": "VERIFY_RESIZE" },
  error: { "": "ERROR", rebuilding: "REBUILD", rebuild_spawning: "REBUILD" },
  shelved: { "": "SHELVED" },
  shelved_offloaded: { "": "SHELVED_OFFLOADED" },
};
const WITH_PROGRESS = ["ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"];
/** Image properties that Nova knows; the rest it keeps and does not show. */
const KNOWN_PROPERTY = /^(hw|os|img)_|^(architecture|auto_disk_config|hypervisor_type|kernel_id|ramdisk_id|vm_mode)$/;

export function statusOf(server: Server): string {
  const states = STATUSES[server.vmState] ?? { "": "UNKNOWN" };
  return states[server.taskState ?? ""] ?? states[""] ?? "UNKNOWN";
}

/** The vm states that show as `status`. */
export function vmStatesOf(status: string): string[] {
  const wanted = status.toUpperCase();
  return Object.keys(STATUSES).filter((state) => Object.values(STATUSES[state] ?? {}).includes(wanted));
}

export function briefView(context: NovaCall, server: Server): Record<string, unknown> {
  return { id: server.id, name: server.name, links: self(context, "servers", server.id) };
}

/** What an answer to PUT and rebuild leaves out before 2.75, and who may see what. */
export interface ViewOptions {
  /** `show` has everything; `detail` lists without server groups; `change` answers PUT and rebuild. */
  readonly stage: "show" | "detail" | "change";
}

export function serverView(state: NovaState, context: NovaCall, server: Server, options: ViewOptions): Record<string, unknown> {
  const at = (version: number) => context.version >= version;
  const whole = options.stage !== "change" || at(75);
  const status = statusOf(server);
  const view: Record<string, unknown> = {
    accessIPv4: server.accessIPv4,
    accessIPv6: server.accessIPv6,
    addresses: addressesOf(state, server, whole),
    created: novaTime(server.createdMs),
    flavor: flavorOf(context, server),
    hostId:
      server.host === null
        ? ""
        : createHash("sha224")
            .update(server.projectId + server.host)
            .digest("hex"),
    id: server.id,
    image: imageOf(context, server),
    links: self(context, "servers", server.id),
    metadata: server.metadata,
    name: server.name,
    status,
    tenant_id: server.projectId,
    user_id: server.userId,
    updated: novaTime(server.updatedMs ?? server.createdMs),
    "OS-DCF:diskConfig": server.diskConfig,
  };
  if (status === "ERROR" && server.fault !== undefined) view.fault = faultOf(context, server.fault);
  if (WITH_PROGRESS.includes(status)) view.progress = 0;
  if (whole) {
    view["OS-EXT-AZ:availability_zone"] = server.zone ?? "";
    if (at(96)) view.pinned_availability_zone = server.pinnedZone;
  }
  if (at(100)) view.scheduler_hints = server.schedulerHints;
  if (whole) {
    view.config_drive = server.configDrive ? "True" : "";
    view["OS-SRV-USG:launched_at"] = server.launchedMs === null ? null : databaseTime(server.launchedMs);
    view["OS-SRV-USG:terminated_at"] = null;
  }
  if (whole || at(54)) view.key_name = server.keyName;
  if (whole) {
    const groups = securityGroupsOf(state, server);
    if (groups.length > 0) view.security_groups = groups;
    if (context.admin) Object.assign(view, adminFields(context, server));
    view["OS-EXT-STS:task_state"] = server.taskState;
    view["OS-EXT-STS:vm_state"] = server.vmState;
    view["OS-EXT-STS:power_state"] = server.powerState;
    view["os-extended-volumes:volumes_attached"] = server.devices
      .filter((device) => device.volumeId !== null)
      .map((device) => ({
        id: device.volumeId,
        ...(at(3) ? { delete_on_termination: device.deleteOnTermination } : {}),
      }));
    if (at(16) && context.admin) view.host_status = server.host === null ? "" : "UP";
  }
  if (at(9)) view.locked = server.lockedBy !== null;
  if (at(73)) view.locked_reason = server.lockedReason;
  if (at(19)) view.description = server.description;
  if (at(26)) view.tags = server.tags;
  if (at(63)) view.trusted_image_certificates = null;
  if (at(90)) view["OS-EXT-SRV-ATTR:hostname"] = server.hostname;
  if (at(71) && options.stage !== "detail") {
    const group = state.compute.groupOf(server.id);
    view.server_groups = group === undefined ? [] : [group.id];
  }
  return view;
}

function adminFields(context: NovaCall, server: Server): Record<string, unknown> {
  const prefix = "OS-EXT-SRV-ATTR";
  const fields: Record<string, unknown> = {
    [`${prefix}:host`]: server.host,
    [`${prefix}:instance_name`]: `instance-${(server.sequence + 1).toString(16).padStart(8, "0")}`,
    [`${prefix}:hypervisor_hostname`]: server.host,
  };
  if (context.version < 3) return fields;
  return {
    ...fields,
    [`${prefix}:reservation_id`]: server.reservationId,
    [`${prefix}:launch_index`]: server.launchIndex,
    [`${prefix}:hostname`]: server.hostname,
    [`${prefix}:kernel_id`]: server.imageProperties.kernel_id ?? "",
    [`${prefix}:ramdisk_id`]: server.imageProperties.ramdisk_id ?? "",
    [`${prefix}:root_device_name`]: server.rootDeviceName,
    [`${prefix}:user_data`]: server.userData,
  };
}

function flavorOf(context: NovaCall, server: Server): Record<string, unknown> {
  const { flavor } = server;
  if (context.version < 47) return { id: flavor.id, links: bookmark(context, "flavors", flavor.id) };
  return {
    vcpus: flavor.vcpus,
    ram: flavor.ram,
    disk: flavor.disk,
    ephemeral: flavor.ephemeral,
    swap: flavor.swap,
    original_name: flavor.name,
    extra_specs: flavor.extraSpecs,
  };
}

function imageOf(context: NovaCall, server: Server): unknown {
  if (server.imageId === "") return "";
  const image: Record<string, unknown> = { id: server.imageId, links: bookmark(context, "images", server.imageId) };
  if (context.version >= 98)
    image.properties = Object.fromEntries(Object.entries(server.imageProperties).filter(([key]) => KNOWN_PROPERTY.test(key)));
  return image;
}

/** `code` 500 hides its details from all but administrators. */
function faultOf(context: NovaCall, fault: NonNullable<Server["fault"]>): Record<string, unknown> {
  const shown = { code: fault.code, created: novaTime(fault.createdMs), message: fault.message };
  return fault.details !== "" && (context.admin || fault.code !== 500) ? { ...shown, details: fault.details } : shown;
}

export function addressesOf(state: NovaState, server: Server, extended: boolean): Record<string, unknown[]> {
  const addresses: Record<string, unknown[]> = {};
  if (server.vmState === "building") return addresses;
  for (const { id } of server.ports) {
    const nic = state.networks.nic(id);
    if (nic === undefined) continue;
    const rows = addresses[nic.networkName] ?? [];
    addresses[nic.networkName] = rows;
    const add = (type: string, address: string) =>
      rows.push({
        version: address.includes(":") ? 6 : 4,
        addr: address,
        ...(extended ? { "OS-EXT-IPS:type": type, "OS-EXT-IPS-MAC:mac_addr": nic.mac } : {}),
      });
    for (const fixed of nic.fixedIps) add("fixed", fixed.ip_address);
    for (const address of nic.floating) add("floating", address);
  }
  return addresses;
}

function securityGroupsOf(state: NovaState, server: Server): { name: string }[] {
  const names = server.ports.flatMap(({ id }) => state.networks.nic(id)?.securityGroups ?? []);
  return names.map((name) => ({ name }));
}

export function attachmentView(context: NovaCall, server: Server, device: BlockDevice): Record<string, unknown> {
  const at = (version: number) => context.version >= version;
  return {
    ...(at(89) ? {} : { id: device.volumeId }),
    volumeId: device.volumeId,
    serverId: server.id,
    ...(device.deviceName === null ? {} : { device: device.deviceName }),
    ...(at(70) ? { tag: device.tag } : {}),
    ...(at(79) ? { delete_on_termination: device.deleteOnTermination } : {}),
    ...(at(89) ? { attachment_id: device.attachmentId, bdm_uuid: device.uuid } : {}),
  };
}

/** A server in a state for a test, with the power that goes with it. */
export const POWER_OF: Readonly<Record<string, number>> = {
  active: POWER.running,
  stopped: POWER.shutdown,
  paused: POWER.paused,
  suspended: POWER.shutdown,
  rescued: POWER.running,
  shelved: POWER.shutdown,
  shelved_offloaded: POWER.shutdown,
  error: POWER.none,
  building: POWER.none,
};

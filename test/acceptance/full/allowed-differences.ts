/**
 * What may differ between a project and what a restore made of it, and why. Everything else must be the same, so this list is part of what
 * the suite proves: read it as the honest small print of a restore.
 */

import type { Bytes } from "./inventory.ts";

/** Where a restore went and who asked for it: an administrator into the emptied project, a plain member into a second one. */
export type Scenario = "emptied" | "second";

export interface AllowedDifference {
  readonly type: RegExp;
  /** The whole row may be missing or new, its bytes may differ, or fields whose path matches. */
  readonly field: RegExp | "row" | "bytes";
  /** Of the row's name; default: every row. */
  readonly label?: RegExp;
  readonly why: string;
  /** Default: any values, also inside of lists. Of bytes, it gets their hashes. */
  readonly accepts?: (before: unknown, after: unknown) => boolean;
  readonly only?: readonly Scenario[];
}

const MIB_BYTES = 1024 * 1024;

/** Where two disks differ; undefined when one is not a disk or they are of different size. */
export function otherMib(before: unknown, after: unknown): number[] | undefined {
  const [a, b] = [before as Bytes | undefined, after as Bytes | undefined];
  if (a?.mib === undefined || b?.mib === undefined || a.bytes !== b.bytes) return undefined;
  const [left, right] = [a.mib, b.mib];
  const numbers = [...new Set([...Object.keys(left), ...Object.keys(right)])].filter((n) => left[n] !== right[n]);
  return numbers.map(Number).sort((x, y) => x - y);
}

/** Whether the second disk begins with every MiB of the first that is whole, and is longer. */
function isContinued(before: unknown, after: unknown): boolean {
  const [a, b] = [before as Bytes | undefined, after as Bytes | undefined];
  if (a?.mib === undefined || b?.mib === undefined || a.bytes >= b.bytes) return false;
  const whole = Math.floor(a.bytes / MIB_BYTES);
  const numbers = [...new Set([...Object.keys(a.mib), ...Object.keys(b.mib)])].filter((n) => Number(n) < whole);
  return numbers.length > 0 && numbers.every((n) => a.mib?.[n] === b.mib?.[n]);
}

/** Lists whose order means something, as `TYPE PATH`. */
export const ORDERED: readonly RegExp[] = [
  /^neutron\.subnet dns_nameservers$/,
  /^swift\.object segments$/,
  /^designate\.zone masters$/,
];

const SERVICE_TIMES = ["created", "updated", "created_at", "updated_at", "attached_at", "OS-SRV-USG:launched_at"];
const SWIFT_TIMES = ["last_modified", "headers.last-modified", "headers.x-timestamp", "headers.x-put-timestamp"];

export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [
  {
    type: /./,
    field: /(^|\.)(id|uuid|bdm_uuid|standard_attr_id|stack_id)$/,
    why: "services number things themselves",
  },
  { type: /./, field: new RegExp(`(^|\\.)(${SERVICE_TIMES.join("|")})$`), why: "when the object was made" },
  { type: /^swift\./, field: new RegExp(`^(${SWIFT_TIMES.join("|")})$`), why: "when the object was made" },
  { type: /^swift\./, field: /^headers\.(x-trans-id|etag-date)$/, why: "of the request" },
  {
    type: /^swift\.object$/,
    field: /^(version_id|headers\.x-object-version-id)$/,
    why: "Swift makes ids of versions of the time",
  },
  {
    type: /./,
    field: /(^|\.)(links|self|file|schema|revision_number|direct_url|locations|[a-z]+_ref)$/,
    why: "addresses and counters of the object itself",
  },
  {
    type: /^(barbican|cinder|nova)\./,
    field: /(^|\.)(creator_id|user_id)$/,
    why: "who made a thing is who restored it",
  },
  {
    type: /^keystone\.user$/,
    field: /^(enabled|password_expires_at)$/,
    why: "a user who was gone is made disabled, with a one-time password",
    only: ["emptied"],
    accepts: (before, after) => (before === true && after === false) || after === null,
  },
  // Nova
  {
    type: /^nova\.server$/,
    field: /^OS-EXT-SRV-ATTR:(instance_name|reservation_id|launch_index|ramdisk_id|kernel_id)$/,
    why: "Nova's own names for a server",
  },
  { type: /^nova\.server$/, field: /^(hostId|progress|updated)$/, why: "hashed of project and host; of the running service" },
  {
    type: /^nova\.server$/,
    field: /^image(\.|$)/,
    why: "the root disk comes back as an image of its own, which is removed again",
  },
  {
    type: /^nova\.server$/,
    field: /^key_name$/,
    why: "a keypair belongs to a user: who restores has another, or none of that name",
    accepts: (_, after) => after === null,
  },
  // Cinder, Glance
  {
    type: /^cinder\.volume$/,
    field:
      /^volume_image_metadata\.(image_id|image_name|checksum|size|min_disk|min_ram|disk_format|container_format|signature_verified)$/,
    why: "Cinder itself writes there which image a volume was made of: for a restored one, the temporary image that brought its bytes",
  },
  {
    type: /^cinder\.volume$/,
    field: /^(attachments\[\]\.attachment_id|snapshot_id|source_volid|provider_id)$/,
    why: "of how the volume came to be",
  },
  {
    type: /^cinder\.volume$/,
    field: /^description$/,
    why: "no description and an empty one are the same",
    accepts: (before, after) => before === null && after === "",
  },
  {
    type: /^cinder\.volume$/,
    label: /^secret$/,
    field: /^size$/,
    why: "an encrypted volume's bytes come with their header, for which Cinder has no room in a new volume of the same size",
    accepts: (before, after) => before === 1 && after === 2,
  },
  {
    type: /^cinder\.volume$/,
    label: /^secret$/,
    field: "bytes",
    why: "so there is room behind them",
    accepts: (before, after) => isContinued(before, after),
  },
  {
    type: /^(cinder\.volume|cinder\.volume-encryption)$/,
    field: /^encryption_key_id$/,
    why: "its key is a copy; that it is the same key, the bytes under it show",
    accepts: (_, after) => typeof after === "string" && /barbican\.secret permafrost-key-/.test(after),
  },
  {
    type: /^swift\.object$/,
    label: /static\.bin$/,
    field: /^(hash|headers\.x-manifest-etag)$/,
    why: "Swift's hash of a manifest covers the times of its segments; that of their bytes is compared",
  },
  {
    type: /^glance\.image-member$/,
    field: /^status$/,
    why: "only the other project can accept an image again",
    accepts: (before, after) => before === "accepted" && after === "pending",
  },
  // Neutron
  {
    type: /^neutron\.network$/,
    field: /^provider:segmentation_id$/,
    why: "the cloud allocates the segment of a tunnel network",
  },
  {
    type: /^neutron\.port$/,
    label: /network:router_interface|octavia-lb-|ovn-lb-vip-/,
    field: /^(mac_address|dns_assignment|security_groups)$/,
    why: "the service that makes the port for itself chooses",
  },
  {
    type: /^neutron\.port$/,
    label: /octavia-lb-|ovn-lb-vip-/,
    field: /^fixed_ips$/,
    why: "the automatic IPv6 address of a virtual IP follows the port's MAC address",
    accepts: (before, after) => show4(before) === show4(after),
  },
  {
    type: /^neutron\.floating-ip$/,
    label: /^of the load balancer$/,
    field: /^port_details\.mac_address$/,
    why: "of the virtual IP's port, which Octavia makes",
  },
  {
    type: /^neutron\.vpn-service$/,
    field: /^(external_v4_ip|external_v6_ip)$/,
    why: "the cloud gives the VPN agent an address",
  },
  { type: /^neutron\./, field: /^status$/, why: "of the running service, some seconds after it was made" },
  // A plain member beside the first project
  {
    type: /^neutron\.(network|port)$/,
    field: /^qos_(network_)?policy_id$/,
    why: "Neutron lets only an administrator make a QoS policy",
    only: ["second"],
    accepts: (_, after) => after === null,
  },
  {
    type: /^neutron\.(floating-ip|router)$/,
    field: /^(floating_ip_address|external_gateway_info\.external_fixed_ips|external_gateways)$/,
    why: "the first project still has its public addresses, and only an administrator chooses one",
    only: ["second"],
  },
  {
    type: /^nova\.server$/,
    field: /^addresses\./,
    why: "so a server has another floating address, and the others that it had",
    only: ["second"],
    accepts: (before, after) => showFixed(before) === showFixed(after),
  },
  {
    type: /^nova\.server$/,
    field: /^OS-EXT-SRV-ATTR:user_data$/,
    why: "Nova shows it to administrators only, so that a member's backup has none",
    only: ["second"],
    accepts: (_, after) => after === null,
  },
  // Octavia, Designate
  { type: /^octavia\./, field: /^operating_status$/, why: "of the running service" },
  { type: /^octavia\.load-balancer$/, field: /^vip_port_id$/, why: "the service makes the port of the virtual IP" },
  { type: /^designate\./, field: /^(serial|version|transferred_at)$/, why: "the service counts changes" },
  {
    type: /^designate\.recordset$/,
    label: / SOA$/,
    field: /^records$/,
    why: "it holds the zone's serial and timers the service draws",
  },
  {
    type: /^(cinder\.volume|nova\.server)$/,
    field: "bytes",
    label: /^(db-root|web-1|worker-1)$/,
    why: "the lab's guest writes a line into MiB 63 of its root disk whenever it starts",
    accepts: (before, after) => otherMib(before, after)?.every((mib) => mib === 63) === true,
  },
];

/** A server's addresses but the floating ones. */
function showFixed(addresses: unknown): string {
  const rows = Array.isArray(addresses) ? (addresses as { "OS-EXT-IPS:type": string }[]) : [];
  return JSON.stringify(rows.filter((row) => row["OS-EXT-IPS:type"] !== "floating"));
}

/** The IPv4 addresses of a port. */
function show4(fixedIps: unknown): string {
  const rows = Array.isArray(fixedIps) ? (fixedIps as { ip_address: string }[]) : [];
  return rows
    .map((row) => row.ip_address)
    .filter((address) => !address.includes(":"))
    .sort()
    .join();
}

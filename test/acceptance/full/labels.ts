/**
 * One name for the same thing in a project and in its copy, where every id is another: `neutron.subnet front-v4`.
 *
 * A row is named by fields of its own, in which the ids of what it refers to are names already. Rows that these fields cannot tell apart
 * are numbered in the order of their bodies. Pure.
 */

import type { FullInventory, Row } from "./inventory.ts";

/** Fields that name a row of a type; default `name`. Types come in an order in which what a row refers to is named before it. */
const NAMED_BY: Readonly<Record<string, readonly string[]>> = {
  "keystone.role-assignment": ["role.name", "user.name", "group.name", "scope.OS-INHERIT:inherited_to"],
  "keystone.group-member": ["of_group", "name"],
  "keystone.ec2-credential": ["user_id"],
  "keystone.trust": ["trustor_user_id", "trustee_user_id"],
  "nova.keypair": ["of_user", "name"],
  "neutron.floating-ip": ["description"],
  "neutron.port": ["name", "device_owner", "device_id", "network_id", "fixed_ips.0.subnet_id"],
  "neutron.rbac-policy": ["object_type", "object_id", "action", "target_tenant"],
  "neutron.metering-label-rule": ["metering_label_id", "direction", "remote_ip_prefix"],
  "neutron.port-forwarding": ["of_floating_ip", "external_port", "protocol"],
  "octavia.member": ["of_pool", "name", "address", "protocol_port"],
  "octavia.l7-rule": ["of_policy", "type", "key", "value"],
  "nova.volume-attachment": ["of_server", "volumeId"],
  "nova.interface": ["of_server", "port_id"],
  "cinder.attachment": ["volume_id", "instance"],
  "cinder.volume-encryption": ["of_volume"],
  "glance.image-member": ["image_id", "member_id"],
  "swift.object": ["of_container", "name"],
  "designate.recordset": ["zone_name", "name", "type"],
};
/** Named after everything they refer to. */
const LAST = Object.keys(NAMED_BY);
const IDS = /[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}/g;

export interface LabelledRow {
  readonly label: string;
  /** As in the inventory. */
  readonly id: string;
  /** The row with every id that is known replaced by its name. */
  readonly row: Row;
}

/** Rows by type. `outside` names what is not the project's: the neighbour of the tests, a user. */
export function labelled(
  inventory: FullInventory,
  outside: Readonly<Record<string, string>> = {},
): Map<string, readonly LabelledRow[]> {
  const names = new Map([[inventory.projectId, "project"], ...Object.entries(outside)]);
  const replaced = (row: Row): Row =>
    JSON.parse(
      JSON.stringify(row).replaceAll(IDS, (id) => {
        const name = names.get(id.replaceAll("-", ""));
        return name === undefined ? id : JSON.stringify(`{${name}}`).slice(1, -1);
      }),
    ) as Row;
  const types = Object.keys(inventory.resources);
  const labels = new Map<string, readonly string[]>();
  for (const type of [...types.filter((t) => !LAST.includes(t)), ...LAST.filter((t) => types.includes(t))]) {
    const rows = inventory.resources[type] ?? [];
    const keys = numbered(rows.map((row) => ({ key: keyOf(type, replaced(row)), order: JSON.stringify(replaced(row)) })));
    labels.set(type, keys);
    rows.forEach((row, at) => {
      const id = idOf(row).replaceAll("-", "");
      // A quota, and the project itself, have the project's id.
      if (id.length === 32 && !names.has(id)) names.set(id, `${type} ${keys[at]}`);
    });
  }
  return new Map(
    types.map((type) => [
      type,
      (inventory.resources[type] ?? []).map((row, at) => ({
        label: labels.get(type)?.[at] ?? "",
        id: idOf(row),
        row: replaced(row),
      })),
    ]),
  );
}

/** `container/name` of an object, else its id. */
function idOf(row: Row): string {
  if (row.of_container !== undefined) {
    return `${row.of_container}/${row.name}${row.version_id ? `@${row.version_id}` : ""}`;
  }
  return String(row.id ?? "");
}

function keyOf(type: string, row: Row): string {
  const fields = NAMED_BY[type] ?? ["name"];
  return fields
    .map((field) => field.split(".").reduce<unknown>((at, name) => (at as Row | undefined)?.[name], row))
    .filter((value) => value !== undefined && value !== null && value !== "")
    .map(String)
    .join(" ");
}

/** Keys made unique: the second and later of the same key get a number, in the order of `order`. */
function numbered(rows: readonly { readonly key: string; readonly order: string }[]): string[] {
  const result = rows.map((one) => one.key);
  const seen = new Map<string, number>();
  for (const { at, key } of rows.map((one, at) => ({ ...one, at })).sort((a, b) => (a.order < b.order ? -1 : 1))) {
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    if (count > 1) result[at] = `${key} #${count}`;
  }
  return result;
}

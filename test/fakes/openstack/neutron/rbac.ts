/** What a project shares with others. A network's `shared` and `router:external` are entries of this kind, too, as in the server. */

import { attribute, type Fields } from "./attributes.ts";
import { invalidInput, refuse } from "./error.ts";
import { type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";

/** Type as `object_type` says it, to the kind and the actions there are. */
const TYPES: Readonly<Record<string, { readonly kind: string; readonly actions: readonly string[] }>> = {
  network: { kind: "network", actions: ["access_as_shared", "access_as_external"] },
  qos_policy: { kind: "policy", actions: ["access_as_shared"] },
  security_group: { kind: "security_group", actions: ["access_as_shared"] },
  address_scope: { kind: "address_scope", actions: ["access_as_shared"] },
  subnetpool: { kind: "subnetpool", actions: ["access_as_shared"] },
  address_group: { kind: "address_group", actions: ["access_as_shared"] },
};

export const RBAC_POLICY: Kind = {
  name: "rbac_policy",
  collection: "rbac_policies",
  path: "rbac-policies",
  extension: "rbac-policies",
  journal: "rbac_policy",
  quota: "rbac_policy",
  attributes: {
    object_type: attribute("cfs", { convert: toObjectType }),
    object_id: attribute("cfs"),
    target_tenant: attribute("cufs"),
    action: attribute("cfs"),
  },
  missing: missing("RbacPolicyNotFound", "RBAC policy of type None with ID %s not found"),
  create: (ask, fields, projectId) => {
    const { net, asker } = ask;
    const type = TYPES[String(fields.object_type)];
    const object = type === undefined ? undefined : net.find(type.kind, fields.object_id);
    // The check before the entry is made stumbles over what is not there as over what is another's.
    if (object === undefined || (object.projectId !== asker.projectId && !ask.isAdmin))
      return invalidInput(
        `Callback validate_rbac_policy_change failed with "Only admins can manipulate policies on objects they do not own"`,
      );
    if (type === undefined || !type.actions.includes(String(fields.action)))
      refuse(
        400,
        "InvalidActionForType",
        `Invalid action '${fields.action}' for object type '${fields.object_type}'. Valid actions: ${type?.actions}`,
      );
    if (
      entriesOf(net, object.id).some((e) => e.fields.action === fields.action && e.fields.target_tenant === fields.target_tenant)
    )
      refuse(409, "DuplicateRbacPolicy", "An RBAC policy already exists with those values.");
    const row = net.add("rbac_policy", projectId, fields);
    ask.created(row);
    return row;
  },
  remove: ({ net, deleted }, row) => {
    if (isUsed(net, row))
      refuse(
        409,
        "RbacPolicyInUse",
        `RBAC policy on object ${row.fields.object_id} cannot be removed because other objects depend on it.\nDetails: Callback neutron.plugins.ml2.plugin.Ml2Plugin.validate_network_rbac_policy_change failed with "Unable to reconfigure sharing settings for network ${row.fields.object_id}. Multiple tenants are using it."`,
      );
    net.remove(row);
    deleted(row);
  },
};

function toObjectType(value: unknown): unknown {
  const type = String(value).trim().toLowerCase();
  return TYPES[type] === undefined ? invalidInput(`'${value}' is not a valid RBAC object type`) : type;
}

export function entriesOf(net: Networking, objectId: string): Row[] {
  return net.all("rbac_policy").filter((row) => row.fields.object_id === objectId);
}

export function isShared(net: Networking, objectId: string, projectId: string, action = "access_as_shared"): boolean {
  return entriesOf(net, objectId).some(
    ({ fields }) => fields.action === action && (fields.target_tenant === "*" || fields.target_tenant === projectId),
  );
}

/** Puts or takes away the entry for everybody, as the attributes `shared` and `router:external` do. */
export function shareWithAll(net: Networking, row: Row, objectType: string, action: string, wanted: unknown): void {
  const entry = entriesOf(net, row.id).find((e) => e.fields.action === action && e.fields.target_tenant === "*");
  if (wanted === true && entry === undefined)
    net.add("rbac_policy", row.projectId, { object_type: objectType, object_id: row.id, action, target_tenant: "*" } as Fields);
  if (wanted === false && entry !== undefined) {
    if (isUsed(net, entry))
      refuse(
        409,
        "InvalidSharedSetting",
        `Unable to reconfigure sharing settings for network ${row.id}. Multiple tenants are using it.`,
      );
    net.remove(entry);
  }
}

export function removeEntries(net: Networking, objectId: string): void {
  for (const entry of entriesOf(net, objectId)) net.remove(entry);
}

/** Somebody that the entry lets in has a port on the network. */
function isUsed(net: Networking, { fields, projectId }: Row): boolean {
  if (fields.object_type !== "network" || fields.action !== "access_as_shared") return false;
  const others = net.all("port").filter((port) => port.projectId !== projectId && port.projectId !== "");
  return others.some(
    (port) =>
      port.fields.network_id === fields.object_id && (fields.target_tenant === "*" || port.projectId === fields.target_tenant),
  );
}

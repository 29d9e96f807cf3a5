/** What a test puts into the fake Neutron and asks of it without HTTP and without the journal. */

import { type Fields, UNSET } from "./attributes.ts";
import type { Ask } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";

/** An administrator's external network `public` with one IPv4 subnet and no DHCP, as a cloud has. */
export function seedPublicNetwork(net: Networking, adminProjectId: string): Row {
  const network = seedRow(net, "network", adminProjectId, {
    name: "public",
    "router:external": true,
    is_default: true,
    "provider:network_type": "flat",
    "provider:physical_network": "public",
  });
  seedRow(net, "subnet", adminProjectId, {
    network_id: network.id,
    name: "public-v4",
    ip_version: 4,
    cidr: "172.24.0.0/24",
    gateway_ip: "172.24.0.1",
    allocation_pools: [{ start: "172.24.0.10", end: "172.24.0.199" }],
    enable_dhcp: false,
  });
  return network;
}

/** Makes one of a kind as an administrator would by a POST of these attributes; the rest are the defaults. Not journalled. */
export function seedRow(net: Networking, name: string, projectId: string, attributes: Fields, parentId?: string): Row {
  const kind = net.kind(name);
  const { tags, ...said } = attributes;
  const fields: Fields = kind.standard === true ? { description: "" } : {};
  for (const [attribute, spec] of Object.entries(kind.attributes)) {
    if (spec.post) fields[attribute] = said[attribute] ?? (attribute in said ? null : "default" in spec ? spec.default : UNSET);
  }
  if (said.description !== undefined) fields.description = said.description;
  const parent = parentId === undefined ? undefined : net.rows.get(parentId);
  const row =
    kind.create?.(asAdmin(net, projectId), fields, projectId, parent) ??
    net.add(name, projectId, fields, parentId === undefined ? {} : { parentId });
  if (Array.isArray(tags)) row.tags = [...(tags as string[])].sort();
  return row;
}

/** Whoever may do everything, for what a test or another service does. */
export function asAdmin(net: Networking, projectId: string): Ask {
  return {
    call: { query: new URLSearchParams() } as Ask["call"],
    net,
    asker: { projectId, roles: new Set(["admin", "manager", "member", "reader", "service"]) },
    isAdmin: true,
    created: () => undefined,
    deleted: () => undefined,
  };
}

/**
 * neutron.log: which packets of a security group, a router or a firewall group are logged. Only the role manager, on older clouds admin,
 * sees and makes logs: to others the list is empty.
 */

import { type Cloud, LOGGABLE_RESOURCES, NETWORK_LOGS } from "@permafrost/openstack";
import type { JsonObject } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";

/** `logs` is what the document adds: the resource's id under its type. */
const REFERENCES = {
  "logs.security_group": { kind: "neutron.security-group" },
  "logs.firewall_group": { kind: "fwaas.group", finished: true },
  "logs.snat": { kind: "neutron.router" },
  target_id: { kind: "neutron.port" },
} as const;

export const neutronLog = declaredType({
  type: "neutron.log",
  noun: "network log",
  collection: NETWORK_LOGS,
  create: ["name", "description", "resource_type", "resource_id", "target_id", "event", "enabled"],
  references: REFERENCES,
  mark: "description",
  roles: { capture: "manager", restore: "manager" },
  reported: { "what was logged": "is the operator's" },
  hooks: {
    describe: async (_context, { resource_type, resource_id }) => ({
      logs: typeof resource_id === "string" ? { [String(resource_type)]: resource_id } : {},
    }),
    plan: async ({ cloud }, { document }, _scope, planned) => {
      const type = String(document.object.resource_type);
      if (planned.action !== "create") return planned;
      const possible = await loggable(cloud);
      // Only an administrator is shown what can be logged; a manager makes logs and sees an empty list.
      if (possible.has(type) || (possible.size === 0 && !cloud.roles.has("admin"))) return planned;
      return { ...planned, action: "conflict", reason: `the target cannot log a ${type}` };
    },
    body: (_context, { document, targets }, { resource_id: _, ...body }) => {
      const { object } = withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]);
      const [resource] = Object.values((object.logs ?? {}) as JsonObject);
      return resource === undefined ? body : { ...body, resource_id: resource };
    },
  },
});

async function loggable(cloud: Cloud): Promise<ReadonlySet<string>> {
  const kinds = await Array.fromAsync(cloud.collection(LOGGABLE_RESOURCES).list());
  return new Set(kinds.map((k) => String(k.type)));
}

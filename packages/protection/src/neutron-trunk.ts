/**
 * neutron.trunk: a port that carries others, each under its own segment. The port's finish step waits for the trunk, and a server for its
 * ports' finish steps: one that starts before its port is a trunk never sees the subports.
 */

import { TRUNKS } from "@permafrost/openstack";
import { declaredType } from "./declared/declared-type.ts";
import { plannedTarget } from "./declared/planned-target.ts";

export const neutronTrunk = declaredType({
  type: "neutron.trunk",
  noun: "trunk",
  collection: TRUNKS,
  create: ["name", "description", "admin_state_up", "port_id", "sub_ports"],
  references: {
    port_id: { kind: "neutron.port", holdsFinish: true },
    "sub_ports[].port_id": { kind: "neutron.port", optional: true },
  },
  unordered: ["sub_ports"],
  unique: true,
  tags: true,
  mark: "description",
  reported: { "sub_ports[]": "one whose port the target does not have is left out" },
  hooks: {
    // A port carries one trunk: on a port that is there already its trunk is the same one, whatever its name.
    same: async ({ cloud }, { document }, scope) => {
      const { isNew, id } = await plannedTarget(scope, document, "neutron.port", String(document.object.port_id));
      if (isNew || id === undefined) return [];
      const found = await Array.fromAsync(cloud.collection(TRUNKS).list({ port_id: id }));
      return found.filter((t) => t.port_id === id).map((t) => String(t.id));
    },
    // Neutron does not remove one that is switched off (neutron/services/trunk/rules.py `trunk_can_be_managed`).
    beforeRemove: async ({ cloud }, { id, admin_state_up }) => {
      if (admin_state_up === false) await cloud.collection(TRUNKS).update(String(id), { admin_state_up: true });
    },
  },
});

/**
 * nova.server-group: its policy and rules. Members are not restored with it: a server says which group it is in when it is made. Names
 * are not unique and nothing of it can be changed, so one that was made and not answered is known by its content.
 */

import { SERVER_GROUPS } from "@permafrost/openstack";
import type { JsonObject } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";

export const novaServerGroup = declaredType({
  type: "nova.server-group",
  noun: "server group",
  collection: SERVER_GROUPS,
  create: ["name", "policy", "rules", "policies"],
  mark: "content",
  quota: "server_groups",
  listQuery: () => ({}),
  reported: { members: "a server enters its group when it is made" },
  hooks: {
    // Rules are for anti-affinity only, and empty ones say nothing. `policies` is what `policy` was before microversion 2.64.
    body: (_context, _input, body) => {
      const { policies, rules, ...rest } = body;
      if (rest.policy === undefined) return { ...rest, ...(policies === undefined ? {} : { policies }) };
      return Object.keys((rules ?? {}) as JsonObject).length === 0 ? rest : { ...rest, rules: rules ?? {} };
    },
  },
});

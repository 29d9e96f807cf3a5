/**
 * fwaas.group: firewall policies on ports. The project's group `default` is made by the service: the restore changes the one that the target
 * has, a member its ports only, an administrator the rest, too.
 */

import { type ApiObject, FIREWALL_GROUPS } from "@permafrost/openstack";
import { canonicalJson, type Json } from "@permafrost/std";
import type { DeclaredDocument } from "./declared/declaration.ts";
import { declaredType } from "./declared/declared-type.ts";
import { withTargets } from "./declared/references.ts";
import { DEFAULT_GROUP, defaultGroup } from "./fwaas-default.ts";
import { waitWhilePending, whenSettled } from "./fwaas-pending.ts";
import { describePorts, PORT_REFERENCES, portsOf, setPorts, targetPorts } from "./fwaas-ports.ts";
import { ifThere } from "./if-there.ts";
import type { Context, FinishInput } from "./resource-type.ts";

const POLICIES = ["ingress_firewall_policy_id", "egress_firewall_policy_id"] as const;
/** Of the group `default` only an administrator changes these. */
const ADMINS = ["description", "admin_state_up", ...POLICIES] as const;

const REFERENCES = {
  ingress_firewall_policy_id: { kind: "fwaas.policy" },
  egress_firewall_policy_id: { kind: "fwaas.policy" },
  ...PORT_REFERENCES,
} as const;

export const fwaasGroup = declaredType({
  type: "fwaas.group",
  noun: "firewall group",
  collection: FIREWALL_GROUPS,
  create: ["name", "description", ...POLICIES, "admin_state_up", "shared"],
  byHooks: ["ports"],
  nulls: POLICIES,
  needs: { shared: { role: "admin" } },
  references: REFERENCES,
  quota: "firewall_group",
  mark: "description",
  reported: {
    "group default":
      "the target has its own; only an administrator changes more of it than its ports; undo leaves it the ports that it gained",
    ports: "one that no server or router has in the target, or that its driver does not take, is left out",
    tags: "Neutron does not take them for FWaaS in 2025.1",
  },
  hooks: {
    describe: async ({ cloud }, group) => await describePorts(cloud, portsOf(group)),
    standing: async ({ cloud }, { object }) => {
      const there = object.name === DEFAULT_GROUP ? await defaultGroup(cloud) : undefined;
      return there === undefined ? undefined : String(there.id);
    },
    plan: async (context, { document }, _scope, planned) => {
      if (planned.action !== "update" || context.cloud.roles.has("admin")) return planned;
      const lost = await outOfReach(context, document);
      const warnings = lost.map((name) => `${name} of the group default is not restored: it needs the role admin`);
      return { ...planned, warnings: [...(planned.warnings ?? []), ...warnings] };
    },
    body: async (context, { resource, document }, body) => {
      if (resource.action !== "update") return body;
      const lost: readonly string[] = context.cloud.roles.has("admin") ? [] : await outOfReach(context, document);
      const kept = Object.entries(body).filter(([name]) => !lost.includes(name));
      return { ...Object.fromEntries(kept), name: document.object.name ?? "" };
    },
    settled: waitWhilePending,
    finish: async (context, input, group) => {
      if (input.resource.action === "update") await changeAsAdmin(context, input.targetId, group, inTarget(input));
      const { ports, warnings } = await targetPorts(context.cloud, input.document.object, input.targets);
      return [...warnings, ...(await setPorts(context, input.targetId, ports))];
    },
    differences: async ({ cloud }, { resource, document, targets }, found) => {
      const { ports } = await targetPorts(cloud, document.object, targets);
      const have = portsOf(found);
      // The target's group `default` may well have more.
      const compared = resource.action === "update" ? have.filter((port) => ports.includes(port)) : have;
      const [want, is] = [ports, compared].map((list) => canonicalJson([...list].sort()));
      return want === is ? [] : [`ports: expected ${want}, found ${is}`];
    },
    undoUpdate: async (context, targetId, before) => {
      const group = await ifThere(context.cloud.collection(FIREWALL_GROUPS).get(targetId));
      if (group !== undefined) await changeAsAdmin(context, targetId, group, before);
    },
    beforeRemove: async ({ cloud }, group) => {
      if (portsOf(group).length > 0) await cloud.collection(FIREWALL_GROUPS).update(String(group.id), { ports: [] });
    },
  },
});

function inTarget({ document, targets }: FinishInput<DeclaredDocument>): ApiObject {
  return withTargets(document.object, REFERENCES, (kind, id) => targets[`${kind}/${id}`]).object;
}

/** What a member cannot make of the target's group `default`: its administrator had changed it here or there. */
async function outOfReach({ cloud }: Context, { object, names }: DeclaredDocument): Promise<string[]> {
  const there = await defaultGroup(cloud);
  const policies = POLICIES.filter((name) => {
    const direction = name.split("_")[0];
    return names[`fwaas.policy/${String(object[name])}`] !== `default ${direction}`;
  });
  const plain = (["description", "admin_state_up"] as const).filter((name) => there?.[name] !== object[name]);
  return [...plain, ...policies];
}

async function changeAsAdmin(context: Context, id: string, group: ApiObject, want: ApiObject): Promise<void> {
  if (!context.cloud.roles.has("admin")) return;
  const changes: Record<string, Json> = {};
  for (const name of [...ADMINS, "shared"])
    if (want[name] !== undefined && group[name] !== want[name]) changes[name] = want[name];
  if (Object.keys(changes).length === 0) return;
  await whenSettled(context, () => context.cloud.collection(FIREWALL_GROUPS).update(id, changes));
  await waitWhilePending(context, id);
}

/**
 * neutron.network: the networks that the project owns.
 *
 * A tunnel network's segment is the target's choice. A network on a physical one (VLAN, flat) asks for the same segment when an
 * administrator restores it, and goes without if the target has no such physical network or the segment is in use. An MTU above
 * what the target can carry becomes the target's. Both are told as a warning; what the target carries is not said anywhere, so the plan
 * goes by the networks that the project sees.
 */

import { type ApiObject, type Collection, NETWORKS } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject } from "@permafrost/std";
import { declaredType } from "./declared/declared-type.ts";

const PROVIDER = ["provider:network_type", "provider:physical_network", "provider:segmentation_id"] as const;

export const neutronNetwork = declaredType({
  type: "neutron.network",
  noun: "network",
  collection: NETWORKS,
  create: [
    "name",
    "description",
    "admin_state_up",
    "mtu",
    "dns_domain",
    "port_security_enabled",
    "qos_policy_id",
    "availability_zone_hints",
    "vlan_transparent",
    "qinq",
    "shared",
    "router:external",
    "is_default",
    ...PROVIDER,
  ],
  // A network made without a policy gets the project's default one: what had none has it taken away again.
  update: ["qos_policy_id"],
  nulls: ["qos_policy_id"],
  needs: {
    mtu: { extension: "net-mtu-writable" },
    dns_domain: { extension: "dns-integration" },
    port_security_enabled: { extension: "port-security" },
    qos_policy_id: { extension: "qos" },
    availability_zone_hints: { extension: "network_availability_zone" },
    vlan_transparent: { extension: "vlan-transparent" },
    qinq: { extension: "qinq" },
    shared: { role: "admin" },
    "router:external": { role: "admin", extension: "external-net" },
    is_default: { role: "admin", extension: "auto-allocated-topology" },
  },
  references: {
    qos_policy_id: { kind: "neutron.qos-policy", optional: true },
    "availability_zone_hints[]": { kind: "network-zone", optional: true },
  },
  unordered: ["availability_zone_hints"],
  tags: true,
  quota: "network",
  mark: "description",
  reported: {
    "provider:*": "of a tunnel network: the target allocates the segment; of a VLAN or flat network: needs role admin",
    segments: "a network of several segments is the operator's",
  },
  hooks: {
    body: ({ cloud }, { document }, body) =>
      cloud.roles.has("admin") && typeof document.object["provider:physical_network"] === "string"
        ? body
        : without(body, PROVIDER),
    create: createAsFarAsPossible,
    plan: async ({ cloud }, { document }, _scope, planned) => {
      const { mtu } = document.object;
      if (planned.action !== "create" || typeof mtu !== "number") return planned;
      const networks = await Array.fromAsync(cloud.collection(NETWORKS).list());
      const seen = networks
        .filter((n) => n["router:external"] !== true)
        .flatMap((n) => (typeof n.mtu === "number" ? [n.mtu] : []));
      const largest = Math.max(...seen);
      if (seen.length === 0 || mtu <= largest) return planned;
      const warning = `mtu ${mtu} is more than any network that the project sees in the target has (${largest}): if the target carries no more, it becomes the target's`;
      return { ...planned, warnings: [...(planned.warnings ?? []), warning] };
    },
    made: async (_context, { document }, made) => {
      const captured = document.object;
      const warnings: string[] = [];
      if (typeof captured.mtu === "number" && made.mtu !== captured.mtu)
        warnings.push(`mtu is ${made.mtu} instead of ${captured.mtu}: the target does not carry more`);
      const segment = (o: ApiObject) => PROVIDER.map((name) => o[name] ?? "-").join(" ");
      if (typeof captured["provider:physical_network"] === "string" && segment(made) !== segment(captured))
        warnings.push(`it is on ${segment(made)} instead of ${segment(captured)}`);
      return warnings;
    },
  },
});

/** What the target refuses is asked for without the attribute that it refuses. */
async function createAsFarAsPossible(collection: Collection, body: JsonObject): Promise<ApiObject> {
  try {
    return await collection.create(body);
  } catch (error) {
    const refused = CodedError.is(error, "CONFLICT") || (CodedError.is(error) && error.facts.status === 400);
    if (!refused) throw error;
    if ("mtu" in body && /\bmtu\b/i.test(error.message)) return await createAsFarAsPossible(collection, without(body, ["mtu"]));
    if (PROVIDER.some((name) => name in body)) return await createAsFarAsPossible(collection, without(body, PROVIDER));
    throw error;
  }
}

function without(body: JsonObject, names: readonly string[]): JsonObject {
  const rest: Record<string, Json> = { ...body };
  for (const name of names) delete rest[name];
  return rest;
}

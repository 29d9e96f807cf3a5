/**
 * The firewall group `default` of a project: made with two policies and four rules when somebody of the project lists or makes anything of
 * FWaaS (`_ensure_default_firewall_group`), all denied that comes in and all allowed that goes out.
 */

import type { Ask } from "../neutron/kind.ts";
import type { Networking, Row } from "../neutron/networking.ts";

export const DEFAULT_GROUP = "default";
export const DEFAULT_POLICIES: readonly string[] = ["default ingress", "default egress"];

/** Before a listing: of the project that is asked for, else of the asker's. */
export function prepareDefault({ call, net, asker }: Ask): void {
  ensureDefault(net, call.query.get("project_id") ?? call.query.get("tenant_id") ?? asker.projectId);
}

export function ensureDefault(net: Networking, projectId: string): void {
  if (projectId === "" || defaultGroup(net, projectId) !== undefined) return;
  const policies = DEFAULT_POLICIES.map((name) => {
    const direction = name.replace("default ", "");
    const rules = [4, 6].map((version) =>
      net.add("firewall_rule", projectId, {
        name: `${name} ipv${version}`,
        description: `default ${direction} rule for IPv${version}`,
        ...{ shared: false, protocol: null, ip_version: version, enabled: true },
        ...{ source_ip_address: null, destination_ip_address: null, source_port: null, destination_port: null },
        action: direction === "ingress" ? "deny" : "allow",
      }),
    );
    return net.add("firewall_policy", projectId, {
      name,
      description: `${direction === "ingress" ? "Ingress" : "Egress"} firewall policy`,
      ...{ audited: false, shared: false, firewall_rules: rules.map(({ id }) => id) },
    });
  });
  net.add("firewall_group", projectId, {
    name: DEFAULT_GROUP,
    description: "Default firewall group",
    ingress_firewall_policy_id: policies[0]?.id ?? null,
    egress_firewall_policy_id: policies[1]?.id ?? null,
    ...{ admin_state_up: true, shared: false, ports: [], status: "INACTIVE" },
  });
}

export function defaultGroup(net: Networking, projectId: string): Row | undefined {
  return net.all("firewall_group").find((row) => row.projectId === projectId && row.fields.name === DEFAULT_GROUP);
}

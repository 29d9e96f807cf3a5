/** A project with a firewall that has every field of FWaaS v2 set, on an interface of its router; and what counts of such a project. */

import type { Cloud } from "@permafrost/openstack";
import { canonicalJson, type Json } from "@permafrost/std";
import { seedRow } from "../fakes/openstack/neutron/seed-networks.ts";
import type { WholeRestores } from "./whole-restores.ts";

export const FIREWALL = ["fwaas.rule", "fwaas.policy", "fwaas.group"];
export const FIREWALL_TYPES = ["neutron.network", "neutron.subnet", "neutron.router", ...FIREWALL];
const KINDS = ["firewall_rule", "firewall_policy", "firewall_group"];

export interface FirewallTenant {
  readonly make: (what: string, fields: Record<string, unknown>) => Promise<string>;
  readonly change: (path: string, body: Record<string, unknown>) => Promise<void>;
  readonly routerPort: string;
  /** Of the service. */
  readonly defaults: { readonly ingress: string; readonly rule: string; readonly group: string };
}

export async function seedFirewall(ways: WholeRestores, name: string): Promise<FirewallTenant> {
  const project = ways.fake.read.project(name)?.id ?? "";
  const net = seedRow(ways.fake.network, "network", project, { name: "inside" });
  const subnet = seedRow(ways.fake.network, "subnet", project, {
    network_id: net.id,
    name: "v4",
    ip_version: 4,
    cidr: "10.7.0.0/24",
  });
  const { make, change } = askOf(await ways.cloud(name));
  const router = await make("routers", { name: "edge" });
  await change(`/routers/${router}/add_router_interface`, { subnet_id: subnet.id });
  const routerPort = ways.fake.network.all("port").find((row) => row.fields.device_id === router)?.id ?? "";
  const rule = async (fields: Record<string, unknown>) => await make("fwaas/firewall_rules", fields);
  const web = await rule({
    ...{ name: "web", description: "in", protocol: "tcp", action: "allow", enabled: false },
    ...{
      source_ip_address: "192.0.2.0/24",
      destination_ip_address: "10.7.0.9",
      source_port: "1024:65535",
      destination_port: "80",
    },
  });
  const six = await rule({ name: "six", ip_version: 6, source_ip_address: "2001:db8::/32", action: "reject", protocol: "icmp" });
  const any = await rule({ name: "any" });
  const inward = await make("fwaas/firewall_policies", {
    ...{ name: "inward", description: "looked at", firewall_rules: [web, six, any], audited: true },
  });
  const outward = await make("fwaas/firewall_policies", { name: "outward", firewall_rules: [any, web] });
  await make("fwaas/firewall_groups", {
    ...{ name: "wall", description: "of the edge", ports: [routerPort], admin_state_up: false },
    ...{ ingress_firewall_policy_id: inward, egress_firewall_policy_id: outward },
  });
  const own = (kind: string, called: string) =>
    ways.fake.network.all(kind).find((row) => row.projectId === project && row.fields.name === called)?.id ?? "";
  const defaults = {
    ingress: own("firewall_policy", "default ingress"),
    rule: own("firewall_rule", "default ingress ipv4"),
    group: own("firewall_group", "default"),
  };
  return { make, change, routerPort, defaults };
}

/** Makes the project's own of everything different from what the service made. */
export async function changeDefaults({ make, change, defaults }: FirewallTenant): Promise<void> {
  await change(`/fwaas/firewall_rules/${defaults.rule}`, {
    firewall_rule: { action: "allow", protocol: "udp", destination_port: "53" },
  });
  const first = await make("fwaas/firewall_rules", { name: "first", action: "allow" });
  const ingress = `/fwaas/firewall_policies/${defaults.ingress}`;
  await change(`${ingress}/remove_rule`, { firewall_rule_id: defaults.rule });
  await change(`${ingress}/insert_rule`, { firewall_rule_id: first });
  await change(`${ingress}/insert_rule`, { firewall_rule_id: defaults.rule, insert_after: first });
}

export function askOf(cloud: Cloud): Pick<FirewallTenant, "make" | "change"> {
  const singular = (path: string) => path.replace(/^.*\//, "").replace(/ies$/, "y").replace(/s$/, "");
  return {
    make: async (what, fields) => {
      const json = { [singular(what)]: fields } as Record<string, Json>;
      const answer = await cloud
        .service("network")
        .json<Record<string, { id: string }>>({ method: "POST", path: `/${what}`, json, expect: [201] });
      return answer[singular(what)]?.id ?? "";
    },
    change: async (path, body) => {
      await cloud.service("network").send({ method: "PUT", path, json: body as Record<string, Json>, expect: [200] });
    },
  };
}

/** By the fake's own memory; ids as names, so that two projects compare. */
export function shapeOf(ways: WholeRestores, project: string): string[] {
  const { network } = ways.fake;
  const id = ways.fake.read.project(project)?.id;
  const named = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(named);
    const row = typeof value === "string" ? network.rows.get(value) : undefined;
    if (row === undefined) return value;
    const name = row.kind === "port" ? `${row.fields.device_owner} ${row.fields.name}` : row.fields.name;
    return `${row.kind} ${String(name)}${row.projectId === id ? "" : " of another"}`;
  };
  return KINDS.flatMap((kind) => network.all(kind))
    .filter((row) => row.projectId === id)
    .map(({ kind, fields }) => {
      const kept = Object.entries(fields).filter(([name]) => name !== "status" && name !== "looks");
      return canonicalJson([kind, Object.fromEntries(kept.map(([name, value]) => [name, named(value)]))] as never);
    })
    .sort();
}

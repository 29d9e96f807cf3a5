/** What a project's network services look like by plain requests, without ids, times and states, so that equal projects look equal. */

import type { Cloud, ServiceType } from "@permafrost/openstack";
import { canonicalJson, type Json } from "@permafrost/std";
import { type Answer, ask } from "./seed.ts";

/** What differs between a thing and its restored twin: identity, time, state, what the operator's side gives; routes are the VPN service's. */
const ALLOWED =
  /^(id|project_id|tenant_id|created(_at)?|updated(_at)?|revision_number|status|action|version|serial|links|shared|pool_id|transferred_at|provisioning_status|operating_status|vip_port_id|creator_id|consumers|external_v[46]_ip|\w+_ref|loadbalancers|healthmonitor_id|provider:segmentation_id|external_gateways|routes)$/;

interface Named {
  readonly kind: string;
  readonly objects: readonly Answer[];
}

/** One line per object. */
export async function shapeOf(cloud: Cloud): Promise<string[]> {
  const own = `project_id=${cloud.projectId}`;
  const list = async (kind: string, service: ServiceType, path: string, name: string): Promise<Named> => ({
    kind,
    objects: (await ask(cloud, service, "GET", path))[name] as Answer[],
  });
  const all: Named[] = [];
  for (const [kind, path] of [
    ["networks", "/networks"],
    ["subnets", "/subnets"],
    ["routers", "/routers"],
    ["ikepolicies", "/vpn/ikepolicies"],
    ["ipsecpolicies", "/vpn/ipsecpolicies"],
    ["endpoint_groups", "/vpn/endpoint-groups"],
    ["vpnservices", "/vpn/vpnservices"],
    ["ipsec_site_connections", "/vpn/ipsec-site-connections"],
  ] as const)
    all.push(await list(kind, "network", `${path}?${own}`, kind));
  for (const kind of ["loadbalancers", "listeners", "pools", "healthmonitors", "l7policies"])
    all.push(await list(kind, "load-balancer", `/lbaas/${kind}?${own}`, kind));
  // The VPN agent's own, which the service makes again.
  for (const [at, { kind, objects }] of all.entries())
    all[at] = { kind, objects: objects.filter(({ name }) => !String(name ?? "").startsWith("vpn-transit-")) };
  const of = (kind: string) => all.find((each) => each.kind === kind)?.objects ?? [];
  for (const { id } of of("pools")) all.push(await list("members", "load-balancer", `/lbaas/pools/${id}/members`, "members"));
  for (const { id } of of("l7policies")) all.push(await list("rules", "load-balancer", `/lbaas/l7policies/${id}/rules`, "rules"));
  all.push(await list("zones", "dns", "/zones", "zones"));
  for (const { id } of of("zones")) {
    const sets = await list("recordsets", "dns", `/zones/${id}/recordsets`, "recordsets");
    all.push({ ...sets, objects: sets.objects.filter(({ type }) => type !== "SOA") });
  }
  all.push(await secretsOf(cloud), await list("containers", "key-manager", "/containers?limit=100", "containers"));

  const names = new Map<string, string>();
  for (const { kind, objects } of all)
    for (const object of objects) {
      const id = String(object.id ?? object.secret_ref ?? object.container_ref);
      names.set(id, `${kind} ${String(object.name ?? object.type)}`);
    }
  const lines = all.flatMap(({ kind, objects }) =>
    objects.map((object) => {
      const kept = Object.entries(object).filter(([key]) => !ALLOWED.test(key) || /tls_container_ref/.test(key));
      // Octavia numbers and gateways differ, whatever they are called.
      const plain = { ...Object.fromEntries(kept), ...(kind === "routers" ? { external_gateway_info: gatewayOf(object) } : {}) };
      return `${kind} ${canonicalJson(named(plain as Json, names))}`;
    }),
  );
  return lines.sort();
}

/** Where the gateway is, not which address it has. */
function gatewayOf({ external_gateway_info: info }: Answer): Json {
  return info === null || info === undefined ? null : { network_id: info.network_id, enable_snat: info.enable_snat ?? null };
}

async function secretsOf(cloud: Cloud): Promise<Named> {
  const { secrets } = await ask(cloud, "key-manager", "GET", "/secrets?limit=100");
  const objects = (secrets as Answer[]).map(async (secret) => {
    const path = String(secret.secret_ref).replace(/^.*\/v1/, "");
    const { metadata } = await ask(cloud, "key-manager", "GET", `${path}/metadata`);
    const { read } = await ask(cloud, "key-manager", "GET", `${path}/acl`);
    const accept = { accept: String(secret.content_types?.default ?? "text/plain") };
    const payload = await cloud.service("key-manager").send({ method: "GET", path: `${path}/payload`, headers: accept, expect: [200] });
    return { ...secret, metadata, acl: { users: read.users ?? [], access: read["project-access"] }, payload: payload.text };
  });
  return { kind: "secrets", objects: await Promise.all(objects) };
}

/** Every id that is known becomes the name of what it is; lists are sorted where their order means nothing. */
function named(value: Json, names: ReadonlyMap<string, string>): Json {
  if (typeof value === "string") return names.get(value) ?? value;
  if (Array.isArray(value)) {
    const items = (value as Json[]).map((item) => named(item, names));
    return items.sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "gateway_port_id" && key !== "l2_adjacency")
      .map(([key, inner]) => [key, named(inner as Json, names)]),
  );
}

/** Lines that only one has. */
export function differences(expected: readonly string[], found: readonly string[]): string[] {
  const left = [...found];
  const missing = expected.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return [...missing.map((line) => `lost:  ${line}`), ...left.map((line) => `found: ${line}`)];
}

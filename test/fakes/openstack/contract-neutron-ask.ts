/** What the Neutron checks share: URLs, short ways to make and drop things, and to be refused. */

import type { AskOptions, Check, World } from "./contract.ts";

export const ABSENT = "3f3f3938-ceea-4fb8-87b0-b2444ce630b5";

const POLLS_MAX = 60;

export const url = (world: World, path: string) => `${world.urls.network.replace(/\/(v2\.0)?\/?$/, "")}/v2.0${path}`;

const SINGULAR: Readonly<Record<string, string>> = {
  "security-groups": "security_group",
  "security-group-rules": "security_group_rule",
  "address-scopes": "address_scope",
  "address-groups": "address_group",
  "rbac-policies": "rbac_policy",
  "qos/policies": "policy",
  firewall_policies: "firewall_policy",
  "metering-labels": "metering_label",
  "metering-label-rules": "metering_label_rule",
  ndp_proxies: "ndp_proxy",
  ikepolicies: "ikepolicy",
  ipsecpolicies: "ipsecpolicy",
  "endpoint-groups": "endpoint_group",
  "ipsec-site-connections": "ipsec_site_connection",
  port_forwardings: "port_forwarding",
};

export function memberOf(collection: string): string {
  const last = SINGULAR[collection] ?? SINGULAR[collection.split("/").at(-1) ?? ""];
  return last ?? (collection.split("/").at(-1) ?? "").replace(/s$/, "");
}

/** A check that is skipped where the cloud lacks one of these extensions. */
export function checkOf(aliases: readonly string[], name: string, run: (world: World) => Promise<void>): Check {
  return {
    name,
    async run(world) {
      for (const alias of aliases) {
        const { status } = await world.ask("GET", url(world, `/extensions/${alias}`));
        if (status === 404) return world.skip(`the cloud has no extension ${alias}`);
      }
      await run(world);
    },
  };
}

/** Polls until the object is in no state PENDING; the last state. */
export async function untilSettled(world: World, path: string): Promise<string> {
  let status = "";
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    status = String((await show(world, path)).status);
    if (!status.startsWith("PENDING")) return status;
    await world.pause();
  }
  return status;
}

/** Makes one, and removes it when the contract ends. */
export async function make(
  world: World,
  collection: string,
  fields: Record<string, unknown>,
  as: AskOptions["as"] = "member",
): Promise<Record<string, unknown> & { id: string }> {
  const member = memberOf(collection);
  const made = await world.expect(201, "POST", url(world, `/${collection}`), { json: { [member]: fields }, as });
  const object = made.json?.[member] ?? {};
  if (object.id !== undefined)
    world.later(async () => await world.ask("DELETE", url(world, `/${collection}/${object.id}`), { as: "admin" }));
  return object;
}

export async function change(
  world: World,
  path: string,
  fields: Record<string, unknown>,
  as: AskOptions["as"] = "member",
): Promise<Record<string, unknown>> {
  const member = memberOf(path.split("/").slice(0, -1).join("/"));
  const changed = await world.expect(200, "PUT", url(world, `/${path}`), { json: { [member]: fields }, as });
  return changed.json?.[member] ?? {};
}

export async function show(world: World, path: string, as: AskOptions["as"] = "member"): Promise<Record<string, unknown>> {
  const shown = await world.expect(200, "GET", url(world, `/${path}`), { as });
  return shown.json?.[memberOf(path.split("/").slice(0, -1).join("/"))] ?? {};
}

export async function drop(world: World, path: string, as: AskOptions["as"] = "member"): Promise<void> {
  await world.expect(204, "DELETE", url(world, `/${path}`), { as });
}

/** Expects a NeutronError of this status and type whose message has the part. */
export async function refused(
  world: World,
  wanted: readonly [status: number, type: string, part?: string],
  method: string,
  path: string,
  json?: unknown,
  as: AskOptions["as"] = "member",
): Promise<void> {
  const [status, type, part] = wanted;
  const options = { as, ...(json === undefined ? {} : { json }) };
  const answer = await world.expect(status, method, url(world, `/${path}`), options);
  const what = `${method} ${path} ${JSON.stringify(json ?? "")}`;
  world.same(`${what}: type`, answer.json?.NeutronError?.type, type);
  if (part !== undefined) world.contains(what, String(answer.json?.NeutronError?.message), part);
}

export async function listOf(world: World, path: string, as: AskOptions["as"] = "member"): Promise<Record<string, unknown>[]> {
  const answer = await world.expect(200, "GET", url(world, `/${path}`), { as });
  const body = (answer.json ?? {}) as Record<string, Record<string, unknown>[]>;
  return Object.entries(body).find(([name]) => !name.endsWith("_links"))?.[1] ?? [];
}

/** The administrator's external network. */
export async function externalNetwork(world: World): Promise<string> {
  const [found] = await listOf(world, "networks?router:external=true&name=public");
  return String(found?.id);
}

/** A network with a subnet `10.N.0.0/24`, of the member. */
export async function networkWithSubnet(world: World, n: number): Promise<{ network: string; subnet: string }> {
  const network = await make(world, "networks", { name: `fake-net-${n}` });
  const subnet = await make(world, "subnets", {
    network_id: network.id,
    ip_version: 4,
    cidr: `10.${n}.0.0/24`,
    enable_dhcp: false,
  });
  return { network: network.id, subnet: subnet.id };
}

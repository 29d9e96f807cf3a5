/**
 * The VPN's types between projects: policies, endpoint groups of ids and of prefixes, a service on a restored router, a connection with its
 * key, which nothing tells; a target that lacks the extension, a death at any call.
 */

import { CodedError, canonicalJson } from "@permafrost/std";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { seedRow } from "../fakes/openstack/neutron/seed-networks.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const VPN = ["vpn.ike-policy", "vpn.ipsec-policy", "vpn.endpoint-group", "vpn.service", "vpn.connection"];
const TYPES = ["neutron.network", "neutron.subnet", "neutron.router", ...VPN];
const KINDS = ["ikepolicy", "ipsecpolicy", "endpoint_group", "vpnservice", "ipsec_site_connection"];
const PSK = "a pre-shared key that nobody may see";
const KILLS_MS = 300_000;

let ways: WholeRestores;
let number = 0;
let source = "";
let target = "";

beforeAll(async () => {
  ways = await WholeRestores.start({ network: { dhcpPorts: false } });
});
afterAll(async () => await ways?.close());

beforeEach(async () => {
  [source, target] = [`source${++number}`, `target${number}`];
  const project = ways.project(source);
  ways.project(target);
  const { network } = ways.fake;
  const net = seedRow(network, "network", project, { name: "inside" });
  const subnet = seedRow(network, "subnet", project, { network_id: net.id, name: "v4", ip_version: 4, cidr: "10.7.0.0/24" });
  const cloud = await ways.cloud(source);
  const make = async (path: string, one: string, fields: Record<string, unknown>) => {
    const json = { [one]: fields } as never;
    const answer = await cloud
      .service("network")
      .json<Record<string, { id: string }>>({ method: "POST", path, json, expect: [201] });
    return answer[one]?.id ?? "";
  };
  const external = network.all("network").find((row) => row.fields["router:external"] === true);
  const router_id = await make("/routers", "router", { name: "edge", external_gateway_info: { network_id: external?.id } });
  const path = `/routers/${router_id}/add_router_interface`;
  await cloud.service("network").send({ method: "PUT", path, json: { subnet_id: subnet.id }, expect: [200] });
  const crypto = { description: "d", auth_algorithm: "sha256", encryption_algorithm: "aes-256", pfs: "group14" };
  const ikepolicy_id = await make("/vpn/ikepolicies", "ikepolicy", {
    ...crypto,
    name: "ike",
    ike_version: "v2",
    phase1_negotiation_mode: "aggressive",
    lifetime: { value: 7200 },
  });
  const ipsecpolicy_id = await make("/vpn/ipsecpolicies", "ipsecpolicy", {
    ...crypto,
    name: "ipsec",
    transform_protocol: "ah",
    encapsulation_mode: "transport",
    lifetime: { value: 5400 },
  });
  const group = async (name: string, type: string, endpoints: string[]) =>
    await make("/vpn/endpoint-groups", "endpoint_group", { name, description: "", type, endpoints });
  const local_ep_group_id = await group("ours", "subnet", [subnet.id]);
  const peer_ep_group_id = await group("theirs", "cidr", ["10.88.0.0/24", "10.89.0.0/24"]);
  await group("far", "router", [router_id]);
  const vpnservice_id = await make("/vpn/vpnservices", "vpnservice", { name: "vpn", description: "s", router_id });
  await make("/vpn/ipsec-site-connections", "ipsec_site_connection", {
    ...{
      name: "branch",
      description: "tunnel",
      vpnservice_id,
      ikepolicy_id,
      ipsecpolicy_id,
      local_ep_group_id,
      peer_ep_group_id,
    },
    ...{ peer_address: "192.0.2.77", peer_id: "branch.example", local_id: "edge.example", psk: PSK, mtu: 1400 },
    initiator: "response-only",
    dpd: { action: "restart", interval: 20, timeout: 100 },
  });
});

const idOf = (project: string) => ways.fake.read.project(project)?.id ?? "";

/** What counts of a project's VPN, by the fake's own memory; ids as names. */
function shape(project: string): string[] {
  const { network } = ways.fake;
  const named = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(named).sort();
    const row = typeof value === "string" ? network.rows.get(value) : undefined;
    return row === undefined ? value : `${row.kind} ${String(row.fields.name)} of ${row.projectId === idOf(project)}`;
  };
  const own = KINDS.flatMap((kind) => network.all(kind)).filter((row) => row.projectId === idOf(project));
  return own
    .map(({ kind, fields }) => {
      const kept = Object.entries(fields).filter(([name]) => name !== "status" && !name.startsWith("external_v"));
      return canonicalJson([kind, Object.fromEntries(kept.map(([name, value]) => [name, named(value)]))] as never);
    })
    .sort();
}

it("comes back with every field and its key, and is taken back to nothing", async () => {
  const backup = await ways.backup(source, TYPES);
  const mark = ways.fake.journal.mark();
  const restored = await ways.restore(target, backup);
  expect(restored.left).toEqual([]);
  expect(shape(target)).toEqual(shape(source));
  expect(shape(target).join()).toContain(PSK);
  expect(await ways.verify(restored)).toEqual([]);
  expect(restored.warnings).toContainEqual(
    expect.stringMatching(/^vpn.service vpn: the VPN's external_v4_ip was .* tell every remote peer/),
  );
  const planned = restored.plan.resources.find((r) => r.type === "vpn.connection");
  expect(planned?.warnings).toEqual([expect.stringMatching(/^it starts at once: while the source's tunnel to 192.0.2.77 is up/)]);
  await ways.undo(restored);
  expect(shape(target)).toEqual([]);
  for (const kind of ["ike-policy", "ipsec-policy", "vpn-endpoint-group", "vpn-service", "vpn-connection", "router"])
    expect([kind, ways.fake.journal.leaked(kind, mark)]).toEqual([kind, []]);
});

it("tells nobody the key: not a difference, not an error, not the ledger, not the fake's journal", async () => {
  const restored = await ways.restore(target, await ways.backup(source, TYPES));
  for (const row of ways.fake.network.all("ipsec_site_connection"))
    if (row.projectId === idOf(target)) row.fields.psk = "another";
  const seen = await ways.verify(restored);
  expect(seen).toEqual(["vpn.connection branch: psk: expected the captured, found another"]);
  expect(JSON.stringify(ways.fake.journal.entries())).not.toContain(PSK);
});

it("a target without the extension, and one without the router", async () => {
  const backup = await ways.backup(source, TYPES);
  ways.fake.network.withoutExtensions.add("vpnaas");
  const plan = await ways.plan(target, backup).finally(() => ways.fake.network.withoutExtensions.delete("vpnaas"));
  const reasons = plan.resources.filter((r) => r.type.startsWith("vpn.") && r.type !== "vpn.endpoint-group");
  expect(new Set(reasons.map((r) => r.actionReason))).toEqual(new Set(["the target has no extension vpnaas"]));
  const alone = await ways.plan(
    target,
    backup.filter((r) => r.type !== "neutron.router"),
  );
  expect(alone.resources.find((r) => r.type === "vpn.service")).toMatchObject({
    action: "conflict",
    actionReason: expect.stringContaining("router_id: the target has no neutron.router edge"),
  });
});

it(
  "a restore's worker dies at any call: the next one makes nothing twice",
  async () => {
    const backup = await ways.backup(source, TYPES);
    const wanted = shape(source);
    const net = backup.filter((r) => !r.type.startsWith("vpn."));
    const vpn = backup.filter((r) => r.type.startsWith("vpn."));
    const maps = (project: string) => {
      const own = (kind: string) => ways.fake.network.all(kind).find((row) => row.projectId === idOf(project))?.id ?? "";
      return { "neutron.subnet": { "*": own("subnet") }, "neutron.router": { "*": own("router") } };
    };
    await ways.restore(target, net);
    const whole = await ways.restore(target, vpn, { maps: maps(target) });
    expect(shape(target)).toEqual(wanted);
    const failures: string[] = [];
    for (const [at, fate] of fatesOf(whole).entries()) {
      const project = `${target}-${at}`;
      ways.project(project);
      await ways.restore(project, net);
      try {
        await ways.restore(project, vpn, { maps: maps(project) }, fate);
        expect(shape(project)).toEqual(wanted);
      } catch (error) {
        failures.push(`${fate.call} ${fate.death} (${whole.calls[fate.call]}): ${CodedError.from(error).message.slice(0, 300)}`);
      }
    }
    expect(failures).toEqual([]);
  },
  KILLS_MS,
);

/**
 * octavia.load-balancer between projects: the whole tree in one request and step by step, its VIP, TLS containers that are restored under
 * other URLs, states that it may be found in, a death at any call.
 */

import { CodedError, canonicalJson } from "@permafrost/std";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { addPort } from "../fakes/openstack/neutron/ports.ts";
import { seedRow } from "../fakes/openstack/neutron/seed-networks.ts";
import type { BalancerRow } from "../fakes/openstack/octavia/balancers.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const TYPES = ["neutron.network", "neutron.subnet", "barbican.secret", "barbican.container", "octavia.load-balancer"];
const CALL_MINUTES_MS = 300_000;

let ways: WholeRestores;
let number = 0;
let source = "";
let target = "";

beforeAll(async () => {
  ways = await WholeRestores.start({ network: { dhcpPorts: false } });
});
afterAll(async () => await ways?.close());

const idOf = (project: string) => ways.fake.read.project(project)?.id ?? "";
const balancersOf = (project: string) => ways.fake.balancers.all("loadbalancer").filter((row) => row.projectId === idOf(project));

/** Two projects; in the first a network with a load balancer of every kind of part. */
beforeEach(async () => {
  [source, target] = [`source${++number}`, `target${number}`];
  const project = ways.project(source);
  ways.project(target);
  const { network } = ways.fake;
  const net = seedRow(network, "network", project, { name: "inside" });
  const subnet = seedRow(network, "subnet", project, { network_id: net.id, name: "v4", ip_version: 4, cidr: "10.7.0.0/24" });
  const crt = ways.fake.keys.addSecret({
    projectId: project,
    name: "crt",
    payload: Buffer.from("PEM"),
    contentType: "text/plain",
  });
  const secrets = [{ name: "certificate", secretId: crt.id }];
  const tls = ways.fake.keys.addContainer({ projectId: project, name: "tls", type: "certificate", secrets });
  const ref = `${ways.fake.urls["key-manager"]}/v1/containers/${tls.id}`;
  const member = (address: string, more = {}) => ({ address, protocol_port: 80, subnet_id: subnet.id, name: address, ...more });
  const rules = [
    { type: "PATH", compare_type: "STARTS_WITH", value: "/static" },
    { type: "HEADER", compare_type: "EQUAL_TO", key: "X-A", value: "b", invert: true, admin_state_up: false },
  ];
  const loadbalancer = {
    name: "lb",
    description: "all of it",
    vip_subnet_id: subnet.id,
    vip_address: "10.7.0.100",
    provider: "amphora",
    tags: ["a", "b"],
    pools: [
      {
        name: "web",
        description: "front",
        protocol: "HTTP",
        lb_algorithm: "LEAST_CONNECTIONS",
        session_persistence: { type: "APP_COOKIE", cookie_name: "sid" },
        healthmonitor: {
          type: "HTTP",
          delay: 7,
          timeout: 4,
          max_retries: 2,
          url_path: "/up",
          http_method: "HEAD",
          name: "alive",
        },
        members: [member("10.7.0.11", { weight: 3 }), member("10.7.0.12", { backup: true, monitor_port: 9090 })],
        tags: ["p"],
      },
      { name: "other", protocol: "HTTP", lb_algorithm: "ROUND_ROBIN", members: [member("10.7.0.13", { admin_state_up: false })] },
    ],
    listeners: [
      {
        name: "http",
        protocol: "HTTP",
        protocol_port: 80,
        default_pool: { name: "web" },
        insert_headers: { "X-Forwarded-For": "true" },
        connection_limit: 500,
        allowed_cidrs: ["10.0.0.0/8"],
        timeout_client_data: 40_000,
        l7policies: [
          { name: "p1", action: "REDIRECT_TO_POOL", redirect_pool: { name: "other" }, rules },
          { name: "p2", action: "REDIRECT_TO_URL", redirect_url: "https://x.example/", redirect_http_code: 301 },
          { name: "p3", action: "REJECT", admin_state_up: false },
        ],
      },
      {
        name: "https",
        protocol: "TERMINATED_HTTPS",
        protocol_port: 443,
        default_pool: { name: "web" },
        default_tls_container_ref: ref,
        sni_container_refs: [ref],
        tls_versions: ["TLSv1.3"],
      },
    ],
  };
  const cloud = await ways.cloud(source);
  await cloud
    .service("load-balancer")
    .send({ method: "POST", path: "/lbaas/loadbalancers", json: { loadbalancer }, expect: [201] });
  await ways.fake.transitions.finishAll();
  // Names that only a tree in one request needs: both pools are called the same.
  for (const pool of ways.fake.balancers.all("pool")) if (pool.projectId === project) pool.fields.name = "web";
});

const DROPPED = /(^id|_id|_at|_refs?|_status|^(listeners|loadbalancers|pools|members|healthmonitor|l7policies|rules))$/;

/** The tree below a project's load balancers, by the fake's own memory; ids as what they lead to. */
function shape(project: string): string[] {
  const { balancers, keys } = ways.fake;
  const plain = (row: BalancerRow) =>
    Object.fromEntries(
      Object.entries(balancers.view(row)).filter(([name, value]) => !DROPPED.test(name) && value !== null && value !== undefined),
    );
  const tls = (row: BalancerRow) =>
    [row.fields.default_tls_container_ref, ...((row.fields.sni_container_refs ?? []) as unknown[])]
      .filter((ref) => typeof ref === "string")
      .map((ref) => {
        const found = keys.containers.get(ref.replace(/^.*\//, ""));
        return [found?.name, found?.projectId === row.projectId, ref.replace(/\/[^/]*$/, "")];
      });
  const poolOf = (id: unknown) => {
    const members = balancers.all("member", String(id)).map((row) => row.fields.address);
    return typeof id === "string" ? members.sort() : null;
  };
  const lines = balancersOf(project).flatMap((lb) => [
    ["lb", plain(lb), lb.provisioning],
    ...balancers.under(lb.id, "pool").map((pool) => ["pool", plain(pool), poolOf(pool.id)]),
    ...balancers.under(lb.id, "member").map((member) => ["member", plain(member)]),
    ...balancers.under(lb.id, "healthmonitor").map((monitor) => ["monitor", plain(monitor), poolOf(monitor.parentId)]),
    ...balancers.under(lb.id, "listener").map((row) => ["listener", plain(row), poolOf(row.fields.default_pool_id), tls(row)]),
    ...balancers.under(lb.id, "l7policy").map((row) => ["policy", plain(row), poolOf(row.fields.redirect_pool_id)]),
    ...balancers.under(lb.id, "rule").map((row) => ["rule", plain(row)]),
  ]);
  return lines.map((line) => canonicalJson(line as never)).sort();
}

it("comes back as it was, its TLS container under another URL, and is taken back to nothing", async () => {
  const backup = await ways.backup(source, TYPES);
  const mark = ways.fake.journal.mark();
  const restored = await ways.restore(target, backup);
  expect([restored.left, restored.warnings]).toEqual([[], []]);
  expect(shape(target)).toEqual(shape(source));
  expect(await ways.verify(restored)).toEqual([]);
  expect(ways.fake.journal.find({ service: "load-balancer", method: "POST" }, mark)).toHaveLength(1);
  await ways.undo(restored);
  expect(balancersOf(target)).toEqual([]);
  for (const kind of ["load-balancer", "pool", "listener", "member", "l7policy", "secret-container"])
    expect([kind, ways.fake.journal.leaked(kind, mark)]).toEqual([kind, []]);
});

it(
  "grows step by step where the provider takes no whole tree",
  async () => {
    const backup = await ways.backup(source, TYPES);
    const whole = ways.fake.faults.add({
      match: { service: "load-balancer", method: "POST", path: /\/loadbalancers$/ },
      action: { status: 501, body: '{"faultcode":"Server","faultstring":"Provider does not support it","debuginfo":null}' },
    });
    const mark = ways.fake.journal.mark();
    const restored = await ways.restore(target, backup);
    expect(whole.hits).toBe(1);
    expect(shape(target)).toEqual(shape(source));
    expect(await ways.verify(restored)).toEqual([]);
    expect(ways.fake.journal.find({ service: "load-balancer", method: "POST" }, mark).length).toBeGreaterThan(10);
  },
  CALL_MINUTES_MS,
);

it("keeps its address, and removes the port that Octavia leaves behind when it refuses the tree", async () => {
  const backup = await ways.backup(source, TYPES);
  const { network } = ways.fake;
  const ofTarget = (kind: string) => network.all(kind).filter((row) => row.projectId === idOf(target));
  const left = (lbId: string) => {
    const networkId = ofTarget("network")[0]?.id ?? "";
    const vip = { networkId, projectId: idOf(target), owner: "Octavia", fixedIps: [{ ip_address: "10.7.0.100" }] };
    return addPort(network, { ...vip, name: `octavia-lb-${lbId}`, deviceId: `lb-${lbId}` });
  };
  ways.fake.faults.add({
    match: { service: "load-balancer", method: "POST", path: /\/loadbalancers$/ },
    action: {
      hook: () => left("0f0f0f0f-0000-4000-8000-000000000000"),
      status: 501,
      body: '{"faultcode":"Server","faultstring":"Provider does not support it","debuginfo":null}',
    },
  });
  const restored = await ways.restore(target, backup);
  expect(restored.warnings).toEqual([]);
  expect(shape(target)).toEqual(shape(source));
  const [lb] = balancersOf(target);
  expect(ofTarget("port").map(({ fields }) => fields.name)).toEqual([`octavia-lb-${lb?.id}`]);
});

it("takes another address where the old one is not to be had, and says so", async () => {
  const backup = await ways.backup(source, TYPES);
  const plan = await ways.plan(target, backup);
  const restored = await ways.apply(target, plan, {}).catch((e: unknown) => e);
  expect(CodedError.is(restored)).toBe(false);
  const again = await ways.restore(
    target,
    backup.filter((r) => r.type === "octavia.load-balancer"),
    {
      onConflict: "create",
      maps: mapsOf(plan.resources, target),
    },
  );
  expect(again.warnings.join()).toMatch(/the VIP 10\.7\.0\.100 could not be had: it is 10\.7\.0\./);
});

/** Everything that the first restore made, by name. */
function mapsOf(_resources: readonly unknown[], project: string): Record<string, Record<string, string>> {
  const id = idOf(project);
  const own = (kind: string) => ways.fake.network.all(kind).find((row) => row.projectId === id)?.id ?? "";
  const tls = ways.fake.keys.containersOf(id)[0]?.id ?? "";
  return {
    "neutron.subnet": { "*": own("subnet") },
    "neutron.network": { "*": own("network") },
    "barbican.container": { "*": tls },
  };
}

it("leaves out a provider that the target has not, and warns", async () => {
  for (const lb of balancersOf(source)) lb.fields.provider = "ovn";
  const backup = await ways.backup(source, TYPES);
  const only = [{ name: "amphora", description: "" }];
  const providers = ways.fake.faults.add({
    match: { service: "load-balancer", path: /\/providers/ },
    times: 9,
    action: { status: 200, body: JSON.stringify({ providers: only }) },
  });
  const restored = await ways.restore(target, backup);
  providers.remove();
  const planned = restored.plan.resources.find((r) => r.type === "octavia.load-balancer");
  expect(planned?.warnings).toEqual([
    expect.stringMatching(/^provider: the target has no load-balancer-provider ovn; left out$/),
  ]);
  expect(balancersOf(target)[0]?.fields.provider).toBe("amphora");
  expect(await ways.verify(restored)).toEqual([]);
});

it("one in ERROR is backed up with a warning, one that is going is not", async () => {
  const [lb] = balancersOf(source);
  if (lb === undefined) throw new Error("no load balancer");
  lb.provisioning = "ERROR";
  const broken = await ways.backup(source, ["octavia.load-balancer"]);
  expect(broken[0]?.warnings).toEqual(["it is in ERROR: what the service says of it may not be what it did"]);
  lb.provisioning = "PENDING_DELETE";
  await expect(ways.backup(source, ["octavia.load-balancer"])).rejects.toMatchObject({ code: "NOTHING_SELECTED" });
});

it("one that ends in ERROR while it is restored is an error, and is swept away", async () => {
  const backup = await ways.backup(source, TYPES);
  const fault = ways.fake.faults.add({ match: { service: "load-balancer", method: "POST" }, times: 99, action: { fail: true } });
  await expect(ways.restore(target, backup)).rejects.toMatchObject({ code: "RESOURCE_STATE" });
  fault.remove();
});

it("a target without Octavia, one whose quota is used up, and one whose container is not restored", async () => {
  const backup = await ways.backup(source, TYPES);
  ways.fake.lacking.add("load-balancer");
  const plan = await ways.plan(target, backup).finally(() => ways.fake.lacking.clear());
  expect(plan.resources.find((r) => r.type === "octavia.load-balancer")).toMatchObject({
    action: "conflict",
    actionReason: "the target has no service load-balancer",
  });
  ways.fake.balancers.quotas.set(idOf(target), { load_balancer: 0 });
  await expect(ways.restore(target, backup)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  const empty = `empty${number}`;
  ways.project(empty);
  const without = await ways.plan(
    empty,
    backup.filter((r) => r.type !== "barbican.container"),
  );
  expect(without.resources.find((r) => r.type === "octavia.load-balancer")).toMatchObject({
    action: "conflict",
    actionReason: expect.stringContaining("the target has no barbican.container tls"),
  });
});

it(
  "a restore's worker dies at any call that changes something: the next one makes nothing twice",
  async () => {
    const backup = await ways.backup(source, TYPES);
    const net = backup.filter((r) => r.type !== "octavia.load-balancer");
    const balancer = backup.filter((r) => r.type === "octavia.load-balancer");
    const wanted = shape(source);
    await ways.restore(target, net);
    const whole = await ways.restore(target, balancer, { maps: mapsOf([], target) });
    const failures: string[] = [];
    const changes = fatesOf(whole).filter(({ call }) => /^(POST|PUT|DELETE) (?!identity)/.test(whole.calls[call] ?? ""));
    expect(changes.length).toBeGreaterThan(5);
    for (const [at, fate] of changes.entries()) {
      const project = `${target}-${at}`;
      ways.project(project);
      await ways.restore(project, net);
      try {
        await ways.restore(project, balancer, { maps: mapsOf([], project) }, fate);
        expect(shape(project)).toEqual(wanted);
      } catch (error) {
        failures.push(`${fate.call} ${fate.death} (${whole.calls[fate.call]}): ${CodedError.from(error).message.slice(0, 300)}`);
      }
    }
    expect(failures).toEqual([]);
  },
  CALL_MINUTES_MS,
);

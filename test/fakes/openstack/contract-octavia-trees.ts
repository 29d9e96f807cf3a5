/** Octavia's part of the contract: L7 policies, whole trees in one request, quotas, what the provider `ovn` does not do. */

import type { Check } from "./contract.ts";
import { ABSENT, listOf, url } from "./contract-neutron-ask.ts";
import { changeOn, dropOn, faulted, lbUrl, makeBalancer, makeOn, octaviaCheck, settle, shown } from "./contract-octavia-ask.ts";

export const octaviaTreeChecks: readonly Check[] = [
  octaviaCheck("L7 policies and rules", async (world) => {
    const lb = await makeBalancer(world, 96);
    await settle(world, lb.id);
    const listener = await makeOn(world, lb.id, "listeners", { loadbalancer_id: lb.id, protocol: "HTTP", protocol_port: 80 });
    const pool = await makeOn(world, lb.id, "pools", { loadbalancer_id: lb.id, protocol: "HTTP", lb_algorithm: "ROUND_ROBIN" });
    const base = { listener_id: listener.id };
    const first = await makeOn(world, lb.id, "l7policies", { ...base, name: "first", action: "REJECT" });
    world.same("rejects", [first.position, first.redirect_http_code, first.redirect_pool_id, first.rules], [1, null, null, []]);
    const away = { action: "REDIRECT_TO_URL", redirect_url: "https://x.example/" };
    const second = await makeOn(world, lb.id, "l7policies", { ...base, name: "second", ...away, position: 1 });
    world.same("redirects", [second.position, second.redirect_url, second.redirect_http_code], [1, away.redirect_url, 302]);
    world.same("moved down", (await shown(world, `l7policies/${first.id}`)).position, 2);
    const refuse = (wanted: [number, string], fields: Record<string, unknown>) =>
      faulted(world, wanted, "POST", "l7policies", { l7policy: { ...base, ...fields } });
    await refuse([400, "redirect_url must not be None"], { action: "REDIRECT_TO_URL" });
    await refuse([404, `Pool ${ABSENT} not found.`], { action: "REDIRECT_TO_POOL", redirect_pool_id: ABSENT });
    await refuse([400, "Value should be one of:"], { action: "DANCE" });
    const at = `l7policies/${first.id}`;
    const turned = await changeOn(world, lb.id, at, { action: "REDIRECT_TO_POOL", redirect_pool_id: pool.id });
    world.same("to the pool", [turned.action, turned.redirect_pool_id], ["REDIRECT_TO_POOL", pool.id]);
    await faulted(world, [409, `Pool ${pool.id} is in use by L7 policy ${first.id}`], "DELETE", `pools/${pool.id}`);
    const rules = `${at}/rules`;
    const rule = await makeOn(world, lb.id, rules, { type: "PATH", compare_type: "STARTS_WITH", value: "/static" });
    world.same("rule", [rule.invert, rule.key, rule.value, rule.admin_state_up], [false, null, "/static", true]);
    await faulted(world, [400, "L7 rule type requires a key"], "POST", rules, {
      rule: { type: "HEADER", compare_type: "EQUAL_TO", value: "x" },
    });
    const header = { type: "HEADER", compare_type: "EQUAL_TO", key: "X-A", value: "b", invert: true };
    const made = await makeOn(world, lb.id, rules, header);
    world.same("of a header", [made.key, made.invert], ["X-A", true]);
    world.same("its rules", ((await shown(world, at)).rules as unknown[]).length, 2);
    await dropOn(world, lb.id, `${rules}/${rule.id}`);
    await dropOn(world, lb.id, at);
    world.same("moved up", (await shown(world, `l7policies/${second.id}`)).position, 1);
  }),
  octaviaCheck("a whole tree in one request", async (world) => {
    const member = { address: "10.97.0.11", protocol_port: 80 };
    const web = {
      ...{ name: "web", protocol: "HTTP", lb_algorithm: "ROUND_ROBIN", members: [member] },
      healthmonitor: { type: "HTTP", delay: 7, timeout: 4, max_retries: 2 },
    };
    const policy = {
      ...{ name: "p1", action: "REDIRECT_TO_POOL", redirect_pool: { name: "other" } },
      rules: [{ type: "PATH", compare_type: "STARTS_WITH", value: "/static" }],
    };
    const lb = await makeBalancer(world, 97, {
      pools: [web, { name: "other", protocol: "HTTP", lb_algorithm: "SOURCE_IP" }],
      listeners: [{ name: "http", protocol: "HTTP", protocol_port: 80, default_pool: { name: "web" }, l7policies: [policy] }],
    });
    world.same("at once", [(lb.listeners as unknown[]).length, (lb.pools as unknown[]).length], [1, 2]);
    world.same("settled", await settle(world, lb.id), "ACTIVE");
    const { json } = await world.expect(200, "GET", lbUrl(world, `/pools?loadbalancer_id=${lb.id}`));
    const pools = (json?.pools ?? []) as Record<string, unknown>[];
    world.same("pools", pools.map(({ name, members }) => `${name} ${(members as unknown[]).length}`).sort(), [
      "other 0",
      "web 1",
    ]);
    const [listener] = lb.listeners as { id: string }[];
    const http = await shown(world, `listeners/${listener?.id}`);
    world.same("default", http.default_pool_id, pools.find(({ name }) => name === "web")?.id);
    const [made] = http.l7policies as { id: string }[];
    const redirect = (await shown(world, `l7policies/${made?.id}`)).redirect_pool_id;
    world.same("redirect", redirect, pools.find(({ name }) => name === "other")?.id);
    const { json: tree } = await world.expect(200, "GET", lbUrl(world, `/loadbalancers/${lb.id}/status`));
    const top = tree?.statuses?.loadbalancer;
    world.keys(
      "status tree",
      top,
      ["id", "name", "operating_status", "provisioning_status", "listeners"].concat(top?.pools ? ["pools"] : []),
    );
    // The port of a VIP is made before the tree is looked at, and stays.
    const network = String(lb.vip_network_id);
    const ports = async () =>
      (await listOf(world, `ports?network_id=${network}`)).filter(
        ({ id, name }) => id !== lb.vip_port_id && /^octavia-lb-[0-9a-f]{8}-/.test(String(name)),
      );
    world.later(async () => {
      for (const { id } of await ports()) await world.ask("DELETE", url(world, `/ports/${id}`));
    });
    const refuse = (wanted: [number, string], fields: Record<string, unknown>) =>
      faulted(world, wanted, "POST", "loadbalancers", { loadbalancer: { name: "fake-x", vip_subnet_id: lb.subnet, ...fields } });
    await refuse([400, "Pools must be named when creating a fully populated loadbalancer."], {
      listeners: [{ protocol: "HTTP", protocol_port: 80, default_pool: { ...web, name: "" } }],
    });
    await refuse([400, "Pool names must be unique when creating a fully populated loadbalancer."], { pools: [web, web] });
    await refuse([400, "Pool 'x' was referenced but no full definition was found."], {
      listeners: [{ protocol: "HTTP", protocol_port: 80, default_pool: { name: "x" } }],
    });
    world.same("left behind", (await ports()).length, 3);
  }),
  octaviaCheck("quotas and providers", async (world) => {
    const { json } = await world.expect(200, "GET", lbUrl(world, "/providers"));
    const names = ((json?.providers ?? []) as { name: string }[]).map(({ name }) => name).sort();
    world.same("providers", names, ["amphora", "ovn"]);
    const own = await world.expect(200, "GET", lbUrl(world, `/quotas/${world.projectId}`));
    const limits = ["load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule"];
    for (const limit of limits) world.same(limit, typeof own.json?.quota?.[limit], "number");
    await faulted(world, [403, "Policy does not allow"], "PUT", `quotas/${world.projectId}`, { quota: { pool: 1 } });
    world.later(async () => await world.ask("DELETE", lbUrl(world, `/quotas/${world.projectId}`), { as: "admin" }));
    const set = await world.expect(202, "PUT", lbUrl(world, `/quotas/${world.projectId}`), {
      as: "admin",
      json: { quota: { load_balancer: 0 } },
    });
    world.same("set", set.json?.quota?.load_balancer, 0);
  }),
  octaviaCheck("what the provider ovn does not do", async (world) => {
    const lb = await makeBalancer(world, 98, { provider: "ovn" });
    world.same("settled", await settle(world, lb.id), "ACTIVE");
    const refuse = (collection: string, one: string, fields: Record<string, unknown>) =>
      faulted(world, [501, "Provider 'ovn' does not support a requested option"], "POST", collection, { [one]: fields });
    const of = { loadbalancer_id: lb.id };
    await refuse("listeners", "listener", { ...of, protocol: "HTTP", protocol_port: 80 });
    await refuse("pools", "pool", { ...of, protocol: "HTTP", lb_algorithm: "SOURCE_IP_PORT" });
    await refuse("pools", "pool", { ...of, protocol: "TCP", lb_algorithm: "ROUND_ROBIN" });
    const listener = await makeOn(world, lb.id, "listeners", { ...of, protocol: "TCP", protocol_port: 80 });
    const pool = await makeOn(world, lb.id, "pools", {
      ...{ protocol: "TCP", lb_algorithm: "SOURCE_IP_PORT", listener_id: listener.id },
    });
    await makeOn(world, lb.id, `pools/${pool.id}/members`, {
      ...{ address: "10.98.0.11", protocol_port: 80, subnet_id: lb.subnet },
    });
    world.same("settled with a member", await settle(world, lb.id), "ACTIVE");
    await faulted(world, [501, "Provider 'ovn' does not support a requested action"], "POST", "l7policies", {
      l7policy: { listener_id: listener.id, action: "REJECT" },
    });
    const [port] = await listOf(world, `ports?id=${lb.vip_port_id}`);
    world.same("its port", port?.name, `ovn-lb-vip-${lb.id}`);
    await refuse("healthmonitors", "healthmonitor", { pool_id: pool.id, type: "HTTP", delay: 7, timeout: 4, max_retries: 2 });
  }),
];

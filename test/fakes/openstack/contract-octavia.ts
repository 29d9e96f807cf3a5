/** Octavia's part of the contract, with the provider `amphora`: load balancers, listeners, pools, members, monitors. */

import type { Check } from "./contract.ts";
import { ABSENT, listOf } from "./contract-neutron-ask.ts";
import {
  changeOn,
  dropOn,
  faulted,
  lbUrl,
  makeBalancer,
  makeOn,
  octaviaCheck,
  removeBalancer,
  settle,
  shown,
} from "./contract-octavia-ask.ts";

export const octaviaChecks: readonly Check[] = [
  octaviaCheck("a load balancer and its VIP", async (world) => {
    const lb = await makeBalancer(world, 91, { description: "d", tags: ["a"] });
    world.same(
      "at once",
      [lb.provisioning_status, lb.operating_status, lb.admin_state_up, lb.provider, lb.flavor_id, lb.availability_zone],
      ["PENDING_CREATE", "OFFLINE", true, "amphora", null, null],
    );
    world.same("nothing on it", [lb.listeners, lb.pools, lb.additional_vips, lb.tags], [[], [], [], ["a"]]);
    const at = `loadbalancers/${lb.id}`;
    world.same("settled", await settle(world, lb.id), "ACTIVE");
    const [port] = await listOf(world, `ports?id=${lb.vip_port_id}`);
    world.same(
      "its port",
      [port?.name, port?.fixed_ips, port?.device_id],
      [`octavia-lb-${lb.id}`, [{ subnet_id: lb.subnet, ip_address: lb.vip_address }], `lb-${lb.id}`],
    );
    const changed = await changeOn(world, lb.id, at, { name: "fake-renamed", tags: ["b", "c"], admin_state_up: false });
    world.same("changed", [changed.name, changed.tags, changed.admin_state_up], ["fake-renamed", ["b", "c"], false]);
    const refuse = (wanted: [number, string], fields: Record<string, unknown>) =>
      faulted(world, wanted, "POST", "loadbalancers", { loadbalancer: { name: "fake-x", ...fields } });
    const vip = { vip_subnet_id: lb.subnet };
    await refuse([400, "VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id."], {});
    await refuse([400, `Subnet ${ABSENT} not found.`], { vip_subnet_id: ABSENT });
    await refuse([400, `Port ${ABSENT} not found.`], { vip_port_id: ABSENT });
    await refuse([400, "Provider 'nosuch' is not enabled."], { ...vip, provider: "nosuch" });
    await refuse([400, "Unknown attribute for argument load_balancer.loadbalancer: colour"], { ...vip, colour: "red" });
    await refuse([400, "Value should be UUID format"], { vip_subnet_id: "x" });
    await faulted(world, [404, `Load Balancer ${ABSENT} not found.`], "GET", `loadbalancers/${ABSENT}`);
    await faulted(world, [400, "Unknown attribute"], "PUT", at, { loadbalancer: { vip_address: "10.91.0.9" } });
    await makeOn(world, lb.id, "listeners", { loadbalancer_id: lb.id, protocol: "TCP", protocol_port: 7 });
    await faulted(world, [400, `Cannot delete Load Balancer ${lb.id} - it has children`], "DELETE", at);
    await removeBalancer(world, lb.id);
    world.same("its port goes", (await listOf(world, `ports?id=${lb.vip_port_id}`)).length, 0);
  }),
  octaviaCheck("a busy tree refuses", async (world) => {
    const lb = await makeBalancer(world, 92);
    const again = { listener: { loadbalancer_id: lb.id, protocol: "TCP", protocol_port: 9 } };
    await settle(world, lb.id);
    await world.expect(201, "POST", lbUrl(world, "/listeners"), { json: { listener: { ...again.listener, protocol_port: 8 } } });
    await faulted(world, [409, `Load Balancer ${lb.id} is immutable and cannot be updated.`], "POST", "listeners", again);
    await settle(world, lb.id);
    await world.expect(201, "POST", lbUrl(world, "/listeners"), { json: again });
    await settle(world, lb.id);
  }),
  octaviaCheck("listeners", async (world) => {
    const lb = await makeBalancer(world, 93);
    await settle(world, lb.id);
    const base = { loadbalancer_id: lb.id, protocol: "HTTP", protocol_port: 80 };
    const listener = await makeOn(world, lb.id, "listeners", { ...base, name: "fake-http" });
    world.same(
      "defaults",
      [listener.connection_limit, listener.timeout_client_data, listener.timeout_member_connect, listener.timeout_tcp_inspect],
      [-1, 50_000, 5000, 0],
    );
    world.same(
      "more",
      [
        listener.insert_headers,
        listener.sni_container_refs,
        listener.default_pool_id,
        listener.l7policies,
        listener.loadbalancers,
      ],
      [{}, [], null, [], [{ id: lb.id }]],
    );
    world.same(
      "of TLS",
      [listener.client_authentication, listener.tls_versions, listener.hsts_max_age, listener.allowed_cidrs],
      ["NONE", null, null, null],
    );
    const at = `listeners/${listener.id}`;
    const changed = await changeOn(world, lb.id, at, {
      connection_limit: 5,
      insert_headers: { "X-Forwarded-For": "true" },
      allowed_cidrs: ["10.0.0.0/8"],
    });
    world.same(
      "changed",
      [changed.connection_limit, changed.insert_headers, changed.allowed_cidrs],
      [5, { "X-Forwarded-For": "true" }, ["10.0.0.0/8"]],
    );
    const refuse = (wanted: [number, string], fields: Record<string, unknown>) =>
      faulted(world, wanted, "POST", "listeners", { listener: { ...base, ...fields } });
    await refuse([409, "Another Listener on this Load Balancer is already using protocol"], {});
    await refuse([400, "An SNI or default certificate container reference must be provided"], {
      protocol: "TERMINATED_HTTPS",
      protocol_port: 443,
    });
    await refuse([400, "insert-headers is not a valid option for a TCP protocol listener."], {
      protocol: "TCP",
      protocol_port: 81,
      insert_headers: { "X-Forwarded-For": "true" },
    });
    await refuse([404, `Pool ${ABSENT} not found.`], { protocol_port: 82, default_pool_id: ABSENT });
    await refuse([400, "Value should be one of:"], { protocol: "GOPHER" });
    await refuse([400, "Value should be lower or equal to 65535"], { protocol_port: 65_536 });
    await refuse([404, `Load Balancer ${ABSENT} not found.`], { loadbalancer_id: ABSENT });
    await faulted(world, [400, "Unknown attribute"], "PUT", at, { listener: { protocol: "TCP" } });
    await dropOn(world, lb.id, at);
    await faulted(world, [404, `Listener ${listener.id} not found.`], "GET", at);
  }),
  octaviaCheck("pools, members, monitors", async (world) => {
    const lb = await makeBalancer(world, 94);
    await settle(world, lb.id);
    const listener = await makeOn(world, lb.id, "listeners", { loadbalancer_id: lb.id, protocol: "HTTP", protocol_port: 80 });
    const pool = await makeOn(world, lb.id, "pools", {
      ...{ name: "fake-pool", listener_id: listener.id, protocol: "HTTP", lb_algorithm: "ROUND_ROBIN" },
      session_persistence: { type: "APP_COOKIE", cookie_name: "sid" },
    });
    world.same(
      "pool",
      [pool.session_persistence, pool.tls_enabled, pool.listeners, pool.loadbalancers, pool.healthmonitor_id, pool.members],
      [
        { type: "APP_COOKIE", cookie_name: "sid", persistence_timeout: null, persistence_granularity: null },
        ...[false, [{ id: listener.id }], [{ id: lb.id }], null, []],
      ],
    );
    world.same("the listener's", (await shown(world, `listeners/${listener.id}`)).default_pool_id, pool.id);
    await faulted(world, [409, "This listener already has a default pool"], "POST", "pools", {
      pool: { listener_id: listener.id, protocol: "HTTP", lb_algorithm: "ROUND_ROBIN" },
    });
    const members = `pools/${pool.id}/members`;
    const place = { address: "10.94.0.11", protocol_port: 80 };
    const member = await makeOn(world, lb.id, members, { ...place, subnet_id: lb.subnet, weight: 3, backup: true });
    world.same(
      "member",
      [member.weight, member.backup, member.monitor_port, member.name, member.admin_state_up, member.subnet_id],
      [3, true, null, "", true, lb.subnet],
    );
    await faulted(
      world,
      [409, "Another member on this pool is already using ip 10.94.0.11 on protocol_port 80"],
      "POST",
      members,
      {
        member: place,
      },
    );
    await faulted(world, [400, "Value should be lower or equal to 256"], "POST", members, { member: { ...place, weight: 257 } });
    world.same("weight", (await changeOn(world, lb.id, `${members}/${member.id}`, { weight: 0 })).weight, 0);
    const monitor = await makeOn(world, lb.id, "healthmonitors", {
      ...{ pool_id: pool.id, type: "HTTP", delay: 7, timeout: 4, max_retries: 2 },
    });
    world.same(
      "monitor",
      [monitor.http_method, monitor.url_path, monitor.expected_codes, monitor.max_retries_down, monitor.pools],
      ["GET", "/", "200", 3, [{ id: pool.id }]],
    );
    await faulted(world, [409, "This pool already has a health monitor"], "POST", "healthmonitors", {
      healthmonitor: { pool_id: pool.id, type: "PING", delay: 7, timeout: 4, max_retries: 2 },
    });
    const other = await makeOn(world, lb.id, "pools", { loadbalancer_id: lb.id, protocol: "TCP", lb_algorithm: "SOURCE_IP" });
    await faulted(world, [400, "http_method is not a valid option for health monitors of type TCP"], "POST", "healthmonitors", {
      healthmonitor: { pool_id: other.id, type: "TCP", delay: 7, timeout: 4, max_retries: 2, http_method: "GET" },
    });
    await faulted(
      world,
      [400, "The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'."],
      "PUT",
      `listeners/${listener.id}`,
      { listener: { default_pool_id: other.id } },
    );
    await dropOn(world, lb.id, `healthmonitors/${monitor.id}`);
    await dropOn(world, lb.id, `pools/${pool.id}`);
    world.same("no pool", (await shown(world, `listeners/${listener.id}`)).default_pool_id, null);
    const gone = await world.expect(404, "GET", lbUrl(world, `/${members}`));
    world.same("without a fault", gone.json?.description, `Pool ${pool.id} not found.`);
  }),
  octaviaCheck("members replaced as a whole", async (world) => {
    const lb = await makeBalancer(world, 95);
    await settle(world, lb.id);
    const pool = await makeOn(world, lb.id, "pools", { loadbalancer_id: lb.id, protocol: "TCP", lb_algorithm: "ROUND_ROBIN" });
    const members = `pools/${pool.id}/members`;
    const put = async (query: string, list: unknown[]) => {
      await world.expect(202, "PUT", lbUrl(world, `/${members}${query}`), { json: { members: list } });
      await settle(world, lb.id);
      const { json } = await world.expect(200, "GET", lbUrl(world, `/${members}`));
      return ((json?.members ?? []) as Record<string, unknown>[]).map((m) => `${m.address}:${m.weight}`).sort();
    };
    const of = (last: number, weight = 1) => ({ address: `10.95.0.${last}`, protocol_port: 80, weight });
    world.same("made", await put("", [of(11), of(12)]), ["10.95.0.11:1", "10.95.0.12:1"]);
    world.same("changed, gone, new", await put("", [of(12, 5), of(13)]), ["10.95.0.12:5", "10.95.0.13:1"]);
    world.same("only more", await put("?additive_only=true", [of(14)]), ["10.95.0.12:5", "10.95.0.13:1", "10.95.0.14:1"]);
  }),
];

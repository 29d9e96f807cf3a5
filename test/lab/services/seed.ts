/** A project's network services with the fields set that the lab takes, by plain requests; and their removal. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cloud, ServiceType } from "@permafrost/openstack";
import { CodedError, systemClock } from "@permafrost/std";

// biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at freely here
export type Answer = Record<string, any>;
type Method = "GET" | "POST" | "PUT" | "DELETE";

const DELAY_MS = 1_000;
const POLLS_MAX = 180;

/** One request; the answer's only member if that is an object of its own. */
export async function ask(cloud: Cloud, service: ServiceType, method: Method, path: string, json?: unknown): Promise<Answer> {
  const reply = await cloud.service(service).send({
    method,
    path,
    ...(json === undefined ? {} : { json: json as never }),
    expect: [200, 201, 202, 204],
  });
  return reply.text === "" ? {} : (JSON.parse(reply.text) as Answer);
}

const net = async (cloud: Cloud, path: string, kind: string, fields: Answer): Promise<Answer> =>
  (await ask(cloud, "network", "POST", path, { [kind]: fields }))[kind];

/** A certificate for itself and its key, in PEM. */
function certificate(): { readonly crt: string; readonly key: string } {
  const directory = mkdtempSync(join(tmpdir(), "lab-services-"));
  try {
    const [crt, key] = [join(directory, "crt"), join(directory, "key")];
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=lab.example"];
    execFileSync("openssl", [...request, "-keyout", key, "-out", crt], { stdio: "ignore" });
    return { crt: readFileSync(crt, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export async function seedProject(cloud: Cloud, label: string): Promise<void> {
  const { networks } = await ask(cloud, "network", "GET", "/networks?router:external=true");
  const network = await net(cloud, "/networks", "network", { name: "inside" });
  const subnet = await net(cloud, "/subnets", "subnet", {
    name: "inside-v4",
    network_id: network.id,
    ip_version: 4,
    cidr: "10.77.0.0/24",
  });
  const external_gateway_info = { network_id: networks[0].id };
  const router = await net(cloud, "/routers", "router", { name: "edge", external_gateway_info });
  await ask(cloud, "network", "PUT", `/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id });
  await seedVpn(cloud, router.id, subnet.id);
  await seedZones(cloud, label);
  await seedBalancers(cloud, subnet.id, await seedSecrets(cloud));
}

async function seedVpn(cloud: Cloud, router_id: string, subnet_id: string): Promise<void> {
  const ike = await net(cloud, "/vpn/ikepolicies", "ikepolicy", {
    name: "ike",
    description: "keys",
    auth_algorithm: "sha256",
    encryption_algorithm: "aes-256",
    ike_version: "v2",
    pfs: "group14",
    lifetime: { units: "seconds", value: 7200 },
  });
  const ipsec = await net(cloud, "/vpn/ipsecpolicies", "ipsecpolicy", {
    name: "ipsec",
    description: "packets",
    auth_algorithm: "sha512",
    encryption_algorithm: "aes-256",
    encapsulation_mode: "tunnel",
    transform_protocol: "esp",
    pfs: "group14",
    lifetime: { units: "seconds", value: 5400 },
  });
  const group = async (name: string, type: string, endpoints: string[]) =>
    await net(cloud, "/vpn/endpoint-groups", "endpoint_group", { name, description: type, type, endpoints });
  const local = await group("ours", "subnet", [subnet_id]);
  const peer = await group("theirs", "cidr", ["10.88.0.0/24", "10.89.0.0/24"]);
  const service = await net(cloud, "/vpn/vpnservices", "vpnservice", { name: "vpn", description: "to the branch", router_id });
  await net(cloud, "/vpn/ipsec-site-connections", "ipsec_site_connection", {
    name: "branch",
    description: "tunnel",
    vpnservice_id: service.id,
    ikepolicy_id: ike.id,
    ipsecpolicy_id: ipsec.id,
    local_ep_group_id: local.id,
    peer_ep_group_id: peer.id,
    peer_address: "192.0.2.77",
    peer_id: "branch.example",
    local_id: "edge.example",
    psk: "a pre-shared key",
    mtu: 1400,
    initiator: "response-only",
    dpd: { action: "restart", interval: 20, timeout: 100 },
  });
}

async function seedZones(cloud: Cloud, label: string): Promise<void> {
  const name = `${label}.example.`;
  const fields = { name, email: "dns@lab.example", ttl: 900, description: "served" };
  const zone = await ask(cloud, "dns", "POST", "/zones", fields);
  const set = async (more: Answer) => await ask(cloud, "dns", "POST", `/zones/${zone.id}/recordsets`, more);
  await set({ name: `www.${name}`, type: "A", records: ["192.0.2.1", "192.0.2.2"], ttl: 60, description: "web" });
  await set({ name, type: "MX", records: ["10 mail.lab.example."] });
  await set({ name: `txt.${name}`, type: "TXT", records: ['"v=spf1 -all"'] });
  await set({ name: `alias.${name}`, type: "CNAME", records: [`www.${name}`] });
  await set({ name: `_sip._tcp.${name}`, type: "SRV", records: ["0 1 5060 sip.lab.example."] });
  await ask(cloud, "dns", "POST", "/zones", { name: `in.${name}`, email: "dns@lab.example" });
  await ask(cloud, "dns", "POST", "/zones", { name: `second-${name}`, type: "SECONDARY", masters: ["192.0.2.53"] });
}

/** The URL of a TLS container. */
async function seedSecrets(cloud: Cloud): Promise<string> {
  const { crt, key } = certificate();
  const secret = async (fields: Answer) => (await ask(cloud, "key-manager", "POST", "/secrets", fields)).secret_ref as string;
  const text = { payload_content_type: "text/plain" };
  const certificate_ref = await secret({ name: "crt", secret_type: "certificate", payload: crt, ...text });
  const key_ref = await secret({ name: "key", secret_type: "private", payload: key, ...text });
  const symmetric = { secret_type: "symmetric", algorithm: "aes", bit_length: 256, mode: "cbc", expiration: "2099-01-01T00:00:00" };
  const bytes = { payload: "AAECAwQFBgcICQ==", payload_content_type: "application/octet-stream", payload_content_encoding: "base64" };
  const bytes_ref = await secret({ name: "bytes", ...symmetric, ...bytes });
  const path = new URL(bytes_ref).pathname.replace(/^\/v1/, "");
  await ask(cloud, "key-manager", "PUT", `${path}/metadata`, { metadata: { owner: "ann" } });
  await ask(cloud, "key-manager", "PUT", `${path}/acl`, { read: { users: [cloud.userId], "project-access": false } });
  const refs = [
    { name: "certificate", secret_ref: certificate_ref },
    { name: "private_key", secret_ref: key_ref },
  ];
  const container = { name: "tls", type: "certificate", secret_refs: refs };
  return (await ask(cloud, "key-manager", "POST", "/containers", container)).container_ref;
}

async function seedBalancers(cloud: Cloud, subnet_id: string, tls: string): Promise<void> {
  const monitor = { name: "alive", type: "HTTP", delay: 7, timeout: 4, max_retries: 2, max_retries_down: 5, url_path: "/up", expected_codes: "200-204", http_method: "HEAD" };
  const member = (address: string, more: Answer = {}) => ({ address, protocol_port: 8080, subnet_id, name: address, weight: 3, ...more });
  const pools = [
    {
      name: "web",
      description: "front",
      protocol: "HTTP",
      lb_algorithm: "LEAST_CONNECTIONS",
      session_persistence: { type: "APP_COOKIE", cookie_name: "sid" },
      healthmonitor: monitor,
      members: [member("10.77.0.11"), member("10.77.0.12", { backup: true, monitor_port: 9090, tags: ["m"] })],
      tags: ["p"],
    },
    { name: "static", protocol: "HTTP", lb_algorithm: "ROUND_ROBIN", members: [member("10.77.0.13", { admin_state_up: false })] },
  ];
  const rules = [
    { type: "PATH", compare_type: "STARTS_WITH", value: "/static" },
    { type: "HEADER", compare_type: "EQUAL_TO", key: "X-A", value: "b", invert: true },
  ];
  const l7policies = [
    { name: "to-static", action: "REDIRECT_TO_POOL", redirect_pool: { name: "static" }, rules },
    { name: "away", action: "REDIRECT_TO_URL", redirect_url: "https://lab.example/", redirect_http_code: 301, rules: rules.slice(0, 1) },
    { name: "no", action: "REJECT", admin_state_up: false },
  ];
  const listeners = [
    {
      name: "http",
      protocol: "HTTP",
      protocol_port: 80,
      default_pool: { name: "web" },
      insert_headers: { "X-Forwarded-For": "true" },
      connection_limit: 500,
      allowed_cidrs: ["10.0.0.0/8"],
      timeout_client_data: 40_000,
      l7policies,
      tags: ["l"],
    },
    {
      name: "https",
      protocol: "TERMINATED_HTTPS",
      protocol_port: 443,
      default_pool: { name: "web" },
      default_tls_container_ref: tls,
      sni_container_refs: [tls],
      tls_versions: ["TLSv1.2", "TLSv1.3"],
    },
  ];
  const whole = { name: "lb", description: "all of it", vip_subnet_id: subnet_id, vip_address: "10.77.0.100", tags: ["a", "b"] };
  await ask(cloud, "load-balancer", "POST", "/lbaas/loadbalancers", { loadbalancer: { ...whole, provider: "amphora", listeners, pools } });
  const lb = await ask(cloud, "load-balancer", "POST", "/lbaas/loadbalancers", {
    loadbalancer: { name: "ovn-lb", vip_subnet_id: subnet_id, provider: "ovn" },
  });
  await settled(cloud);
  const add = async (path: string, kind: string, fields: Answer) => {
    const made = await ask(cloud, "load-balancer", "POST", path, { [kind]: fields });
    await settled(cloud);
    return made[kind];
  };
  const pool = await add("/lbaas/pools", "pool", {
    name: "tcp",
    protocol: "TCP",
    lb_algorithm: "SOURCE_IP_PORT",
    loadbalancer_id: lb.loadbalancer.id,
  });
  await add(`/lbaas/pools/${pool.id}/members`, "member", { address: "10.77.0.14", protocol_port: 22, subnet_id, name: "ssh" });
  await add("/lbaas/listeners", "listener", {
    name: "tcp",
    protocol: "TCP",
    protocol_port: 2222,
    default_pool_id: pool.id,
    loadbalancer_id: lb.loadbalancer.id,
  });
}

/** Waits until every load balancer of the project is ACTIVE or in ERROR. */
export async function settled(cloud: Cloud): Promise<void> {
  await until("load balancers settle", async () => {
    const { loadbalancers } = await ask(cloud, "load-balancer", "GET", `/lbaas/loadbalancers?project_id=${cloud.projectId}`);
    return loadbalancers.every((lb: Answer) => !String(lb.provisioning_status).startsWith("PENDING"));
  });
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  for (let poll = 0; !(await done()); poll++) {
    if (poll >= POLLS_MAX) throw new CodedError("WAIT_TIMEOUT", `waited in vain until ${what}`);
    await systemClock.sleep(DELAY_MS);
  }
}

/** Removes the project's zones and waits until their names are free. */
export async function removeZones(cloud: Cloud): Promise<void> {
  const zones = async () => (await ask(cloud, "dns", "GET", "/zones")).zones as Answer[];
  await until("zones are gone", async () => {
    const left = (await zones()).sort((a, b) => b.name.length - a.name.length);
    // What has another zone inside it has to wait.
    for (const zone of left)
      if (zone.action !== "DELETE") await ask(cloud, "dns", "DELETE", `/zones/${zone.id}`).catch(() => undefined);
    return left.length === 0;
  });
}

/** Everything that `seedProject` makes, whoever made it. */
export async function emptyProject(cloud: Cloud): Promise<void> {
  const own = `project_id=${cloud.projectId}`;
  const each = async (service: ServiceType, path: string, list: string, remove: (object: Answer) => Promise<unknown>) => {
    for (const object of (await ask(cloud, service, "GET", path))[list] as Answer[])
      if (object.project_id === undefined || object.project_id === cloud.projectId) await remove(object);
  };
  const plain = async (path: string, list: string) =>
    await each("network", `${path}?${own}`, list, async ({ id }) => await ask(cloud, "network", "DELETE", `${path}/${id}`));
  await settled(cloud);
  await each("load-balancer", `/lbaas/loadbalancers?${own}`, "loadbalancers", async ({ id }) => {
    await ask(cloud, "load-balancer", "DELETE", `/lbaas/loadbalancers/${id}?cascade=true`);
  });
  await until("load balancers are gone", async () => {
    const { loadbalancers } = await ask(cloud, "load-balancer", "GET", `/lbaas/loadbalancers?${own}`);
    return loadbalancers.length === 0;
  });
  await plain("/vpn/ipsec-site-connections", "ipsec_site_connections");
  await plain("/vpn/vpnservices", "vpnservices");
  await plain("/vpn/endpoint-groups", "endpoint_groups");
  await plain("/vpn/ikepolicies", "ikepolicies");
  await plain("/vpn/ipsecpolicies", "ipsecpolicies");
  await removeZones(cloud);
  const idOf = (url: string) => url.replace(/^.*\/v1/, "");
  for (const kind of ["containers", "secrets"])
    await each("key-manager", `/${kind}?limit=100`, kind, async (object) => {
      await ask(cloud, "key-manager", "DELETE", idOf(object.container_ref ?? object.secret_ref));
    });
  await each("network", `/routers?${own}`, "routers", async ({ id }) => {
    await each("network", `/ports?device_id=${id}`, "ports", async (port) => {
      if (port.device_owner === "network:router_interface")
        await ask(cloud, "network", "PUT", `/routers/${id}/remove_router_interface`, { port_id: port.id });
    });
    await ask(cloud, "network", "DELETE", `/routers/${id}`);
  });
  await plain("/networks", "networks");
  await each("network", `/security-groups?${own}`, "security_groups", async ({ id, name }) => {
    if (name !== "default") await ask(cloud, "network", "DELETE", `/security-groups/${id}`);
  });
}

/** A project in which the administrator has the roles that it needs. */
export async function makeProject(admin: Cloud, name: string): Promise<string> {
  const { projects } = await ask(admin, "identity", "GET", `/projects?name=${name}`);
  const id = projects[0]?.id ?? (await ask(admin, "identity", "POST", "/projects", { project: { name } })).project.id;
  const { roles } = await ask(admin, "identity", "GET", "/roles");
  for (const role of roles as Answer[])
    if (["admin", "member", "creator", "load-balancer_admin"].includes(role.name))
      await ask(admin, "identity", "PUT", `/projects/${id}/users/${admin.userId}/roles/${role.id}`);
  return id;
}

export async function removeProject(admin: Cloud, id: string): Promise<void> {
  await ask(admin, "identity", "DELETE", `/projects/${id}`);
}

/** Neutron's part of the contract: what hangs on routers and floating IPs, and local IPs. */

import type { Check, World } from "./contract.ts";
import {
  ABSENT,
  change,
  checkOf,
  drop,
  externalNetwork,
  listOf,
  make,
  networkWithSubnet,
  refused,
  show,
  url,
} from "./contract-neutron-ask.ts";

/** A router with a gateway and an interface on the subnet. */
async function routed(world: World, subnet: string, more: Record<string, unknown> = {}): Promise<string> {
  const external_gateway_info = { network_id: await externalNetwork(world) };
  const router = await make(world, "routers", { name: "fake-edge", external_gateway_info, ...more });
  const at = (what: string) => url(world, `/routers/${router.id}/${what}_router_interface`);
  await world.expect(200, "PUT", at("add"), { json: { subnet_id: subnet } });
  world.later(async () => await world.ask("PUT", at("remove"), { json: { subnet_id: subnet } }));
  return router.id;
}

export const neutronForwardingChecks: readonly Check[] = [
  checkOf(
    ["floating-ip-port-forwarding", "floating-ip-port-forwarding-port-ranges"],
    "neutron: port forwardings",
    async (world) => {
      const { network, subnet } = await networkWithSubnet(world, 102);
      const router = await routed(world, subnet);
      const fixed_ips = [{ subnet_id: subnet, ip_address: "10.102.0.20" }];
      const port = await make(world, "ports", { network_id: network, fixed_ips });
      const floating = await make(world, "floatingips", { floating_network_id: await externalNetwork(world) });
      const below = `floatingips/${floating.id}/port_forwardings`;
      const inner = { internal_port_id: port.id, internal_ip_address: "10.102.0.20", protocol: "tcp" };
      const ssh = await make(world, below, { ...inner, internal_port: 22, external_port: 2222, description: "d" });
      world.same(
        "made",
        [ssh.internal_port, ssh.external_port, ssh.protocol, ssh.description, ssh.internal_port_range, ssh.external_port_range],
        [22, 2222, "tcp", "d", "22:22", "2222:2222"],
      );
      world.same("its router", (await show(world, `floatingips/${floating.id}`)).router_id, router);
      const ranges = { internal_port_range: "8000:8010", external_port_range: "9000:9010" };
      const many = await make(world, below, { ...inner, ...ranges });
      world.same("ranges", [many.internal_port_range, many.external_port_range], ["8000:8010", "9000:9010"]);
      world.same("listed", (await listOf(world, below)).length, 2);
      const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
        refused(world, wanted, "POST", below, { port_forwarding: { ...inner, ...fields } });
      await refuse([400, "BadRequest", "port collision with the internal_port_range"], {
        internal_port: 22,
        external_port: 2229,
      });
      await refuse([400, "BadRequest", "port collision with the external_port_range"], {
        internal_port: 23,
        external_port: 9005,
      });
      await refuse([400, "BadRequest", "Requested internal IP address 10.102.0.99 is not suitable for internal neutron port"], {
        ...{ internal_ip_address: "10.102.0.99", internal_port: 22, external_port: 2223 },
      });
      await refuse([404, "PortNotFound"], { internal_port_id: ABSENT, internal_port: 22, external_port: 2223 });
      const changed = await change(world, `${below}/${ssh.id}`, { external_port: 2224, description: "e" });
      world.same("changed", [changed.external_port, changed.description], [2224, "e"]);
      await drop(world, `${below}/${many.id}`);
      await drop(world, `${below}/${ssh.id}`);
      world.same("free again", (await show(world, `floatingips/${floating.id}`)).router_id, null);
      await refused(world, [404, "PortForwardingNotFound"], "GET", `${below}/${ssh.id}`);
    },
  ),
  checkOf(["l3-conntrack-helper"], "neutron: conntrack helpers", async (world) => {
    const router = await make(world, "routers", { name: "fake-router" });
    const below = `routers/${router.id}/conntrack_helpers`;
    const tftp = await make(world, below, { protocol: "udp", port: 69, helper: "tftp" });
    world.same("made", [tftp.protocol, tftp.port, tftp.helper], ["udp", 69, "tftp"]);
    world.same("changed", (await change(world, `${below}/${tftp.id}`, { port: 70 })).port, 70);
    const refuse = (wanted: [number, string, string?], helper: Record<string, unknown>) =>
      refused(world, wanted, "POST", below, { conntrack_helper: helper });
    await refuse([400, "BadRequest", "duplicate"], { protocol: "udp", port: 70, helper: "tftp" });
    await refuse([400, "InvalidProtocolForHelper"], { protocol: "tcp", port: 69, helper: "tftp" });
    await refuse([400, "ConntrackHelperNotAllowed"], { protocol: "tcp", port: 69, helper: "nosuch" });
    await drop(world, `${below}/${tftp.id}`);
    await refused(world, [404, "ConntrackHelperNotFound"], "GET", `${below}/${tftp.id}`);
  }),
  checkOf(["l3-ndp-proxy", "l3-ext-ndp-proxy"], "neutron: NDP proxies", async (world) => {
    const { network, subnet } = await networkWithSubnet(world, 103);
    const router_id = await routed(world, subnet);
    const port = await make(world, "ports", { network_id: network });
    await refused(world, [409, "RouterNDPProxyNotEnable"], "POST", "ndp_proxies", { ndp_proxy: { router_id, port_id: port.id } });
    await refused(world, [404, "NDPProxyNotFound", ABSENT], "GET", `ndp_proxies/${ABSENT}`);
  }),
  checkOf(["local_ip"], "neutron: local IPs", async (world) => {
    const { network, subnet } = await networkWithSubnet(world, 104);
    const ip = await make(world, "local_ips", { name: "fake-local", network_id: network });
    world.same("made", [ip.network_id, ip.ip_mode, typeof ip.local_ip_address], [network, "translate", "string"]);
    const own = await show(world, `ports/${ip.local_port_id}`);
    world.same("its port", [own.device_owner, own.device_id], ["network:local_ip", ip.id]);
    const fixed_ips = [{ subnet_id: subnet, ip_address: "10.104.0.30" }];
    const port = await make(world, "ports", { network_id: network, fixed_ips });
    const below = `local_ips/${ip.id}/port_associations`;
    const body = { port_association: { fixed_port_id: port.id } };
    const made = await world.expect(201, "POST", url(world, `/${below}`), { json: body });
    world.same("association", made.json?.port_association?.fixed_ip, "10.104.0.30");
    await refused(world, [409, "LocalIPInUse"], "DELETE", `local_ips/${ip.id}`);
    await refused(world, [400, "LocalIPPortOrNetworkRequired"], "POST", "local_ips", { local_ip: { name: "fake-x" } });
    await drop(world, `${below}/${port.id}`);
    await drop(world, `local_ips/${ip.id}`);
    await refused(world, [404, "PortNotFound"], "GET", `ports/${ip.local_port_id}`);
  }),
];

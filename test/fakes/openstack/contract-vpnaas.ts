/** VPNaaS's part of the contract: policies, endpoint groups, services, site connections; skipped where the cloud does not have it. */

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
  untilSettled,
  url,
} from "./contract-neutron-ask.ts";

const IKE = "vpn/ikepolicies";
const IPSEC = "vpn/ipsecpolicies";
const ENDPOINTS = "vpn/endpoint-groups";
const SERVICES = "vpn/vpnservices";
const CONNECTIONS = "vpn/ipsec-site-connections";

const check = (name: string, run: (world: World) => Promise<void>) =>
  checkOf(["vpnaas", "vpn-endpoint-groups"], `vpn: ${name}`, run);

/** A router with a gateway and an interface on the subnet. */
async function vpnRouter(world: World, subnet: string): Promise<string> {
  const external_gateway_info = { network_id: await externalNetwork(world) };
  const router = await make(world, "routers", { name: "fake-edge", external_gateway_info });
  const at = (what: string) => url(world, `/routers/${router.id}/${what}_router_interface`);
  await world.expect(200, "PUT", at("add"), { json: { subnet_id: subnet } });
  world.later(async () => await world.ask("PUT", at("remove"), { json: { subnet_id: subnet } }));
  return router.id;
}

export const vpnChecks: readonly Check[] = [
  check("IKE and IPsec policies", async (world) => {
    const ike = await make(world, IKE, { name: "fake-ike" });
    world.same(
      "defaults",
      [ike.auth_algorithm, ike.encryption_algorithm, ike.pfs, ike.ike_version, ike.phase1_negotiation_mode, ike.lifetime],
      ["sha1", "aes-128", "group5", "v1", "main", { units: "seconds", value: 3600 }],
    );
    world.keys("IKE policy", ike, [
      ...["id", "tenant_id", "project_id", "name", "description", "auth_algorithm", "encryption_algorithm", "pfs"],
      ...["ike_version", "phase1_negotiation_mode", "lifetime"],
    ]);
    const changed = await change(world, `${IKE}/${ike.id}`, { lifetime: { value: 7200 }, ike_version: "v2", pfs: "group14" });
    world.same(
      "changed",
      [changed.lifetime, changed.ike_version, changed.pfs],
      [{ units: "seconds", value: 7200 }, "v2", "group14"],
    );
    const ipsec = await make(world, IPSEC, { name: "fake-ipsec", lifetime: { value: 60 } });
    world.same(
      "IPsec defaults",
      [ipsec.transform_protocol, ipsec.encapsulation_mode, ipsec.lifetime],
      ["esp", "tunnel", { units: "seconds", value: 60 }],
    );
    const refuse = (fields: Record<string, unknown>, part: string) =>
      refused(world, [400, "HTTPBadRequest", part], "POST", IKE, { ikepolicy: { name: "fake-x", ...fields } });
    await refuse({ lifetime: { units: "seconds", value: 59 } }, "'59' is too small - must be at least '60'");
    await refuse({ lifetime: { units: "kilobytes", value: 60 } }, "kilobytes is not in valid_values");
    await refuse({ encryption_algorithm: "rot13" }, "rot13 is not in valid_values");
    await refuse({ pfs: "group1" }, "group1 is not in valid_values");
    await refused(world, [404, "IKEPolicyNotFound", `IKEPolicy ${ABSENT} could not be found`], "GET", `${IKE}/${ABSENT}`);
    await refused(world, [404, "IPsecPolicyNotFound"], "GET", `${IPSEC}/${ABSENT}`);
    await drop(world, `${IKE}/${ike.id}`);
    await drop(world, `${IPSEC}/${ipsec.id}`);
  }),
  check("endpoint groups", async (world) => {
    const { network, subnet } = await networkWithSubnet(world, 81);
    const group = await make(world, ENDPOINTS, { name: "fake-local", type: "subnet", endpoints: [subnet] });
    world.same("group", [group.type, group.endpoints, group.description], ["subnet", [subnet], ""]);
    const prefixes = await make(world, ENDPOINTS, { type: "cidr", endpoints: ["10.9.0.0/24", "10.10.0.0/24"] });
    world.same("prefixes", [prefixes.name, (prefixes.endpoints as string[]).length], ["", 2]);
    await make(world, ENDPOINTS, { name: "fake-network", type: "network", endpoints: [network] });
    await make(world, ENDPOINTS, { name: "fake-vlan", type: "vlan", endpoints: ["77"] });
    const changed = await change(world, `${ENDPOINTS}/${group.id}`, { name: "fake-renamed", description: "d" });
    world.same("changed", [changed.name, changed.description], ["fake-renamed", "d"]);
    const refuse = (wanted: [number, string, string?], type: string, endpoints: unknown[]) =>
      refused(world, wanted, "POST", ENDPOINTS, { endpoint_group: { name: "fake-x", type, endpoints } });
    await refuse([400, "MissingEndpointForEndpointGroup", "No endpoints specified for endpoint group"], "cidr", []);
    await refuse([400, "InvalidEndpointInEndpointGroup", "Endpoint 'x' is invalid for group type 'cidr'"], "cidr", ["x"]);
    await refuse([400, "NonExistingSubnetInEndpointGroup", ABSENT], "subnet", [ABSENT]);
    await refuse([400, "HTTPBadRequest", "ring is not in valid_values"], "ring", ["x"]);
    await refused(world, [400, "HTTPBadRequest"], "PUT", `${ENDPOINTS}/${group.id}`, { endpoint_group: { endpoints: [] } });
    await refused(world, [404, "VPNEndpointGroupNotFound"], "GET", `${ENDPOINTS}/${ABSENT}`);
    await refused(world, [409, "SubnetInUse", `used by endpoint group ${group.id}`], "DELETE", `subnets/${subnet}`);
    await drop(world, `${ENDPOINTS}/${group.id}`);
  }),
  check("services on a router", async (world) => {
    const { subnet } = await networkWithSubnet(world, 82);
    const loose = await networkWithSubnet(world, 83);
    const router_id = await vpnRouter(world, subnet);
    const inner = await make(world, "routers", { name: "fake-inner" });
    const service = await make(world, SERVICES, { name: "fake-vpn", router_id });
    world.same(
      "made",
      [service.status, service.subnet_id, service.admin_state_up, service.router_id, service.flavor_id],
      ["PENDING_CREATE", null, true, router_id, null],
    );
    world.same("address", [typeof service.external_v4_ip, service.external_v6_ip], ["string", null]);
    const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", SERVICES, { vpnservice: { name: "fake-x", ...fields } });
    await refuse([400, "RouterIsNotExternal", `Router ${inner.id} has no external network gateway set`], { router_id: inner.id });
    await refuse([400, "SubnetIsNotConnectedToRouter", loose.subnet], { router_id, subnet_id: loose.subnet });
    await refuse([404, "RouterNotFound", ABSENT], { router_id: ABSENT });
    await refuse([400, "HTTPBadRequest"], {});
    await refused(world, [400, "VPNStateInvalidToUpdate"], "PUT", `${SERVICES}/${service.id}`, { vpnservice: { name: "x" } });
    // The plugin for OVN lets the gateway go.
    const isOvn = (await world.ask("GET", url(world, "/extensions/vpn-agent-scheduler"))).status === 200;
    const without = { router: { external_gateway_info: null } };
    if (isOvn) await world.expect(200, "PUT", url(world, `/routers/${router_id}`), { json: without });
    else await refused(world, [409, "RouterInUse", "is currently used by VPN service"], "PUT", `routers/${router_id}`, without);
    await drop(world, `${SERVICES}/${service.id}`);
    await refused(world, [404, "VPNServiceNotFound"], "GET", `${SERVICES}/${service.id}`);
  }),
  check("a service of one subnet, and its connection by prefixes", async (world) => {
    const { subnet } = await networkWithSubnet(world, 84);
    const router_id = await vpnRouter(world, subnet);
    const service = await make(world, SERVICES, { name: "fake-vpn", router_id, subnet_id: subnet });
    const ike = await make(world, IKE, { name: "fake-ike" });
    const ipsec = await make(world, IPSEC, { name: "fake-ipsec" });
    const base = {
      ...{ vpnservice_id: service.id, ikepolicy_id: ike.id, ipsecpolicy_id: ipsec.id },
      ...{ peer_address: "192.0.2.10", peer_id: "192.0.2.10", psk: "secret" },
    };
    const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", CONNECTIONS, { ipsec_site_connection: { name: "fake-x", ...base, ...fields } });
    await refuse([400, "MissingPeerCidrs"], {});
    await refuse([400, "HTTPBadRequest"], { peer_cidrs: ["x"] });
    await refused(
      world,
      [409, "SubnetInUseByVPNService", `Subnet ${subnet} is used by VPNService ${service.id}`],
      "PUT",
      `routers/${router_id}/remove_router_interface`,
      { subnet_id: subnet },
    );
    const connection = await make(world, CONNECTIONS, { name: "fake-con", ...base, peer_cidrs: ["10.99.0.0/24"] });
    world.same(
      "made",
      [connection.peer_cidrs, connection.mtu, connection.initiator, connection.route_mode, connection.auth_mode],
      [["10.99.0.0/24"], 1500, "bi-directional", "static", "psk"],
    );
    world.same(
      "more",
      [connection.psk, connection.dpd, connection.local_id, connection.local_ep_group_id, connection.admin_state_up],
      ["secret", { action: "hold", interval: 30, timeout: 120 }, "", null, true],
    );
    await drop(world, `${CONNECTIONS}/${connection.id}`);
    await drop(world, `${SERVICES}/${service.id}`);
  }),
  check("a connection between endpoint groups", async (world) => {
    const { subnet } = await networkWithSubnet(world, 85);
    const router_id = await vpnRouter(world, subnet);
    const service = await make(world, SERVICES, { name: "fake-vpn", router_id });
    const ike = await make(world, IKE, { name: "fake-ike" });
    const ipsec = await make(world, IPSEC, { name: "fake-ipsec" });
    const local = await make(world, ENDPOINTS, { name: "fake-local", type: "subnet", endpoints: [subnet] });
    const peer = await make(world, ENDPOINTS, { name: "fake-peer", type: "cidr", endpoints: ["10.99.0.0/24"] });
    const base = {
      ...{ vpnservice_id: service.id, ikepolicy_id: ike.id, ipsecpolicy_id: ipsec.id },
      ...{ peer_address: "192.0.2.11", peer_id: "branch", psk: "secret" },
    };
    const ends = { local_ep_group_id: local.id, peer_ep_group_id: peer.id };
    const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", CONNECTIONS, { ipsec_site_connection: { name: "fake-x", ...base, ...fields } });
    await refuse([400, "MissingRequiredEndpointGroup", "Missing endpoint group"], {});
    await refuse([400, "PeerCidrsInvalid"], { ...ends, peer_cidrs: ["10.98.0.0/24"] });
    await refuse([400, "WrongEndpointGroupType", "type is 'cidr' and should be 'subnet'"], {
      ...ends,
      local_ep_group_id: peer.id,
    });
    await refuse([400, "IPsecSiteConnectionDpdIntervalValueError"], { ...ends, dpd: { interval: 30, timeout: 30 } });
    await refuse([400, "IPsecSiteConnectionMtuError"], { ...ends, mtu: 60 });
    await refuse([500, "HTTPInternalServerError"], { ...ends, vpnservice_id: ABSENT });
    await refuse([404, "IKEPolicyNotFound"], { ...ends, ikepolicy_id: ABSENT });
    await refuse([404, "IPsecPolicyNotFound"], { ...ends, ipsecpolicy_id: ABSENT });
    const connection = await make(world, CONNECTIONS, { name: "fake-con", ...base, ...ends, dpd: { action: "restart" } });
    world.same(
      "made",
      [connection.status, connection.peer_cidrs, connection.local_ep_group_id, connection.peer_ep_group_id, connection.dpd],
      ["PENDING_CREATE", [], local.id, peer.id, { action: "restart", interval: 30, timeout: 120 }],
    );
    const at = `${CONNECTIONS}/${connection.id}`;
    world.same(
      "listed",
      (await listOf(world, `${CONNECTIONS}?name=fake-con`)).map(({ psk }) => psk),
      ["secret"],
    );
    await refused(
      world,
      [409, "VPNServiceInUse", `VPNService ${service.id} is still in use`],
      "DELETE",
      `${SERVICES}/${service.id}`,
    );
    await refused(world, [409, "IKEPolicyInUse"], "PUT", `${IKE}/${ike.id}`, { ikepolicy: { name: "x" } });
    await refused(world, [409, "IPsecPolicyInUse"], "DELETE", `${IPSEC}/${ipsec.id}`);
    await refused(world, [400, "EndpointGroupInUse"], "DELETE", `${ENDPOINTS}/${peer.id}`);
    await refused(
      world,
      [409, "SubnetInUseByIPsecSiteConnection", connection.id],
      "PUT",
      `routers/${router_id}/remove_router_interface`,
      { subnet_id: subnet },
    );
    world.same("nobody is there", await untilSettled(world, at), "DOWN");
    world.same("its service", await untilSettled(world, `${SERVICES}/${service.id}`), "ACTIVE");
    const changed = await change(world, at, { name: "fake-renamed", dpd: { interval: 20 }, initiator: "response-only" });
    world.same(
      "changed",
      [changed.name, changed.dpd, changed.initiator],
      ["fake-renamed", { action: "restart", interval: 20, timeout: 120 }, "response-only"],
    );
    await drop(world, at);
    await refused(world, [404, "IPsecSiteConnectionNotFound"], "GET", at);
    await drop(world, `${SERVICES}/${service.id}`);
  }),
];

/** Routers: gateways, routes, what keeps one from going. Their interfaces are in `router-interfaces.ts`. */

import { contains, parseAddress } from "./addresses.ts";
import { attribute, type Fields, maxText, pythonText, UNSET } from "./attributes.ts";
import { badResource, invalidInput, refuse } from "./error.ts";
import { cidrOf, fixedIpsOf, reallocate } from "./ipam.ts";
import { type Action, type Ask, type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { checkPolicy, checkZones, networkTarget, subnetsOf } from "./networks.ts";
import { addPort, removePort } from "./ports.ts";
import { ADD_INTERFACE, REMOVE_INTERFACE } from "./router-interfaces.ts";
import { gatewaysOf, interfacesOf } from "./router-ports.ts";
import { fixedIps, listOf, routes, toBoolean, toBooleanOrNone, toList, uuid } from "./validators.ts";

const GATEWAY_KEYS = new Set(["network_id", "external_fixed_ips", "enable_snat", "qos_policy_id"]);

export const ROUTER: Kind = {
  name: "router",
  collection: "routers",
  path: "routers",
  extension: "router",
  journal: "router",
  quota: "router",
  standard: true,
  tagged: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    admin_state_up: attribute("cufs", { default: true, convert: toBoolean }),
    status: attribute("s"),
    external_gateway_info: attribute("cu", { default: null, validate: gatewayInfo }),
    external_gateways: attribute("", { extension: "external-gateway-multihoming" }),
    enable_default_route_bfd: attribute("cu", { default: null, convert: toBooleanOrNone, extension: "enable-default-route-bfd" }),
    enable_default_route_ecmp: attribute("cu", {
      default: null,
      convert: toBooleanOrNone,
      extension: "enable-default-route-ecmp",
    }),
    distributed: attribute("cu", { default: UNSET, convert: toBooleanOrNone, extension: "dvr" }),
    ha: attribute("cu", { default: UNSET, convert: toBooleanOrNone, extension: "l3-ha" }),
    enable_ndp_proxy: attribute("cuf", { default: UNSET, convert: toBooleanOrNone, extension: "l3-ext-ndp-proxy" }),
    routes: attribute("u", { default: UNSET, convert: toList, validate: routes, extension: "extraroute" }),
    flavor_id: attribute("cs", { default: UNSET, extension: "l3-flavors" }),
    availability_zone_hints: attribute("c", {
      default: [],
      validate: listOf(maxText(255)),
      extension: "router_availability_zone",
    }),
    availability_zones: attribute("", { extension: "router_availability_zone" }),
    conntrack_helpers: attribute("", { extension: "expose-l3-conntrack-helper" }),
  },
  missing: missing("RouterNotFound", "Router %s could not be found"),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const { external_gateway_info: info, ...plain } = fields;
    checkZones(net, fields.availability_zone_hints as string[]);
    const flavor = fields.flavor_id === UNSET ? null : fields.flavor_id;
    if (flavor !== null && net.find("flavor", flavor) === undefined)
      refuse(404, "FlavorNotFound", `Flavor ${String(flavor)} could not be found.`);
    const flag = (name: string, otherwise: unknown) =>
      fields[name] === UNSET || fields[name] === null ? otherwise : fields[name];
    const row = net.add("router", projectId, {
      ...plain,
      flavor_id: flavor,
      distributed: flag("distributed", false),
      ha: flag("ha", false),
      enable_ndp_proxy: flag("enable_ndp_proxy", false),
      enable_default_route_bfd: flag("enable_default_route_bfd", false),
      enable_default_route_ecmp: flag("enable_default_route_ecmp", false),
      routes: [],
      status: "ACTIVE",
      enable_snat: true,
      gateway_qos: null,
      gateways: [],
    });
    try {
      if (info !== null) setGateway(ask, row, info as Fields);
    } catch (error) {
      net.remove(row);
      throw error;
    }
    ask.created(row);
    return row;
  },
  update: (ask, row, changes) => {
    const { external_gateway_info: info, ...plain } = changes;
    if (info !== undefined) setGateway(ask, row, info as Fields | null);
    if (plain.routes !== undefined) checkRoutes(ask.net, row, plain.routes as Fields[]);
    Object.assign(row.fields, plain);
  },
  remove: (ask, row) => {
    const { net } = ask;
    const interfaces = interfacesOf(net, row.id);
    if (interfaces.length > 0)
      refuse(409, "RouterInUse", `Router ${row.id} has ports still attached: ${interfaces.map((port) => port.id).join(", ")}`);
    setGateway(ask, row, null);
    for (const helper of net.all("conntrack_helper")) if (helper.parentId === row.id) net.remove(helper);
    net.remove(row);
    ask.deleted(row);
  },
  view: (net, row) => ({
    external_gateway_info: gatewaysOf(net, row).map((port) => gatewayView(net, row, port))[0] ?? null,
    external_gateways: gatewaysOf(net, row).map((port) => gatewayView(net, row, port)),
    availability_zones: [],
    conntrack_helpers: net
      .all("conntrack_helper")
      .filter((helper) => helper.parentId === row.id)
      .map(({ fields }) => ({ protocol: fields.protocol, port: fields.port, helper: fields.helper })),
  }),
  actions: {
    add_router_interface: ADD_INTERFACE,
    remove_router_interface: REMOVE_INTERFACE,
    add_extraroutes: changeRoutes((have, asked) => [...have, ...asked.filter((route) => !have.some((h) => isSame(h, route)))]),
    remove_extraroutes: changeRoutes((have, asked) => have.filter((h) => !asked.some((route) => isSame(h, route)))),
    add_external_gateways: changeGateways((ask, row, gateways) => {
      for (const gateway of gateways) addGateway(ask, row, gateway);
    }),
    update_external_gateways: changeGateways((ask, row, gateways) => {
      if (gateways[0] !== undefined) setGateway(ask, row, gateways[0]);
    }),
    remove_external_gateways: changeGateways((ask, row, gateways) => {
      for (const { network_id: id } of gateways)
        for (const port of gatewaysOf(ask.net, row).filter((each) => each.fields.network_id === id))
          dropGateway(ask.net, row, port);
    }),
  },
};

function gatewayInfo(value: unknown): string | undefined {
  if (value === null || (typeof value === "object" && Object.keys(value).length === 0)) return undefined;
  if (typeof value !== "object" || Array.isArray(value)) return `'${pythonText(value)}' is not a dictionary`;
  const info = value as Fields;
  const unknown = Object.keys(info).filter((key) => !GATEWAY_KEYS.has(key));
  if (unknown.length > 0) return `Unexpected keys supplied: ${unknown.join(", ")}`;
  if (info.network_id === undefined)
    return "Validation of dictionary's keys failed. Expected keys: {'network_id'} Provided keys: dict_keys([])";
  return uuid(info.network_id) ?? (info.external_fixed_ips === undefined ? undefined : fixedIps(info.external_fixed_ips));
}

function gatewayView(net: Networking, row: Row, port: Row): Fields {
  return {
    network_id: port.fields.network_id,
    external_fixed_ips: fixedIpsOf(port).map(({ subnet_id, ip_address }) => ({ subnet_id, ip_address })),
    enable_snat: row.fields.enable_snat,
    ...(net.hasExtension("qos-gateway-ip") ? { qos_policy_id: row.fields.gateway_qos } : {}),
  };
}

function setGateway(ask: Ask, row: Row, info: Fields | null): void {
  const { net } = ask;
  const [current] = gatewaysOf(net, row);
  const isNone = info === null || Object.keys(info).length === 0;
  if (current !== undefined && (isNone || current.fields.network_id !== info.network_id)) dropGateway(net, row, current);
  if (isNone) {
    for (const port of gatewaysOf(net, row)) dropGateway(net, row, port);
    Object.assign(row.fields, { enable_snat: true, gateway_qos: null });
    return;
  }
  checkPolicy(net, info.qos_policy_id, row.projectId);
  const kept = gatewaysOf(net, row)[0];
  const addresses = info.external_fixed_ips as { ip_address?: string }[] | undefined;
  if (kept === undefined) addGateway(ask, row, info);
  else if (addresses !== undefined && addresses.length > 0) {
    checkAddresses(net, info);
    const port = { networkId: info.network_id, owner: "network:router_gateway", mac: String(kept.fields.mac_address) };
    kept.fields.fixed_ips = reallocate(net, addresses, kept, port);
  }
  row.fields.enable_snat = info.enable_snat === undefined ? true : toBoolean(info.enable_snat);
  if (info.qos_policy_id !== undefined) row.fields.gateway_qos = info.qos_policy_id;
}

function addGateway({ net, asker }: Ask, row: Row, info: Fields): void {
  const network = net.need("network", info.network_id);
  const target = { projectId: network.projectId, fields: network.fields, ...networkTarget(net, network.id, asker) };
  if (!net.policy.allows("get_network", asker, target)) net.kind("network").missing(network.id);
  checkAddresses(net, info);
  const subnets = subnetsOf(net, network.id);
  for (const port of interfacesOf(net, row.id))
    for (const { subnet_id: id } of fixedIpsOf(port))
      if (subnets.some((subnet) => subnet.id === id)) badResource("router", `Router already has a port on subnet ${id}`);
  const addresses = info.external_fixed_ips as { ip_address?: string }[] | undefined;
  const port = addPort(net, {
    networkId: network.id,
    projectId: "",
    owner: "network:router_gateway",
    deviceId: row.id,
    ...(addresses === undefined || addresses.length === 0 ? {} : { fixedIps: addresses }),
  });
  row.fields.gateways = [...(row.fields.gateways as string[]), port.id];
}

function checkAddresses(net: Networking, info: Fields): void {
  const network = net.need("network", info.network_id);
  if (network.fields["router:external"] !== true) badResource("router", `Network ${network.id} is not an external network`);
  for (const { ip_address: address } of (info.external_fixed_ips ?? []) as { ip_address?: string }[])
    if (address !== undefined && subnetsOf(net, network.id).some((subnet) => subnet.fields.gateway_ip === address))
      badResource("router", `External IP ${address} is the same as the gateway IP`);
}

function dropGateway(net: Networking, row: Row, port: Row): void {
  const used = net
    .all("floatingip")
    .some((ip) => ip.fields.router_id === row.id && ip.fields.floating_network_id === port.fields.network_id);
  if (used)
    refuse(
      409,
      "RouterExternalGatewayInUseByFloatingIp",
      `Gateway cannot be updated for router ${row.id}, since a gateway to external network ${port.fields.network_id} is required by one or more floating IPs.`,
    );
  const service = net.all("vpnservice").find((each) => each.fields.router_id === row.id);
  // The plugin for OVN does not ask.
  if (service !== undefined && !net.hasExtension("vpn-agent-scheduler"))
    refuse(409, "RouterInUse", `Router ${row.id} is currently used by VPN service (${service.id})`);
  row.fields.gateways = (row.fields.gateways as string[]).filter((id) => id !== port.id);
  removePort(net, port);
}

function isSame(a: Fields, b: Fields): boolean {
  return a.destination === b.destination && a.nexthop === b.nexthop;
}

function changeRoutes(change: (have: Fields[], asked: Fields[]) => Fields[]): Action {
  return {
    method: "PUT",
    run: (ask, row, body) => {
      const asked = (body.router as Fields | undefined)?.routes;
      const problem = routes(asked);
      if (problem !== undefined) invalidInput(problem);
      const wanted = change(row.fields.routes as Fields[], asked as Fields[]);
      checkRoutes(ask.net, row, wanted);
      row.fields.routes = wanted;
      ask.net.touch(row);
      return {
        router: { id: row.id, name: row.fields.name, project_id: row.projectId, tenant_id: row.projectId, ...shown(ask, row) },
      };
    },
  };
}

function changeGateways(change: (ask: Ask, row: Row, gateways: Fields[]) => void): Action {
  return {
    method: "PUT",
    run: (ask, row, body) => {
      const gateways = (body.router as Fields | undefined)?.external_gateways;
      if (!Array.isArray(gateways)) badResource("router", "external_gateways must be a list");
      change(ask, row, gateways as Fields[]);
      ask.net.touch(row);
      return {
        router: { id: row.id, name: row.fields.name, project_id: row.projectId, tenant_id: row.projectId, ...shown(ask, row) },
      };
    },
  };
}

/** What actions answer of a router beside its names. */
function shown(ask: Ask, row: Row): Fields {
  const { gateways: _ids, enable_snat: _snat, gateway_qos: _qos, ...fields } = row.fields;
  return { ...fields, ...ROUTER.view?.(ask.net, row, ask.asker) };
}

/** A next hop must be on one of the router's subnets and not be the router itself. */
function checkRoutes(net: Networking, row: Row, wanted: readonly Fields[]): void {
  const ports = [...interfacesOf(net, row.id), ...gatewaysOf(net, row)];
  const own = ports.flatMap(fixedIpsOf);
  const networks = [
    ...own.flatMap((ip) => net.find("subnet", ip.subnet_id) ?? []),
    ...gatewaysOf(net, row).flatMap((port) => subnetsOf(net, port.fields.network_id)),
  ].map(cidrOf);
  const invalid = (reason: string) => refuse(400, "InvalidRoutes", `Invalid format for routes: ${pythonText(wanted)}, ${reason}`);
  for (const { nexthop } of wanted) {
    const address = parseAddress(nexthop);
    if (address === undefined || !networks.some((network) => contains(network, address)))
      invalid("the nexthop is not connected with router");
    if (own.some((ip) => ip.ip_address === nexthop)) invalid("the nexthop is used by router");
  }
  if (wanted.length > 30)
    refuse(400, "RoutesExhausted", `Unable to complete operation for ${row.id}. The number of routes exceeds the maximum 30.`);
}

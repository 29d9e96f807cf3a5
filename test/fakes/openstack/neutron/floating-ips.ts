/** Floating IPs: an address of an external network, and the port that it leads to. */

import { attribute, type Fields } from "./attributes.ts";
import { dnsDomain, dnsName } from "./dns-names.ts";
import { badResource, refuse } from "./error.ts";
import { fixedIpsOf } from "./ipam.ts";
import { type Ask, type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { checkPolicy, networkTarget, subnetsOf } from "./networks.ts";
import { addPort, removePort } from "./ports.ts";
import { gatewaysOf, interfacesOf } from "./router-ports.ts";
import { address, orNone, toLowerCase, uuid } from "./validators.ts";

export const FLOATING_IP: Kind = {
  name: "floatingip",
  collection: "floatingips",
  path: "floatingips",
  extension: "router",
  journal: "floatingip",
  quota: "floatingip",
  standard: true,
  tagged: true,
  attributes: {
    floating_network_id: attribute("cfs", { validate: uuid }),
    floating_ip_address: attribute("cfs", { default: null, validate: orNone(address) }),
    subnet_id: attribute("ch", { default: null, validate: orNone(uuid) }),
    port_id: attribute("cuf", { default: null, validate: orNone(uuid) }),
    fixed_ip_address: attribute("cufs", { default: null, validate: orNone(address) }),
    router_id: attribute("fs"),
    status: attribute("fs"),
    qos_policy_id: attribute("cu", { default: null, validate: orNone(uuid), extension: "qos-fip" }),
    qos_network_policy_id: attribute("", { extension: "qos-fip" }),
    dns_name: attribute("c", { default: "", convert: toLowerCase, validate: dnsName, extension: "dns-integration" }),
    dns_domain: attribute("c", { default: "", convert: toLowerCase, validate: dnsDomain, extension: "dns-integration" }),
    port_details: attribute("", { extension: "fip-port-details" }),
    port_forwardings: attribute("", { extension: "expose-port-forwarding-in-fip" }),
  },
  missing: missing("FloatingIPNotFound", "Floating IP %s could not be found"),
  create: (ask, fields, projectId) => {
    const { net, asker } = ask;
    const { subnet_id: subnetId, port_id: portId, fixed_ip_address: fixed, floating_ip_address: asked, ...plain } = fields;
    const network = net.need("network", fields.floating_network_id);
    const target = { projectId: network.projectId, fields: network.fields, ...networkTarget(net, network.id, asker) };
    if (!net.policy.allows("get_network", asker, target)) net.kind("network").missing(network.id);
    if (network.fields["router:external"] !== true)
      badResource("floatingip", `Network ${network.id} is not a valid external network`);
    const subnets = subnetsOf(net, network.id);
    if (!subnets.some((subnet) => subnet.fields.ip_version === 4))
      badResource("floatingip", `Network ${network.id} does not contain any IPv4 subnet`);
    checkPolicy(net, fields.qos_policy_id, projectId);
    const wanted = {
      ...(subnetId === null ? {} : { subnet_id: String(subnetId) }),
      ...(asked === null ? {} : { ip_address: String(asked) }),
    };
    const port = addPort(net, {
      networkId: network.id,
      projectId: "",
      owner: "network:floatingip",
      deviceId: "PENDING",
      ...(Object.keys(wanted).length === 0 ? {} : { fixedIps: [wanted] }),
    });
    const given = fixedIpsOf(port).find((ip) => !ip.ip_address.includes(":"));
    const row = net.add("floatingip", projectId, {
      ...plain,
      floating_ip_address: given?.ip_address,
      floating_port_id: port.id,
      port_id: null,
      fixed_ip_address: null,
      router_id: null,
      status: "DOWN",
      qos_network_policy_id: network.fields.qos_policy_id ?? null,
    });
    try {
      if (given === undefined)
        refuse(400, "ExternalIpAddressExhausted", `Unable to find any IP address on external network ${network.id}.`);
      associate(ask, row, { port_id: portId, fixed_ip_address: fixed });
    } catch (error) {
      net.remove(row);
      removePort(net, port);
      throw error;
    }
    port.fields.device_id = row.id;
    port.fields.status = "N/A";
    ask.created(row);
    return row;
  },
  update: (ask, row, changes) => {
    checkPolicy(ask.net, changes.qos_policy_id, row.projectId);
    const { port_id: _port, fixed_ip_address: _fixed, ...plain } = changes;
    if (changes.port_id !== undefined || changes.fixed_ip_address !== undefined) associate(ask, row, changes);
    Object.assign(row.fields, plain);
  },
  remove: ({ net, deleted }, row) => {
    for (const each of net.all("port_forwarding"))
      if (each.parentId === row.id) {
        net.remove(each);
        deleted(each);
      }
    const port = net.find("port", row.fields.floating_port_id);
    if (port !== undefined) removePort(net, port);
    net.remove(row);
    deleted(row);
  },
  view: (net, row) => {
    const port = net.find("port", row.fields.port_id);
    const forwardings = net.all("port_forwarding").filter((each) => each.parentId === row.id);
    return {
      port_details:
        port === undefined
          ? null
          : {
              name: port.fields.name,
              network_id: port.fields.network_id,
              mac_address: port.fields.mac_address,
              admin_state_up: port.fields.admin_state_up,
              status: port.fields.status,
              device_id: port.fields.device_id,
              device_owner: port.fields.device_owner,
            },
      port_forwardings: forwardings.map(({ fields, id }) => ({
        id,
        protocol: fields.protocol,
        internal_ip_address: fields.internal_ip_address,
        internal_port: fields.internal_port,
        external_port: fields.external_port,
      })),
    };
  },
};

function associate({ net, isAdmin, asker }: Ask, row: Row, { port_id: portId, fixed_ip_address: fixed }: Fields): void {
  if (fixed && !portId) badResource("floatingip", "fixed_ip_address cannot be specified without a port_id");
  if (!portId) {
    const forwards = net.all("port_forwarding").some((each) => each.parentId === row.id);
    Object.assign(row.fields, { port_id: null, fixed_ip_address: null, status: forwards ? row.fields.status : "DOWN" });
    if (!forwards) row.fields.router_id = null;
    return;
  }
  if (net.all("port_forwarding").some((each) => each.parentId === row.id))
    refuse(409, "FipInUseByPortForwarding", `Floating IP ${row.id} in use by Port Forwarding resources.`);
  const port = net.need("port", portId);
  const seen =
    isAdmin || port.projectId === asker.projectId || net.find("network", port.fields.network_id)?.projectId === asker.projectId;
  if (!seen) net.kind("port").missing(port.id);
  if (port.projectId !== row.projectId && !isAdmin)
    badResource(
      "floatingip",
      `Cannot process floating IP association with Port ${port.id}, since that port is owned by a different tenant`,
    );
  const v4 = fixedIpsOf(port).filter((ip) => !ip.ip_address.includes(":"));
  const chosen = fixed ? v4.find((ip) => ip.ip_address === fixed) : v4[0];
  if (fixed && chosen === undefined) badResource("floatingip", `Port ${port.id} does not have fixed ip ${fixed}`);
  if (chosen === undefined)
    badResource("floatingip", `Cannot add floating IP to port ${port.id} that has no fixed IPv4 addresses`);
  if (!fixed && v4.length > 1)
    badResource(
      "floatingip",
      `Port ${port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP`,
    );
  const router = routerFor(net, port, chosen.subnet_id, row.fields.floating_network_id);
  const holder = net
    .all("floatingip")
    .find(
      ({ id, fields }) =>
        id !== row.id &&
        fields.port_id === port.id &&
        fields.fixed_ip_address === chosen.ip_address &&
        fields.floating_network_id === row.fields.floating_network_id,
    );
  if (holder !== undefined)
    refuse(
      409,
      "FloatingIPPortAlreadyAssociated",
      `Cannot associate floating IP ${row.fields.floating_ip_address} (${row.id}) with port ${port.id} using fixed IP ${chosen.ip_address}, as that fixed IP already has a floating IP on external network ${row.fields.floating_network_id}.`,
    );
  Object.assign(row.fields, { port_id: port.id, fixed_ip_address: chosen.ip_address, router_id: router.id, status: "ACTIVE" });
}

/** The router between the subnet and the external network; the one that is the subnet's gateway, if there are several. */
export function routerFor(net: Networking, port: Row, subnetId: string, externalId: unknown): Row {
  const found = net.all("router").filter((router) => {
    const isInside = interfacesOf(net, router.id).some((each) => fixedIpsOf(each).some((ip) => ip.subnet_id === subnetId));
    return isInside && gatewaysOf(net, router).some((gateway) => gateway.fields.network_id === externalId);
  });
  const gateway = net.find("subnet", subnetId)?.fields.gateway_ip;
  const isGateway = (router: Row) =>
    interfacesOf(net, router.id).some((each) => fixedIpsOf(each).some((ip) => ip.ip_address === gateway));
  return (
    found.find(isGateway) ??
    found[0] ??
    refuse(
      404,
      "ExternalGatewayForFloatingIPNotFound",
      `External network ${externalId} is not reachable from subnet ${subnetId}.  Therefore, cannot associate Port ${port.id} with a Floating IP.`,
    )
  );
}

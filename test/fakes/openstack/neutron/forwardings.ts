/** What hangs on routers and floating IPs: port forwardings, conntrack helpers, NDP proxies. */

import { contains, parseAddress } from "./addresses.ts";
import { attribute, type Fields, maxText, pythonText } from "./attributes.ts";
import { badResource, refuse } from "./error.ts";
import { routerFor } from "./floating-ips.ts";
import { cidrOf, fixedIpsOf } from "./ipam.ts";
import { type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { interfacesOf } from "./router-ports.ts";
import { address, oneOf, orNone, toInteger, toLowerCase, uuid, within } from "./validators.ts";

const PROTOCOLS = ["tcp", "udp", "icmp", "dccp", "sctp", "ipv6-icmp"];
const port = { default: null, validate: orNone(within(1, 65_535)) };
const range = { default: null, validate: orNone(portRange) };

export const PORT_FORWARDING: Kind = {
  name: "port_forwarding",
  rule: "floatingip_port_forwarding",
  collection: "port_forwardings",
  path: "port_forwardings",
  parent: "floatingip",
  extension: "floating-ip-port-forwarding",
  journal: "port_forwarding",
  attributes: {
    protocol: attribute("cufs", { convert: toLowerCase, validate: oneOf(...PROTOCOLS) }),
    internal_port_id: attribute("cufs", { validate: uuid }),
    internal_ip_address: attribute("cu", { validate: address }),
    internal_port: attribute("cu", port),
    external_port: attribute("cufs", port),
    internal_port_range: attribute("cu", { ...range, extension: "floating-ip-port-forwarding-port-ranges" }),
    external_port_range: attribute("cuf", { ...range, extension: "floating-ip-port-forwarding-port-ranges" }),
    description: attribute("cuf", {
      default: "",
      validate: maxText(1024),
      extension: "floating-ip-port-forwarding-description",
    }),
  },
  missing: missing("PortForwardingNotFound", "Port Forwarding %s could not be found."),
  create: (ask, fields, _projectId, parent) => {
    const { net } = ask;
    if (parent === undefined) return net.kind("floatingip").missing("");
    if (parent.fields.port_id !== null)
      refuse(
        409,
        "FloatingIPPortAlreadyAssociated",
        `Cannot associate floating IP ${parent.fields.floating_ip_address} (${parent.id}) with port ${fields.internal_port_id} using fixed IP ${fields.internal_ip_address}, as that fixed IP already has a floating IP on external network ${parent.fields.floating_network_id}.`,
      );
    const inner = checked(net, fields, parent.id, undefined);
    const subnetId = fixedIpsOf(inner).find((ip) => ip.ip_address === fields.internal_ip_address)?.subnet_id ?? "";
    const router = routerFor(net, inner, subnetId, parent.fields.floating_network_id);
    if (parent.fields.router_id !== null && parent.fields.router_id !== router.id)
      badResource("port_forwarding", `Internal port ${inner.id} is not reachable by the floating IP's router`);
    parent.fields.router_id = router.id;
    parent.fields.status = "ACTIVE";
    const row = net.add("port_forwarding", parent.projectId, ranges(fields), { parentId: parent.id });
    ask.created(row);
    return row;
  },
  update: ({ net }, row, changes) => {
    const merged = { ...row.fields, ...changes };
    checked(net, merged, row.parentId ?? "", row.id);
    Object.assign(row.fields, ranges({ ...row.fields, ...cleared(changes), ...changes }));
  },
  remove: ({ net, deleted }, row) => {
    net.remove(row);
    const parent = net.find("floatingip", row.parentId);
    if (parent !== undefined && !net.all("port_forwarding").some((each) => each.parentId === parent.id))
      Object.assign(parent.fields, { router_id: null, status: "DOWN" });
    deleted(row);
  },
};

function portRange(value: unknown): string | undefined {
  const [from, to = from] = String(value).split(":").map(Number);
  const isPort = (each: number | undefined) => each !== undefined && Number.isInteger(each) && each >= 1 && each <= 65_535;
  return isPort(from) && isPort(to) && Number(from) <= Number(to) ? undefined : `Invalid port range ${value}`;
}

/** A range of one port is a port, and the other way. */
function ranges(fields: Fields): Fields {
  const result = { ...fields };
  for (const side of ["internal", "external"]) {
    const [one, many] = [`${side}_port`, `${side}_port_range`];
    if (result[one] !== null && result[one] !== undefined) result[many] = `${result[one]}:${result[one]}`;
    else if (typeof result[many] === "string") {
      const [from, to = from] = String(result[many]).split(":");
      result[many] = `${from}:${to}`;
      result[one] = from === to ? Number(from) : null;
    }
  }
  return result;
}

function cleared(changes: Fields): Fields {
  const blank: Fields = {};
  for (const side of ["internal", "external"]) if (changes[`${side}_port_range`] !== undefined) blank[`${side}_port`] = null;
  return blank;
}

function checked(net: Networking, fields: Fields, floatingId: string, own: string | undefined) {
  const inner = net.need("port", fields.internal_port_id);
  if (!fixedIpsOf(inner).some((ip) => ip.ip_address === fields.internal_ip_address))
    badResource(
      "port_forwarding",
      `Requested internal IP address ${fields.internal_ip_address} is not suitable for internal neutron port ${inner.id}, as its fixed_ips are ${pythonText(inner.fields.fixed_ips)}`,
    );
  if (fields.external_port === null && fields.external_port_range === null)
    badResource("port_forwarding", "A port forwarding needs an external_port or an external_port_range");
  const others = net.all("port_forwarding").filter((each) => each.id !== own && each.fields.protocol === fields.protocol);
  const target = ["internal_port_id", "internal_ip_address"];
  refuseCollision(
    "internal",
    fields,
    others.filter((each) => target.every((name) => each.fields[name] === fields[name])),
  );
  refuseCollision(
    "external",
    fields,
    others.filter((each) => each.parentId === floatingId),
  );
  return inner;
}

function refuseCollision(side: "internal" | "external", fields: Fields, others: readonly Row[]): void {
  const name = `${side}_port_range`;
  const ends = (range: unknown) => String(range).split(":").map(Number) as [number, number];
  const own = ranges(fields)[name];
  if (own === null || own === undefined) return;
  const [low, high] = ends(own);
  const other = others.find(({ fields: theirs }) => ends(theirs[name])[0] <= high && ends(theirs[name])[1] >= low);
  if (other !== undefined)
    badResource(
      "port_forwarding",
      `There is a port collision with the ${name}. The following ranges collides: ${other.fields[name]} and ${own}`,
    );
}

const HELPERS: Readonly<Record<string, readonly string[]>> = {
  amanda: ["tcp"],
  ftp: ["tcp"],
  h323: ["udp"],
  irc: ["tcp"],
  "netbios-ns": ["udp"],
  pptp: ["tcp"],
  sane: ["tcp"],
  sip: ["tcp", "udp"],
  snmp: ["udp"],
  tftp: ["udp"],
};

export const CONNTRACK_HELPER: Kind = {
  name: "conntrack_helper",
  rule: "router_conntrack_helper",
  collection: "conntrack_helpers",
  path: "conntrack_helpers",
  parent: "router",
  extension: "l3-conntrack-helper",
  journal: "conntrack_helper",
  attributes: {
    protocol: attribute("cufs", { convert: toLowerCase, validate: oneOf(...PROTOCOLS) }),
    port: attribute("cuf", { convert: toInteger, validate: within(1, 65_535) }),
    helper: attribute("cuf", { validate: maxText(64) }),
  },
  missing: missing("ConntrackHelperNotFound", "Conntrack Helper %s could not be found."),
  create: (ask, fields, projectId, parent) => {
    const { net } = ask;
    const allowed = HELPERS[String(fields.helper)];
    if (allowed === undefined) refuse(400, "ConntrackHelperNotAllowed", `Conntrack Helper ${fields.helper} is not allowed.`);
    if (!allowed.includes(String(fields.protocol)))
      refuse(
        400,
        "InvalidProtocolForHelper",
        `${fields.protocol} is not allowed for helper ${fields.helper}. Allowed protocols are: ${allowed.join(", ")}.`,
      );
    const same = net
      .all("conntrack_helper")
      .find((each) => each.parentId === parent?.id && ["protocol", "port", "helper"].every((n) => each.fields[n] === fields[n]));
    if (same !== undefined)
      badResource("conntrack_helper", "A duplicate conntrack helper entry with same attributes already exists");
    const row = net.add(
      "conntrack_helper",
      parent?.projectId ?? projectId,
      fields,
      parent === undefined ? {} : { parentId: parent.id },
    );
    ask.created(row);
    return row;
  },
};

export const NDP_PROXY: Kind = {
  name: "ndp_proxy",
  collection: "ndp_proxies",
  path: "ndp_proxies",
  extension: "l3-ndp-proxy",
  journal: "ndp_proxy",
  standard: true,
  attributes: {
    name: attribute("cufs", { default: "", validate: maxText(255) }),
    router_id: attribute("cfs", { validate: uuid }),
    port_id: attribute("cfs", { validate: uuid }),
    ip_address: attribute("cfs", { default: null, validate: orNone(address) }),
  },
  missing: missing("NDPProxyNotFound", "Ndp proxy %s could not be found."),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const router = net.need("router", fields.router_id);
    if (router.fields.enable_ndp_proxy !== true)
      refuse(
        409,
        "RouterNDPProxyNotEnable",
        `The enable_ndp_proxy parameter of router ${router.id} must be set as True while create ndp proxy entry on it.`,
      );
    const inner = net.need("port", fields.port_id);
    const v6 = fixedIpsOf(inner).filter((ip) => ip.ip_address.includes(":"));
    const chosen = fields.ip_address === null ? v6[0]?.ip_address : String(fields.ip_address);
    if (chosen === undefined) badResource("ndp_proxy", `Requested port ${inner.id} must allocate one IPv6 address.`);
    const asAddress = parseAddress(chosen);
    if (asAddress?.version !== 6 || !v6.some((ip) => ip.ip_address === chosen))
      refuse(400, "InvalidAddress", `The address ${chosen} is invalid, reason: This address not belong to the port ${inner.id}.`);
    const reachable = interfacesOf(net, router.id)
      .flatMap(fixedIpsOf)
      .some((ip) => {
        const found = net.find("subnet", ip.subnet_id);
        return found !== undefined && contains(cidrOf(found), asAddress);
      });
    if (!reachable)
      refuse(409, "PortUnreachableRouter", `The port ${inner.id} cannot reach the router ${router.id} by IPv6 subnet.`);
    const row = net.add("ndp_proxy", projectId, { ...fields, ip_address: chosen });
    ask.created(row);
    return row;
  },
};

/**
 * VPNaaS of the fake Neutron: IKE and IPsec policies, endpoint groups, services, site connections, with the rules of neutron-vpnaas 26
 * (2025.1). A service and a connection are PENDING_CREATE until somebody has looked at them once after the connection was made, as if an
 * agent had told of them, and refuse every change until then.
 */

import { type Attributes, attribute, type Fields, maxText } from "../neutron/attributes.ts";
import { refuse } from "../neutron/error.ts";
import { fixedIpsOf } from "../neutron/ipam.ts";
import { type Kind, missing } from "../neutron/kind.ts";
import type { Networking, Row } from "../neutron/networking.ts";
import { listOf, nonNegative, oneOf, orNone, subnet, toBoolean, toInteger, toList, uuid } from "../neutron/validators.ts";

const TEXT = { default: "", validate: maxText(255) };
const NAMES: Attributes = { name: attribute("cufs", TEXT), description: attribute("cufs", TEXT) };
const AUTH = ["sha1", "sha256", "sha384", "sha512", "aes-xcbc", "aes-cmac"];
const CIPHERS = ["3des", "aes-128", "aes-192", "aes-256"].concat(
  ["ccm", "gcm"].flatMap((mode) => [8, 12, 16].flatMap((tag) => [128, 192, 256].map((bits) => `aes-${bits}-${mode}-${tag}`))),
);
const GROUPS = [2, 5, ...Array.from({ length: 18 }, (_, n) => n + 14)].map((n) => `group${n}`);

const emptyDict = (value: unknown) => value ?? {};
const text = (value: unknown) => (typeof value === "string" ? undefined : `'${String(value)}' is not a valid string`);

/** A dictionary of these members and no others. */
function dict(members: Readonly<Record<string, (value: unknown) => string | undefined>>) {
  return (value: unknown): string | undefined => {
    if (typeof value !== "object" || value === null) return `'${String(value)}' is not a dictionary`;
    for (const [name, given] of Object.entries(value)) {
      const check = members[name];
      if (check === undefined) return `Validation of dictionary's keys failed. Expected keys: ${Object.keys(members).join(", ")}`;
      const problem = check(given);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
}

const lifetime = dict({
  units: oneOf("seconds"),
  value: (value) => (Number(value) < 60 ? `'${value}' is too small - must be at least '60'` : undefined),
});
const CRYPTO: Attributes = {
  ...NAMES,
  auth_algorithm: attribute("cufs", { default: "sha1", validate: oneOf(...AUTH) }),
  encryption_algorithm: attribute("cufs", { default: "aes-128", validate: oneOf(...CIPHERS) }),
  lifetime: attribute("cu", { default: {}, convert: emptyDict, validate: lifetime }),
  pfs: attribute("cufs", { default: "group5", validate: oneOf(...GROUPS) }),
};

const CONNECTION = "ipsec_site_connection";
const service = (net: Networking, row: Row) => net.need("vpnservice", row.fields.vpnservice_id);

/** A policy for the keys or for the packets: neither changes while a connection uses it. */
function policy(name: string, journal: string, plural: string, type: string, more: Attributes): Kind {
  const refuseInUse = (net: Networking, row: Row) => {
    if (net.all(CONNECTION).every((connection) => connection.fields[`${name}_id`] !== row.id)) return;
    refuse(409, `${type}InUse`, `${type} ${row.id} is in use by existing IPsecSiteConnection and can't be updated or deleted`);
  };
  const whole = (fields: Fields, before: Fields = { units: "seconds", value: 3600 }) =>
    fields.lifetime === undefined ? fields : { ...fields, lifetime: { ...before, ...(fields.lifetime as Fields) } };
  return {
    name,
    collection: plural,
    path: `vpn/${plural}`,
    extension: "vpnaas",
    journal,
    attributes: { ...CRYPTO, ...more },
    missing: missing(`${type}NotFound`, `${type} %s could not be found`),
    create: (ask, fields, projectId) => {
      const row = ask.net.add(name, projectId, whole(fields));
      ask.created(row);
      return row;
    },
    update: ({ net }, row, changes) => {
      refuseInUse(net, row);
      Object.assign(row.fields, whole(changes, row.fields.lifetime as Fields));
    },
    remove: ({ net, deleted }, row) => {
      refuseInUse(net, row);
      net.remove(row);
      deleted(row);
    },
  };
}

const IKE_POLICY = policy("ikepolicy", "ike-policy", "ikepolicies", "IKEPolicy", {
  phase1_negotiation_mode: attribute("cufs", { default: "main", validate: oneOf("main", "aggressive") }),
  ike_version: attribute("cufs", { default: "v1", validate: oneOf("v1", "v2") }),
});
const IPSEC_POLICY = policy("ipsecpolicy", "ipsec-policy", "ipsecpolicies", "IPsecPolicy", {
  transform_protocol: attribute("cufs", { default: "esp", validate: oneOf("ah", "ah-esp", "esp") }),
  encapsulation_mode: attribute("cufs", { default: "tunnel", validate: oneOf("transport", "tunnel") }),
});

const ENDPOINT_GROUP: Kind = {
  name: "endpoint_group",
  collection: "endpoint_groups",
  path: "vpn/endpoint-groups",
  extension: "vpn-endpoint-groups",
  journal: "vpn-endpoint-group",
  attributes: {
    ...NAMES,
    type: attribute("cfs", { validate: oneOf("cidr", "network", "router", "subnet", "vlan") }),
    endpoints: attribute("c", { default: [], convert: toList }),
  },
  missing: missing("VPNEndpointGroupNotFound", "Endpoint group %s could not be found"),
  create: (ask, fields, projectId) => {
    const { type, name } = fields;
    const endpoints = fields.endpoints as unknown[];
    if (endpoints.length === 0)
      refuse(400, "MissingEndpointForEndpointGroup", `No endpoints specified for endpoint group '${groupText(fields)}'`);
    for (const endpoint of endpoints) {
      const why = type === "cidr" ? subnet(endpoint) : type === "vlan" ? undefined : uuid(endpoint);
      if (why !== undefined)
        refuse(400, "InvalidEndpointInEndpointGroup", `Endpoint '${endpoint}' is invalid for group type '${type}': ${why}`);
      if (type === "subnet" && ask.net.find("subnet", endpoint) === undefined)
        refuse(400, "NonExistingSubnetInEndpointGroup", `Subnet ${endpoint} in endpoint group does not exist`);
      if ((type === "network" || type === "router") && ask.net.find(String(type), endpoint) === undefined)
        ask.net.kind(String(type)).missing(String(endpoint));
    }
    const row = ask.net.add("endpoint_group", projectId, { ...fields, name });
    ask.created(row);
    return row;
  },
  remove: ({ net, deleted }, row) => {
    const used = net.all(CONNECTION).some(({ fields }) => [fields.local_ep_group_id, fields.peer_ep_group_id].includes(row.id));
    if (used) refuse(400, "EndpointGroupInUse", `Endpoint group ${row.id} is in use and cannot be deleted`);
    net.remove(row);
    deleted(row);
  },
};

function groupText({ name, description, type }: Fields): string {
  return `{'name': '${name}', 'description': '${description}', 'type': '${type}', 'endpoints': []}`;
}

const VPN_SERVICE: Kind = {
  name: "vpnservice",
  collection: "vpnservices",
  path: "vpn/vpnservices",
  extension: "vpnaas",
  journal: "vpn-service",
  attributes: {
    ...NAMES,
    router_id: attribute("cfs", { validate: uuid }),
    subnet_id: attribute("cfs", { default: null, validate: orNone(uuid) }),
    flavor_id: attribute("cfs", { default: null, validate: orNone(uuid), extension: "vpn-flavors" }),
    admin_state_up: attribute("cufs", { default: true, convert: toBoolean }),
    external_v4_ip: attribute("fs"),
    external_v6_ip: attribute("fs"),
    status: attribute("fs"),
  },
  missing: missing("VPNServiceNotFound", "VPNService %s could not be found"),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const router = net.need("router", fields.router_id);
    const gateway = gatewayOf(net, router);
    if (gateway === undefined) refuse(400, "RouterIsNotExternal", `Router ${router.id} has no external network gateway set`);
    if (fields.subnet_id !== null) needConnected(net, router.id, String(fields.subnet_id));
    const external = fixedIpsOf(gateway).map(({ ip_address }) => ip_address);
    const row = net.add("vpnservice", projectId, {
      ...fields,
      external_v4_ip: external.find((ip) => !ip.includes(":")) ?? null,
      external_v6_ip: external.find((ip) => ip.includes(":")) ?? null,
      status: "PENDING_CREATE",
    });
    ask.created(row);
    return row;
  },
  update: (_ask, row, changes) => change(row, changes),
  remove: ({ net, deleted }, row) => {
    if (net.all(CONNECTION).some((connection) => connection.fields.vpnservice_id === row.id))
      refuse(409, "VPNServiceInUse", `VPNService ${row.id} is still in use`);
    net.remove(row);
    deleted(row);
  },
};

/** A change of what is pending is refused. */
function change(row: Row, changes: Fields): void {
  const { status } = row.fields;
  if (String(status).startsWith("PENDING"))
    refuse(400, "VPNStateInvalidToUpdate", `Invalid state ${status} of vpnaas resource ${row.id} for updating`);
  Object.assign(row.fields, changes);
}

function gatewayOf(net: Networking, router: Row): Row | undefined {
  return net.all("port").find(({ fields }) => fields.device_id === router.id && fields.device_owner === "network:router_gateway");
}

function needConnected(net: Networking, routerId: string, subnetId: string): void {
  net.need("subnet", subnetId);
  const ports = net.all("port").filter(({ fields }) => fields.device_id === routerId);
  const isThere = ports.some(
    (port) => port.fields.device_owner !== "network:router_gateway" && fixedIpsOf(port).some((ip) => ip.subnet_id === subnetId),
  );
  if (!isThere) refuse(400, "SubnetIsNotConnectedToRouter", `Subnet ${subnetId} is not connected to Router ${routerId}`);
}

const DPD = { action: "hold", interval: 30, timeout: 120 };

const SITE_CONNECTION: Kind = {
  name: CONNECTION,
  collection: "ipsec_site_connections",
  path: "vpn/ipsec-site-connections",
  extension: "vpnaas",
  journal: "vpn-connection",
  attributes: {
    ...NAMES,
    local_id: attribute("cufs", { default: "", validate: text }),
    peer_address: attribute("cufs", { validate: text }),
    peer_id: attribute("cufs", { validate: text }),
    peer_cidrs: attribute("cu", { default: null, convert: toList, validate: listOf(subnet) }),
    local_ep_group_id: attribute("cufs", { default: null, validate: orNone(uuid) }),
    peer_ep_group_id: attribute("cufs", { default: null, validate: orNone(uuid) }),
    route_mode: attribute("fs"),
    mtu: attribute("cufs", { default: 1500, convert: toInteger, validate: nonNegative }),
    initiator: attribute("cufs", { default: "bi-directional", validate: oneOf("bi-directional", "response-only") }),
    auth_mode: attribute("fs"),
    psk: attribute("cufs", { validate: text }),
    dpd: attribute("cu", {
      default: {},
      convert: emptyDict,
      validate: dict({
        action: oneOf("clear", "disabled", "hold", "restart", "restart-by-peer"),
        interval: nonNegative,
        timeout: nonNegative,
      }),
    }),
    admin_state_up: attribute("cufs", { default: true, convert: toBoolean }),
    status: attribute("fs"),
    vpnservice_id: attribute("cfs", { validate: uuid }),
    ikepolicy_id: attribute("cfs", { validate: uuid }),
    ipsecpolicy_id: attribute("cfs", { validate: uuid }),
  },
  missing: missing("IPsecSiteConnectionNotFound", "ipsec_site_connection %s not found"),
  create: (ask, fields, projectId) => {
    const { net } = ask;
    const of = net.find("vpnservice", fields.vpnservice_id);
    // The server does not expect it.
    if (of === undefined)
      return refuse(500, "HTTPInternalServerError", "Request Failed: internal server error while processing your request.");
    net.need("ikepolicy", fields.ikepolicy_id);
    net.need("ipsecpolicy", fields.ipsecpolicy_id);
    checkEnds(net, of, fields);
    const dpd = { ...DPD, ...(fields.dpd as Fields) };
    if (Number(dpd.timeout) <= Number(dpd.interval))
      refuse(
        400,
        "IPsecSiteConnectionDpdIntervalValueError",
        "ipsec_site_connection dpd_timeout is equal to or less than dpd_interval",
      );
    if (Number(fields.mtu) < 68)
      refuse(400, "IPsecSiteConnectionMtuError", `ipsec_site_connection MTU ${fields.mtu} is too small for ipv4`);
    const fixed = { route_mode: "static", auth_mode: "psk", status: "PENDING_CREATE" };
    const row = net.add(CONNECTION, projectId, { ...fields, dpd, ...fixed });
    ask.created(row);
    return row;
  },
  update: (_ask, row, changes) =>
    change(
      row,
      changes.dpd === undefined ? changes : { ...changes, dpd: { ...(row.fields.dpd as Fields), ...(changes.dpd as Fields) } },
    ),
  view: (net, row) => {
    const shown = row.fields.status;
    // An agent that has done its work tells of the connection and of its service.
    if (shown === "PENDING_CREATE") {
      row.fields.status = "DOWN";
      service(net, row).fields.status = "ACTIVE";
    }
    return { status: shown };
  },
};

function checkEnds(net: Networking, of: Row, fields: Fields): void {
  const groups = [fields.local_ep_group_id, fields.peer_ep_group_id];
  const cidrs = fields.peer_cidrs as string[];
  const name = (wanted: (id: unknown) => boolean) => ["local", "peer"].filter((_, at) => wanted(groups[at]));
  if (of.fields.subnet_id !== null) {
    if (cidrs.length === 0) refuse(400, "MissingPeerCidrs", "Missing peer CIDRs for IPsec site-to-site connection");
    const given = name((id) => id !== null);
    if (given.length > 0)
      refuse(
        400,
        "InvalidEndpointGroup",
        `Endpoint group${given.length > 1 ? "s" : ""} ${given.join(" and ")} cannot be specified, when VPN Service has subnet specified`,
      );
    return;
  }
  if (cidrs.length > 0) refuse(400, "PeerCidrsInvalid", "Peer CIDRs cannot be specified, when using endpoint groups");
  const lacking = name((id) => id === null);
  if (lacking.length > 0)
    refuse(
      400,
      "MissingRequiredEndpointGroup",
      `Missing endpoint group${lacking.length > 1 ? "s" : ""} ${lacking.join(" and ")} for IPSec site-to-site connection`,
    );
  const [local, peer] = groups.map((id) => net.need("endpoint_group", id));
  for (const [group, expected] of [
    [local, "subnet"],
    [peer, "cidr"],
  ] as const)
    if (group?.fields.type !== expected)
      refuse(
        400,
        "WrongEndpointGroupType",
        `Endpoint group ${group?.id} type is '${group?.fields.type}' and should be '${expected}'`,
      );
  for (const id of (local?.fields.endpoints ?? []) as string[]) needConnected(net, String(of.fields.router_id), id);
}

export const VPN_KINDS: readonly Kind[] = [IKE_POLICY, IPSEC_POLICY, ENDPOINT_GROUP, VPN_SERVICE, SITE_CONNECTION];

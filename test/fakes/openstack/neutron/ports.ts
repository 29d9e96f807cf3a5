/** Ports: who may have which address and MAC, security groups, address pairs, DHCP options, binding, and what keeps one from going. */

import { type Fields, UNSET } from "./attributes.ts";
import { dnsAssignment } from "./dns-names.ts";
import { refuse } from "./error.ts";
import { allocate, type FixedIp, fixedIpsOf, reallocate } from "./ipam.ts";
import { type Ask, type Kind, missing } from "./kind.ts";
import type { Networking, Row } from "./networking.ts";
import { checkNetworkOwner, checkPolicy, networkTarget } from "./networks.ts";
import { PORT_ATTRIBUTES } from "./port-attributes.ts";
import { ensureDefaultGroup, needGroups } from "./security-groups.ts";
import { trunkDetails } from "./trunks.ts";

const OF_ROUTER = new Set([
  "network:router_interface",
  "network:router_gateway",
  "network:floatingip",
  "network:router_centralized_snat",
  "network:ha_router_replicated_interface",
]);

/** What another service or a test asks for. */
export interface NewPort {
  readonly networkId: string;
  readonly projectId: string;
  readonly name?: string;
  readonly owner?: string;
  readonly deviceId?: string;
  readonly mac?: string;
  /** Undefined: one address of each version. */
  readonly fixedIps?: readonly { readonly subnet_id?: string; readonly ip_address?: string }[];
  /** Undefined: the project's default group, unless the owner is the network itself. */
  readonly securityGroups?: readonly string[];
  readonly host?: string;
}

export const PORT: Kind = {
  name: "port",
  collection: "ports",
  path: "ports",
  journal: "port",
  quota: "port",
  standard: true,
  tagged: true,
  attributes: PORT_ATTRIBUTES,
  missing: missing("PortNotFound", "Port %s could not be found."),
  target: (net, { fields }, asker) => networkTarget(net, fields.network_id, asker),
  checkOwner: (ask, fields, projectId) => checkNetworkOwner(ask, "port", fields.network_id, projectId),
  create: (ask, fields, projectId) => {
    const row = create(ask.net, fields, projectId);
    ask.created(row);
    return row;
  },
  update: (ask, row, changes) => update(ask, row, changes),
  remove: ({ net, deleted }, row) => {
    refuseInUse(net, row);
    removePort(net, row);
    deleted(row);
  },
  view: (net, row) => {
    const { dns_name: name, device_owner: owner } = row.fields;
    return {
      dns_assignment: String(owner) === "network:floatingip" ? [] : dnsAssignment(name, fixedIpsOf(row)),
      ...bindingOf(row),
      trunk_details: trunkDetails(net, row.id),
    };
  },
  matches: (_net, row, name, values) => {
    if (name === "security_groups") return (row.fields.security_groups as string[]).some((id) => values.includes(id));
    if (name !== "fixed_ips") return undefined;
    const asked = values.map((value) => value.split("="));
    const of = (key: string) => asked.filter(([k]) => k === key).map(([, v]) => v ?? "");
    const [subnets, addresses, parts] = [of("subnet_id"), of("ip_address"), of("ip_address_substr")];
    return fixedIpsOf(row).some(
      (ip) =>
        (subnets.length === 0 || subnets.includes(ip.subnet_id)) &&
        (addresses.length === 0 || addresses.includes(ip.ip_address)) &&
        (parts.length === 0 || parts.some((part) => ip.ip_address.includes(part))),
    );
  },
};

function create(net: Networking, fields: Fields, projectId: string): Row {
  const network = net.need("network", fields.network_id);
  const owner = String(fields.device_owner ?? "");
  const ofNetwork = owner.startsWith("network:");
  if (!ofNetwork) ensureDefaultGroup(net, projectId);
  const mac = fields.mac_address === UNSET || fields.mac_address === null ? net.newMac() : String(fields.mac_address);
  if (isMacTaken(net, network.id, mac)) refuseMac(network.id, mac);
  checkPolicy(net, fields.qos_policy_id, projectId);
  const isSecured =
    fields.port_security_enabled === UNSET
      ? !ofNetwork && network.fields.port_security_enabled !== false
      : fields.port_security_enabled === true;
  const pairs = pairsOf(fields.allowed_address_pairs, mac, isSecured) ?? [];
  let groups = fields.security_groups === UNSET ? undefined : (fields.security_groups as string[]);
  if (!isSecured && groups !== undefined && groups.length > 0)
    refuse(
      400,
      "PortSecurityAndIPRequiredForSecurityGroups",
      "Port security must be enabled and port must have an IP address in order to use security groups.",
    );
  if (groups === undefined) groups = isSecured && !ofNetwork ? [ensureDefaultGroup(net, projectId).id] : [];
  needGroups(net, groups, projectId);
  const wanted = fields.fixed_ips === UNSET ? undefined : (fields.fixed_ips as FixedIp[]);
  const ips = allocate(net, wanted, { networkId: network.id, owner, mac });
  const { "binding:host_id": host, "binding:profile": profile, hardware_offload_type: offload, trusted, ...plain } = fields;
  return net.add("port", projectId, {
    ...plain,
    mac_address: mac,
    fixed_ips: ips,
    security_groups: groups,
    allowed_address_pairs: pairs,
    extra_dhcp_opts: options(fields.extra_dhcp_opts, []),
    port_security_enabled: isSecured,
    "binding:host_id": host === UNSET || host === null ? "" : host,
    "binding:profile": profile === UNSET || profile === null ? {} : profile,
    hardware_offload_type: offload === UNSET ? null : offload,
    trusted: trusted === UNSET ? null : trusted,
    status: "DOWN",
    ip_allocation: ips.length > 0 ? "immediate" : "none",
    qos_network_policy_id: network.fields.qos_policy_id ?? null,
    resource_request: null,
  });
}

function update({ net }: Ask, row: Row, changes: Fields): void {
  const { fields } = row;
  const networkId = String(fields.network_id);
  const mac = changes.mac_address === null ? net.newMac() : String(changes.mac_address ?? fields.mac_address);
  if (mac !== fields.mac_address) {
    if (fields["binding:host_id"] !== "" && !String(fields.device_owner).startsWith("network:"))
      refuse(
        409,
        "PortBound",
        `Unable to complete operation on port ${row.id}, port is already bound, port type: ovs, old_mac ${fields.mac_address}, new_mac ${mac}.`,
      );
    if (isMacTaken(net, networkId, mac)) refuseMac(networkId, mac);
  }
  checkPolicy(net, changes.qos_policy_id, row.projectId);
  const isSecured = (changes.port_security_enabled ?? fields.port_security_enabled) === true;
  const pairs = pairsOf(changes.allowed_address_pairs ?? UNSET, mac, isSecured);
  if (!isSecured && pairs === undefined && (fields.allowed_address_pairs as unknown[]).length > 0) refusePairs();
  const groups = (changes.security_groups ?? fields.security_groups) as string[];
  if (!isSecured && groups.length > 0) {
    if (changes.security_groups !== undefined)
      refuse(
        400,
        "PortSecurityAndIPRequiredForSecurityGroups",
        "Port security must be enabled and port must have an IP address in order to use security groups.",
      );
    refuse(
      409,
      "PortSecurityPortHasSecurityGroup",
      "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
    );
  }
  if (changes.security_groups !== undefined) needGroups(net, groups, row.projectId);
  const owner = String(changes.device_owner ?? fields.device_owner);
  if (changes.fixed_ips !== undefined)
    fields.fixed_ips = reallocate(net, changes.fixed_ips as FixedIp[], row, { networkId, owner, mac });
  const { fixed_ips: _ips, extra_dhcp_opts: opts, ...plain } = changes;
  Object.assign(fields, plain, {
    mac_address: mac,
    ...(pairs === undefined ? {} : { allowed_address_pairs: pairs }),
    ...(opts === undefined ? {} : { extra_dhcp_opts: options(opts, fields.extra_dhcp_opts as Fields[]) }),
    ...(plain["binding:profile"] === null ? { "binding:profile": {} } : {}),
  });
}

/** A port without anybody's leave, as the services make theirs; addresses, MAC and groups are checked. */
export function addPort(net: Networking, port: NewPort): Row {
  const blank = Object.fromEntries(
    Object.entries(PORT_ATTRIBUTES)
      .filter(([, { post }]) => post)
      .map(([name, spec]) => [name, spec.default]),
  );
  const row = create(
    net,
    {
      ...blank,
      description: "",
      network_id: port.networkId,
      name: port.name ?? "",
      device_owner: port.owner ?? "",
      device_id: port.deviceId ?? "",
      mac_address: port.mac ?? UNSET,
      fixed_ips: port.fixedIps ?? UNSET,
      security_groups: port.securityGroups ?? UNSET,
      ...(port.host === undefined ? {} : { "binding:host_id": port.host }),
    },
    port.projectId,
  );
  row.fields.status = port.host === undefined && !String(port.owner).startsWith("network:") ? "DOWN" : "ACTIVE";
  return row;
}

/** Takes it away with what hangs on it: a floating IP is free again, a load balancer or trunk is not asked. */
export function removePort(net: Networking, row: Row): void {
  for (const ip of net.all("floatingip"))
    if (ip.fields.port_id === row.id)
      Object.assign(ip.fields, { port_id: null, fixed_ip_address: null, router_id: null, status: "DOWN" });
  for (const forwarding of net.all("port_forwarding")) if (forwarding.fields.internal_port_id === row.id) net.remove(forwarding);
  net.remove(row);
}

function refuseInUse(net: Networking, row: Row): void {
  const owner = String(row.fields.device_owner);
  const device = net.rows.get(String(row.fields.device_id));
  if (OF_ROUTER.has(owner) && fixedIpsOf(row).length > 0 && device !== undefined)
    refuse(409, "ServicePortInUse", `Port ${row.id} cannot be deleted directly via the port API: has device owner ${owner}.`);
  for (const trunk of net.all("trunk")) {
    if (trunk.fields.port_id === row.id)
      refuse(409, "PortInUseAsTrunkParent", `Port ${row.id} is currently a parent port for trunk ${trunk.id}.`);
    if ((trunk.fields.sub_ports as Fields[]).some((sub) => sub.port_id === row.id))
      refuse(409, "PortInUseAsSubPort", `Port ${row.id} is currently a subport for trunk ${trunk.id}.`);
  }
}

function isMacTaken(net: Networking, networkId: string, mac: string): boolean {
  return net.all("port").some((port) => port.fields.network_id === networkId && port.fields.mac_address === mac);
}

function refuseMac(networkId: string, mac: string): never {
  refuse(409, "MacAddressInUse", `Unable to complete operation for network ${networkId}. The mac address ${mac} is in use.`);
}

function refusePairs(): never {
  refuse(
    409,
    "AddressPairAndPortSecurityRequired",
    "Port Security must be enabled in order to have allowed address pairs on a port.",
  );
}

function pairsOf(asked: unknown, mac: string, isSecured: boolean): Fields[] | undefined {
  if (asked === UNSET) return undefined;
  const pairs = (asked as Fields[]).map(({ ip_address, mac_address }) => ({
    ip_address,
    mac_address: String(mac_address ?? mac).toLowerCase(),
  }));
  if (pairs.length > 0 && !isSecured) refusePairs();
  const twice = pairs.find(
    (pair, i) => pairs.findIndex((p) => p.ip_address === pair.ip_address && p.mac_address === pair.mac_address) !== i,
  );
  if (twice !== undefined)
    refuse(
      400,
      "DuplicateAddressPairInRequest",
      `Request contains duplicate address pair: mac_address ${twice.mac_address} ip_address ${twice.ip_address}.`,
    );
  return pairs;
}

/** An option without a value goes; another of the same name is replaced. */
function options(asked: unknown, before: readonly Fields[]): Fields[] {
  const all = new Map(before.map((option) => [`${option.opt_name} ${option.ip_version}`, option]));
  for (const { opt_name, opt_value, ip_version = 4 } of (asked ?? []) as Fields[]) {
    const key = `${opt_name} ${Number(ip_version)}`;
    if (opt_value === null) all.delete(key);
    else all.set(key, { opt_name, opt_value, ip_version: Number(ip_version) });
  }
  return [...all.values()];
}

function bindingOf({ fields }: Row): Fields {
  const isBound = fields["binding:host_id"] !== "";
  return {
    "binding:vif_type": isBound ? "ovs" : "unbound",
    "binding:vif_details": isBound ? { port_filter: true, connectivity: "l2" } : {},
  };
}

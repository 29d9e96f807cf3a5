/** Neutron's part of the contract: the API layer, networks, subnets, ports, security groups. */

import type { Check } from "./contract.ts";
import { ABSENT, change, drop, listOf, make, networkWithSubnet, refused, show, url } from "./contract-neutron-ask.ts";

const STANDARD = ["id", "name", "description", "project_id", "tenant_id", "created_at", "updated_at", "revision_number", "tags"];

export const neutronChecks: readonly Check[] = [
  {
    name: "neutron: versions, extensions, unknown URLs, unauthorized",
    async run(world) {
      const root = new URL(world.urls.network).origin;
      const versions = await world.expect(200, "GET", `${root}/`, { as: "nobody" });
      world.same("version", [versions.json?.versions?.[0]?.id, versions.json?.versions?.[0]?.status], ["v2.0", "CURRENT"]);
      const refusal = await world.expect(401, "GET", url(world, "/networks"), { as: "nobody" });
      world.same("body", refusal.json?.error?.code, 401);
      const extensions = await listOf(world, "extensions");
      world.keys("an extension", extensions[0], ["name", "alias", "description", "updated", "links"]);
      const aliases = new Set(extensions.map((each) => each.alias));
      const expected = ["router", "security-group", "qos", "trunk", "address-group", "address-scope", "subnet_allocation"];
      for (const each of [...expected, "standard-attr-tag", "rbac-policies", "net-mtu-writable", "port-security", "quotas"])
        world.same(each, aliases.has(each), true);
      const one = await world.expect(200, "GET", url(world, "/extensions/qos"));
      world.same("one extension", one.json?.extension?.alias, "qos");
      await world.expect(404, "GET", url(world, "/extensions/nosuch"));
      await world.expect(404, "GET", url(world, "/nosuch"));
      await world.expect(404, "GET", url(world, `/networks/${ABSENT}/nosuch`));
    },
  },
  {
    name: "neutron: bodies that are refused before a plugin is asked",
    async run(world) {
      const refuse = (part: string, body: unknown) => refused(world, [400, "HTTPBadRequest", part], "POST", "networks", body);
      await refuse("Unrecognized attribute(s) 'nosuch'", { network: { nosuch: 1 } });
      await refuse("Attribute 'status' not allowed in POST", { network: { status: "ACTIVE" } });
      await refuse("Invalid input for name. Reason: '5' is not a valid string.", { network: { name: 5 } });
      await refuse("exceeds maximum length of 255", { network: { name: "x".repeat(256) } });
      await refuse("Unable to find 'network' in request body", { nosuch: {} });
      await refused(world, [400, "InvalidInput", "'maybe' cannot be converted to boolean"], "POST", "networks", {
        network: { admin_state_up: "maybe" },
      });
      await refused(world, [400, "HTTPBadRequest", "Required attribute 'ip_version' not specified"], "POST", "subnets", {
        subnet: { network_id: ABSENT },
      });
      const other = { network: { project_id: "a".repeat(32) } };
      await refused(
        world,
        [400, "HTTPBadRequest", "other than the authenticated project in request requires admin"],
        "POST",
        "networks",
        other,
      );
      const { id } = await make(world, "networks", { name: "fake-body" });
      await refused(world, [400, "HTTPBadRequest", "Cannot update read-only attribute status"], "PUT", `networks/${id}`, {
        network: { status: "DOWN" },
      });
      await refused(world, [400, "HTTPBadRequest", "Unrecognized attribute(s) 'nosuch'"], "PUT", `networks/${id}`, {
        network: { nosuch: 1 },
      });
    },
  },
  {
    name: "neutron: a network's life",
    async run(world) {
      const made = await make(world, "networks", { name: "fake-network", description: "d", mtu: 1400, dns_domain: "a.example." });
      const own = ["subnets", "admin_state_up", "status", "shared", "router:external", "mtu", "port_security_enabled"];
      const more = ["qos_policy_id", "dns_domain", "availability_zone_hints", "availability_zones", "ipv4_address_scope"];
      for (const key of [...STANDARD, ...own, ...more, "ipv6_address_scope"]) world.same(`has ${key}`, key in made, true);
      world.same(
        "values",
        [made.mtu, made.status, made.shared, made["router:external"], made.port_security_enabled, made.revision_number],
        [1400, "ACTIVE", false, false, true, made.revision_number],
      );
      world.same(
        "for a member",
        Object.keys(made).filter((key) => key.startsWith("provider:")),
        [],
      );
      world.same("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(String(made.created_at)), true);
      const admin = await show(world, `networks/${made.id}`, "admin");
      world.same("type", admin["provider:network_type"], "geneve");
      const changed = await change(world, `networks/${made.id}`, { name: "fake-renamed", admin_state_up: false });
      world.same("changed", [changed.name, changed.admin_state_up, changed.description], ["fake-renamed", false, "d"]);
      world.same("revised", Number(changed.revision_number) > Number(made.revision_number), true);
      await refused(world, [400, "InvalidInput", "Requested MTU is too big"], "PUT", `networks/${made.id}`, {
        network: { mtu: 9000 },
      });
      for (const field of [{ shared: true }, { "router:external": true }, { "provider:network_type": "vlan" }])
        await refused(world, [403, "PolicyNotAuthorized", "is disallowed by policy"], "POST", "networks", { network: field });
      await refused(world, [403, "PolicyNotAuthorized"], "PUT", `networks/${made.id}`, { network: { shared: true } });
      await drop(world, `networks/${made.id}`);
      await refused(world, [404, "NetworkNotFound", `Network ${made.id} could not be found.`], "GET", `networks/${made.id}`);
      await refused(world, [404, "NetworkNotFound"], "DELETE", `networks/${made.id}`);
    },
  },
  {
    name: "neutron: provider networks of an administrator",
    async run(world) {
      const vlan = { "provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 277 };
      const made = await make(
        world,
        "networks",
        { name: "fake-vlan", ...vlan, shared: true, project_id: world.projectId },
        "admin",
      );
      world.same(
        "segment",
        Object.keys(vlan).map((key) => made[key]),
        Object.values(vlan),
      );
      world.same("owner", made.project_id, world.projectId);
      await refused(
        world,
        [409, "VlanIdInUse", "The VLAN 277 on physical network physnet1 is in use."],
        "POST",
        "networks",
        { network: vlan },
        "admin",
      );
      const wrong = { network: { ...vlan, "provider:physical_network": "nosuch" } };
      await refused(
        world,
        [400, "InvalidInput", "physical_network 'nosuch' unknown for VLAN provider network"],
        "POST",
        "networks",
        wrong,
        "admin",
      );
      const shared = await show(world, `networks/${made.id}`);
      world.same("shared", shared.shared, true);
    },
  },
  {
    name: "neutron: subnets",
    async run(world) {
      const network = await make(world, "networks", { name: "fake-subnets" });
      const v4 = { network_id: network.id, ip_version: 4 };
      const made = await make(world, "subnets", { ...v4, cidr: "10.61.0.0/24", name: "fake-v4" });
      world.same(
        "defaults",
        [made.gateway_ip, made.allocation_pools, made.enable_dhcp, made.dns_nameservers, made.host_routes, made.subnetpool_id],
        ["10.61.0.1", [{ start: "10.61.0.2", end: "10.61.0.254" }], true, [], [], null],
      );
      world.same("modes", [made.ipv6_ra_mode, made.ipv6_address_mode, made.service_types], [null, null, []]);
      world.same(
        "host bits",
        (await make(world, "subnets", { ...v4, cidr: "10.62.0.5/24", gateway_ip: null })).cidr,
        "10.62.0.0/24",
      );
      const refuse = (wanted: [number, string, string], fields: Record<string, unknown>) =>
        refused(world, wanted, "POST", "subnets", { subnet: { ...v4, ...fields } });
      await refuse([400, "InvalidInput", "overlaps with another subnet"], { cidr: "10.61.0.128/25" });
      await refuse([400, "InvalidInput", "10.63.0.0/40 is not in a CIDR format"], { cidr: "10.63.0.0/40" });
      await refuse([400, "InvalidInput", "does not match the ip_version '4'"], { cidr: "fd00::/64" });
      await refuse([400, "InvalidInput", "incompatible with DHCP service enabled"], { cidr: "10.63.0.0/31" });
      await refuse([400, "BadRequest", "a subnetpool must be specified in the absence of a cidr"], {});
      const pools = (start: string, end: string) => ({ cidr: "10.63.0.0/24", allocation_pools: [{ start, end }] });
      await refuse(
        [409, "GatewayConflictWithAllocationPools", "conflicts with allocation pool"],
        pools("10.63.0.1", "10.63.0.9"),
      );
      await refuse(
        [400, "OutOfBoundsAllocationPool", "spans beyond the subnet cidr 10.63.0.0/24"],
        pools("10.63.0.2", "10.63.1.9"),
      );
      await refuse([400, "InvalidInput", "ipv6_ra_mode is not valid when ip_version is 4"], {
        cidr: "10.63.0.0/24",
        ipv6_ra_mode: "slaac",
      });
      await refused(world, [404, "NetworkNotFound"], "POST", "subnets", {
        subnet: { ...v4, network_id: ABSENT, cidr: "10.63.0.0/24" },
      });
      const typed = { ...v4, cidr: "10.63.0.0/24", service_types: ["compute:nova"] };
      world.same("service types", (await make(world, "subnets", typed)).service_types, ["compute:nova"]);
      const modes = { ipv6_ra_mode: "slaac", ipv6_address_mode: "slaac" };
      const v6 = await make(world, "subnets", { network_id: network.id, ip_version: 6, cidr: "FD00:61::/64", ...modes });
      world.same("v6", [v6.cidr, v6.gateway_ip, v6.ipv6_ra_mode], ["fd00:61::/64", "fd00:61::", "slaac"]);
      const changed = await change(world, `subnets/${made.id}`, {
        dns_nameservers: ["9.9.9.9"],
        host_routes: [{ destination: "10.99.0.0/24", nexthop: "10.61.0.9" }],
        enable_dhcp: false,
      });
      world.same("changed", [changed.dns_nameservers, changed.enable_dhcp], [["9.9.9.9"], false]);
      await refused(world, [400, "HTTPBadRequest", "Cannot update read-only attribute cidr"], "PUT", `subnets/${made.id}`, {
        subnet: { cidr: "10.64.0.0/24" },
      });
      await drop(world, `networks/${network.id}`);
      await refused(world, [404, "SubnetNotFound", `Subnet ${made.id} could not be found.`], "GET", `subnets/${made.id}`);
    },
  },
  {
    name: "neutron: ports and their addresses",
    async run(world) {
      const { network, subnet } = await networkWithSubnet(world, 65);
      const fixed = (ip_address: string) => ({ fixed_ips: [{ subnet_id: subnet, ip_address }] });
      const pairs = [{ ip_address: "10.65.0.200" }];
      const options = [{ opt_name: "mtu", opt_value: "1400" }];
      const made = await make(world, "ports", {
        network_id: network,
        name: "fake-port",
        ...fixed("10.65.0.77"),
        allowed_address_pairs: pairs,
        extra_dhcp_opts: options,
      });
      world.same("address", made.fixed_ips, [{ subnet_id: subnet, ip_address: "10.65.0.77" }]);
      world.same("pair", made.allowed_address_pairs, [{ ip_address: "10.65.0.200", mac_address: made.mac_address }]);
      world.same("options", made.extra_dhcp_opts, [{ opt_name: "mtu", opt_value: "1400", ip_version: 4 }]);
      world.same(
        "state",
        [made.status, made.device_id, made.device_owner, made["binding:vnic_type"], made.port_security_enabled],
        ["DOWN", "", "", "normal", true],
      );
      world.same("for a member", "binding:host_id" in made, false);
      const [group] = await listOf(world, "security-groups?name=default");
      world.same("group", made.security_groups, [group?.id]);
      world.same("MAC", /^fa:16:3e(:[0-9a-f]{2}){3}$/.test(String(made.mac_address)), true);
      const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
        refused(world, wanted, "POST", "ports", { port: { network_id: network, ...fields } });
      await refuse(
        [409, "IpAddressAlreadyAllocated", `IP address 10.65.0.77 already allocated in subnet ${subnet}`],
        fixed("10.65.0.77"),
      );
      await refuse([400, "InvalidIpForSubnet", "10.66.0.1"], fixed("10.66.0.1"));
      await refuse([400, "InvalidIpForNetwork", "10.66.0.1"], { fixed_ips: [{ ip_address: "10.66.0.1" }] });
      await refuse([404, "SubnetNotFound", ABSENT], { fixed_ips: [{ subnet_id: ABSENT }] });
      await refuse([409, "MacAddressInUse", `The mac address ${made.mac_address} is in use`], { mac_address: made.mac_address });
      await refuse([404, "SecurityGroupNotFound", ABSENT], { security_groups: [ABSENT] });
      await refuse([400, "HTTPBadRequest", "'x' is not a valid UUID"], { security_groups: ["x"] });
      await refuse([403, "PolicyNotAuthorized"], { "binding:host_id": "lab" });
      await refuse([409, "AddressPairAndPortSecurityRequired"], { port_security_enabled: false, allowed_address_pairs: pairs });
      await refused(world, [404, "NetworkNotFound"], "POST", "ports", { port: { network_id: ABSENT } });
      const changed = await change(world, `ports/${made.id}`, {
        name: "fake-renamed",
        fixed_ips: [{ subnet_id: subnet, ip_address: "10.65.0.78" }],
        security_groups: [],
      });
      world.same(
        "changed",
        [changed.name, changed.fixed_ips, changed.security_groups],
        ["fake-renamed", [{ subnet_id: subnet, ip_address: "10.65.0.78" }], []],
      );
      await refused(world, [409, "AddressPairAndPortSecurityRequired"], "PUT", `ports/${made.id}`, {
        port: { port_security_enabled: false },
      });
      world.same(
        "by address",
        (await listOf(world, `ports?network_id=${network}&fixed_ips=ip_address%3D10.65.0.78`)).map((port) => port.id),
        [made.id],
      );
      await refused(
        world,
        [409, "SubnetInUse", "One or more ports have an IP allocation from this subnet"],
        "DELETE",
        `subnets/${subnet}`,
      );
      await refused(
        world,
        [409, "NetworkInUse", "There are one or more ports still in use on the network"],
        "DELETE",
        `networks/${network}`,
      );
      await drop(world, `ports/${made.id}`);
      await refused(world, [404, "PortNotFound"], "GET", `ports/${made.id}`);
    },
  },
  {
    name: "neutron: ports on networks of others, and automatic addresses",
    async run(world) {
      const network = await make(world, "networks", { name: "fake-theirs", shared: true }, "admin");
      const subnet = await make(
        world,
        "subnets",
        { network_id: network.id, ip_version: 4, cidr: "10.67.0.0/24", enable_dhcp: false },
        "admin",
      );
      const port = { network_id: network.id };
      const plain = await make(world, "ports", { ...port, fixed_ips: [{ subnet_id: subnet.id }] });
      world.same("owner", plain.project_id, world.projectId);
      await refused(world, [403, "PolicyNotAuthorized"], "POST", "ports", {
        port: { ...port, fixed_ips: [{ ip_address: "10.67.0.9" }] },
      });
      await refused(world, [403, "PolicyNotAuthorized"], "POST", "ports", {
        port: { ...port, mac_address: "fa:16:3e:00:00:99" },
      });
      await refused(world, [403, "PolicyNotAuthorized"], "POST", "ports", {
        port: { ...port, allowed_address_pairs: [{ ip_address: "10.67.0.9" }] },
      });
      await refused(world, [403, "PolicyNotAuthorized"], "DELETE", `networks/${network.id}`);
      await refused(
        world,
        [409, "InvalidSharedSetting"],
        "PUT",
        `networks/${network.id}`,
        { network: { shared: false } },
        "admin",
      );
      const hidden = await make(world, "networks", { name: "fake-hidden" }, "admin");
      await refused(world, [404, "NetworkNotFound"], "GET", `networks/${hidden.id}`);
      await refused(world, [404, "NetworkNotFound"], "POST", "ports", { port: { network_id: hidden.id } });
      const own = await make(world, "networks", { name: "fake-slaac" });
      const modes = { ipv6_ra_mode: "slaac", ipv6_address_mode: "slaac" };
      const v6 = await make(world, "subnets", { network_id: own.id, ip_version: 6, cidr: "fd00:68::/64", ...modes });
      const mac = "fa:16:3e:12:34:56";
      const automatic = await make(world, "ports", { network_id: own.id, mac_address: mac });
      world.same("EUI-64", automatic.fixed_ips, [{ subnet_id: v6.id, ip_address: "fd00:68::f816:3eff:fe12:3456" }]);
      await refused(world, [400, "AllocationOnAutoAddressSubnet"], "POST", "ports", {
        port: { network_id: own.id, fixed_ips: [{ subnet_id: v6.id, ip_address: "fd00:68::9" }] },
      });
    },
  },
  {
    name: "neutron: security groups and rules",
    async run(world) {
      const [standing] = await listOf(world, "security-groups?name=default");
      world.same(
        "default",
        [standing?.description, ((standing?.security_group_rules ?? []) as unknown[]).length],
        ["Default security group", 4],
      );
      await refused(world, [409, "SecurityGroupDefaultAlreadyExists"], "POST", "security-groups", {
        security_group: { name: "default" },
      });
      await refused(world, [409, "SecurityGroupCannotRemoveDefault"], "DELETE", `security-groups/${standing?.id}`);
      await refused(world, [409, "SecurityGroupCannotUpdateDefault"], "PUT", `security-groups/${standing?.id}`, {
        security_group: { name: "x" },
      });
      const group = await make(world, "security-groups", { name: "fake-group", description: "g" });
      const rules = group.security_group_rules as Record<string, unknown>[];
      world.same("from the start", rules.map((rule) => `${rule.direction} ${rule.ethertype}`).sort(), [
        "egress IPv4",
        "egress IPv6",
      ]);
      world.same("stateful", [group.stateful, group.shared], [true, false]);
      const base = { security_group_id: group.id, direction: "ingress" };
      const tcp = { ...base, protocol: "tcp", port_range_min: 22, port_range_max: 22, remote_ip_prefix: "10.0.0.5/24" };
      const rule = await make(world, "security-group-rules", tcp);
      world.same(
        "rule",
        [rule.protocol, rule.ethertype, rule.remote_ip_prefix, rule.normalized_cidr, rule.description],
        ["tcp", "IPv4", "10.0.0.5/24", "10.0.0.0/24", ""],
      );
      const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
        refused(world, wanted, "POST", "security-group-rules", { security_group_rule: { ...base, ...fields } });
      await refuse([409, "SecurityGroupRuleExists", `Security group rule already exists. Rule id is ${rule.id}.`], {
        ...tcp,
        protocol: "6",
        description: "other",
      });
      await refuse([409, "SecurityGroupRuleExists"], { direction: "egress", remote_ip_prefix: "0.0.0.0/0" });
      await refuse([400, "SecurityGroupProtocolRequiredWithPorts"], { port_range_min: 1, port_range_max: 2 });
      await refuse([400, "SecurityGroupInvalidPortRange"], { protocol: "tcp", port_range_min: 9, port_range_max: 2 });
      await refuse([400, "SecurityGroupRuleInvalidProtocol", "Security group rule protocol nosuch not supported."], {
        protocol: "nosuch",
      });
      await refuse([400, "SecurityGroupRuleParameterConflict"], { ethertype: "IPv6", remote_ip_prefix: "10.0.0.0/8" });
      await refuse([400, "SecurityGroupMultipleRemoteEntites"], { remote_ip_prefix: "10.0.0.0/8", remote_group_id: group.id });
      await refuse([404, "SecurityGroupNotFound", ABSENT], { security_group_id: ABSENT });
      await refuse([400, "HTTPBadRequest", "Invalid input for direction. Reason: sideways is not in valid_values."], {
        direction: "sideways",
      });
      const v6 = await make(world, "security-group-rules", { ...base, ethertype: "IPv6", protocol: "icmp" });
      world.same("icmp of IPv6", v6.protocol, "ipv6-icmp");
      const all = await make(world, "security-group-rules", {
        ...base,
        protocol: "udp",
        port_range_min: 1,
        port_range_max: 65535,
      });
      world.same("all ports", [all.port_range_min, all.port_range_max], [null, null]);
      const remote = await make(world, "security-group-rules", { ...base, protocol: "sctp", remote_group_id: group.id });
      world.same("remote", remote.remote_group_id, group.id);
      await drop(world, `security-group-rules/${rule.id}`);
      const { network } = await networkWithSubnet(world, 69);
      const port = await make(world, "ports", { network_id: network, security_groups: [group.id] });
      await refused(
        world,
        [409, "SecurityGroupInUse", `Security Group ${group.id} in use.`],
        "DELETE",
        `security-groups/${group.id}`,
      );
      await drop(world, `ports/${port.id}`);
      await drop(world, `security-groups/${group.id}`);
      await refused(world, [404, "SecurityGroupRuleNotFound"], "GET", `security-group-rules/${v6.id}`);
    },
  },
];

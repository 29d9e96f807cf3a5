/** Neutron's part of the contract: routers, floating IPs, tags, lists, quotas. */

import type { Check } from "./contract.ts";
import {
  ABSENT,
  change,
  drop,
  externalNetwork,
  listOf,
  make,
  networkWithSubnet,
  refused,
  show,
  url,
} from "./contract-neutron-ask.ts";

export const neutronRouterChecks: readonly Check[] = [
  {
    name: "neutron: routers, their gateway, interfaces and routes",
    async run(world) {
      const external = await externalNetwork(world);
      const { network, subnet } = await networkWithSubnet(world, 71);
      const router = await make(world, "routers", { name: "fake-router", external_gateway_info: { network_id: external } });
      const info = router.external_gateway_info as Record<string, unknown>;
      world.same("gateway", [info?.network_id, info?.enable_snat], [external, true]);
      for (const key of ["network_id", "external_fixed_ips", "enable_snat"]) world.same(key, key in info, true);
      world.same(
        "defaults",
        [router.status, router.admin_state_up, router.routes, router.availability_zone_hints],
        ["ACTIVE", true, [], []],
      );
      world.same(
        "for a member",
        ["ha", "distributed"].filter((key) => key in router),
        [],
      );
      const gateway = (more: object) => ({ router: { external_gateway_info: { network_id: external, ...more } } });
      await refused(
        world,
        [403, "PolicyNotAuthorized", "rule:create_router:external_gateway_info:enable_snat"],
        "POST",
        "routers",
        gateway({ enable_snat: false }),
      );
      await refused(
        world,
        [403, "PolicyNotAuthorized"],
        "POST",
        "routers",
        gateway({ external_fixed_ips: [{ ip_address: "172.24.0.55" }] }),
      );
      await refused(
        world,
        [400, "BadRequest", `Network ${network} is not an external network`],
        "POST",
        "routers",
        gateway({ network_id: network }),
      );
      await refused(world, [404, "NetworkNotFound"], "POST", "routers", gateway({ network_id: ABSENT }));
      const act = (action: string, body: unknown) =>
        world.expect(200, "PUT", url(world, `/routers/${router.id}/${action}`), { json: body });
      const added = (await act("add_router_interface", { subnet_id: subnet })).json;
      world.keys("interface", added, ["id", "tenant_id", "port_id", "network_id", "subnet_id", "subnet_ids"]);
      const port = await show(world, `ports/${added?.port_id}`);
      world.same(
        "its port",
        [port.device_owner, port.device_id, port.fixed_ips, port.security_groups],
        ["network:router_interface", router.id, [{ subnet_id: subnet, ip_address: "10.71.0.1" }], []],
      );
      const interfaceOf = (wanted: [number, string, string?], action: string, body: unknown) =>
        refused(world, wanted, "PUT", `routers/${router.id}/${action}`, body);
      await interfaceOf([400, "BadRequest"], "add_router_interface", {
        subnet_id: subnet,
      });
      await interfaceOf([400, "BadRequest", "Either subnet_id or port_id must be specified"], "add_router_interface", {});
      await interfaceOf([404, "SubnetNotFound"], "add_router_interface", { subnet_id: ABSENT });
      await interfaceOf([404, "RouterInterfaceNotFound"], "remove_router_interface", { port_id: ABSENT });
      const overlapping = await make(world, "networks", { name: "fake-overlap" });
      const other = await make(world, "subnets", {
        network_id: overlapping.id,
        ip_version: 4,
        cidr: "10.71.0.0/25",
        enable_dhcp: false,
      });
      await interfaceOf([400, "BadRequest", "overlaps with cidr 10.71.0.0/24"], "add_router_interface", { subnet_id: other.id });
      await refused(world, [409, "ServicePortInUse", "has device owner network:router_interface"], "DELETE", `ports/${port.id}`);
      await refused(world, [409, "GatewayIpInUse"], "PUT", `subnets/${subnet}`, { subnet: { gateway_ip: "10.71.0.254" } });
      const routes = [{ destination: "10.200.0.0/24", nexthop: "10.71.0.99" }];
      world.same("routes", (await change(world, `routers/${router.id}`, { routes })).routes, routes);
      const far = { router: { routes: [{ destination: "10.200.0.0/24", nexthop: "10.99.0.99" }] } };
      await refused(
        world,
        [400, "InvalidRoutes", "the nexthop is not connected with router"],
        "PUT",
        `routers/${router.id}`,
        far,
      );
      const self = { router: { routes: [{ destination: "10.200.0.0/24", nexthop: "10.71.0.1" }] } };
      await refused(world, [400, "InvalidRoutes", "the nexthop is used by router"], "PUT", `routers/${router.id}`, self);
      await interfaceOf([409, "RouterInterfaceInUseByRoute"], "remove_router_interface", { subnet_id: subnet });
      await change(world, `routers/${router.id}`, { routes: [] });
      await refused(world, [409, "RouterInUse", "has ports still attached"], "DELETE", `routers/${router.id}`);
      await act("remove_router_interface", { subnet_id: subnet });
      await interfaceOf([404, "RouterInterfaceNotFoundForSubnet"], "remove_router_interface", { subnet_id: subnet });
      const own = await make(world, "ports", {
        network_id: network,
        fixed_ips: [{ subnet_id: subnet, ip_address: "10.71.0.40" }],
      });
      await act("add_router_interface", { port_id: own.id });
      await interfaceOf([409, "PortInUse"], "add_router_interface", { port_id: own.id });
      await act("remove_router_interface", { port_id: own.id });
      await refused(world, [404, "PortNotFound"], "GET", `ports/${own.id}`);
      world.same(
        "no gateway",
        (await change(world, `routers/${router.id}`, { external_gateway_info: null })).external_gateway_info,
        null,
      );
      await drop(world, `routers/${router.id}`);
      await refused(world, [404, "RouterNotFound", `Router ${router.id} could not be found`], "GET", `routers/${router.id}`);
    },
  },
  {
    name: "neutron: floating IPs",
    async run(world) {
      const external = await externalNetwork(world);
      const { network, subnet } = await networkWithSubnet(world, 72);
      const port = await make(world, "ports", { network_id: network });
      const address = (port.fixed_ips as { ip_address: string }[])[0]?.ip_address;
      const of = { floating_network_id: external };
      await refused(
        world,
        [404, "ExternalGatewayForFloatingIPNotFound", `is not reachable from subnet ${subnet}`],
        "POST",
        "floatingips",
        { floatingip: { ...of, port_id: port.id } },
      );
      const router = await make(world, "routers", {
        name: "fake-fip-router",
        external_gateway_info: of.floating_network_id === "" ? null : { network_id: external },
      });
      await world.expect(200, "PUT", url(world, `/routers/${router.id}/add_router_interface`), { json: { subnet_id: subnet } });
      const free = await make(world, "floatingips", { ...of, description: "fake-fip" });
      world.same(
        "free",
        [free.status, free.port_id, free.router_id, free.fixed_ip_address, free.port_details],
        ["DOWN", null, null, null, null],
      );
      const changed = await change(world, `floatingips/${free.id}`, { port_id: port.id });
      world.same("bound", [changed.port_id, changed.fixed_ip_address, changed.router_id], [port.id, address, router.id]);
      const second = { floatingip: { ...of, port_id: port.id } };
      await refused(world, [409, "FloatingIPPortAlreadyAssociated"], "POST", "floatingips", second);
      await refused(world, [403, "PolicyNotAuthorized"], "POST", "floatingips", {
        floatingip: { ...of, floating_ip_address: "172.24.0.77" },
      });
      await refused(world, [400, "BadRequest", "is not a valid external network"], "POST", "floatingips", {
        floatingip: { floating_network_id: network },
      });
      await refused(world, [409, "RouterInterfaceInUseByFloatingIP"], "PUT", `routers/${router.id}/remove_router_interface`, {
        subnet_id: subnet,
      });
      await refused(world, [409, "RouterExternalGatewayInUseByFloatingIp"], "PUT", `routers/${router.id}`, {
        router: { external_gateway_info: null },
      });
      world.same("described", (await change(world, `floatingips/${free.id}`, { description: "x" })).port_id, port.id);
      await drop(world, `ports/${port.id}`);
      const after = await show(world, `floatingips/${free.id}`);
      world.same("its port is gone", [after.port_id, after.fixed_ip_address], [null, null]);
      await drop(world, `floatingips/${free.id}`);
      await refused(world, [404, "FloatingIPNotFound"], "GET", `floatingips/${free.id}`);
      await world.expect(200, "PUT", url(world, `/routers/${router.id}/remove_router_interface`), {
        json: { subnet_id: subnet },
      });
    },
  },
  {
    name: "neutron: tags",
    async run(world) {
      const network = await make(world, "networks", { name: "fake-tagged" });
      world.same("made with", network.tags, []);
      const set = await world.expect(200, "PUT", url(world, `/networks/${network.id}/tags`), { json: { tags: ["c", "d"] } });
      world.same("set", set.json?.tags?.sort(), ["c", "d"]);
      await world.expect(201, "PUT", url(world, `/networks/${network.id}/tags/e`));
      await world.expect(204, "GET", url(world, `/networks/${network.id}/tags/e`));
      await world.expect(404, "GET", url(world, `/networks/${network.id}/tags/z`));
      await world.expect(204, "DELETE", url(world, `/networks/${network.id}/tags/e`));
      await refused(world, [404, "TagNotFound", "Tag e could not be found."], "DELETE", `networks/${network.id}/tags/e`);
      const ids = async (query: string) => (await listOf(world, `networks?${query}`)).map((each) => each.id);
      world.same("tags", await ids("tags=c,d"), [network.id]);
      world.same("tags-any", await ids("tags-any=c,x"), [network.id]);
      world.same("not-tags", (await ids("not-tags=c,d")).includes(network.id), false);
      await world.expect(204, "DELETE", url(world, `/networks/${network.id}/tags`));
      world.same("none", (await world.expect(200, "GET", url(world, `/networks/${network.id}/tags`))).json, { tags: [] });
    },
  },
  {
    name: "neutron: filters, fields, sorting, pages",
    async run(world) {
      const made: string[] = [];
      for (const name of ["fake-page-c", "fake-page-a", "fake-page-b"]) made.push((await make(world, "networks", { name })).id);
      const mine = `project_id=${world.projectId}`;
      const named = await listOf(
        world,
        `networks?name=fake-page-a&name=fake-page-b&fields=name&fields=id&sort_key=name&sort_dir=desc`,
      );
      world.same(
        "names",
        named.map((each) => each.name),
        ["fake-page-b", "fake-page-a"],
      );
      world.keys("fields", named[0], ["id", "name"]);
      const first = await world.expect(200, "GET", url(world, `/networks?${mine}&limit=2&sort_key=name&sort_dir=asc`));
      world.same("first page", first.json?.networks?.length, 2);
      world.same(
        "links",
        first.json?.networks_links?.map((link: { rel: string }) => link.rel),
        ["next", "previous"],
      );
      const next = await world.expect(200, "GET", String(first.json?.networks_links?.[0]?.href));
      const names = [...(first.json?.networks ?? []), ...(next.json?.networks ?? [])].map((each: { name: string }) => each.name);
      world.same(
        "pages",
        names.filter((name) => name.startsWith("fake-page")),
        ["fake-page-a", "fake-page-b", "fake-page-c"],
      );
      world.same(
        "previous",
        next.json?.networks_links?.some((link: { rel: string }) => link.rel === "previous"),
        true,
      );
      await refused(
        world,
        [400, "HTTPBadRequest", "The number of sort_keys and sort_dirs must be same"],
        "GET",
        "networks?sort_key=name",
      );
      await refused(
        world,
        [400, "HTTPBadRequest", "['nosuch'] is invalid attribute for sort_keys"],
        "GET",
        "networks?sort_key=nosuch&sort_dir=asc",
      );
      await refused(world, [400, "BadRequest", "Limit must be an integer 0 or greater and not 'x'"], "GET", "networks?limit=x");
      world.same(
        "external",
        (await listOf(world, "networks?router:external=True")).every((each) => each["router:external"] === true),
        true,
      );
      const many = { networks: [{ name: "fake-bulk-1" }, { name: "fake-bulk-2" }] };
      const bulk = await world.expect(201, "POST", url(world, "/networks"), { json: many });
      world.same("bulk", bulk.json?.networks?.map((each: { name: string }) => each.name).sort(), ["fake-bulk-1", "fake-bulk-2"]);
      for (const { id } of bulk.json?.networks ?? []) await drop(world, `networks/${id}`);
    },
  },
  {
    name: "neutron: quotas",
    async run(world) {
      const own = await world.expect(200, "GET", url(world, `/quotas/${world.projectId}`), { as: "admin" });
      for (const name of [
        "network",
        "subnet",
        "subnetpool",
        "port",
        "router",
        "floatingip",
        "security_group",
        "security_group_rule",
        "rbac_policy",
      ])
        world.same(name, typeof own.json?.quota?.[name], "number");
      await refused(world, [403, "PolicyNotAuthorized"], "PUT", `quotas/${world.projectId}`, { quota: { router: 0 } });
      await world.expect(200, "PUT", url(world, `/quotas/${world.projectId}`), { json: { quota: { router: 0 } }, as: "admin" });
      await refused(world, [409, "OverQuota", "Quota exceeded for resources: ['router']."], "POST", "routers", { router: {} });
      await refused(
        world,
        [400, "HTTPBadRequest", "Unrecognized attribute(s) 'nosuch'"],
        "PUT",
        `quotas/${world.projectId}`,
        { quota: { nosuch: 1 } },
        "admin",
      );
      await world.expect(204, "DELETE", url(world, `/quotas/${world.projectId}`), { as: "admin" });
      const router = await make(world, "routers", { name: "fake-quota" });
      await drop(world, `routers/${router.id}`);
    },
  },
];

/** Neutron's part of the contract: address groups, and what a project shares with others. */

import type { Check } from "./contract.ts";
import { ABSENT, change, checkOf, drop, listOf, make, refused, show, url } from "./contract-neutron-ask.ts";

export const neutronSharingChecks: readonly Check[] = [
  checkOf(["address-group", "security-groups-remote-address-group"], "neutron: address groups", async (world) => {
    const group = await make(world, "address-groups", { name: "fake-addresses", addresses: ["10.0.0.0/24", "192.0.2.9/32"] });
    const at = `address-groups/${group.id}`;
    const addresses = async () => ((await show(world, at)).addresses as string[]).toSorted();
    world.same("made", [group.description, await addresses()], ["", ["10.0.0.0/24", "192.0.2.9/32"]]);
    const act = (action: string, list: string[]) =>
      world.expect(200, "PUT", url(world, `/${at}/${action}`), { json: { addresses: list } });
    await act("add_addresses", ["2001:db8::/32"]);
    await act("remove_addresses", ["10.0.0.0/24"]);
    world.same("changed", await addresses(), ["192.0.2.9/32", "2001:db8::/32"]);
    world.same("renamed", (await change(world, at, { name: "fake-renamed" })).name, "fake-renamed");
    await refused(world, [400, "HTTPBadRequest"], "PUT", at, { address_group: { addresses: ["10.0.0.0/24"] } });
    await refused(world, [400, "HTTPBadRequest"], "POST", "address-groups", { address_group: { addresses: ["x"] } });
    await refused(world, [404, "AddressGroupNotFound", ABSENT], "GET", `address-groups/${ABSENT}`);
    const security = await make(world, "security-groups", { name: "fake-group" });
    const rule = await make(world, "security-group-rules", {
      ...{ security_group_id: security.id, direction: "ingress", remote_address_group_id: group.id },
    });
    world.same("of the rule", rule.remote_address_group_id, group.id);
    await refused(world, [409, "AddressGroupInUse"], "DELETE", at);
    await drop(world, `security-group-rules/${rule.id}`);
    await drop(world, at);
  }),
  checkOf(["rbac-policies", "rbac-security-groups"], "neutron: what is shared with others", async (world) => {
    const network = await make(world, "networks", { name: "fake-shared" });
    const entry = { object_type: "network", object_id: network.id, action: "access_as_shared", target_tenant: world.userId };
    const policy = await make(world, "rbac-policies", entry);
    world.same(
      "made",
      [policy.object_type, policy.object_id, policy.action, policy.target_tenant, policy.project_id],
      ["network", network.id, "access_as_shared", world.userId, world.projectId],
    );
    world.same(
      "listed",
      (await listOf(world, `rbac-policies?object_id=${network.id}`)).map(({ id }) => id),
      [policy.id],
    );
    const refuse = (wanted: [number, string, string?], more: object) =>
      refused(world, wanted, "POST", "rbac-policies", { rbac_policy: { ...entry, ...more } });
    await refuse([409, "DuplicateRbacPolicy"], {});
    await refuse([403, "PolicyNotAuthorized"], { target_tenant: "*" });
    await refuse([400, "InvalidInput"], { object_id: ABSENT });
    await refuse([400, "InvalidInput", "'router' is not a valid RBAC object type"], { object_type: "router" });
    await refuse([400, "InvalidActionForType"], { action: "access_as_friend", target_tenant: world.creatorId });
    const moved = await change(world, `rbac-policies/${policy.id}`, { target_tenant: world.creatorId });
    world.same("moved", moved.target_tenant, world.creatorId);
    await refused(world, [400, "HTTPBadRequest"], "PUT", `rbac-policies/${policy.id}`, { rbac_policy: { object_id: ABSENT } });
    const group = await make(world, "security-groups", { name: "fake-group" });
    await make(world, "rbac-policies", { ...entry, object_type: "security_group", object_id: group.id });
    await drop(world, `rbac-policies/${policy.id}`);
    await refused(world, [404, "RbacPolicyNotFound"], "GET", `rbac-policies/${policy.id}`);
  }),
];

/** Neutron's part of the contract: QoS policies and their rules, which an administrator or manager makes for a project. */

import type { Check } from "./contract.ts";
import { ABSENT, change, checkOf, drop, make, refused, show } from "./contract-neutron-ask.ts";

export const neutronQosChecks: readonly Check[] = [
  checkOf(["qos", "qos-bw-limit-direction", "qos-pps"], "neutron: QoS policies and rules", async (world) => {
    const project_id = world.projectId;
    const policy = await make(world, "qos/policies", { name: "fake-qos", project_id }, "admin");
    world.same("made", [policy.shared, policy.is_default, policy.rules, policy.project_id], [false, false, [], project_id]);
    const at = `qos/policies/${policy.id}`;
    const rule = (kind: string, fields: Record<string, unknown>) => make(world, `${at}/${kind}_rules`, fields, "admin");
    const limit = await rule("bandwidth_limit", { max_kbps: 1000, max_burst_kbps: 100 });
    world.same("limit", [limit.max_kbps, limit.max_burst_kbps, limit.direction], [1000, 100, "egress"]);
    await rule("bandwidth_limit", { max_kbps: 2000, direction: "ingress" });
    const mark = await rule("dscp_marking", { dscp_mark: 26 });
    await rule("minimum_bandwidth", { min_kbps: 5 });
    const types = ((await show(world, at)).rules as Record<string, unknown>[]).map(({ type }) => String(type)).sort();
    world.same("its rules", types, ["bandwidth_limit", "bandwidth_limit", "dscp_marking", "minimum_bandwidth"]);
    const refuse = (wanted: [number, string, string?], kind: string, fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", `${at}/${kind}_rules`, { [`${kind}_rule`]: fields }, "admin");
    await refuse([409, "QoSRulesConflict"], "bandwidth_limit", { max_kbps: 3000 });
    await refuse([400, "HTTPBadRequest"], "bandwidth_limit", { max_kbps: -1 });
    await refuse([400, "HTTPBadRequest"], "dscp_marking", { dscp_mark: 3 });
    const changed = await change(world, `${at}/dscp_marking_rules/${mark.id}`, { dscp_mark: 28 }, "admin");
    world.same("changed", changed.dscp_mark, 28);
    await refused(world, [403, "PolicyNotAuthorized"], "POST", "qos/policies", { policy: { name: "fake-x" } });
    await refused(world, [404, "QosPolicyNotFound", ABSENT], "GET", `qos/policies/${ABSENT}`);
    const network = await make(world, "networks", { name: "fake-limited", qos_policy_id: policy.id });
    world.same("of the network", network.qos_policy_id, policy.id);
    await refused(world, [409, "QosPolicyInUse", `is used by network ${network.id}`], "DELETE", at, undefined, "admin");
    await drop(world, `${at}/bandwidth_limit_rules/${limit.id}`, "admin");
    await drop(world, `networks/${network.id}`);
    await drop(world, at, "admin");
  }),
];

/** Neutron's part of the contract: metering labels and their rules, logs. An administrator makes them for a project. */

import type { Check } from "./contract.ts";
import { ABSENT, change, checkOf, drop, listOf, make, refused, show } from "./contract-neutron-ask.ts";

const LABELS = "metering/metering-labels";
const RULES = "metering/metering-label-rules";

export const neutronWatchingChecks: readonly Check[] = [
  checkOf(["metering", "metering_source_and_destination_fields"], "neutron: metering labels", async (world) => {
    const project_id = world.projectId;
    const label = await make(world, LABELS, { name: "fake-label", description: "d", project_id }, "admin");
    world.same("made", [label.name, label.description, label.shared], ["fake-label", "d", false]);
    const base = { metering_label_id: label.id, direction: "ingress" };
    const rule = await make(world, RULES, { ...base, remote_ip_prefix: "10.0.0.0/24" }, "admin");
    world.same(
      "rule",
      [rule.remote_ip_prefix, rule.excluded, rule.source_ip_prefix, rule.destination_ip_prefix],
      ["10.0.0.0/24", false, null, null],
    );
    await make(world, RULES, { ...base, source_ip_prefix: "10.1.0.0/24", destination_ip_prefix: "10.2.0.0/24" }, "admin");
    const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", RULES, { metering_label_rule: { ...base, ...fields } }, "admin");
    await refuse([409, "MeteringLabelRuleOverlaps"], { remote_ip_prefix: "10.0.0.0/24" });
    // The server does not expect it.
    await refuse([500, "Invalid", "You must define at least one of the following parameters"], {});
    await refuse([404, "MeteringLabelNotFound"], { metering_label_id: ABSENT, remote_ip_prefix: "10.9.0.0/24" });
    await refused(world, [403, "PolicyNotAuthorized"], "POST", LABELS, { metering_label: { name: "fake-x" } });
    await drop(world, `${RULES}/${rule.id}`, "admin");
    await drop(world, `${LABELS}/${label.id}`, "admin");
    await refused(world, [404, "MeteringLabelNotFound"], "GET", `${LABELS}/${label.id}`, undefined, "admin");
  }),
  checkOf(["logging"], "neutron: logs", async (world) => {
    const types = (await listOf(world, "log/loggable-resources", "admin")).map(({ type }) => type);
    world.same("of security groups", types.includes("security_group"), true);
    const group = await make(world, "security-groups", { name: "fake-logged" });
    const log = { name: "fake-log", resource_type: "security_group", resource_id: group.id, project_id: world.projectId };
    const made = await make(world, "log/logs", log, "admin");
    world.same(
      "made",
      [made.event, made.enabled, made.target_id, made.resource_id, made.description],
      ["ALL", true, null, group.id, ""],
    );
    const changed = await change(world, `log/logs/${made.id}`, { enabled: false, description: "d" }, "admin");
    world.same("changed", [changed.enabled, changed.description], [false, "d"]);
    const refuse = (wanted: [number, string, string?], fields: Record<string, unknown>) =>
      refused(world, wanted, "POST", "log/logs", { log: { ...log, ...fields } }, "admin");
    await refuse([400, "InvalidLogResourceType"], { resource_type: "fake_thing" });
    await refuse([404, "ResourceNotFound"], { resource_id: ABSENT });
    await refuse([404, "TargetResourceNotFound"], { target_id: ABSENT });
    await refused(world, [400, "HTTPBadRequest"], "PUT", `log/logs/${made.id}`, { log: { event: "DROP" } }, "admin");
    world.same("a member sees none", await listOf(world, "log/logs"), []);
    await drop(world, `log/logs/${made.id}`, "admin");
    await refused(world, [404, "LogResourceNotFound"], "GET", `log/logs/${made.id}`, undefined, "admin");
    await show(world, `security-groups/${group.id}`);
  }),
];

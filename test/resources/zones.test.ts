/** designate.zone between projects: every field and record, zones inside zones, a name that is taken, a death at any call. */

import { CodedError, canonicalJson } from "@permafrost/std";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Zones } from "../fakes/openstack/designate/zones.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const TYPES = ["designate.zone"];

let ways: WholeRestores;
let zones: Zones;
let number = 0;
let source = "";
let target = "";
let top = "";

beforeAll(async () => {
  ways = await WholeRestores.start();
  zones = ways.fake.zones;
});
afterAll(async () => await ways?.close());

/** Two projects, and in the first a zone with records of many kinds, one inside it and a secondary one. */
beforeEach(() => {
  [source, target, top] = [`source${++number}`, `target${number}`, `z${number}.example.`];
  const projectId = ways.project(source);
  ways.project(target);
  // The inner one is older: a restore must still make the outer one first, for the way back.
  zones.add({ projectId, name: `in.${top}`, email: "b@example.com" });
  const zone = zones.add({
    projectId,
    name: top,
    email: "a@example.com",
    ttl: 900,
    description: "served",
    attributes: { tier: "gold" },
  });
  zones.addRecordSet(zone, { name: `www.${top}`, type: "A", records: ["192.0.2.2", "192.0.2.1"], ttl: 60, description: "web" });
  zones.addRecordSet(zone, { name: top, type: "MX", records: ["10 mail.example."] });
  zones.addRecordSet(zone, { name: `*.${top}`, type: "TXT", records: ['"v=spf1 -all"', "plain"] });
  zones.addRecordSet(zone, { name: `sub.${top}`, type: "NS", records: ["ns.other.example."] });
  zones.addRecordSet(zone, { name: `empty.${top}`, type: "A", records: [] });
  zones.add({ projectId, name: `second-${top}`, type: "SECONDARY", masters: ["192.0.2.53", "192.0.2.54"] });
});

const idOf = (project: string) => ways.fake.read.project(project)?.id ?? "";

/** What counts of a project's zones. */
function shape(project: string): string[] {
  return zones
    .of(idOf(project))
    .map(({ name, type, email, ttl, description, attributes, masters, recordSets }) => {
      const sets = [...recordSets.values()]
        .filter((set) => set.type !== "SOA")
        .map((set) => [set.name, set.type, [...set.records].sort(), set.ttl, set.description]);
      const fields = { name, type, email, ttl, description, attributes, masters };
      return canonicalJson({ ...fields, sets: sets.map((set) => canonicalJson(set)).sort() });
    })
    .sort();
}

/** The source loses its zones, as when it is emptied: a name can be had once. */
async function freeNames(): Promise<void> {
  for (const zone of zones.of(idOf(source))) zones.all.delete(zone.id);
}

it("comes back with every field, the outer zone before the inner, and is taken back to nothing", async () => {
  const before = shape(source);
  const backup = await ways.backup(source, TYPES);
  expect(backup.map((r) => r.name).sort()).toEqual([`in.${top}`, `second-${top}`, top]);
  await freeNames();
  const mark = ways.fake.journal.mark();
  const restored = await ways.restore(target, backup);
  expect([restored.left, restored.warnings]).toEqual([[], []]);
  expect(shape(target)).toEqual(before);
  expect(await ways.verify(restored)).toEqual([]);
  const names = restored.made.map((r) => r.name);
  expect(names.indexOf(top)).toBeLessThan(names.indexOf(`in.${top}`));
  await ways.undo(restored);
  expect(zones.of(idOf(target))).toEqual([]);
  expect(ways.fake.journal.leaked("zone", mark)).toEqual([]);
});

it("verification sees a record that is another, lost or changed, and a field", async () => {
  const backup = await ways.backup(source, TYPES);
  await freeNames();
  const restored = await ways.restore(target, backup);
  const zone = zones.of(idOf(target)).find((each) => each.name === top);
  if (zone === undefined) throw new Error("no zone");
  zone.ttl = 1;
  for (const set of zone.recordSets.values()) {
    if (set.type === "MX") zone.recordSets.delete(set.id);
    if (set.name === `www.${top}`) set.records = ["192.0.2.9"];
  }
  const seen = await ways.verify(restored);
  expect(seen.map((line) => line.replace(/expected .* found/, "found"))).toEqual([
    `designate.zone ${top}: ttl: found 1`,
    expect.stringMatching(/record set: found .*192\.0\.2\.9/),
    expect.stringMatching(/record set: found none/),
  ]);
});

it("a name that the project has: only one can have it", async () => {
  const backup = await ways.backup(source, TYPES);
  const outer = backup.filter((r) => r.name === top);
  for (const id of [...zones.all.keys()]) zones.all.delete(id);
  zones.add({ projectId: idOf(target), name: top, email: "other@example.com" });
  const action = async (onConflict: "create" | "reuse" | "skip" | "fail" | "rename") =>
    (await ways.plan(target, outer, { onConflict })).resources[0]?.action;
  expect([await action("create"), await action("fail"), await action("rename")]).toEqual(["conflict", "conflict", "conflict"]);
  expect([await action("reuse"), await action("skip")]).toEqual(["reuse", "skip"]);
});

it("a name that another project has is told by the service", async () => {
  const backup = await ways.backup(source, TYPES);
  await expect(ways.restore(target, backup)).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("Zone already exists, owned by a different tenant"),
  });
  expect(zones.of(idOf(target))).toEqual([]);
});

it("a prefix goes before the zone's name and into its records", async () => {
  const outer = (await ways.backup(source, TYPES)).filter((r) => r.name === top);
  const restored = await ways.restore(target, outer, { namePrefix: "new-" });
  expect(await ways.verify(restored)).toEqual([]);
  const [zone] = zones.of(idOf(target));
  expect(zone?.name).toBe(`new-${top}`);
  expect([...(zone?.recordSets.values() ?? [])].every((set) => set.name.endsWith(`new-${top}`))).toBe(true);
});

it("a target without Designate, one with too small a quota, and one whose role may only read", async () => {
  const backup = await ways.backup(source, TYPES);
  await freeNames();
  ways.fake.lacking.add("dns");
  const plan = await ways.plan(target, backup).finally(() => ways.fake.lacking.clear());
  expect(new Set(plan.resources.map((r) => r.actionReason))).toEqual(new Set(["the target has no service dns"]));
  zones.quotas.set(idOf(target), { zones: 1 });
  await expect(ways.restore(target, backup)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  const reader = `reader${number}`;
  ways.project(reader, ["reader"]);
  await expect(ways.restore(reader, backup)).rejects.toMatchObject({ code: "FORBIDDEN" });
});

it("a restore's worker dies at any call: the next one makes nothing twice", async () => {
  const backup = await ways.backup(source, TYPES);
  const wanted = shape(source);
  await freeNames();
  const whole = await ways.restore(target, backup);
  await ways.undo(whole);
  expect(whole.calls.length).toBeGreaterThan(15);
  const failures: string[] = [];
  for (const [at, fate] of fatesOf(whole).entries()) {
    const project = `${target}-${at}`;
    ways.project(project);
    try {
      await ways.restore(project, backup, {}, fate);
      expect(shape(project)).toEqual(wanted);
    } catch (error) {
      failures.push(`${fate.call} ${fate.death} (${whole.calls[fate.call]}): ${CodedError.from(error).message.slice(0, 300)}`);
    }
    for (const zone of zones.of(idOf(project))) zones.all.delete(zone.id);
  }
  expect(failures).toEqual([]);
}, 240_000);

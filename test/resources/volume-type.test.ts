/** cinder.volume-type between two projects: what who may read, every field there and back, what is found, refused and taken back. */

import type { PlannedResource } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { afterEach, describe, expect, it } from "vitest";
import type { VolumeType } from "../fakes/openstack/volumes.ts";
import { applied, mismatches, type Options, planned, problemsOf, restorePoint, undone } from "./both-ways.ts";
import { TwoProjects } from "./two-projects.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const INCLUDE = ["cinder.volume-type", "cinder.volume"];
let projects: TwoProjects;
afterEach(async () => await projects?.close());

const QOS = {
  id: "7a5b6c1e-0000-4000-8000-000000000001",
  name: "1000-iops",
  consumer: "front-end",
  specs: { read_iops_sec: "1000" },
};
const SECRET: Omit<VolumeType, "id"> = {
  name: "vault",
  description: "for what must not leak",
  extraSpecs: { volume_backend_name: "ceph-2", "RESKEY:availability_zones": "nova", replication_enabled: "<is> True" },
  isPublic: false,
  access: new Set(),
  encryption: { provider: "luks2", control_location: "front-end", cipher: "aes-xts-plain64", key_size: 512 },
  encrypted: true,
  qosSpecsId: QOS.id,
};

/** A volume of the type `vault` in the source. */
async function start(source: readonly string[] = ["admin"], target: readonly string[] = source): Promise<VolumeType> {
  projects = await TwoProjects.start({}, source, target);
  const { volumes, seed } = projects.fake;
  volumes.qosSpecs.push(QOS);
  const type = { ...SECRET, id: "5e3c1a2b-0000-4000-8000-000000000001", access: new Set([projects.sourceId]) };
  volumes.types.push(type);
  seed.volume({ project: projects.sourceId, name: "ledger", size: 1, type: "vault" });
  return type;
}

/** As if the target were another cloud. */
function forget(type: VolumeType): void {
  const { volumes } = projects.fake;
  for (const [id, volume] of volumes.volumes) if (volume.type === type) volumes.volumes.delete(id);
  volumes.types.splice(volumes.types.indexOf(type), 1);
}

const made = () => projects.fake.volumes.types.find((type) => type.name === "vault");
const typeIn = (resources: readonly PlannedResource[]) => resources.find((r) => r.type === "cinder.volume-type");

describe("captured", () => {
  it("by an administrator: the whole type, how it encrypts and its QoS specs", async () => {
    const type = await start();
    const [point] = await restorePoint(projects, ["cinder.volume-type"]);
    expect(point).toMatchObject({ id: "vault", name: "vault", warnings: [] });
    expect(await projects.document(point)).toMatchObject({
      ...{ version: 1, isComplete: true, encryption: SECRET.encryption, qosSpecs: QOS },
      type: {
        ...{ id: type.id, name: "vault", description: SECRET.description, extra_specs: SECRET.extraSpecs },
        ...{ is_public: false, qos_specs_id: QOS.id },
      },
    });
  });

  it("by a member: what it is shown", async () => {
    await start([]);
    const [point] = await restorePoint(projects, ["cinder.volume-type"]);
    const { encryption, qosSpecs, ...document } = (await projects.document(point)) as Record<string, unknown>;
    expect([encryption, qosSpecs]).toEqual([undefined, undefined]);
    expect(document).toMatchObject({
      isComplete: false,
      type: { name: "vault", extra_specs: { "RESKEY:availability_zones": "nova", replication_enabled: "<is> True" } },
    });
  });

  it("by an administrator whom the cloud's policy does not show how it encrypts: as incomplete", async () => {
    await start();
    projects.fake.faults.add({
      match: { service: "volume", method: "GET", path: /\/encryption$/ },
      times: 9,
      action: { status: 403, body: JSON.stringify({ forbidden: { code: 403, message: "Policy doesn't allow it" } }) },
    });
    const [point] = await restorePoint(projects, ["cinder.volume-type"]);
    expect(await projects.document(point)).toMatchObject({ isComplete: false, type: { extra_specs: SECRET.extraSpecs } });
  });

  it("by its name alone if the project is not shown it any more", async () => {
    const type = await start([]);
    type.access.clear();
    const [point] = await restorePoint(projects, ["cinder.volume-type"]);
    expect(point?.warnings).toEqual(["The volume type is not shown to the project any more: only its name is captured"]);
    expect(await projects.document(point)).toEqual({ version: 1, isComplete: false, type: { name: "vault" } });
    expect(
      problemsOf(
        await planned(
          projects,
          [point].filter((p) => p !== undefined),
        ),
      ),
    ).toEqual([expect.stringContaining("the target has no volume type vault and only an administrator may make it")]);
  });
});

describe("made by an administrator where the target has none of that name", () => {
  it("with every field, before its volumes, and taken back after them", async () => {
    const type = await start();
    const points = await restorePoint(projects, INCLUDE);
    forget(type);
    const plan = await planned(projects, points);
    expect(problemsOf(plan)).toEqual([]);
    expect(typeIn(plan.resources)).toMatchObject({ action: "create", actionReason: "no volume type of that name" });
    expect(plan.resources.find((r) => r.name === "ledger")?.dependsOn).toEqual(["cinder.volume-type/vault"]);
    const restored = await applied(projects, plan);
    const copy = made();
    const { id: _, access, encryption, ...fields } = copy ?? type;
    expect(fields).toEqual({
      ...{ name: "vault", description: SECRET.description, extraSpecs: SECRET.extraSpecs, isPublic: false },
      ...{ encrypted: true, qosSpecsId: QOS.id },
    });
    expect(encryption).toMatchObject(SECRET.encryption ?? {});
    expect([...access]).toEqual([projects.targetId]);
    expect(copy?.id).not.toBe(type.id);
    expect(projects.fake.read.volumes(projects.targetId).map((v) => [v.name, v.type.id])).toEqual([["ledger", copy?.id]]);
    expect(await mismatches(projects, restored)).toEqual([]);
    await undone(projects, restored);
    expect(made()).toBeUndefined();
    expect(projects.fake.read.volumes(projects.targetId)).toEqual([]);
    expect(projects.fake.journal.leaked("volume_type")).toEqual([]);
  });

  it("without QoS specs that the target lacks, which the plan says", async () => {
    const type = await start();
    const points = await restorePoint(projects, ["cinder.volume-type"]);
    forget(type);
    projects.fake.volumes.qosSpecs.length = 0;
    const plan = await planned(projects, points);
    expect(problemsOf(plan)).toEqual(["cinder.volume-type vault: the target has no QoS specs 1000-iops; left out"]);
    const restored = await applied(projects, plan);
    expect([made()?.qosSpecsId, await mismatches(projects, restored)]).toEqual([null, []]);
  });

  it("and the verification sees what was changed of it since", async () => {
    const type = await start();
    const points = await restorePoint(projects, ["cinder.volume-type"]);
    forget(type);
    const restored = await applied(projects, await planned(projects, points));
    const copy = made();
    if (copy !== undefined)
      Object.assign(copy, { description: "other", encryption: undefined, isPublic: true, qosSpecsId: null });
    if (copy !== undefined) copy.extraSpecs.volume_backend_name = "ceph-1";
    expect((await mismatches(projects, restored)).map((m) => m.replace(/: expected.*/, ""))).toEqual(
      ["description", "encryption", "extra_specs", "is_public", "qos"].map((field) => `cinder.volume-type vault: ${field}`),
    );
  });
});

describe("not made", () => {
  const conflict = async (options: Options = {}): Promise<unknown> => {
    const type = await starting;
    const points = await restorePoint(projects, INCLUDE);
    forget(type);
    return (await planned(projects, points, options)).resources.map((r) => [r.name, r.action, r.actionReason]);
  };
  let starting: Promise<VolumeType>;

  it("by a member: it and its volumes are conflicts that say how to map it", async () => {
    starting = start(["admin"], []);
    expect(await conflict()).toEqual([
      ["vault", "conflict", expect.stringMatching(/only an administrator may make it: map it with --map volume-type:vault=NEW$/)],
      ["ledger", "conflict", expect.stringContaining("the target has no volume type vault")],
    ]);
  });

  it("of a member's backup, which does not know all of it", async () => {
    starting = start([], ["admin"]);
    expect(await conflict()).toEqual([
      ["vault", "conflict", expect.stringContaining("made without the role admin, does not know all of it")],
      ["ledger", "conflict", expect.stringContaining("the target has no volume type vault")],
    ]);
  });

  it.each(["volume-type", "cinder.volume-type"])("where --map %s names another", async (kind) => {
    starting = start(["admin"], []);
    expect(await conflict({ maps: { [kind]: { vault: "luks" } } })).toEqual([
      ["vault", "reuse", "volume type luks, mapped"],
      ["ledger", "create", "no volume of that name"],
    ]);
  });

  it("and a map to what the target lacks is an error", async () => {
    starting = start();
    await expect(conflict({ maps: { "volume-type": { vault: "nosuch" } } })).rejects.toMatchObject({
      code: "MAP_TARGET_UNKNOWN",
    });
  });

  it("where the target has one of that name: what is different of it is said", async () => {
    const type = await start();
    const points = await restorePoint(projects, ["cinder.volume-type"]);
    type.extraSpecs.volume_backend_name = "lvm";
    type.encryption = { ...type.encryption, key_size: 256 };
    const plan = await planned(projects, points);
    expect(typeIn(plan.resources)).toMatchObject({ action: "reuse", targetId: type.id });
    expect(problemsOf(plan)).toEqual([
      expect.stringMatching(/^cinder.volume-type vault: volume type encryption: .*512.*256/),
      expect.stringMatching(/^cinder.volume-type vault: volume type extra_specs: .*ceph-2.*lvm/),
    ]);
    const restored = await applied(projects, plan);
    await undone(projects, restored);
    expect(made()).toBe(type);
  });
});

describe("a restore's worker dies", () => {
  it("at any call: the next one makes the type once and whole, and takes it back", async () => {
    const ways = await WholeRestores.start();
    const { volumes, seed, journal } = ways.fake;
    volumes.qosSpecs.push(QOS);
    const sourceId = ways.project("source", ["member", "admin"]);
    volumes.types.push({ ...SECRET, id: "5e3c1a2b-0000-4000-8000-000000000002", access: new Set([sourceId]) });
    const kept = seed.volume({ project: sourceId, name: "ledger", size: 1, type: "vault" });
    const points = await ways.backup("source", ["cinder.volume-type"]);
    volumes.volumes.delete(kept.id);
    const vaults = () => volumes.types.filter((type) => type.name === "vault");
    const forget = () => {
      for (const type of vaults()) volumes.types.splice(volumes.types.indexOf(type), 1);
    };
    const shape = () =>
      vaults().map(({ id: _, access, encryption, ...fields }) => ({ ...fields, open: access.size, cipher: encryption?.cipher }));
    forget();
    ways.project("target", ["member", "admin"]);
    const whole = await ways.restore("target", points);
    const wanted = shape();
    expect(wanted).toMatchObject([{ description: SECRET.description, encrypted: true, open: 1, qosSpecsId: QOS.id }]);
    const failures: string[] = [];
    for (const [at, fate] of fatesOf(whole).entries()) {
      const project = `target-${at}`;
      ways.project(project, ["member", "admin"]);
      forget();
      try {
        const restored = await ways.restore(project, points, {}, fate);
        expect(shape()).toEqual(wanted);
        expect(await ways.verify(restored)).toEqual([]);
        await ways.undo(restored);
        expect(vaults()).toEqual([]);
      } catch (error) {
        failures.push(`${fate.call} ${fate.death} (${whole.calls[fate.call]}): ${CodedError.from(error).message.slice(0, 300)}`);
      }
    }
    expect(journal.foreignDeleted("volume_type")).toEqual([]);
    await ways.close();
    expect(failures).toEqual([]);
  }, 120_000);
});

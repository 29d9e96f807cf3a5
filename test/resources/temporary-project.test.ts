/** An administrator's backup of a project whose temporary objects are made in another one: its quota pays, and nothing stays in either. */

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { OneProcess } from "../harness/one-process.ts";
import { noise } from "../harness/tenant.ts";

const GIB = 256 * 1024;
const KINDS = ["snapshot", "volume", "image"];
const selection = { include: ["cinder.volume", "nova.server"], exclude: [] };
const target = { cloud: "fake-admin", project: "acme", grant: true };

let fake: FakeCloud;
let cluster: OneProcess;
let acme: string;
let ops: string;
let from: number;

beforeAll(async () => {
  fake = await startFakeCloud({ bytesPerGib: GIB });
  acme = fake.seed.tenant("acme", { roles: ["member"] }).project.id;
  ops = fake.seed.project("ops").id;
  fake.seed.project("globex");
  const admin = [...fake.identities.users.values()].find(({ name }) => name === "admin");
  fake.identities.grant(ops, admin?.id ?? "", "admin");
  const volume = (name: string, more = {}) =>
    fake.seed.volume({ project: acme, name, size: 1, bytes: noise(name, GIB), ...more }).id;
  volume("plain");
  volume("sealed", { type: fake.volumes.types.find((type) => type.encrypted)?.name });
  fake.seed.server({
    projectId: acme,
    project: acme,
    name: "on volumes",
    flavor: "lab.zero",
    volumes: [{ id: volume("root", { bootable: true }) }],
  } as never);
  const image = await fake.seed.image({ project: acme, name: "debian", bytes: noise("guest", 90_000) });
  fake.seed.server({ project: acme, name: "on an image", imageId: image.id, flavor: "lab.nano" } as never);
  cluster = await OneProcess.start([
    { fake, entries: [{ cloudName: "member", userName: "acme-user", password: "acme-pw", projectName: "acme" }] },
  ]);
});
afterAll(async () => {
  await cluster?.close();
  await fake?.close();
});
beforeEach(() => {
  from = fake.journal.entries().length;
});

/** Of the calls since the test began: kind and the project whose token made it. */
function made(): string[] {
  const entries = fake.journal.entries().slice(from);
  const names = new Map([
    [acme, "acme"],
    [ops, "ops"],
  ]);
  return entries.flatMap(({ created, project }) =>
    created.filter(({ kind }) => KINDS.includes(kind)).map(({ kind }) => `${kind} in ${names.get(project) ?? project}`),
  );
}
const count = (all: readonly string[]) =>
  Object.fromEntries([...new Set(all)].sort().map((one) => [one, all.filter((a) => a === one).length]));
const left = () =>
  [...fake.volumes.volumes.values(), ...fake.volumes.snapshots.values(), ...fake.images.all.values()].filter(({ name }) =>
    name?.includes("permafrost-tmp-"),
  );

it("makes them there, but for those of an encrypted volume that need its key", async () => {
  const backup = await cluster.backup({ ...target, temporaryProject: "ops" }, selection);
  expect(backup.record).toMatchObject({ state: "succeeded", source: { projectName: "acme", temporaryProject: "ops" } });
  expect(count(made())).toEqual({
    "image in acme": 1,
    // Of three volumes and of two servers.
    "image in ops": 4,
    "snapshot in ops": 3,
    "volume in acme": 1,
    "volume in ops": 2,
  });
  expect(left()).toEqual([]);
  for (const kind of KINDS) expect(fake.journal.foreignDeleted(kind)).toEqual([]);
  const restored = await cluster.restore(backup, { cloud: "fake-admin", project: "ops" }, { verify: "data", powerOn: "never" });
  expect(restored.resources.filter(({ state }) => state !== "succeeded")).toEqual([]);
});

it("the same project is no other", async () => {
  const backup = await cluster.backup({ ...target, temporaryProject: "acme" }, { include: ["cinder.volume/plain"], exclude: [] });
  expect(backup.record.state).toBe("succeeded");
  expect(count(made())).toEqual({ "image in acme": 1, "snapshot in acme": 1, "volume in acme": 1 });
});

it("each session of a group makes them there", async () => {
  const projects = { tags: [], include: ["acme"], exclude: [] };
  const all = { include: ["cinder.volume/plain"], exclude: [] };
  const group = { kind: "group" as const, input: "tenant" as const, target: { cloud: "fake-admin", temporaryProject: "ops" } };
  const { record } = await cluster.run({ ...group, projects, selection: all, atOnce: 1 });
  expect(record.state).toBe("succeeded");
  expect(count(made())).toEqual({ "image in ops": 1, "snapshot in ops": 1, "volume in ops": 1 });
});

it.each([
  ["a project that the administrator has no role in", { ...target, temporaryProject: "globex" }],
  ["a project that is not there", { ...target, temporaryProject: "nosuch" }],
  ["a plain member", { cloud: "member", temporaryProject: "ops" }],
])("%s is refused, and nothing is made", async (_name, wrong) => {
  const { record } = await cluster.backup(wrong, selection);
  expect(record).toMatchObject({ state: "failed", failure: { code: "TEMPORARY_PROJECT_REFUSED" } });
  expect(made()).toEqual([]);
});

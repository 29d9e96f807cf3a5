/**
 * A worker dies at every call of a whole restore of types that need each other or carry more than fields: people and roles, encrypted volumes
 * and images with their keys, a volume group, an account with a versioned container. After each death the next worker goes on: what is
 * there in the end is what a restore without a death makes, nothing twice, and an undo takes all of it back.
 */

import { createHash } from "node:crypto";
import { CodedError } from "@permafrost/std";
import { afterEach, expect, it } from "vitest";
import { noise } from "../harness/tenant.ts";
import { fatesOf, WholeRestores } from "../resources/whole-restores.ts";

const GIB = 256 * 1024;
const sha = (bytes: Uint8Array | undefined) =>
  createHash("sha256")
    .update(bytes ?? Buffer.of())
    .digest("hex")
    .slice(0, 16);

let ways: WholeRestores;
afterEach(async () => await ways?.close());

interface Case {
  readonly types: readonly string[];
  readonly roles: readonly string[];
  readonly seed: (projectId: string, project: string) => Promise<void> | void;
  /** Before each restore: what the source had and the target must not find. */
  readonly away?: () => void;
  /** What is there, without ids: the target project's, and of what belongs to no project. */
  readonly shape: (projectId: string) => unknown;
}

/** The longest part of a case: every call, three or four deaths at each. */
async function everyDeath(name: string, { types, roles, seed, away, shape }: Case): Promise<void> {
  const sourceId = ways.project(`${name}-source`, roles);
  await seed(sourceId, `${name}-source`);
  const points = await ways.backupWithData(`${name}-source`, types);
  expect(points.filter(({ state }) => state !== "succeeded")).toEqual([]);
  let count = 0;
  const one = async (fate?: Parameters<WholeRestores["restore"]>[3]) => {
    const target = `${name}-target-${count++}`;
    const projectId = ways.project(target, roles);
    away?.();
    const empty = shape(projectId);
    const restored = await ways.restore(target, points, {}, fate);
    const made = shape(projectId);
    expect(await ways.verify(restored)).toEqual([]);
    await ways.undo(restored);
    return { restored, made, empty, undone: shape(projectId) };
  };
  const whole = await one();
  expect(whole.restored.left).toEqual([]);
  expect(whole.made).not.toEqual(whole.empty);
  expect(whole.undone).toEqual(whole.empty);
  const failures: string[] = [];
  for (const fate of fatesOf(whole.restored)) {
    try {
      const { made, undone, empty } = await one(fate);
      expect(made).toEqual(whole.made);
      expect(undone).toEqual(empty);
    } catch (error) {
      const { message } = CodedError.from(error);
      failures.push(`${fate.call} ${fate.death} (${whole.restored.calls[fate.call]}): ${message.slice(0, 600)}`);
    }
  }
  console.log(`${name}: ${count - 1} deaths`);
  expect(failures).toEqual([]);
}

it("people, groups and roles", async () => {
  ways = await WholeRestores.start();
  const ids = ways.fake.identities;
  const named = (name: string) => [...ids.users.values()].filter((user) => user.name === name);
  const away = () => {
    for (const name of ["ada", "bob"]) for (const { id } of named(name)) ids.users.delete(id);
    ids.groups.clear();
    ids.memberships.clear();
  };
  await everyDeath("people", {
    types: ["keystone.project", "keystone.user", "keystone.group", "keystone.role-assignment"],
    roles: ["member", "admin"],
    seed: (projectId) => {
      const project = ids.projects.get(projectId);
      Object.assign(project ?? {}, { description: "Rockets & more", tags: ["gold", "eu"] });
      const [ada, bob] = ["ada", "bob"].map((name) => ways.fake.seed.user(name, "pw"));
      Object.assign(ada ?? {}, { email: "ada@example.org", defaultProjectId: projectId });
      const pilots = ids.addGroup("pilots", "default", "they fly");
      for (const user of [ada, bob]) ids.memberships.add(`${pilots.id}|${user?.id}`);
      ids.grant(projectId, ada?.id ?? "", "observer");
      const role = (name: string) => ids.roleByName(name).id;
      ids.addGrant({ scope: projectId, kind: "user", holderId: ada?.id ?? "", roleId: role("reader"), inherited: true });
      ids.addGrant({ scope: projectId, kind: "group", holderId: pilots.id, roleId: role("member"), inherited: false });
    },
    away,
    shape: (projectId) => ({
      project: [ids.projects.get(projectId)].map((project) => [project?.description, [...(project?.tags ?? [])].sort()]),
      users: ["ada", "bob"].map((name) =>
        named(name).map(({ email, enabled, defaultProjectId }) => [name, email, enabled, defaultProjectId === projectId]),
      ),
      groups: [...ids.groups.values()].map(({ name, description }) => [name, description]),
      members: [...ids.memberships].map((one) => ids.users.get(one.split("|")[1] ?? "")?.name).sort(),
      grants: ids
        .allGrants()
        .filter(({ scope }) => scope === projectId)
        .map(({ kind, holderId, roleId, inherited }) => {
          const holder = kind === "group" ? ids.groups.get(holderId)?.name : ids.users.get(holderId)?.name;
          return `${kind} ${holder?.replace(/-\d+-/, "-N-")} ${ids.roles.get(roleId)?.name} ${inherited}`;
        })
        .sort(),
    }),
  });
}, 300_000);

const sealed = (projectId: string) => {
  const { fake } = ways;
  const payload = (id: unknown) => sha(fake.keys.secret(String(id ?? ""))?.payload);
  return {
    secrets: fake.keys.secretsOf(projectId).length,
    volumes: fake.read
      .volumes(projectId)
      .map((volume) => [volume.name, volume.status, sha(volume.bytes.read()), payload(volume.encryptionKeyId)])
      .sort(),
    snapshots: [...fake.volumes.snapshots.values()].filter((one) => one.projectId === projectId).length,
    images: [...fake.images.all.values()]
      .filter(({ owner }) => owner === projectId)
      .map((image) => [image.name, image.status, sha(image.bytes?.read()), payload(image.properties.cinder_encryption_key_id)])
      .sort(),
  };
};

it("an encrypted volume, and an image with the key of one", async () => {
  ways = await WholeRestores.start();
  await everyDeath("sealed", {
    types: ["cinder.volume", "glance.image"],
    roles: ["member", "creator"],
    seed: async (project) => {
      ways.fake.seed.volume({ project, name: "locked", size: 1, type: "luks", bytes: noise("locked", GIB) });
      const userId = [...ways.fake.identities.users.values()].find(({ name }) => name === "sealed-source-user")?.id ?? "";
      const key = ways.fake.volumes.newKey(project, userId);
      const properties = { cinder_encryption_key_id: key, cinder_encryption_key_deletion_policy: "on_image_deletion" };
      await ways.fake.seed.image({ project, name: "of it", bytes: noise("image", 9000), properties });
    },
    shape: sealed,
  });
}, 300_000);

it("an account, and a container with versions and links", async () => {
  ways = await WholeRestores.start();
  await everyDeath("versions", {
    types: ["swift.account", "swift.container"],
    roles: ["member", "swiftoperator"],
    seed: async (_, project) => {
      const { object } = await ways.cloud(project);
      const put = async (name: string, bytes: Uint8Array, headers: Record<string, string> = {}) =>
        await object.putObject("files", name, bytes, { sizeBytes: bytes.length, headers });
      await object.postAccount({ "x-account-meta-temp-url-key": "the secret", "x-account-meta-note": "two words" });
      await object.putContainer("files", { "x-container-meta-owner": "ann", "x-container-read": ".r:*" });
      await put("early", noise("early", 300));
      await object.postContainer("files", { "x-versions-enabled": "true" });
      for (const n of ["1", "2"]) await put("twice/ü", noise(n, 1000), { "x-object-meta-n": n });
      await put("gone", noise("gone", 500));
      await object.deleteObject("files", "gone");
      await put("link", Buffer.of(), { "x-symlink-target": "files/twice/%C3%BC" });
    },
    shape: (projectId) => {
      const { headers } = ways.fake.swift.account(`AUTH_${projectId}`);
      const container = ways.fake.read.container(projectId, "files");
      return {
        account: { ...headers },
        headers: container?.headers,
        versioning: container?.versioning,
        objects: [...(container?.objects.values() ?? [])].map((o) => [o.name, sha(o.bytes.read()), o.headers, o.link]).sort(),
        versions: [...(container?.versions ?? [])]
          .filter(([, all]) => all.length > 0)
          .map(([name, all]) => [name, all.map((one) => (one.object === undefined ? "deleted" : sha(one.object.bytes.read())))])
          .sort(),
        containers: container === undefined ? 0 : 1,
      };
    },
  });
}, 300_000);

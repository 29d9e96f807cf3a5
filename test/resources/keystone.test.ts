/** Keystone's types between two clouds and two projects of one: people, groups, roles and quotas there and back, as administrator and as member. */

import type { ResourceState } from "@permafrost/model";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { type Ended, OneProcess } from "../harness/one-process.ts";

const KEYSTONE = ["keystone.project", "keystone.user", "keystone.group", "keystone.role-assignment", "cinder.quota"];
const selection = { include: KEYSTONE, exclude: [] };
const entry = (cloudName: string, projectName: string, userName: string, password: string) => ({
  cloudName,
  projectName,
  userName,
  password,
});

let here: FakeCloud;
let there: FakeCloud;
let cluster: OneProcess;
let point: Ended;
let acme: string;

beforeAll(async () => {
  [here, there] = await Promise.all([startFakeCloud(), startFakeCloud()]);
  const { project, user } = here.seed.tenant("acme", { roles: ["member"] });
  acme = project.id;
  Object.assign(project, { description: "Rockets & more", tags: ["gold", "eu"], options: {} });
  const ids = here.identities;
  const role = (name: string) => ids.roleByName(name).id;
  const [ada, bob, carl] = ["ada", "bob", "carl"].map((name) => here.seed.user(name, "a password"));
  if (ada === undefined || bob === undefined || carl === undefined) throw new Error("no users");
  Object.assign(ada, { email: "ada@example.org", description: "who counts", defaultProjectId: acme });
  Object.assign(bob, { enabled: false });
  ids.grant(acme, ada.id, "observer");
  ids.addGrant({ scope: acme, kind: "user", holderId: ada.id, roleId: role("reader"), inherited: true });
  const pilots = ids.addGroup("pilots", "default", "they fly");
  for (const member of [bob, carl]) ids.memberships.add(`${pilots.id}|${member.id}`);
  ids.addGrant({ scope: acme, kind: "group", holderId: pilots.id, roleId: role("member"), inherited: false });
  ids.ec2Credentials.push({ user_id: ada.id, access: "a1", secret: "not to be kept", tenant_id: acme });
  ids.trusts.push({ id: "t1", trustor_user_id: ada.id, trustee_user_id: bob.id });
  here.volumes.quota(acme).volumes = 7;
  // The other cloud has the project, one of the people, and nothing else.
  there.seed.tenant("acme", { roles: ["member"] });
  there.seed.user("carl", "another");
  const member = entry("here-member", "acme", user.name, user.password);
  cluster = await OneProcess.start([
    { fake: here, entries: [member, { ...here.adminEntry("here"), projectName: "admin" }] },
    {
      fake: there,
      entries: [{ ...there.adminEntry("there"), projectName: "admin" }, entry("there-member", "acme", "acme-user", "acme-pw")],
    },
  ]);
  point = await cluster.backup({ cloud: "here", project: "acme", grant: true }, selection);
});
afterAll(async () => {
  await cluster?.close();
  await Promise.all([here?.close(), there?.close()]);
});

const states = (ended: Ended, type: string) =>
  Object.fromEntries(ended.resources.filter((r) => r.type === type).map((r): [string, ResourceState] => [r.name, r.state]));
const userThere = (name: string) => [...there.identities.users.values()].find((u) => u.name === name);
const rolesThere = () => {
  const ids = there.identities;
  const project = [...ids.projects.values()].find((p) => p.name === "acme")?.id;
  return ids
    .allGrants()
    .filter((g) => g.scope === project)
    .map((g) => {
      const holder = g.kind === "group" ? ids.groups.get(g.holderId) : ids.users.get(g.holderId);
      return `${g.kind} ${holder?.name}: ${ids.roles.get(g.roleId)?.name}${g.inherited ? " inherited" : ""}`;
    })
    .sort();
};

describe("as an administrator", () => {
  it("everybody with a role is captured, members of groups too, and no secret of theirs", async () => {
    expect(point.record.state).toBe("succeeded");
    expect(Object.keys(states(point, "keystone.user")).sort()).toEqual(["acme-user", "ada", "bob", "carl"]);
    expect(Object.keys(states(point, "keystone.role-assignment")).sort()).toEqual([
      "acme-user: member",
      "ada: observer",
      "ada: reader (inherited)",
      "pilots: member",
    ]);
    const document = point.of("keystone.user", "ada").document;
    const repository = await cluster.coordinator.repositories.open(point.record.repositoryId);
    if (document === undefined) throw new Error("no document");
    const stored = JSON.stringify(await repository.reader().readDocument(document));
    expect(stored).toContain("ada@example.org");
    expect(stored).toContain("a1");
    expect(stored).not.toContain("not to be kept");
  });

  it("on another cloud missing people are made disabled with a password used once, the others are used, roles are given, and an undo takes all back", async () => {
    const before = rolesThere();
    const target = { cloud: "there", project: "acme", grant: true };
    const restored = await cluster.restore(point, target, { verify: "metadata" });
    expect(restored.resources.filter((r) => r.state === "failed")).toEqual([]);
    expect(restored.of("keystone.user", "carl")).toMatchObject({ action: "reuse", targetId: userThere("carl")?.id });
    const ada = restored.of("keystone.user", "ada");
    expect(ada).toMatchObject({ action: "create", state: "succeeded", verified: "metadata" });
    expect(ada.warnings.join()).toMatch(/1 EC2 credentials.*1 trusts/);
    expect(userThere("ada")).toMatchObject({ enabled: false, email: "ada@example.org", description: "who counts" });
    expect(userThere("ada")?.password).toBe(ada.oneTimePassword);
    expect(userThere("ada")?.defaultProjectId).toBe([...there.identities.projects.values()].find((p) => p.name === "acme")?.id);
    const pilots = [...there.identities.groups.values()].find((g) => g.name === "pilots");
    expect(pilots?.description).toBe("they fly");
    for (const name of ["bob", "carl"])
      expect(there.identities.memberships.has(`${pilots?.id}|${userThere(name)?.id}`), name).toBe(true);
    expect(rolesThere()).toEqual([
      "group pilots: member",
      "user acme-user: member",
      "user ada: observer",
      "user ada: reader inherited",
    ]);
    const project = [...there.identities.projects.values()].find((p) => p.name === "acme");
    expect(project).toMatchObject({ description: "Rockets & more", tags: ["eu", "gold"] });
    expect(there.volumes.quota(project?.id ?? "").volumes).toBe(7);

    const undone = await cluster.undo(restored);
    expect(undone.record.state).toBe("succeeded");
    expect(["ada", "bob"].map(userThere)).toEqual([undefined, undefined]);
    expect(userThere("carl")).toBeDefined();
    expect(there.identities.groups.size).toBe(0);
    expect(rolesThere()).toEqual(before);
    expect(project).toMatchObject({ description: "", tags: [] });
    expect(there.volumes.quota(project?.id ?? "").volumes).not.toBe(7);
  });

  it("applied again hands over the same password, and takes nothing from who has been let in since", async () => {
    const target = { cloud: "there", project: "acme", grant: true };
    const people = { include: ["keystone.user"], exclude: [] };
    const planned = await cluster.plan(point, target, { selection: people });
    const lost = there.faults.add({
      match: { service: "identity", method: "POST", path: /\/users$/ },
      action: { drop: "after" },
    });
    const first = await cluster.apply(planned);
    expect(lost.hits).toBe(1);
    const password = (ended: Ended, name: string) => ended.of("keystone.user", name).oneTimePassword;
    for (const name of ["ada", "bob"]) expect(userThere(name)?.password).toBe(password(first, name));
    Object.assign(userThere("ada") ?? {}, { enabled: true, password: "her own" });
    const again = await cluster.apply(planned);
    expect(again.record.state).toBe("succeeded");
    for (const name of ["ada", "bob"]) expect(password(again, name)).toBe(password(first, name));
    expect(userThere("ada")).toMatchObject({ enabled: true, password: "her own" });
    expect(userThere("bob")?.password).toBe(password(first, "bob"));
    await cluster.undo(again);
    expect(["ada", "bob"].map(userThere)).toEqual([undefined, undefined]);
  });

  it("a role that the target lacks is a conflict that says how to map it, and the map is taken", async () => {
    const observer = there.identities.roleByName("observer");
    there.identities.roles.delete(observer.id);
    const target = { cloud: "there", project: "acme", grant: true };
    const planned = await cluster.plan(point, target);
    expect(planned.record.state).toBe("partial");
    expect(planned.of("keystone.role-assignment", "ada: observer")).toMatchObject({
      action: "conflict",
      actionReason: expect.stringContaining("--map role:observer=NEW"),
    });
    const mapped = await cluster.plan(point, target, { maps: { role: { observer: "member" } } });
    expect(mapped.record.state).toBe("succeeded");
    const wrong = await cluster.plan(point, target, { maps: { role: { observer: "nosuch" } } });
    expect(wrong.record).toMatchObject({ state: "failed", failure: { code: "MAP_TARGET_UNKNOWN" } });
    there.identities.roles.set(observer.id, observer);
    expect(rolesThere()).toEqual(["user acme-user: member"]);
  });
});

describe("as a plain member", () => {
  it("one sees oneself and one's own roles, and that is no failure", async () => {
    const own = await cluster.backup({ cloud: "here-member" }, selection);
    expect(own.resources.filter((r) => r.state !== "succeeded")).toEqual([]);
    expect(Object.keys(states(own, "keystone.user"))).toEqual(["acme-user"]);
    expect(Object.keys(states(own, "keystone.role-assignment"))).toEqual(["acme-user: member", "acme-user: reader"]);
  });

  it("one restores nobody, which the plan says of each", async () => {
    const restored = await cluster.restore(point, { cloud: "there-member" });
    expect(restored.record.state).toBe("succeeded");
    const people = ["keystone.user", "keystone.group", "keystone.role-assignment"];
    for (const r of restored.resources.filter(({ type }) => people.includes(type)))
      expect(r, r.name).toMatchObject({ state: "skipped", actionReason: expect.stringContaining("only an administrator") });
    expect(rolesThere()).toEqual(["user acme-user: member"]);
  });
});

/** nova.user-keypair between projects: whose keys are captured, imported for their users again, lent to who restores, and never mixed up. */

import { CodedError } from "@permafrost/std";
import { afterEach, describe, expect, it } from "vitest";
import { applied, mismatches, planned, problemsOf, restorePoint, undone } from "./both-ways.ts";
import { TwoProjects } from "./two-projects.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const INCLUDE = ["nova.flavor", "nova.keypair", "nova.user-keypair", "cinder.volume", "nova.server"];
let projects: TwoProjects;
afterEach(async () => await projects?.close());

interface Start {
  readonly bob: string;
  readonly carol: string;
}

/** A project where bob has a role and a server with his key, carol a server, and dave nothing. */
async function start(source: readonly string[] = ["admin"], target: readonly string[] = source): Promise<Start> {
  projects = await TwoProjects.start({}, source, target);
  const { seed } = projects.fake;
  const [bob = "", carol = "", dave = ""] = ["bob", "carol", "dave"].map((name) => seed.user(name, "pw").id);
  seed.grant(projects.sourceId, bob, "member");
  for (const [userId, name] of [
    [bob, "laptop"],
    [bob, "phone"],
    [carol, "laptop"],
    [dave, "laptop"],
  ] as const)
    seed.keyPair({ userId, name, publicKey: keyOf(userId, name) });
  const root = seed.volume({ project: projects.sourceId, name: "root", size: 1, bootable: true }).id;
  seed.server({
    project: projects.sourceId,
    name: "web",
    flavor: "lab.zero",
    userId: bob,
    keyName: "laptop",
    volumes: [{ id: root }],
  });
  const other = seed.volume({ project: projects.sourceId, name: "other", size: 1, bootable: true }).id;
  seed.server({ project: projects.sourceId, name: "db", flavor: "lab.zero", userId: carol, volumes: [{ id: other }] });
  return { bob, carol };
}

function keyOf(userId: string, name: string): string {
  return `ssh-ed25519 ${Buffer.from(`${name} of ${userId}`).toString("base64")} ${name}`;
}

const restorer = () => projects.cloud("target").userId;
const pairs = () => projects.fake.compute.keyPairs;
const keysOf = (userId: string) => projects.fake.compute.keyPairsOf(userId).map((k) => [k.name, k.publicKey]);
const webOf = (made: readonly { readonly name: string; readonly targetId?: string }[]) =>
  projects.fake.read.server(made.find((r) => r.name === "web")?.targetId ?? "");

describe("captured", () => {
  it("by an administrator: the keys of who has a role or a server, by user and name, not its own", async () => {
    const { bob, carol } = await start();
    projects.fake.seed.keyPair({ userId: projects.cloud("source").userId, name: "laptop" });
    const points = await restorePoint(projects, ["nova.user-keypair"]);
    expect(points.map((p) => [p.id, p.name]).sort()).toEqual(
      [
        [`${bob}/laptop`, "laptop"],
        [`${bob}/phone`, "phone"],
        [`${carol}/laptop`, "laptop"],
      ].sort(),
    );
    expect(await projects.document(points.find((p) => p.id === `${carol}/laptop`))).toMatchObject({
      ...{ version: 1, userName: "carol" },
      keypair: { name: "laptop", type: "ssh", public_key: keyOf(carol, "laptop"), user_id: carol },
    });
  });

  it("by a member: none, for Nova shows none", async () => {
    await start([]);
    await expect(restorePoint(projects, ["nova.user-keypair"])).rejects.toMatchObject({ code: "NOTHING_SELECTED" });
  });
});

describe("a server with another's key", () => {
  it("keeps it: the key is its user's again, and is not left with who restores", async () => {
    const { bob } = await start();
    const points = (await restorePoint(projects, INCLUDE)).filter((p) => !p.id.endsWith("/phone") && p.name !== "db");
    pairs().delete(`${bob}/laptop`);
    const plan = await planned(projects, points);
    expect(problemsOf(plan)).toEqual([]);
    const restored = await applied(projects, plan);
    expect(webOf(restored.made)).toMatchObject({ keyName: "laptop", userId: restorer() });
    expect([...keysOf(bob)].sort()).toEqual([
      ["laptop", keyOf(bob, "laptop")],
      ["phone", keyOf(bob, "phone")],
    ]);
    expect(keysOf(restorer())).toEqual([]);
    expect(await mismatches(projects, restored)).toEqual([]);
    await undone(projects, restored);
    expect(keysOf(bob)).toEqual([["phone", keyOf(bob, "phone")]]);
    expect(projects.fake.journal.leaked("keypair")).toEqual([]);
  });

  it("keeps it where its user has the key: that stays the user's, after an undo, too", async () => {
    const { bob } = await start();
    const points = (await restorePoint(projects, INCLUDE)).filter((p) => p.name !== "db");
    const plan = await planned(projects, points);
    const own = plan.resources.find((r) => r.id === `${bob}/laptop`);
    expect(own).toMatchObject({ action: "reuse", targetId: `${bob}/laptop` });
    const restored = await applied(projects, plan);
    expect(webOf(restored.made)?.keyName).toBe("laptop");
    expect(await mismatches(projects, restored)).toEqual([]);
    await undone(projects, restored);
    expect(keysOf(bob)).toHaveLength(2);
    expect(keysOf(restorer())).toEqual([]);
    expect(projects.fake.journal.foreignDeleted("keypair")).toEqual([]);
  });

  it("is made without where who restores has another key of that name, which is said and stays", async () => {
    const { bob } = await start();
    const points = (await restorePoint(projects, INCLUDE)).filter((p) => p.name !== "db" && !p.id.endsWith("/phone"));
    projects.fake.seed.keyPair({ userId: restorer(), name: "laptop", publicKey: keyOf("target", "laptop") });
    const plan = await planned(
      projects,
      points.filter((p) => p.id !== `${projects.cloud("source").userId}/laptop`),
    );
    expect(problemsOf(plan).join()).toContain(
      "has a keypair laptop with another key: a server that has this one is made without",
    );
    const restored = await applied(projects, plan);
    expect(webOf(restored.made)?.keyName).toBeNull();
    expect((await mismatches(projects, restored)).join()).toContain('key_name: expected "laptop"');
    expect(keysOf(restorer())).toEqual([["laptop", keyOf("target", "laptop")]]);
    expect(keysOf(bob)).toHaveLength(2);
  });

  it("does not get the key of the backup's user, who calls it the same", async () => {
    await start();
    projects.fake.seed.keyPair({ userId: projects.cloud("source").userId, name: "laptop", publicKey: keyOf("source", "laptop") });
    const points = (await restorePoint(projects, INCLUDE)).filter((p) => p.name !== "db");
    const plan = await planned(projects, points);
    expect(problemsOf(plan).join()).toContain("whoever restores has a keypair laptop of the backup's user: made without");
    const restored = await applied(projects, plan);
    expect(webOf(restored.made)?.keyName).toBeNull();
  });
});

describe("a plan says", () => {
  const actions = async () => {
    const plan = await planned(
      projects,
      (await restorePoint(projects, ["nova.user-keypair"])).filter((p) => p.name === "phone"),
    );
    return plan.resources.map((r) => [r.action, r.actionReason]);
  };

  it("that only an administrator imports keys for others", async () => {
    await start(["admin"], []);
    expect(await actions()).toEqual([["skip", "Nova lets only an administrator import a key for somebody else"]]);
  });

  it("that the user has another key of that name", async () => {
    const { bob } = await start();
    const points = await restorePoint(projects, ["nova.user-keypair"]);
    pairs().delete(`${bob}/phone`);
    projects.fake.seed.keyPair({ userId: bob, name: "phone", publicKey: keyOf("bob's new", "phone") });
    const plan = await planned(
      projects,
      points.filter((p) => p.name === "phone"),
    );
    expect(plan.resources.map((r) => [r.action, r.actionReason])).toEqual([
      ["conflict", "the keypair phone of user bob holds another key"],
    ]);
  });

  it("that there is no such user, and takes a mapped one", async () => {
    const { bob, carol } = await start();
    const points = (await restorePoint(projects, ["nova.user-keypair"])).filter((p) => p.name === "phone");
    projects.fake.identities.users.delete(bob);
    pairs().delete(`${bob}/phone`);
    const plan = await planned(projects, points);
    expect(plan.resources.map((r) => [r.action, r.actionReason])).toEqual([
      ["skip", "the target has no user bob: map it with --map keystone.user:bob=NEW"],
    ]);
    const maps = { "keystone.user": { bob: "carol" } };
    const restored = await applied(projects, await planned(projects, points, { maps }), { maps });
    expect(keysOf(carol)).toContainEqual(["phone", keyOf(bob, "phone")]);
    expect(await mismatches(projects, restored)).toEqual([]);
  });
});

describe("a restore's worker dies", () => {
  it("at any call: nobody has a key twice, and who restores has none", async () => {
    const ways = await WholeRestores.start();
    const sourceId = ways.project("source", ["member", "admin"]);
    const owner = ways.fake.seed.user("erin", "pw").id;
    ways.fake.seed.grant(sourceId, owner, "member");
    ways.fake.seed.keyPair({ userId: owner, name: "desk", publicKey: keyOf(owner, "desk") });
    const points = await ways.backup("source", ["nova.user-keypair"]);
    const forget = () => ways.fake.compute.keyPairs.clear();
    forget();
    ways.project("target", ["member", "admin"]);
    const whole = await ways.restore("target", points);
    expect(whole.calls.filter((call) => call === "POST compute")).toHaveLength(2);
    const failures: string[] = [];
    for (const [at, fate] of fatesOf(whole).entries()) {
      const project = `target-${at}`;
      ways.project(project, ["member", "admin"]);
      forget();
      try {
        const restored = await ways.restore(project, points, {}, fate);
        expect([...ways.fake.compute.keyPairs.keys()]).toEqual([`${owner}/desk`]);
        expect(await ways.verify(restored)).toEqual([]);
        await ways.undo(restored);
        expect([...ways.fake.compute.keyPairs.keys()]).toEqual([]);
      } catch (error) {
        failures.push(`${fate.call} ${fate.death} (${whole.calls[fate.call]}): ${CodedError.from(error).message.slice(0, 300)}`);
      }
    }
    await ways.close();
    expect(failures).toEqual([]);
  }, 120_000);
});

/** barbican.secret and barbican.container between projects: every field, whoever may read them, a death at any call, and no payload anywhere but in the document. */

import { CodedError, canonicalJson } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyStore } from "../fakes/openstack/barbican/key-store.ts";
import { fatesOf, WholeRestores } from "./whole-restores.ts";

const TYPES = ["barbican.secret", "barbican.container"];
const PAYLOAD = Buffer.from([0, 255, 10, 13, 32, 128, 9]);
const TEXT = "the words of the wise";

let ways: WholeRestores;
let keys: KeyStore;
let number = 0;

beforeAll(async () => {
  ways = await WholeRestores.start();
  keys = ways.fake.keys;
});
afterAll(async () => await ways?.close());

const WRITER = ["member", "creator"];

/** A project with secrets of every kind and two containers, and an empty one whose user has these roles. */
function projects(roles = WRITER): { readonly source: string; readonly target: string } {
  const [source, target] = [`source${++number}`, `target${number}`];
  const projectId = ways.project(source);
  const creatorId = [...ways.fake.identities.users.values()].find((user) => user.name === `${source}-user`)?.id ?? "";
  const friend = ways.fake.seed.user(`friend${number}`, "pw").id;
  ways.project(target, roles);
  const acl = { users: [friend], projectAccess: false, createdMs: 0, updatedMs: 0 };
  const key = keys.addSecret({
    projectId,
    creatorId,
    name: "key",
    secretType: "symmetric",
    algorithm: "aes",
    bitLength: 256,
    mode: "cbc",
    expirationMs: Date.parse("2099-01-02T03:04:05Z"),
    payload: PAYLOAD,
    metadata: { owner: "ann" },
    acl,
  });
  const crt = keys.addSecret({
    projectId,
    name: "crt",
    secretType: "certificate",
    payload: Buffer.from(TEXT),
    contentType: "text/plain",
  });
  const pk = keys.addSecret({ projectId, name: "pk", secretType: "private", payload: PAYLOAD, contentType: "application/pkcs8" });
  keys.addSecret({ projectId, name: "empty", secretType: "opaque" });
  // Two alike without a name: each is restored, none twice.
  for (let n = 0; n < 2; n++)
    keys.addSecret({ projectId, secretType: "passphrase", payload: Buffer.from(`word ${n}`), contentType: "text/plain" });
  keys.addContainer({
    projectId,
    creatorId,
    name: "tls",
    type: "certificate",
    secrets: [
      { name: "certificate", secretId: crt.id },
      { name: "private_key", secretId: pk.id },
    ],
    acl,
  });
  keys.addContainer({ projectId, name: "bag", type: "generic", secrets: [{ name: null, secretId: key.id }] });
  return { source, target };
}

/** What counts of a project's secrets, by the fake's own memory. `like`: as a restore makes it. */
function shape(project: string, like = false): string[] {
  const id = ways.fake.read.project(project)?.id ?? "";
  const aclOf = (acl: { users: readonly string[]; projectAccess: boolean } | undefined) => acl && [acl.users, acl.projectAccess];
  const secrets = keys.secretsOf(id).map((s) => ({
    name: s.name,
    type: [s.secretType, s.algorithm, s.bitLength, s.mode, s.expirationMs],
    payload: s.payload && Buffer.from(s.payload).toString("hex"),
    contentType: like && s.contentType === "application/pkcs8" ? "application/octet-stream" : (s.contentType ?? null),
    metadata: s.metadata,
    acl: aclOf(s.acl) ?? null,
  }));
  const nameOf = (secretId: string) => keys.secrets.get(secretId)?.name ?? "?";
  const containers = keys.containersOf(id).map((c) => ({
    name: c.name,
    type: c.type,
    secrets: c.secrets.map((each) => [each.name, nameOf(each.secretId)]).sort(),
    acl: aclOf(c.acl) ?? null,
  }));
  return [...secrets, ...containers].map((each) => canonicalJson(each as never)).sort();
}

describe("there and back", () => {
  it("every field, into another project, undone to nothing", async () => {
    const { source, target } = projects(["admin"]);
    const before = shape(source);
    const backup = await ways.backup(source, TYPES);
    expect(backup.map((r) => r.type)).toHaveLength(8);
    const mark = ways.fake.journal.mark();
    const restored = await ways.restore(target, backup);
    expect(restored.left).toEqual([]);
    expect(shape(target)).toEqual(shape(source, true));
    expect(await ways.verify(restored)).toEqual([]);
    const warnings = restored.plan.resources.flatMap((r) => (r.warnings ?? []).map((w) => `${r.name}: ${w}`)).sort();
    expect(warnings).toEqual([
      `key: it is private to its creator, and in the target that is ${target}-user`,
      "pk: its content type will be application/octet-stream, not application/pkcs8: the service takes that only in the request that makes a secret",
      `tls: it is private to its creator, and in the target that is ${target}-user`,
    ]);
    await ways.undo(restored);
    expect(shape(target)).toEqual([]);
    expect(shape(source)).toEqual(before);
    for (const kind of ["secret", "secret-container"]) {
      expect(ways.fake.journal.leaked(kind, mark)).toEqual([]);
      expect(ways.fake.journal.foreignDeleted(kind, mark)).toEqual([]);
    }
  });

  it("reuses what is still there, or what has the name", async () => {
    const { source, target } = projects(["admin"]);
    const backup = await ways.backup(source, TYPES);
    const same = await ways.plan(source, backup, { onConflict: "reuse" });
    expect(same.resources.every((r) => r.action === "reuse" && r.targetId === r.id)).toBe(true);
    await ways.restore(target, backup);
    const names = ["key", "crt", "pk", "empty", "tls", "bag"];
    const there = await ways.plan(
      target,
      backup.filter((r) => names.includes(r.name)),
      { onConflict: "reuse" },
    );
    expect(there.resources.map((r) => r.action)).toEqual(names.map(() => "reuse"));
    const renamed = await ways.restore(
      target,
      backup.filter((r) => names.includes(r.name)),
      { onConflict: "rename" },
    );
    expect(renamed.made.every((r) => r.targetName?.startsWith(`${r.name}-restored-`))).toBe(true);
    expect(await ways.verify(renamed)).toEqual([]);
  });

  it("makes its own of what an access list lets it see in another project", async () => {
    const { source, target } = projects(["admin"]);
    const backup = (await ways.backup(source, TYPES)).filter((r) => r.name !== "key" && r.name !== "bag");
    const cloud = await ways.cloud(target);
    for (const row of [...keys.secrets.values(), ...keys.containers.values()])
      if (backup.some((r) => r.id === row.id)) keys.setAcl(row, [cloud.userId], true);
    const restored = await ways.restore(target, backup, { onConflict: "reuse" });
    expect(restored.made.every((r) => r.action === "create" && r.targetId !== r.id)).toBe(true);
    expect(await ways.verify(restored)).toEqual([]);
  });

  it("shares with whom a map names by id, although a member can see nobody else", async () => {
    const { source, target } = projects();
    const backup = (await ways.backup(source, TYPES)).filter((r) => r.name === "key");
    const [friend = ""] =
      keys.secretsOf(ways.fake.read.project(source)?.id ?? "").find((s) => s.name === "key")?.acl?.users ?? [];
    const restored = await ways.restore(target, backup, { maps: { "keystone.user": { [friend]: friend } } });
    expect(restored.warnings.filter((text) => text.includes("acl"))).toEqual([]);
    expect(keys.secretsOf(ways.fake.read.project(target)?.id ?? "")[0]?.acl?.users).toEqual([friend]);
    expect(await ways.verify(restored)).toEqual([]);
    const misspelt = { maps: { "keystone.user": { [friend]: "ann" } } };
    await expect(ways.plan(target, backup, misspelt)).rejects.toMatchObject({ code: "MAP_TARGET_UNKNOWN" });
  });

  it("sees a payload, metadata or a list that differ, and never tells a payload", async () => {
    const { source, target } = projects(["admin"]);
    const restored = await ways.restore(target, await ways.backup(source, TYPES));
    const id = ways.fake.read.project(target)?.id ?? "";
    for (const secret of keys.secretsOf(id)) {
      if (secret.payload !== undefined) secret.payload = Buffer.from("quite another");
      secret.metadata = { owner: "bob" };
      secret.acl = undefined;
    }
    for (const container of keys.containersOf(id)) container.secrets = container.secrets.slice(1);
    const seen = await ways.verify(restored);
    expect(seen.filter((m) => m.includes("key:")).sort()).toEqual([
      expect.stringMatching(/^barbican.secret key: acl: expected/),
      "barbican.secret key: metadata: expected the captured, found other",
      "barbican.secret key: payload: expected the captured bytes, found others",
    ]);
    expect(seen.filter((m) => m.startsWith("barbican.container"))).toHaveLength(2);
    expect(seen.join()).not.toMatch(/quite another|words of the wise/);
  });
});

describe("what may not be", () => {
  it("a payload that the role may not read is reported, and is no restored secret", async () => {
    const { source, target } = projects();
    const id = ways.fake.read.project(source)?.id ?? "";
    ways.fake.faults.add({ match: { path: /\/payload$/ }, times: 6, action: { status: 403 } });
    const backup = await ways.backup(source, TYPES);
    expect(backup.find((r) => r.name === "crt")?.warnings).toEqual([
      "the payload may not be read with these credentials: the secret cannot be restored",
    ]);
    const restored = await ways.restore(target, backup);
    expect(restored.plan.resources.find((r) => r.name === "crt")).toMatchObject({
      action: "conflict",
      actionReason: "the backup could not read its payload",
    });
    expect(restored.made.map((r) => r.name)).toEqual(["empty"]);
    expect(keys.secretsOf(id)).toHaveLength(6);
  });

  it("a member without Barbican's role: not listed, and a conflict of its own in a plan", async () => {
    const { source } = projects();
    const poor = `poor${number}`;
    ways.project(poor, ["member"]);
    const found = await ways.discover(poor, []);
    expect(found.unlisted.map((u) => u.type).filter((t) => t.startsWith("barbican"))).toEqual(TYPES);
    const plan = await ways.plan(poor, await ways.backup(source, TYPES));
    // What has no name is not looked for, and fails when it is to be made.
    const named = plan.resources.filter((r) => r.name !== r.id);
    const reasons = new Set(named.map((r) => `${r.action}: ${r.actionReason?.replace(/:.*/, "")}`));
    expect([...reasons]).toEqual([
      "conflict: the credentials may not look for a secret in the target",
      "conflict: the credentials may not look for a secret container in the target",
    ]);
  });

  it("a target without Barbican, and one whose quota is used up", async () => {
    const { source, target } = projects();
    const backup = await ways.backup(source, TYPES);
    keys.setQuotas(ways.fake.read.project(target)?.id ?? "", { secrets: 2 });
    await expect(ways.restore(target, backup)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    ways.fake.lacking.add("key-manager");
    const plan = await ways.plan(target, backup).finally(() => ways.fake.lacking.clear());
    expect(new Set(plan.resources.map((r) => r.actionReason))).toEqual(new Set(["the target has no service key-manager"]));
  });

  it("an expired secret is not restored, and a container without one of its secrets neither", async () => {
    const { source, target } = projects();
    const id = ways.fake.read.project(source)?.id ?? "";
    const backup = await ways.backup(source, TYPES);
    const plan = await ways.plan(
      target,
      backup.filter((r) => r.name !== "crt"),
    );
    expect(plan.resources.find((r) => r.name === "tls")).toMatchObject({
      action: "conflict",
      actionReason: expect.stringContaining("the target has no barbican.secret crt"),
    });
    expect(keys.secretsOf(id)).toHaveLength(6);
  });
});

describe("a restore's worker dies", () => {
  it("at any call: the next one makes nothing twice", async () => {
    const { source, target } = projects();
    const backup = (await ways.backup(source, TYPES)).filter((r) => ["key", "bag"].includes(r.name));
    const whole = await ways.restore(target, backup);
    expect(whole.calls.length).toBeGreaterThan(10);
    const wanted = shape(target);
    const failures: string[] = [];
    for (const [at, fate] of fatesOf(whole).entries()) {
      const project = `${target}-${at}`;
      ways.project(project);
      try {
        const restored = await ways.restore(project, backup, {}, fate);
        expect(shape(project)).toEqual(wanted);
        expect(await ways.verify(restored)).toEqual([]);
      } catch (error) {
        failures.push(`${fate.call} ${fate.death} (${whole.calls[fate.call]}): ${CodedError.from(error).message.slice(0, 300)}`);
      }
    }
    expect(failures).toEqual([]);
  }, 120_000);
});

describe("a payload", () => {
  it("is in no journal of the fake, no error and no ledger, but sealed in the document", async () => {
    const { source, target } = projects();
    const backup = await ways.backup(source, TYPES);
    const document = await ways.repository.reader().readDocument(backup.find((r) => r.name === "crt")?.document as never);
    expect(canonicalJson(document)).toContain(Buffer.from(TEXT).toString("base64"));
    const refusal = ways.fake.faults.add({
      match: { service: "key-manager", method: "PUT" },
      times: 9,
      action: { status: 400, body: "no" },
    });
    const error = await ways.restore(target, backup).catch((e: unknown) => e);
    refusal.remove();
    const hidden = [Buffer.from(TEXT).toString("base64"), TEXT];
    for (const secret of hidden) {
      expect(canonicalJson(JSON.parse(JSON.stringify(error)))).not.toContain(secret);
      expect(String(CodedError.from(error).message)).not.toContain(secret);
      expect(JSON.stringify(ways.fake.journal.entries())).not.toContain(secret);
    }
  });
});

/** swift.account between two projects: its metadata there and back, its limits for those who may, and an undo. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { named, TwoProjects } from "./two-projects.ts";

let projects: TwoProjects;
beforeAll(async () => {
  projects = await TwoProjects.start();
  await projects.cloud("source").object.postAccount({
    "x-account-meta-temp-url-key": "the secret",
    "x-account-meta-note": "two words",
  });
  const { headers } = projects.fake.swift.account(`AUTH_${projects.sourceId}`);
  headers["x-account-meta-quota-bytes"] = "12345";
});
afterAll(async () => await projects?.close());

const headersOf = (projectId: string) => projects.fake.swift.account(`AUTH_${projectId}`).headers;
const backedUp = async () => named(await projects.backup(["swift.account"]), "source");

describe("swift.account", () => {
  it("is captured with its keys and limits", async () => {
    expect(await projects.document(await backedUp())).toEqual({
      version: 1,
      account: `AUTH_${projects.sourceId}`,
      containers: 0,
      objects: 0,
      bytes: 0,
      headers: {
        "x-account-meta-temp-url-key": "the secret",
        "x-account-meta-note": "two words",
        "x-account-meta-quota-bytes": "12345",
      },
    });
  });

  it("changes the target's, keeps what that has besides, and gives back what it changed", async () => {
    const target = projects.cloud("target").object;
    await target.postAccount({ "x-account-meta-temp-url-key": "its own", "x-account-meta-other": "stays" });
    const resource = await backedUp();
    const [planned] = await projects.plan([resource]);
    expect(planned).toMatchObject({
      action: "update",
      actionReason: "the account is changed: x-account-meta-note, x-account-meta-temp-url-key",
      warnings: ["x-account-meta-quota-bytes is not restored: it needs the role ResellerAdmin"],
    });
    expect(JSON.stringify(planned)).not.toContain("secret");
    const session = projects.session();
    const updating = { ...resource, action: "update" as const };
    const restored = await projects.apply(updating, {}, session);
    await projects.apply(updating, {}, session);
    expect(headersOf(projects.targetId)).toEqual({
      "x-account-meta-temp-url-key": "the secret",
      "x-account-meta-note": "two words",
      "x-account-meta-other": "stays",
    });
    expect((await projects.verify(restored)).mismatches).toEqual([]);
    expect((await projects.plan([resource]))[0]).toMatchObject({ action: "reuse" });
    headersOf(projects.targetId)["x-account-meta-temp-url-key"] = "changed";
    expect((await projects.verify(restored)).mismatches).toEqual(["x-account-meta-temp-url-key: differs from what was captured"]);
    await projects.undo(updating, session);
    expect(headersOf(projects.targetId)).toEqual({ "x-account-meta-temp-url-key": "its own", "x-account-meta-other": "stays" });
  });

  it("is left alone with --on-conflict skip", async () => {
    expect((await projects.plan([await backedUp()], { onConflict: "skip" }))[0]).toMatchObject({ action: "skip" });
  });
});

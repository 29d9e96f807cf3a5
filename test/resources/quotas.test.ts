/** Quotas in a restore: raised before what needs them, lowered when all is done, and taken back last. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { type Ended, OneProcess } from "../harness/one-process.ts";
import { noise } from "../harness/tenant.ts";

const GIB_BYTES = 256 * 1024;
const selection = { include: ["cinder.quota", "cinder.volume"], exclude: [] };
const target = { cloud: "there", project: "acme", grant: true };

let here: FakeCloud;
let there: FakeCloud;
let cluster: OneProcess;
let point: Ended;
let project: string;

beforeAll(async () => {
  [here, there] = await Promise.all([startFakeCloud({ bytesPerGib: GIB_BYTES }), startFakeCloud({ bytesPerGib: GIB_BYTES })]);
  const source = here.seed.tenant("acme", { roles: ["member"] }).project.id;
  project = there.seed.tenant("acme", { roles: ["member"] }).project.id;
  here.seed.volume({ project: source, name: "data", size: 1, type: "fast", bytes: noise("data", GIB_BYTES) });
  Object.assign(here.volumes.quota(source), { volumes: 6, gigabytes: 4, snapshots: 3 });
  // No room for the volume, and for more snapshots than the source had.
  Object.assign(there.volumes.quota(project), { volumes: 0, gigabytes: -1, snapshots: 50 });
  cluster = await OneProcess.start([
    { fake: here, entries: [{ ...here.adminEntry("here"), projectName: "admin" }] },
    { fake: there, entries: [{ ...there.adminEntry("there"), projectName: "admin" }] },
  ]);
  point = await cluster.backup({ cloud: "here", project: "acme", grant: true }, selection);
});
afterAll(async () => {
  await cluster?.close();
  await Promise.all([here?.close(), there?.close()]);
});

/** Of the requests that change the project's volumes or its quota, which and what they ask for. */
function changes(mark: number): string[] {
  return there.journal
    .entries(mark)
    .filter(({ service, method, path }) => service === "volume" && method !== "GET" && /quota-sets|volumes$/.test(path))
    .map(({ method, path }) => `${method} ${path.includes("quota") ? "quota" : "volume"}`);
}

describe("a restore as an administrator", () => {
  it("raises limits first, lowers them last, and its plan counts with what it raises", async () => {
    expect(point.record.state).toBe("succeeded");
    const planned = await cluster.plan(point, target);
    expect(planned.record).toMatchObject({ state: "succeeded" });
    expect(planned.of("cinder.quota", "acme").action).toBe("update");
    const mark = there.journal.mark();
    const restored = await cluster.restore(point, target, { verify: "metadata" });
    expect(restored.record).toMatchObject({ state: "succeeded", counts: { failed: 0 } });
    expect(there.volumes.quota(project)).toMatchObject({ volumes: 6, gigabytes: 4, snapshots: 3 });
    expect(changes(mark)).toEqual(["PUT quota", "POST volume", "PUT quota"]);

    const undone = await cluster.undo(restored);
    expect(undone.record.state).toBe("succeeded");
    expect(there.volumes.quota(project)).toMatchObject({ volumes: 0, gigabytes: -1, snapshots: 50 });
    expect(there.read.volumes(project)).toEqual([]);
  });

  it("goes on without the limits when they may not be raised", async () => {
    there.volumes.quota(project).volumes = 5;
    const refused = there.faults.add({ match: { method: "PUT", path: /quota-sets/ }, times: 20, action: { status: 403 } });
    const restored = await cluster.restore(point, target);
    refused.remove();
    expect(restored.of("cinder.quota", "acme")).toMatchObject({ state: "failed", failure: { code: "FORBIDDEN" } });
    expect(restored.of("cinder.volume", "data").state).toBe("succeeded");
  });
});

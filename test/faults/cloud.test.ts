/** A cloud that misbehaves: each fault ends in a completed session or a clear error, with nothing left behind. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FaultRule } from "../fakes/openstack/index.ts";
import { Cluster } from "../harness/cluster.ts";
import { backupTenant, ended, initRepository, resources } from "../harness/session.ts";
import { type SmallTenant, smallTenant, temporariesLeft } from "../harness/tenant.ts";

let tenant: SmallTenant;
let cluster: Cluster;
let mark: number;

beforeAll(async () => {
  tenant = await smallTenant();
  const wrong = tenant.cloudsYaml.replace(/^clouds:\n/m, "");
  const password = block(wrong, "source")
    .replace(/^( *)source:/m, "$1badpassword:")
    .replace(/password: .*/, "password: not-it");
  const project = block(wrong, "source")
    .replace(/^( *)source:/m, "$1badproject:")
    .replace(/project_name: .*/, "project_name: nowhere");
  cluster = await Cluster.start({ cloudsYaml: `${tenant.cloudsYaml.trimEnd()}\n${password}${project}`, workers: 1 });
  await initRepository(cluster);
}, 60_000);

beforeEach(() => {
  mark = tenant.cloud.journal.mark();
});

afterAll(async () => {
  await cluster?.close();
  await tenant?.cloud.close();
});

/** The entry of one cloud out of clouds.yaml's text. */
function block(text: string, name: string): string {
  const lines = text.split("\n");
  const start = lines.findIndex((l) => l.trim() === `${name}:`);
  const indent = /^ */.exec(lines[start] ?? "")?.[0].length ?? 0;
  let end = start + 1;
  while (end < lines.length && (/^ */.exec(lines[end] ?? "")?.[0].length ?? 0) > indent) end++;
  return `${lines.slice(start, end).join("\n")}\n`;
}

async function backup(cloud = "source") {
  const session = await ended(cluster, await backupTenant(cluster, cloud), 90_000);
  return { session, all: await resources(cluster, session.id) };
}

describe("credentials", () => {
  it.each([
    ["badpassword", "AUTH_FAILED"],
    ["badproject", "PROJECT_UNKNOWN"],
    ["nosuchcloud", "CLOUD_UNKNOWN"],
  ])("cloud %s: %s, with a hint", async (cloud, code) => {
    const { session } = await backup(cloud);
    expect(session).toMatchObject({ state: "failed", failure: { code } });
    expect(session.failure?.hint).not.toBe("");
    expect(session.failure?.message).not.toContain("not-it");
  });
});

describe("a fault that passes", () => {
  const passing: [string, FaultRule][] = [
    [
      "the token expires mid-download",
      { match: { service: "image", method: "GET", path: /\/file$/ }, action: { expireTokenAtByte: 700_000 } },
    ],
    [
      "a download is cut",
      { match: { service: "image", method: "GET", path: /\/file$/ }, times: 2, action: { truncateAfterBytes: 100_000 } },
    ],
    [
      "a download ends early and politely",
      { match: { service: "image", method: "GET", path: /\/file$/ }, action: { truncateAfterBytes: 100_000, endCleanly: true } },
    ],
    [
      "Range is not honoured after a cut",
      { match: { service: "image", method: "GET", path: /\/file$/ }, action: { truncateAfterBytes: 100_000, ignoreRange: true } },
    ],
    [
      "Cinder is busy, with Retry-After",
      { match: { service: "volume" }, times: 2, action: { status: 503, headers: { "retry-after": "1" } } },
    ],
    [
      "the answer to a volume snapshot is lost",
      { match: { service: "volume", method: "POST", path: /\/snapshots$/ }, action: { drop: "after" } },
    ],
    [
      "the answer to a temporary volume is lost",
      { match: { service: "volume", method: "POST", path: /\/volumes$/ }, action: { drop: "after" } },
    ],
    [
      "the answer to an upload to an image is lost",
      { match: { service: "volume", method: "POST", path: /\/action$/ }, action: { drop: "after" } },
    ],
    [
      "an object's download is cut",
      { match: { service: "object", method: "GET", path: /\/segments\/part-1/ }, action: { truncateAfterBytes: 1000 } },
    ],
  ];
  it.each(passing)(
    "%s: the session completes and leaves nothing",
    async (_name, rule) => {
      // Something of each kind must be new, or nothing is downloaded.
      await tenant.cloud.seed.image({ project: tenant.sourceId, name: `new for ${_name}`, bytes: Buffer.alloc(800_000, _name) });
      tenant.cloud.seed.object({
        project: tenant.sourceId,
        container: "segments",
        name: "part-1",
        bytes: Buffer.alloc(50_000, _name),
      });
      const fault = tenant.cloud.faults.add(rule);
      const { session, all } = await backup();
      expect(all.filter((r) => r.state !== "succeeded").map((r) => [r.name, r.failure])).toEqual([]);
      expect(session).toMatchObject({ state: "succeeded", warnings: [] });
      expect(fault.hits).toBeGreaterThan(0);
      expect(temporariesLeft(tenant)).toEqual([]);
      for (const kind of ["snapshot", "volume", "image"]) expect(tenant.cloud.journal.foreignDeleted(kind, mark)).toEqual([]);
    },
    120_000,
  );
});

describe("a fault that stays", () => {
  it("wrong bytes of an image: that image fails and is named, the rest is a restore point", async () => {
    const image = await tenant.cloud.seed.image({
      project: tenant.sourceId,
      name: "rotten",
      bytes: Buffer.alloc(300_000, "rotten"),
    });
    tenant.cloud.faults.add({
      match: { service: "image", method: "GET", path: new RegExp(`${image.id}/file$`) },
      times: 99,
      action: { corruptByteAt: 1234 },
    });
    const { session, all } = await backup();
    expect(session).toMatchObject({ state: "partial", failed: 1 });
    expect(all.find((r) => r.name === "rotten")).toMatchObject({ state: "failed", failure: { code: "HASH_MISMATCH" } });
    expect(temporariesLeft(tenant)).toEqual([]);
  }, 120_000);
});

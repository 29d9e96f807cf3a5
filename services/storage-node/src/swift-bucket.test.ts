import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCloud, openCloud } from "@permafrost/openstack";
import { type ObjectBucket, openObjectPacks } from "@permafrost/packs";
import { objectBucketSuite, packStoreSuite } from "@permafrost/packs/testing";
import { systemRandom, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Call, type FakeCloud, type FaultAction, startFakeCloud } from "../../../test/fakes/openstack/index.ts";
import { openBucket } from "./open-bucket.ts";
import { swiftBucket } from "./swift-bucket.ts";

const clock = { now: () => Date.now(), monotonic: () => 0, sleep: async () => undefined };
const who = { gatewayId: "1".repeat(32), nodeId: "a".repeat(32) };

async function swift(): Promise<{ fake: FakeCloud; bucket: ObjectBucket; release: () => Promise<void> }> {
  const fake = await startFakeCloud();
  const readFile = async (path: string) => (path === "/clouds.yaml" ? fake.cloudsYaml() : undefined);
  const config = await loadCloud(fake.adminEntry().cloudName, { env: { OS_CLIENT_CONFIG_FILE: "/clouds.yaml" }, readFile });
  const cloud = await openCloud(config, { clock, random: systemRandom });
  await cloud.object.putContainer("packs");
  return { fake, bucket: swiftBucket(cloud, "packs"), release: () => fake.close() };
}

objectBucketSuite("Swift", swift);
packStoreSuite("object over Swift", async () => {
  const { bucket, release } = await swift();
  const packs = openObjectPacks(bucket);
  await packs.claim(await packs.owner(), who);
  return { packs, release };
});

describe("Swift", () => {
  let opened: Awaited<ReturnType<typeof swift>>;
  beforeEach(async () => {
    opened = await swift();
  });
  afterEach(async () => {
    await opened.bucket.close();
    await opened.release();
  });

  it.each<[string, FaultAction, string]>([
    ["a full quota", { status: 413, body: "Upload exceeds quota." }, "PACK_NO_SPACE"],
    ["no room", { status: 507 }, "PACK_NO_SPACE"],
    ["no rights", { status: 403 }, "PACK_DENIED"],
    ["no container", { status: 404 }, "PACK_DENIED"],
    ["being overloaded", { status: 503 }, "PACK_UNREACHABLE"],
    ["a fault of its own", { status: 500 }, "PACK_UNREACHABLE"],
    ["a rate limit", { status: 498 }, "PACK_UNREACHABLE"],
    ["a broken connection", { drop: "before" }, "PACK_UNREACHABLE"],
    ["another MD5", { status: 422 }, "PACK_UNREACHABLE"],
    ["what nobody asked for", { status: 400 }, "PACK_IO"],
  ])("that answers with %s", async (_, action, code) => {
    const { fake, bucket } = opened;
    fake.faults.add({ match: { service: "object", method: "PUT" }, times: 99, action });
    await expect(bucket.put("a", utf8("a"))).rejects.toMatchObject({ code, facts: { operation: "put" } });
  });

  it("is told the MD5 of what it gets", async () => {
    const { fake, bucket } = opened;
    let etag: string | undefined;
    const hook = (call: Call) => {
      etag = call.header("etag");
    };
    fake.faults.add({ match: { service: "object", method: "PUT" }, action: { hook } });
    await bucket.put("a", utf8("abc"));
    expect(etag).toBe("900150983cd24fb0d6963f7d28e17f72");
  });

  it("is asked again when an answer is lost or a body breaks off, and a token is renewed", async () => {
    const { fake, bucket } = opened;
    fake.faults.add({ match: { service: "object", method: "PUT" }, action: { drop: "after" } });
    await bucket.put("a", utf8("0123456789"));
    fake.faults.add({ match: { service: "object", method: "GET" }, action: { truncateAfterBytes: 3 } });
    expect((await bucket.get("a", 1, 8)).toString()).toBe("12345678");
    fake.faults.add({ match: { service: "object", method: "PUT" }, action: { drop: "after" } });
    expect(await bucket.putNew("new", utf8("mine"))).toBe(false);
    fake.faults.add({ match: { service: "object" }, action: { unauthorized: true } });
    expect((await bucket.get("new", 0, 4)).toString()).toBe("mine");
  });

  it("is opened as the configuration says, below its prefix", async () => {
    const { fake, bucket } = opened;
    const folder = mkdtempSync(join(tmpdir(), "permafrost-swift-"));
    const configFile = join(folder, "clouds.yaml");
    writeFileSync(configFile, fake.cloudsYaml());
    const cloud = fake.adminEntry().cloudName;
    const configured = await openBucket({ kind: "swift", cloud, configFile, container: "packs", prefix: "node-1" });
    await configured?.put("a", utf8("a"));
    expect(await bucket.sizeBytes("node-1/a")).toBe(1);
    await configured?.close();
    rmSync(folder, { recursive: true });
  });
});

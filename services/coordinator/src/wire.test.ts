import type { ResourceView } from "@permafrost/control";
import type { SessionRecord, StreamStats } from "@permafrost/model";
import { control } from "@permafrost/rpc";
import { describe, expect, it } from "vitest";
import { wireResource, wireSession } from "./wire.ts";

const stats: StreamStats = {
  logicalBytes: 2 ** 50,
  readBytes: 5,
  zeroBytes: 4,
  newBytes: 3,
  storedBytes: 2,
  newBlocks: 1,
  parentBlocks: 7,
  reservedBlocks: 8,
};
const wiredStats = { logicalBytes: 2n ** 50n, readBytes: 5n, zeroBytes: 4n, newBytes: 3n, storedBytes: 2n, newBlocks: 1n };
const failure = {
  code: "CLOUD_HTTP",
  message: "Cinder says no",
  hint: "Ask it.",
  facts: { status: 500, fatal: true, path: "/v3" },
};
const wiredFailure = { ...failure, facts: { status: "500", fatal: "true", path: "/v3" } };

const record: SessionRecord = {
  version: 1,
  id: "20261123T170008Z-00000001",
  kind: "backup",
  state: "running",
  phase: "stream",
  repositoryId: "00",
  source: { input: "stream", name: "dump" },
  startedAt: "2026-11-23T17:00:08.123Z",
  counts: { resources: 4, succeeded: 1, failed: 2, skipped: 1 },
  stats,
  warnings: [],
};
const resource: ResourceView = {
  type: "cinder.volume",
  id: "v1",
  name: "disk",
  state: "pending",
  streams: {},
  stats,
  warnings: [],
  bytesTotal: 10,
  bytesDone: 5,
};

/** As the other side reads it. */
const session = (value: control.Session) => control.Session.decode(control.Session.encode(value).finish());
const received = (value: control.Resource) => control.Resource.decode(control.Resource.encode(value).finish());

describe("a session on the wire", () => {
  it("has what a prune found and did", () => {
    const counts = {
      storedBlocks: 9,
      storedBytes: 2 ** 50,
      unusedBlocks: 8,
      unusedBytes: 7,
      condemnedBlocks: 6,
      condemnedBytes: 5,
    };
    const prune = {
      ...counts,
      deletedBlocks: 4,
      deletedBytes: 11,
      freedBytes: -3,
      sparedBlocks: 2,
      deletedAfter: "2026-12-04T00:00:00.000Z",
    };
    expect(session(wireSession({ ...record, kind: "prune", prune }, "production")).prune).toEqual({
      ...{ storedBlocks: 9n, storedBytes: 2n ** 50n, unusedBlocks: 8n, unusedBytes: 7n, condemnedBlocks: 6n, condemnedBytes: 5n },
      ...{
        deletedBlocks: 4n,
        deletedBytes: 11n,
        freedBytes: -3n,
        sparedBlocks: 2n,
        deletedAfter: new Date("2026-12-04T00:00:00.000Z"),
      },
    });
    expect(session(wireSession(record, "production")).prune).toBeUndefined();
  });

  it("has every field of an ended session", () => {
    const ended: SessionRecord = {
      ...record,
      state: "partial",
      phase: "ended",
      source: { input: "tenant", cloud: "lab", projectId: "p1", projectName: "acme" },
      endedAt: "2026-11-23T17:01:00.000Z",
      parentId: "20261122T170008Z-00000001",
      consistencyWindow: { requestedFirstAt: "", requestedLastAt: "", windowMs: 1234.6, resources: [] },
      failure,
      warnings: ["left a volume"],
      dryRun: true,
      lock: { until: "2027-01-31T00:00:00.000Z", isHeld: true },
    };
    expect(session(wireSession(ended, "production"))).toEqual({
      id: ended.id,
      kind: "backup",
      state: "partial",
      phase: "ended",
      repositoryId: "00",
      repository: "production",
      input: "tenant",
      cloud: "lab",
      projectId: "p1",
      sourceName: "acme",
      startedAt: new Date(ended.startedAt),
      endedAt: new Date("2026-11-23T17:01:00.000Z"),
      parentId: ended.parentId,
      resources: 4,
      succeeded: 1,
      failed: 2,
      skipped: 1,
      stats: wiredStats,
      consistencyWindowMs: 1235n,
      failure: wiredFailure,
      bytesTotal: 2n ** 50n,
      bytesDone: 2n ** 50n,
      warnings: ["left a volume"],
      dryRun: true,
      groupId: "",
      lockedUntil: new Date("2027-01-31T00:00:00.000Z"),
      held: true,
      appliesId: "",
    });
  });

  it("has nothing made up for what is not known yet", () => {
    expect(session(wireSession(record, "", { total: 100, done: 7 }))).toMatchObject({
      sourceName: "dump",
      cloud: "",
      projectId: "",
      endedAt: undefined,
      parentId: "",
      consistencyWindowMs: 0n,
      failure: undefined,
      bytesTotal: 100n,
      bytesDone: 7n,
      dryRun: false,
    });
  });
});

describe("a resource on the wire", () => {
  it("has every field of a restored resource", () => {
    const restored: ResourceView = {
      ...resource,
      state: "failed",
      consistency: "crash",
      sourceHash: "verified",
      failure: { code: failure.code, message: failure.message },
      warnings: ["slow"],
      targetId: "v2",
      targetName: "again-a",
      dependsOn: ["glance.image/i1"],
      action: "create",
      actionReason: "not there",
      verified: "hash",
      mismatches: ["size: 1, found 2"],
      startedAt: "2026-11-23T17:00:08.123Z",
      endedAt: "2026-11-23T17:00:09.000Z",
    };
    expect(received(wireResource(restored))).toEqual({
      type: "cinder.volume",
      id: "v1",
      name: "disk",
      state: "failed",
      stats: wiredStats,
      consistency: "crash",
      sourceHash: "verified",
      failure: { code: failure.code, message: failure.message, hint: "", facts: {} },
      warnings: ["slow"],
      targetId: "v2",
      action: "create",
      actionReason: "not there",
      verified: "hash",
      mismatches: ["size: 1, found 2"],
      startedAt: new Date("2026-11-23T17:00:08.123Z"),
      endedAt: new Date("2026-11-23T17:00:09.000Z"),
      bytesTotal: 10n,
      bytesDone: 5n,
      targetName: "again-a",
      dependsOn: ["glance.image/i1"],
    });
  });

  it("has nothing made up for what a backup does not know", () => {
    const { failure: none, ...rest } = received(wireResource(resource));
    expect(none).toBeUndefined();
    expect(rest).toMatchObject({ consistency: "", targetId: "", action: "", verified: "", mismatches: [], startedAt: undefined });
  });
});

/** A gRPC client that knows nothing of Permafrost but its address and token: it learns the API by reflection and runs a backup. */

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cluster } from "../harness/cluster.ts";
import { ended, initRepository } from "../harness/session.ts";
import { type SmallTenant, smallTenant } from "../harness/tenant.ts";

const BUF = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));
/** The part of the standard health protocol that a probe has built in. */
const HEALTH_PROTO = `syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse {
  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
  ServingStatus status = 1;
}
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
`;
const SESSIONS = "permafrost.control.v1.SessionService";

let tenant: SmallTenant;
let cluster: Cluster;

beforeAll(async () => {
  tenant = await smallTenant();
  cluster = await Cluster.start({ cloudsYaml: tenant.cloudsYaml });
  await initRepository(cluster);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  await tenant?.cloud.close();
});

/** `buf curl` of the coordinator over gRPC; `path` is `service/method` or empty. */
async function curl(path: string, ...args: string[]): Promise<string> {
  const url = `http://${cluster.addressOf("coordinator")}${path === "" ? "" : `/${path}`}`;
  const run = promisify(execFile)(BUF, ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args, url], {
    timeout: 20_000,
  });
  return (await run).stdout;
}

async function call(path: string, request: object = {}): Promise<Record<string, unknown>> {
  const authorization = ["-H", `authorization: Bearer ${cluster.token}`];
  return JSON.parse(await curl(path, ...authorization, "-d", JSON.stringify(request))) as Record<string, unknown>;
}

describe("any gRPC client", () => {
  it("learns services, methods and messages by reflection", async () => {
    const services = (await curl("", "--list-services")).trim().split("\n");
    expect(services).toEqual(expect.arrayContaining([SESSIONS, "permafrost.control.v1.RepositoryService"]));
    const methods = await curl("", "--list-methods");
    expect(methods).toContain(`${SESSIONS}/StartBackup`);
    expect(methods).toContain(`${SESSIONS}/WatchSession`);
  });

  it("asks for health without a token, and for nothing else", async () => {
    await writeFile(join(cluster.directory, "health.proto"), HEALTH_PROTO);
    const health = ["--schema", join(cluster.directory, "health.proto")];
    expect(JSON.parse(await curl("grpc.health.v1.Health/Check", ...health))).toEqual({ status: "SERVING" });
    const refused = await curl(`${SESSIONS}/ListSessions`).catch((error: { stderr: string }) => error.stderr);
    expect(JSON.parse(refused)).toMatchObject({ code: "unauthenticated" });
  });

  it("starts a backup of a project, watches it to its end and lists what came of it", async () => {
    const empty = await call(`${SESSIONS}/ListSessions`, { repository: "acme" });
    expect(empty).toEqual({});
    const request = { repository: "acme", tenant: { cloud: "source", selection: { include: ["glance.image"] } } };
    const { sessionId } = await call(`${SESSIONS}/StartBackup`, request);
    expect(sessionId).toMatch(/^\d{8}T\d{6}Z-[0-9a-f]{8}$/);
    expect(await ended(cluster, String(sessionId))).toMatchObject({ state: "succeeded", resources: 2 });

    const watched = await call(`${SESSIONS}/WatchSession`, { sessionId });
    expect(watched).toMatchObject({ session: { id: sessionId, state: "succeeded", phase: "ended" } });
    const { resources } = (await call(`${SESSIONS}/ListResources`, { sessionId })) as { resources: Record<string, unknown>[] };
    expect(resources.map((r) => [r.type, r.name, r.state])).toEqual([
      ["glance.image", "raw image", "succeeded"],
      ["glance.image", "second", "succeeded"],
    ]);
    const { sessions } = (await call(`${SESSIONS}/ListSessions`)) as { sessions: Record<string, unknown>[] };
    expect(sessions.map((s) => [s.id, s.cloud, s.repository])).toEqual([[sessionId, "source", "acme"]]);
  });

  it("is told what is wrong with a request in gRPC's own words", async () => {
    const wrong = await call(`${SESSIONS}/StartBackup`, { repository: "nobody", tenant: { cloud: "source" } }).catch(
      (error: { stderr: string }) => JSON.parse(error.stderr) as object,
    );
    expect(wrong).toMatchObject({ code: "not_found", message: expect.stringContaining("nobody") });
    const noInput = await call(`${SESSIONS}/StartBackup`, { repository: "acme" }).catch(
      (error: { stderr: string }) => JSON.parse(error.stderr) as object,
    );
    expect(noInput).toMatchObject({ code: "invalid_argument", message: expect.stringContaining("input") });
  });
});

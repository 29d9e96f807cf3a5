/** Retries, tokens and errors against a scripted server: what is repeated, what is not, and what the caller is told. */

import { CodedError } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answer, hangUp, InstantClock, ScriptedServer, steadyRandom } from "../../testing/scripted-server.ts";
import { type Cloud, openCloud } from "../index.ts";

let server: ScriptedServer;
let clock: InstantClock;
let cloud: Cloud;

beforeEach(async () => {
  server = new ScriptedServer();
  clock = new InstantClock();
  await server.listen();
  cloud = await server.open(clock, steadyRandom, { retry: { attemptsMax: 3 } });
});

afterEach(async () => {
  await cloud.close();
  await server.close();
});

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    return CodedError.from(error);
  }
  throw new Error("did not fail");
}

const IMAGE = "/image/v2/images/i";
const VOLUMES = "/volume/v3/project-1/volumes";
const image = answer(200, { id: "i", name: "n", status: "active" });

describe("repeating", () => {
  it.each([502, 503, 504, 429, 498])("repeats a GET after %i", async (status) => {
    server.on(IMAGE, answer(status, "busy"), image);
    expect((await cloud.image.get("i")).name).toBe("n");
    expect(server.to(IMAGE)).toHaveLength(2);
    expect(clock.slept).toEqual([500]);
  });

  it("waits as long as Retry-After says, in seconds or as a date", async () => {
    server.on(
      IMAGE,
      answer(413, "slow", { "retry-after": "7" }),
      answer(503, "", { "retry-after": new Date(clock.nowMs + 20_000).toUTCString() }),
      image,
    );
    await cloud.image.get("i");
    expect(clock.slept).toEqual([7000, 13_000]);
  });

  it("does not sleep longer than the cap: OVER_LIMIT", async () => {
    server.on(IMAGE, answer(429, "", { "retry-after": "3600" }));
    const error = await failure(cloud.image.get("i"));
    expect([error.code, error.facts.retryAfterMs, error.retry]).toEqual(["OVER_LIMIT", 3_600_000, "later"]);
    expect(clock.slept).toEqual([]);
  });

  it("gives up after the attempts", async () => {
    server.on(IMAGE, answer(503, "", { "x-openstack-request-id": "req-1" }));
    const error = await failure(cloud.image.get("i"));
    expect([error.code, error.facts.status, error.facts.requestId, error.retry]).toEqual(["CLOUD_HTTP", 503, "req-1", "later"]);
    expect(server.to(IMAGE)).toHaveLength(3);
  });

  it("repeats a GET whose connection broke", async () => {
    server.on(IMAGE, hangUp, image);
    expect((await cloud.image.get("i")).id).toBe("i");
  });

  it.each([500, 502, 503, 504])("does not repeat a POST after %i", async (status) => {
    server.on(VOLUMES, answer(status, "broken"));
    const error = await failure(cloud.volume.createVolume({ name: "v", sizeGiB: 1 }));
    expect([error.code, error.retry]).toEqual(["OUTCOME_UNKNOWN", "later"]);
    expect(server.to(VOLUMES)).toHaveLength(1);
  });

  it("does not repeat a POST whose answer was lost", async () => {
    server.on(VOLUMES, hangUp);
    expect((await failure(cloud.volume.createVolume({ name: "v", sizeGiB: 1 }))).code).toBe("OUTCOME_UNKNOWN");
    expect(server.to(VOLUMES)).toHaveLength(1);
  });

  it("repeats a POST that was only rate-limited", async () => {
    server.on(
      VOLUMES,
      answer(429, "", { "retry-after": "1" }),
      answer(202, { volume: { id: "v", status: "creating", size: 1 } }),
    );
    expect((await cloud.volume.createVolume({ name: "v", sizeGiB: 1 })).id).toBe("v");
  });

  it("repeats a POST that is idempotent", async () => {
    server.on(`${VOLUMES}/v/action`, hangUp, answer(200));
    await cloud.volume.setBootable("v", true);
    expect(server.to(`${VOLUMES}/v/action`)).toHaveLength(2);
  });

  it("says CLOUD_UNREACHABLE when nobody listens, for a POST too", async () => {
    const error = await failure(
      openCloud(
        { ...server.config(), authUrl: "http://127.0.0.1:1/v3" },
        { clock, random: steadyRandom, agentOptions: { retry: { attemptsMax: 2 } } },
      ),
    );
    expect([error.code, error.facts.sent]).toEqual(["CLOUD_UNREACHABLE", false]);
  });

  it("stops at the signal", async () => {
    const reason = new Error("enough");
    server.on(IMAGE, image);
    const call = cloud.image.client.json({ method: "GET", path: "/images/i", expect: [200], signal: AbortSignal.abort(reason) });
    await expect(call).rejects.toBe(reason);
  });

  it("ends silence with the headers timeout", async () => {
    server.on(IMAGE, () => {});
    const call = cloud.image.client.json({
      method: "GET",
      path: "/images/i",
      expect: [200],
      attemptsMax: 1,
      headersTimeoutMs: 50,
    });
    const error = await failure(call);
    expect([error.code, error.facts.cause]).toEqual(["CLOUD_UNREACHABLE", "UND_ERR_HEADERS_TIMEOUT"]);
  });
});

describe("refusals", () => {
  it.each([
    [404, "x", {}, "NOT_FOUND"],
    [403, "x", {}, "FORBIDDEN"],
    [409, "x", {}, "CONFLICT"],
    [400, "x", {}, "CLOUD_HTTP"],
    [
      413,
      '{"overLimit":{"message":"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota."}}',
      { "retry-after": "0" },
      "QUOTA_EXCEEDED",
    ],
    [403, '{"forbidden":{"message":"Quota exceeded for instances"}}', {}, "QUOTA_EXCEEDED"],
    [403, '{"NeutronError":{"message":"rule:get_quota is disallowed by policy"}}', {}, "FORBIDDEN"],
    [413, "<html>Image exceeds the storage quota</html>", {}, "QUOTA_EXCEEDED"],
    [413, "too large", {}, "CLOUD_HTTP"],
    [302, "", { location: "http://evil.example/?token=1" }, "BAD_RESPONSE"],
  ])("%i %s is one thing", async (status, body, headers, code) => {
    server.on(IMAGE, answer(status, body, headers));
    const error = await failure(cloud.image.get("i"));
    expect([error.code, error.facts.status, error.retry]).toEqual([code, status, "never"]);
    expect(server.to(IMAGE)).toHaveLength(1);
    expect(error.message).not.toContain("token=1");
  });

  it("takes HTML with status 200 for no answer", async () => {
    server.on(IMAGE, answer(200, "<html><h1>Sign in</h1></html>", { "content-type": "text/html" }));
    expect((await failure(cloud.image.get("i"))).code).toBe("BAD_RESPONSE");
  });

  it("blanks secrets of the query", async () => {
    const call = cloud.image.client.json({
      method: "GET",
      path: "/images/i",
      query: { temp_url_sig: "abc", limit: 1 },
      expect: [200],
    });
    server.on(IMAGE, answer(400));
    expect((await failure(call)).facts.url).toBe(`${server.url}${IMAGE}?temp_url_sig=…&limit=1`);
  });

  it("sends no token to another origin", async () => {
    expect((await failure(cloud.image.client.json({ method: "GET", path: "http://127.0.0.1:1/x", expect: [200] }))).code).toBe(
      "BAD_RESPONSE",
    );
  });

  it("says SERVICE_MISSING with the first call", async () => {
    const error = await failure(cloud.service("compute").json({ method: "GET", path: "/servers", expect: [200] }));
    expect([error.code, error.facts.service, error.facts.known]).toEqual([
      "SERVICE_MISSING",
      "compute",
      "image, object-store, volumev3",
    ]);
    expect(await cloud.hasService("compute")).toBe(false);
  });

  it("gives the source's own error when an upload's source fails", async () => {
    server.on("/v1/AUTH_project-1/c/o", answer(201));
    const reason = new CodedError("SOURCE_BROKE", "broke");
    async function* body(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10);
      throw reason;
    }
    await expect(cloud.object.putObject("c", "o", body(), { sizeBytes: 100 })).rejects.toBe(reason);
  });
});

describe("tokens", () => {
  const unauthorized = answer(401, "expired");

  it("renews a refused token once and repeats the call", async () => {
    server.on(IMAGE, unauthorized, image);
    await cloud.image.get("i");
    expect(server.to(IMAGE).map((one) => one.headers["x-auth-token"])).toEqual(["token-1", "token-2"]);
  });

  it("says AUTH_FAILED when the new token is refused too", async () => {
    server.on(IMAGE, unauthorized);
    expect((await failure(cloud.image.get("i"))).code).toBe("AUTH_FAILED");
    expect(server.to(IMAGE)).toHaveLength(2);
  });

  it("renews once for many", async () => {
    server.on(IMAGE, (request, response, raw) =>
      (request.headers["x-auth-token"] === "token-1" ? unauthorized : image)(request, response, raw),
    );
    await Promise.all(Array.from({ length: 8 }, () => cloud.image.get("i")));
    expect(server.issued).toBe(2);
  });

  it("replaces a token at 80 % of its life", async () => {
    server.on(IMAGE, image);
    clock.nowMs += 3_600_000 * 0.79;
    await cloud.image.get("i");
    expect(server.issued).toBe(1);
    clock.nowMs += 3_600_000 * 0.02;
    await cloud.image.get("i");
    expect(server.issued).toBe(2);
  });

  it("goes on with the old token while Keystone is away, and not beyond its life", async () => {
    server.on(IMAGE, image);
    server.on("/identity/v3/auth/tokens", answer(503));
    clock.nowMs += 3_600_000 * 0.85;
    await cloud.image.get("i");
    clock.nowMs += 3_600_000 * 0.2;
    expect((await failure(cloud.image.get("i"))).code).toBe("CLOUD_HTTP");
  });

  it("tells a wrong password from an unknown project, and never tells the password", async () => {
    server.logins.push(unauthorized, unauthorized);
    const wrong = await failure(server.open(clock, steadyRandom));
    expect([wrong.code, wrong.facts.user, wrong.facts.cloud]).toEqual(["AUTH_FAILED", "user u", "scripted"]);
    expect(JSON.stringify([wrong.message, wrong.facts, wrong.hint])).not.toContain("hunter2");
    server.on("/identity/v3/auth/projects", answer(200, { projects: [{ name: "other" }] }));
    server.logins.push(unauthorized);
    const missing = await failure(server.open(clock, steadyRandom));
    expect([missing.code, missing.facts.project, missing.facts.known]).toEqual(["PROJECT_UNKNOWN", "p", "other"]);
  });

  it("tries a project as a name, then as an id", async () => {
    server.logins.push(unauthorized);
    await (await openCloud(server.config(), { clock, random: steadyRandom, project: "project-1" })).close();
    const scopes = server.to("/identity/v3/auth/tokens").map((one) => JSON.parse(one.body.toString()).auth.scope.project);
    expect(scopes.slice(-2)).toEqual([{ name: "project-1", domain: { id: "default" } }, { id: "project-1" }]);
  });

  it("says AUTH_FAILED for a token that Keystone does not find", async () => {
    server.on("/identity/v3/auth/tokens", answer(404, { error: { code: 404, message: "Failed to validate token" } }));
    const config = { ...server.config(), credential: { kind: "token", label: "the token", token: "gone" } } as const;
    expect((await failure(openCloud(config, { clock, random: steadyRandom }))).code).toBe("AUTH_FAILED");
  });

  it("says PROJECT_UNKNOWN for an application credential of another project, and for no project at all", async () => {
    const credential = { kind: "applicationCredential", label: "a", credential: { id: "a" }, secret: "s" } as const;
    const parts = { clock, random: steadyRandom };
    const other = await failure(openCloud({ ...server.config(), credential }, { ...parts, project: "elsewhere" }));
    expect([other.code, other.facts.known]).toEqual(["PROJECT_UNKNOWN", "p"]);
    const user = { id: "user-1", name: "u", domain: { id: "default", name: "Default" } };
    server.logins.push(answer(201, { token: { user, expires_at: "2026-01-01T01:00:00Z" } }, { "x-subject-token": "t" }));
    expect((await failure(openCloud({ ...server.config(), scope: { kind: "unscoped" } }, parts))).code).toBe("PROJECT_UNKNOWN");
  });

  it("takes a login page for no Keystone", async () => {
    server.logins.push(answer(201, "<html>"));
    expect((await failure(server.open(clock, steadyRandom))).code).toBe("BAD_RESPONSE");
  });
});

describe("microversions", () => {
  it("asks for the highest that both know", async () => {
    server.on(`${VOLUMES}/v`, answer(200, { volume: { id: "v", status: "available", size: 1 } }));
    await cloud.volume.getVolume("v");
    expect(server.to(`${VOLUMES}/v`)[0]?.headers["openstack-api-version"]).toBe("volume 3.70");
    expect(server.to("/volume/v3/")).toHaveLength(1);
  });

  it.each([
    ["3.71", undefined],
    ["3.50", true],
  ])("with %s sends force as %s", async (version, force) => {
    server.on("/volume/v3/", answer(200, { versions: [{ version, min_version: "3.0" }] }));
    server.on(
      "/volume/v3/project-1/snapshots",
      answer(202, { snapshot: { id: "s", status: "creating", volume_id: "v", size: 1 } }),
    );
    await cloud.volume.createSnapshot({ volumeId: "v", name: "n", force: true });
    expect(JSON.parse(server.to("/volume/v3/project-1/snapshots")[0]?.body.toString() ?? "").snapshot.force).toBe(force);
  });
});

describe("listings", () => {
  const volume = (id: string) => ({ id, status: "available", size: 1 });
  const next = (href: string) => [{ rel: "next", href }];

  it("follows links by their query only, never to their host", async () => {
    server.on(
      `${VOLUMES}/detail`,
      answer(200, { volumes: [volume("a")], volumes_links: next("https://evil.example/v3/volumes/detail?marker=a") }),
      answer(200, { volumes: [volume("b")] }),
    );
    expect(await Array.fromAsync(cloud.volume.listVolumes(), (v) => v.id)).toEqual(["a", "b"]);
    expect(server.to(`${VOLUMES}/detail`)[1]?.url).toBe(`${VOLUMES}/detail?marker=a`);
  });

  it("stops on a page that was given before", async () => {
    server.on(`${VOLUMES}/detail`, answer(200, { volumes: [volume("a")], volumes_links: next("http://x/?marker=a") }));
    expect((await failure(Array.fromAsync(cloud.volume.listVolumes()))).code).toBe("PAGINATION_LOOP");
    expect(server.to(`${VOLUMES}/detail`)).toHaveLength(2);
  });

  it("says LIST_CHANGED when the marker is gone, and NOT_FOUND for the list itself", async () => {
    server.on(
      `${VOLUMES}/detail`,
      answer(200, { volumes: [volume("a")], volumes_links: next("http://x/?marker=a") }),
      answer(404),
    );
    const error = await failure(Array.fromAsync(cloud.volume.listVolumes()));
    expect([error.code, error.retry]).toEqual(["LIST_CHANGED", "later"]);
    expect((await failure(Array.fromAsync(cloud.volume.listVolumes()))).code).toBe("NOT_FOUND");
  });

  it("refuses an answer without the list", async () => {
    server.on(`${VOLUMES}/detail`, answer(200, { servers: [] }));
    expect((await failure(Array.fromAsync(cloud.volume.listVolumes()))).code).toBe("BAD_RESPONSE");
  });

  it("goes on after a short page of Swift and ends at an empty one", async () => {
    const path = "/v1/AUTH_project-1/c";
    server.on(path, answer(200, [{ name: "a", hash: '"x"', bytes: 1 }]), answer(200, [{ name: "ü b" }]), answer(200, []));
    expect(await Array.fromAsync(cloud.object.listObjects("c"), (o) => [o.name, o.etag])).toEqual([
      ["a", "x"],
      ["ü b", ""],
    ]);
    expect(server.to(path).map((one) => new URLSearchParams(one.url.split("?")[1]).get("marker"))).toEqual([null, "a", "ü b"]);
  });
});

/** Every scripted fault does what it says on the wire, and the journal tells the truth about it. */

import { get } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "./cloud.ts";
import type { FaultAction } from "./faults.ts";

const DATA = Buffer.alloc(1_000_000, "0123456789abcdef");
let cloud: FakeCloud;
let token: string;
let projectId: string;
let imageId: string;

async function login(): Promise<string> {
  const identity = {
    methods: ["password"],
    password: { user: { name: "acme-user", domain: { name: "Default" }, password: "acme-pw" } },
  };
  const scope = { project: { name: "acme", domain: { name: "Default" } } };
  const answer = await fetch(`${cloud.authUrl}/auth/tokens`, {
    method: "POST",
    body: JSON.stringify({ auth: { identity, scope } }),
  });
  return answer.headers.get("x-subject-token") ?? "";
}

function ask(service: "image" | "volume" | "object", path: string, init: RequestInit = {}): Promise<Response> {
  const base = {
    image: cloud.urls.image,
    volume: `${cloud.urls.volume}/v3/${projectId}`,
    object: `${cloud.urls.object}/v1/AUTH_${projectId}`,
  }[service];
  return fetch(base + path, { ...init, headers: { "x-auth-token": token, ...init.headers } });
}

/** Status, body bytes received, and whether the body came whole. */
function raw(url: string): Promise<{ status: number; body: Buffer; whole: boolean; length: string | undefined }> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { "x-auth-token": token }, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", () => {});
      response.on("close", () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(parts),
          whole: response.complete,
          length: response.headers["content-length"],
        }),
      );
    }).on("error", reject);
  });
}

const file = () => `${cloud.urls.image}/v2/images/${imageId}/file`;
const onFile = (action: FaultAction) => cloud.faults.add({ match: { service: "image", method: "GET", path: /\/file$/ }, action });

beforeEach(async () => {
  cloud = await startFakeCloud({ bytesPerGib: 2 ** 20 });
  projectId = cloud.seed.tenant("acme").project.id;
  imageId = (await cloud.seed.image({ project: "acme", name: "i", bytes: DATA })).id;
  token = await login();
});

afterEach(() => cloud.close());

describe("answers instead of handling", () => {
  it("gives any status with headers, as often as asked, then none", async () => {
    const fault = cloud.faults.add({
      match: { service: "volume", path: /\/volumes/ },
      times: 2,
      action: { status: 503, headers: { "Retry-After": "7" } },
    });
    for (const status of [503, 503, 200]) {
      const answer = await ask("volume", "/volumes");
      expect(answer.status).toBe(status);
      expect(answer.headers.get("retry-after")).toBe(status === 503 ? "7" : null);
    }
    expect(fault.hits).toBe(2);
    expect(cloud.journal.entries().filter((entry) => entry.fault !== "")).toHaveLength(2);
  });

  it("skips requests first, refuses once with the service's own 401, and serves a proxy's page", async () => {
    cloud.faults.add({ match: { service: "volume" }, after: 1, action: { unauthorized: true } });
    cloud.faults.add({ match: { service: "image" }, action: { html: true } });
    expect((await ask("volume", "/volumes")).status).toBe(200);
    const refused = await ask("volume", "/volumes");
    expect([refused.status, ((await refused.json()) as { error: { title: string } }).error.title]).toEqual([401, "Unauthorized"]);
    const page = await ask("image", "/v2/images");
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html"]);
  });

  it("delays, and awaits a hook before anything happens", async () => {
    const seen: string[] = [];
    cloud.faults.add({
      match: { service: "volume", method: "POST" },
      action: { delayMs: 60, hook: (call) => seen.push(`${call.method} ${cloud.read.volumes(projectId).length}`) },
    });
    const start = performance.now();
    await ask("volume", "/volumes", { method: "POST", body: JSON.stringify({ volume: { size: 1 } }) });
    expect(performance.now() - start).toBeGreaterThan(55);
    expect(seen).toEqual(["POST 0"]);
  });
});

describe("lost responses", () => {
  it("drops the connection before handling: nothing happened", async () => {
    cloud.faults.add({ match: { service: "volume", method: "POST" }, action: { drop: "before" } });
    await expect(ask("volume", "/volumes", { method: "POST", body: JSON.stringify({ volume: { size: 1 } }) })).rejects.toThrow();
    expect(cloud.read.volumes(projectId)).toHaveLength(0);
    expect(cloud.journal.entries().at(-1)).toMatchObject({ status: 0, outcome: "dropped", created: [] });
  });

  it("applies, then drops the response: the journal shows the leak", async () => {
    cloud.faults.add({ match: { service: "volume", method: "POST" }, action: { drop: "after" } });
    await expect(ask("volume", "/volumes", { method: "POST", body: JSON.stringify({ volume: { size: 1 } }) })).rejects.toThrow();
    const [volume] = cloud.read.volumes(projectId);
    expect(cloud.journal.leaked("volume")).toEqual([volume?.id]);
    expect(cloud.journal.entries().at(-1)).toMatchObject({ status: 202, outcome: "dropped" });
  });
});

describe("bodies", () => {
  it("truncates after N bytes with the true length", async () => {
    onFile({ truncateAfterBytes: 300_000 });
    const cut = await raw(file());
    expect([cut.status, cut.body.length, cut.whole, cut.length]).toEqual([200, 300_000, false, "1000000"]);
    expect(cloud.journal.entries().at(-1)).toMatchObject({ outcome: "cut", responseBytes: 300_000 });
    expect((await raw(file())).body.equals(DATA)).toBe(true);
  });

  it("truncates politely without a length", async () => {
    onFile({ truncateAfterBytes: 300_000, endCleanly: true });
    const cut = await raw(file());
    expect([cut.body.length, cut.whole, cut.length]).toEqual([300_000, true, undefined]);
  });

  it("lies about the length", async () => {
    onFile({ contentLengthDelta: 10 });
    const long = await raw(file());
    expect([long.length, long.body.length, long.whole]).toEqual(["1000010", 1_000_000, false]);
    onFile({ contentLengthDelta: -10 });
    const short = await raw(file()).catch(() => undefined);
    expect(short === undefined || short.body.length <= 999_990).toBe(true);
  });

  it("corrupts one byte", async () => {
    onFile({ corruptByteAt: 500_001 });
    const { body } = await raw(file());
    const wrong = [...body.keys()].filter((at) => body[at] !== DATA[at]);
    expect(wrong).toEqual([500_001]);
  });

  it("expires the token at a byte: the download is cut and the token is dead", async () => {
    onFile({ expireTokenAtByte: 400_000 });
    const cut = await raw(file());
    expect([cut.body.length, cut.whole]).toEqual([400_000, false]);
    expect((await ask("image", "/v2/images")).status).toBe(401);
    token = await login();
    const rest = await ask("image", `/v2/images/${imageId}/file`, { headers: { range: "bytes=400000-" } });
    expect([rest.status, Buffer.from(await rest.arrayBuffer()).equals(DATA.subarray(400_000))]).toEqual([206, true]);
  });

  it("ignores Range", async () => {
    onFile({ ignoreRange: true });
    const answer = await ask("image", `/v2/images/${imageId}/file`, { headers: { range: "bytes=0-9" } });
    expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, DATA.length]);
  });

  it("changes an object in the middle of its read: the read stays what it was, the next has another etag", async () => {
    cloud.seed.object({ project: "acme", container: "c", name: "o", bytes: DATA });
    const run = () => cloud.seed.object({ project: "acme", container: "c", name: "o", bytes: Buffer.from("new") });
    cloud.faults.add({ match: { service: "object", method: "GET" }, action: { midBody: { atByte: 500_000, run } } });
    const first = await ask("object", "/c/o");
    expect(Buffer.from(await first.arrayBuffer()).equals(DATA)).toBe(true);
    const stale = await ask("object", "/c/o", { headers: { "if-match": first.headers.get("etag") ?? "" } });
    expect(stale.status).toBe(412);
  });

  it("cuts a static large object whose later segment has gone", async () => {
    for (const name of ["s1", "s2"]) cloud.seed.object({ project: "acme", container: "c", name, bytes: DATA });
    const manifest = [{ path: "/c/s1" }, { path: "/c/s2" }];
    expect((await ask("object", "/c/slo?multipart-manifest=put", { method: "PUT", body: JSON.stringify(manifest) })).status).toBe(
      201,
    );
    cloud.seed.removeObject("acme", "c", "s2");
    const cut = await raw(`${cloud.urls.object}/v1/AUTH_${projectId}/c/slo`);
    expect([cut.status, cut.whole, cut.length]).toEqual([200, false, "2000000"]);
    expect(cut.body.equals(DATA.subarray(0, cut.body.length))).toBe(true);
    expect(cloud.journal.entries().at(-1)?.outcome).toBe("cut");
  });
});

describe("states", () => {
  const create = async () =>
    (
      (await (await ask("volume", "/volumes", { method: "POST", body: JSON.stringify({ volume: { size: 1 } }) })).json()) as {
        volume: { id: string };
      }
    ).volume.id;
  const status = async (id: string) =>
    ((await (await ask("volume", `/volumes/${id}`)).json()) as { volume: { status: string } }).volume.status;

  it("freezes for some polls, or for ever", async () => {
    cloud.faults.add({ match: { service: "volume", method: "POST" }, action: { freeze: { polls: 3 } } });
    const thawing = await create();
    const states = [];
    for (let n = 0; n < 6; n++) states.push(await status(thawing));
    expect(states).toEqual(["creating", "creating", "creating", "creating", "available", "available"]);
    cloud.faults.add({ match: { service: "volume", method: "DELETE" }, action: { freeze: { polls: Number.POSITIVE_INFINITY } } });
    await ask("volume", `/volumes/${thawing}`, { method: "DELETE" });
    for (let n = 0; n < 5; n++) expect(await status(thawing)).toBe("deleting");
    expect(cloud.journal.leaked("volume")).toEqual([thawing]);
    cloud.transitions.thaw(thawing);
    await cloud.transitions.finishAll();
    expect(cloud.journal.leaked("volume")).toEqual([]);
  });

  it("fails what a request starts: error, error_deleting, killed", async () => {
    cloud.faults.add({ match: { service: "volume", method: "POST", path: /\/volumes$/ }, action: { fail: true } });
    const broken = await create();
    await status(broken);
    expect(await status(broken)).toBe("error");
    cloud.faults.add({ match: { service: "volume", method: "DELETE" }, action: { fail: true } });
    await ask("volume", `/volumes/${broken}`, { method: "DELETE" });
    await status(broken);
    expect(await status(broken)).toBe("error_deleting");
    expect(cloud.journal.leaked("volume")).toEqual([broken]);
    const good = await create();
    await cloud.transitions.finishAll();
    cloud.faults.add({ match: { path: /action/ }, action: { fail: true } });
    const upload = await ask("volume", `/volumes/${good}/action`, {
      method: "POST",
      body: JSON.stringify({ "os-volume_upload_image": { image_name: "u" } }),
    });
    const { image_id: id } = ((await upload.json()) as { "os-volume_upload_image": { image_id: string } })[
      "os-volume_upload_image"
    ];
    await cloud.transitions.finishAll();
    expect([cloud.read.image(id)?.status, await status(good)]).toEqual(["killed", "available"]);
  });

  it("loops the pages", async () => {
    for (let n = 0; n < 3; n++) cloud.seed.volume({ project: "acme", size: 1 });
    cloud.faults.add({ match: { service: "volume", method: "GET" }, times: 9, action: { paginationLoop: true } });
    const page = async (path: string) =>
      (await (await ask("volume", path)).json()) as { volumes: { id: string }[]; volumes_links?: { href: string }[] };
    const first = await page("/volumes?limit=1");
    const again = await page(`/volumes${new URL(first.volumes_links?.[0]?.href ?? "").search}`);
    expect(again).toEqual(first);
  });
});

describe("tokens", () => {
  it("expire by time, with their application credential, and all at once", async () => {
    cloud.identities.tokenTtlMs = 40;
    token = await login();
    expect((await ask("image", "/v2/images")).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect((await ask("image", "/v2/images")).status).toBe(401);
    cloud.identities.tokenTtlMs = 60_000;
    token = await login();
    cloud.identities.expireAll();
    for (const service of ["image", "volume", "object"] as const)
      expect((await ask(service, service === "volume" ? "/volumes" : "/v2/images")).status).toBe(401);
  });

  it("are refused once revoked, or once their application credential is gone", async () => {
    const headers = { "x-auth-token": token, "x-subject-token": token };
    const url = `${cloud.authUrl}/users/${cloud.identities.check(token)?.user.id}/application_credentials`;
    const made = await fetch(url, { method: "POST", headers, body: JSON.stringify({ application_credential: { name: "c" } }) });
    const { id, secret } = ((await made.json()) as { application_credential: { id: string; secret: string } })
      .application_credential;
    const identity = { methods: ["application_credential"], application_credential: { id, secret } };
    const answer = await fetch(`${cloud.authUrl}/auth/tokens`, { method: "POST", body: JSON.stringify({ auth: { identity } }) });
    const other = answer.headers.get("x-subject-token") ?? "";
    expect((await ask("image", "/v2/images", { headers: { "x-auth-token": other } })).status).toBe(200);
    await fetch(`${url}/${id}`, { method: "DELETE", headers });
    expect((await ask("image", "/v2/images", { headers: { "x-auth-token": other } })).status).toBe(401);
    expect((await fetch(`${cloud.authUrl}/auth/tokens`, { method: "DELETE", headers })).status).toBe(204);
    expect((await ask("image", "/v2/images")).status).toBe(401);
  });

  it("never enter the journal, nor do passwords", async () => {
    await ask("image", "/v2/images");
    expect(JSON.stringify(cloud.journal.entries())).not.toContain("acme-pw");
    expect(JSON.stringify(cloud.journal.entries())).not.toContain(token);
    expect(cloud.journal.entries()[0]?.body).toContain('"password":"***"');
  });
});

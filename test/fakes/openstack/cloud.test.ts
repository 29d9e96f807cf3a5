/** What the fake adds to the contract: options, seeding, isolation of projects, and the journal's questions. */

import { afterEach, expect, it } from "vitest";
import { type FakeCloud, type FakeCloudOptions, startFakeCloud } from "./cloud.ts";

let cloud: FakeCloud;

afterEach(() => cloud.close());

interface Json {
  readonly status?: string;
  readonly [key: string]: unknown;
  readonly volume?: Json;
  readonly snapshot?: Json;
}

/** A cloud with two tenants, and ways to ask as their users. */
async function start(options: FakeCloudOptions = {}) {
  cloud = await startFakeCloud({ bytesPerGib: 2 ** 20, ...options });
  const enter = async (name: string) => {
    const { project, user } = cloud.seed.tenant(name);
    const login = { user: { name: `${name}-user`, domain: { name: "Default" }, password: `${name}-pw` } };
    const auth = { identity: { methods: ["password"], password: login }, scope: { project: { id: project.id } } };
    const answer = await fetch(`${cloud.authUrl}/auth/tokens`, { method: "POST", body: JSON.stringify({ auth }) });
    const token = answer.headers.get("x-subject-token") ?? "";
    const bases = { image: cloud.urls.image, volume: `${cloud.urls.volume}/v3/${project.id}`, object: cloud.urls.object };
    const ask = async (service: keyof typeof bases, method: string, path: string, body?: unknown) => {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const got = await fetch(bases[service] + path, { method, headers: { "x-auth-token": token }, ...sent });
      const text = await got.text();
      return {
        status: got.status,
        text,
        json: (text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : undefined) as Json,
      };
    };
    return { project, user, ask };
  };
  return { acme: await enter("acme"), globex: await enter("globex") };
}

it("shows images by visibility and membership", async () => {
  const { acme, globex } = await start();
  const seen = async (query = "") =>
    ((await globex.ask("image", "GET", `/v2/images?sort=name:asc${query}`)).json.images as unknown as { name: string }[]).map(
      (image) => image.name,
    );
  for (const visibility of ["private", "shared", "community", "public"])
    await cloud.seed.image({ project: "acme", name: visibility, visibility, bytes: Buffer.from("x") });
  expect(await seen()).toEqual(["public"]);
  expect(await seen("&visibility=community")).toEqual(["community"]);
  const shared = cloud.read.images(acme.project.id).find((image) => image.name === "shared");
  expect((await globex.ask("image", "GET", `/v2/images/${shared?.id}`)).status).toBe(404);
  await acme.ask("image", "POST", `/v2/images/${shared?.id}/members`, { member: globex.project.id });
  expect((await globex.ask("image", "GET", `/v2/images/${shared?.id}`)).status).toBe(200);
  expect(await seen()).toEqual(["public"]);
  await globex.ask("image", "PUT", `/v2/images/${shared?.id}/members/${globex.project.id}`, { status: "accepted" });
  expect(await seen()).toEqual(["public", "shared"]);
  expect((await globex.ask("image", "DELETE", `/v2/images/${shared?.id}`)).status).toBe(403);
});

it("keeps projects apart in Cinder and Swift, and honours container ACLs", async () => {
  const { acme, globex } = await start();
  const volume = cloud.seed.volume({ project: "acme", size: 1 });
  expect((await globex.ask("volume", "GET", `/volumes/${volume.id}`)).status).toBe(404);
  expect((await globex.ask("volume", "GET", "/volumes/detail?all_tenants=1")).json).toEqual({ volumes: [] });
  cloud.seed.object({ project: "acme", container: "c", name: "o", bytes: Buffer.from("hi") });
  const path = `/v1/AUTH_${acme.project.id}/c`;
  expect((await globex.ask("object", "GET", `${path}/o`)).status).toBe(403);
  const container = cloud.read.container(acme.project.id, "c");
  if (container !== undefined) container.headers["x-container-read"] = `${globex.project.id}:*`;
  expect((await globex.ask("object", "GET", `${path}/o`)).text).toBe("hi");
  expect((await globex.ask("object", "PUT", `${path}/o`, {})).status).toBe(403);
  expect((await globex.ask("object", "DELETE", path)).status).toBe(403);
});

it("refuses volume snapshots with clones when told to, and keeps a snapshot's bytes", async () => {
  const { acme } = await start({ snapshotWithClones: "refuse", pace: { polls: 0, ms: 0 } });
  const volume = cloud.seed.volume({ project: "acme", size: 1, bytes: Buffer.from("before") });
  const snapshot = cloud.seed.snapshot(volume.id);
  cloud.seed.writeVolume(volume.id, 0, Buffer.from("after!"));
  const copy = (await acme.ask("volume", "POST", "/volumes", { volume: { snapshot_id: snapshot.id } })).json
    .volume as unknown as { id: string };
  expect((await acme.ask("volume", "GET", `/volumes/${copy.id}`)).json.volume?.status).toBe("available");
  expect(cloud.read.volume(copy.id)?.bytes.read(0, 6).toString()).toBe("before");
  expect((await acme.ask("volume", "DELETE", `/snapshots/${snapshot.id}`)).status).toBe(202);
  expect((await acme.ask("volume", "GET", `/snapshots/${snapshot.id}`)).json.snapshot?.status).toBe("available");
  await acme.ask("volume", "DELETE", `/volumes/${copy.id}`);
  await acme.ask("volume", "GET", `/volumes/${copy.id}`);
  await acme.ask("volume", "DELETE", `/snapshots/${snapshot.id}`);
  expect((await acme.ask("volume", "GET", `/snapshots/${snapshot.id}`)).status).toBe(404);
});

it("moves states by time, with quotas and null checksums as asked", async () => {
  const { acme } = await start({ pace: { polls: 0, ms: 60 }, nullChecksums: true });
  cloud.seed.quota("acme", { gigabytes: 1 });
  const made = (await acme.ask("volume", "POST", "/volumes", { volume: { size: 1 } })).json.volume as unknown as { id: string };
  const status = async () => (await acme.ask("volume", "GET", `/volumes/${made.id}`)).json.volume?.status;
  expect(await status()).toBe("creating");
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect(await status()).toBe("available");
  const refused = await acme.ask("volume", "POST", "/snapshots", { snapshot: { volume_id: made.id } });
  expect([refused.status, refused.text]).toEqual([
    413,
    expect.stringContaining("Requested 1G, quota is 1G and 1G has been consumed."),
  ]);
  const image = await cloud.seed.image({ project: "acme", bytes: Buffer.from("x") });
  expect([image.status, image.checksum, image.hashValue]).toEqual(["active", null, null]);
});

it("answers the journal's questions", async () => {
  const { acme } = await start();
  const foreign = cloud.seed.volume({ project: "acme", size: 1 });
  const mark = cloud.journal.mark();
  const made = (await acme.ask("volume", "POST", "/volumes", { volume: { size: 1 } })).json.volume as unknown as { id: string };
  await acme.ask("volume", "DELETE", `/volumes/${foreign.id}`);
  expect(cloud.journal.created("volume", mark)).toEqual([made.id]);
  expect(cloud.journal.foreignDeleted("volume", mark)).toEqual([foreign.id]);
  expect(cloud.journal.leaked("volume", mark)).toEqual([made.id]);
  await cloud.transitions.finishAll();
  await acme.ask("volume", "DELETE", `/volumes/${made.id}`);
  expect([cloud.journal.leaked("volume"), cloud.journal.deleted("volume")]).toEqual([[], [foreign.id, made.id]]);
  expect(cloud.journal.routes(mark).get("DELETE volume /v3/{id}/volumes/{id}")).toBe(2);
  expect(cloud.journal.find({ service: "volume", method: "POST", status: 202 }, mark)).toHaveLength(1);
  expect(cloud.journal.entries(mark).every((entry) => entry.user === acme.user.id && entry.project === acme.project.id)).toBe(
    true,
  );
});

it("expires objects, and lists them until the expirer comes by", async () => {
  const { acme } = await start();
  const soon = String(Math.floor(Date.now() / 1000) - 1);
  cloud.seed.object({ project: "acme", container: "c", name: "gone", bytes: Buffer.from("x"), headers: { "x-delete-at": soon } });
  const path = `/v1/AUTH_${acme.project.id}/c`;
  expect((await acme.ask("object", "GET", `${path}/gone`)).status).toBe(404);
  expect((await acme.ask("object", "GET", path)).text).toBe("gone\n");
  cloud.swift.expirerLagMs = 0;
  expect((await acme.ask("object", "GET", path)).status).toBe(204);
  expect((await acme.ask("object", "DELETE", path)).status).toBe(204);
});

it("serves as many clouds at once as wanted, each alone", async () => {
  await start();
  const other = await startFakeCloud();
  expect(other.authUrl).not.toBe(cloud.authUrl);
  expect(other.read.project("acme")).toBeUndefined();
  await other.close();
  await expect(fetch(other.authUrl)).rejects.toThrow();
});

/** Glance's part of the contract. */

import { createHash } from "node:crypto";
import type { Check, World } from "./contract.ts";

const VIEW = [
  "name",
  "disk_format",
  "container_format",
  "visibility",
  "size",
  "virtual_size",
  "status",
  "checksum",
  "protected",
  "min_ram",
  "min_disk",
  "owner",
  "os_hidden",
  "os_hash_algo",
  "os_hash_value",
  "id",
  "created_at",
  "updated_at",
  "tags",
  "self",
  "file",
  "schema",
];
const OCTETS = { "content-type": "application/octet-stream" };
const PATCH = { "content-type": "application/openstack-images-v2.1-json-patch" };
const DATA = Buffer.from("hello world".repeat(100));

const images = (world: World, rest = "") => `${world.urls.image}/v2/images${rest}`;

async function make(world: World, fields: Record<string, unknown> = {}): Promise<string> {
  const made = await world.expect(201, "POST", images(world), {
    json: { name: "fake-image", disk_format: "raw", container_format: "bare", ...fields },
  });
  return made.json?.id;
}

async function remove(world: World, id: string): Promise<void> {
  await world.expect(204, "DELETE", images(world, `/${id}`));
}

export const glanceChecks: readonly Check[] = [
  {
    name: "glance: versions and unauthorized",
    async run(world) {
      const versions = await world.expect(300, "GET", `${world.urls.image}/`, { as: "nobody" });
      world.same("current", versions.json?.versions?.find((each: { status: string }) => each.status === "CURRENT")?.id, "v2.17");
      const refused = await world.expect(401, "GET", images(world), { as: "nobody" });
      world.contains("page", refused.text, "<h1>401 Unauthorized</h1>");
      await world.expect(401, "GET", images(world), { as: { token: "junk" } });
    },
  },
  {
    name: "glance: create, upload, show, download, delete",
    async run(world) {
      const made = await world.expect(201, "POST", images(world), {
        json: { name: "fake-1", disk_format: "raw", container_format: "bare", tags: ["a"], p1: "v1" },
      });
      const id = made.json?.id;
      world.keys("created", made.json, [...VIEW, "p1"]);
      world.contains("location", made.headers.get("location") ?? "", `/v2/images/${id}`);
      world.same(
        "queued",
        [made.json?.status, made.json?.size, made.json?.checksum, made.json?.visibility],
        ["queued", null, null, "shared"],
      );
      await world.expect(204, "GET", images(world, `/${id}/file`));
      await world.expect(415, "PUT", images(world, `/${id}/file`), {
        headers: { "content-type": "application/json" },
        body: DATA,
      });
      await world.expect(204, "PUT", images(world, `/${id}/file`), { headers: OCTETS, body: DATA });
      const active = await world.expect(200, "GET", images(world, `/${id}`));
      world.keys("active", active.json, [...VIEW, "p1", "stores"]);
      world.same(
        "facts",
        [active.json?.status, active.json?.size, active.json?.virtual_size, active.json?.os_hash_algo],
        ["active", DATA.length, DATA.length, "sha512"],
      );
      world.same("sha512", active.json?.os_hash_value, createHash("sha512").update(DATA).digest("hex"));
      world.same("md5", active.json?.checksum, createHash("md5").update(DATA).digest("hex"));
      world.same("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(active.json?.created_at), true);
      const again = await world.expect(409, "PUT", images(world, `/${id}/file`), { headers: OCTETS, body: DATA });
      world.contains("immutable", again.text, "Image status transition from active to saving is not allowed");
      const file = await world.expect(200, "GET", images(world, `/${id}/file`));
      world.same("bytes", file.bytes.equals(DATA), true);
      world.same("content-md5", file.headers.get("content-md5"), active.json?.checksum);
      await world.expect(405, "HEAD", images(world, `/${id}/file`));
      await remove(world, id);
      const gone = await world.expect(404, "GET", images(world, `/${id}`));
      world.contains("page", gone.text, `No image found with ID ${id}`);
      const twice = await world.expect(404, "DELETE", images(world, `/${id}`));
      world.contains("page", twice.text, `Failed to find image ${id} to delete`);
    },
  },
  {
    name: "glance: ranges",
    async run(world) {
      const id = await make(world);
      await world.expect(204, "PUT", images(world, `/${id}/file`), { headers: OCTETS, body: DATA });
      for (const [range, first, last] of [
        ["bytes=0-9", 0, 9],
        ["bytes=5-", 5, 1099],
        ["bytes=-5", 1095, 1099],
        ["bytes=0-99999", 0, 1099],
      ] as const) {
        const part = await world.expect(206, "GET", images(world, `/${id}/file`), { headers: { range } });
        world.same(`${range} header`, part.headers.get("content-range"), `bytes ${first}-${last}/1100`);
        world.same(`${range} bytes`, part.bytes.equals(DATA.subarray(first, last + 1)), true);
      }
      for (const range of ["bytes=2000-", "bytes=10-5", "junk"])
        await world.expect(416, "GET", images(world, `/${id}/file`), { headers: { range } });
      await world.expect(400, "GET", images(world, `/${id}/file`), { headers: { range: "bytes=0-3,5-6" } });
      await remove(world, id);
    },
  },
  {
    name: "glance: fields a member may not set",
    async run(world) {
      for (const [field, value, text] of [
        ["status", "active", "is read-only"],
        ["checksum", "1", "is read-only"],
        ["size", 5, "is read-only"],
        ["created_at", "1", "is read-only"],
        ["stores", "x", "is read-only"],
        ["os_glance_x", "1", "is reserved"],
        ["location", "x", "is reserved"],
        ["owner", "1", "You are not permitted to create images owned by"],
        ["visibility", "public", "publicize_image"],
      ] as const) {
        const refused = await world.expect(403, "POST", images(world), { json: { name: "fake-no", [field]: value } });
        world.contains(field, refused.text, text);
      }
      for (const wrong of [{ p: 5 }, { disk_format: "zip" }, { id: "x" }, { protected: "x" }, { min_disk: -1 }])
        await world.expect(400, "POST", images(world), { json: wrong });
      await world.expect(400, "POST", images(world), { body: "junk", headers: { "content-type": "application/json" } });
      const half = (await world.expect(201, "POST", images(world), { json: { name: "fake-half" } })).json?.id;
      const early = await world.expect(400, "PUT", images(world, `/${half}/file`), { headers: OCTETS, body: "x" });
      world.contains("formats first", early.text, "Properties disk_format, container_format must be set prior to saving data.");
      await remove(world, half);
    },
  },
  {
    name: "glance: patches",
    async run(world) {
      const id = await make(world, { p1: "v1" });
      await world.expect(204, "PUT", images(world, `/${id}/file`), { headers: OCTETS, body: DATA });
      const patch = (status: number, ...ops: unknown[]) =>
        world.expect(status, "PATCH", images(world, `/${id}`), { headers: PATCH, json: ops });
      const changed = await patch(
        200,
        { op: "replace", path: "/name", value: "fake-2" },
        { op: "add", path: "/p2", value: "v2" },
        { op: "remove", path: "/p1" },
      );
      world.same("changed", [changed.json?.name, changed.json?.p2, changed.json?.p1], ["fake-2", "v2", undefined]);
      world.contains("absent", (await patch(409, { op: "remove", path: "/nosuch" })).text, "Property nosuch does not exist.");
      await patch(409, { op: "replace", path: "/nosuch", value: "1" });
      for (const path of ["/status", "/checksum", "/os_hash_value", "/os_glance_x", "/location", "/owner"])
        await patch(403, { op: "replace", path, value: "x" });
      await patch(403, { op: "replace", path: "/disk_format", value: "qcow2" });
      await patch(400, { op: "replace", path: "/disk_format", value: "x" });
      await patch(403, { op: "remove", path: "/name" });
      await patch(400, { op: "add", path: "/p3", value: 5 });
      await patch(400, { op: "x", path: "/a" });
      await world.expect(415, "PATCH", images(world, `/${id}`), { json: [] });
      await world.expect(400, "PATCH", images(world, `/${id}`), { headers: PATCH, json: {} });
      await patch(200, { op: "replace", path: "/protected", value: true });
      world.contains(
        "protected",
        (await world.expect(403, "DELETE", images(world, `/${id}`))).text,
        "is protected and cannot be deleted.",
      );
      await patch(200, { op: "replace", path: "/protected", value: false });
      await remove(world, id);
    },
  },
  {
    name: "glance: lists, filters, pages",
    async run(world) {
      const ids: string[] = [];
      for (const name of ["fake-a", "fake-b", "fake-c"])
        ids.push(await make(world, { name, tags: [name], colour: name === "fake-b" ? "red" : "blue" }));
      const list = async (query: string) =>
        (await world.expect(200, "GET", images(world, `?owner=${world.projectId}&${query}`))).json;
      const names = (answer: { images: { name: string }[] }) => answer?.images?.map((image) => image.name);
      const first = await list("limit=2&sort=name:asc");
      world.keys("page", first, ["images", "first", "schema", "next"]);
      world.same("first page", names(first), ["fake-a", "fake-b"]);
      world.same("next", first?.next, `/v2/images?owner=${world.projectId}&limit=2&sort=name%3Aasc&marker=${ids[1]}`);
      const second = (await world.expect(200, "GET", `${world.urls.image}${first?.next}`)).json;
      world.keys("last page", second, ["images", "first", "schema"]);
      world.same("second page", names(second), ["fake-c"]);
      world.same("by name", names(await list("name=fake-b")), ["fake-b"]);
      world.same("by names", names(await list("name=in:fake-a,fake-b&sort=name:asc")), ["fake-a", "fake-b"]);
      world.same("by tag", names(await list("tag=fake-c")), ["fake-c"]);
      world.same("by property", names(await list("colour=red")), ["fake-b"]);
      world.same("by status", names(await list("status=active")), []);
      world.same("by visibility", (await list("visibility=shared"))?.images?.length, 3);
      for (const wrong of ["limit=-1", "limit=x", "marker=nosuch", "visibility=bogus", "sort_key=bogus"])
        await world.expect(400, "GET", images(world, `?${wrong}`));
      for (const id of ids) await remove(world, id);
    },
  },
  {
    name: "glance: tags and members",
    async run(world) {
      const id = await make(world);
      await world.expect(204, "PUT", images(world, `/${id}/tags/t1`));
      await world.expect(204, "DELETE", images(world, `/${id}/tags/t1`));
      await world.expect(404, "DELETE", images(world, `/${id}/tags/t1`));
      const other = (
        await world.ask("GET", `${world.urls.identity}/auth/tokens`, {
          as: "admin",
          headers: { "x-subject-token": world.tokens.admin },
        })
      ).json.token.project.id;
      const member = await world.expect(200, "POST", images(world, `/${id}/members`), { json: { member: other } });
      world.keys("member", member.json, ["member_id", "image_id", "status", "created_at", "updated_at", "schema"]);
      world.same("pending", member.json?.status, "pending");
      await world.expect(409, "POST", images(world, `/${id}/members`), { json: { member: other } });
      await world.expect(403, "PUT", images(world, `/${id}/members/${other}`), { json: { status: "accepted" } });
      await world.expect(200, "PUT", images(world, `/${id}/members/${other}`), { as: "admin", json: { status: "accepted" } });
      const listed = await world.expect(200, "GET", images(world, `/${id}/members`));
      world.same(
        "accepted",
        listed.json?.members?.map((each: { status: string }) => each.status),
        ["accepted"],
      );
      await world.expect(204, "DELETE", images(world, `/${id}/members/${other}`));
      await world.expect(404, "DELETE", images(world, `/${id}/members/${other}`));
      await remove(world, id);
    },
  },
  {
    name: "glance: content must match the format; deactivated; foreign",
    async run(world) {
      const id = await make(world, { disk_format: "qcow2" });
      await world.expect(415, "PUT", images(world, `/${id}/file`), { headers: OCTETS, body: Buffer.alloc(70_000, "not qcow") });
      world.same("still queued", (await world.expect(200, "GET", images(world, `/${id}`))).json?.status, "queued");
      await remove(world, id);
      const raw = await make(world);
      await world.expect(204, "PUT", images(world, `/${raw}/file`), { headers: OCTETS, body: DATA });
      await world.expect(204, "POST", images(world, `/${raw}/actions/deactivate`), { as: "admin" });
      await world.expect(403, "GET", images(world, `/${raw}/file`));
      await world.expect(204, "POST", images(world, `/${raw}/actions/reactivate`), { as: "admin" });
      await remove(world, raw);
      const liar = await make(world);
      await world.expect(204, "PUT", images(world, `/${liar}/file`), {
        headers: OCTETS,
        body: Buffer.concat([Buffer.from("QFI\xfb\0\0\0\x03", "latin1"), Buffer.alloc(70_000)]),
      });
      await remove(world, liar);
      const foreign = (await world.expect(201, "POST", images(world), { as: "admin", json: { name: "fake-foreign" } })).json?.id;
      await world.expect(404, "GET", images(world, `/${foreign}`));
      await world.expect(404, "DELETE", images(world, `/${foreign}`));
      await world.expect(204, "DELETE", images(world, `/${foreign}`), { as: "admin" });
    },
  },
  {
    name: "glance: routes nobody has",
    async run(world) {
      await world.expect(404, "GET", `${world.urls.image}/v2/nosuch`);
      world.same("allow", (await world.expect(405, "PUT", images(world))).headers.get("allow"), "GET, POST");
      await world.expect(200, "GET", `${world.urls.image}/v2/info/import`);
      await world.expect(200, "GET", `${world.urls.image}/v2/info/stores`);
      world.keys("usage", (await world.expect(200, "GET", `${world.urls.image}/v2/info/usage`)).json, ["usage"]);
    },
  },
];

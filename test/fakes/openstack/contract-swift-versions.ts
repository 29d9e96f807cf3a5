/** Swift's part of the contract: object versioning, symlinks, an account's metadata and limits. */

import { createHash } from "node:crypto";
import type { Check, World } from "./contract.ts";

const md5 = (data: string) => createHash("md5").update(data).digest("hex");
const at = (world: World, path = "") => `${world.urls.object}${path}`;
const account = (world: World) => new URL(world.urls.object).pathname;
const put = async (world: World, path: string, body: string, headers: Record<string, string> = {}) =>
  await world.expect(201, "PUT", at(world, path), { body, headers });

interface Row {
  readonly name: string;
  readonly version_id: string;
  readonly is_latest: boolean;
  readonly content_type: string;
  readonly hash: string;
}

async function versions(world: World, container: string, query = ""): Promise<Row[]> {
  return (await world.expect(200, "GET", at(world, `/${container}?versions&format=json${query}`))).json ?? [];
}

/** Removes a container with all versions of all that is in it. */
async function dissolve(world: World, container: string): Promise<void> {
  await world.ask("POST", at(world, `/${container}`), { headers: { "x-versions-enabled": "false" } });
  for (const { name, version_id } of await versions(world, container))
    await world.ask("DELETE", at(world, `/${container}/${encodeURIComponent(name)}?version-id=${version_id}`));
  await world.expect(204, "DELETE", at(world, `/${container}`));
}

const REFUSED = "Cannot enable object versioning on a container that is already using the legacy versioned writes feature.";

export const swiftVersionChecks: readonly Check[] = [
  {
    name: "swift: object versioning",
    async run(world) {
      await world.expect(201, "PUT", at(world, "/fake-v"), { headers: { "x-container-meta-a": "b" } });
      await put(world, "/fake-v/early", "before versioning");
      await world.expect(400, "GET", at(world, "/fake-v/early?version-id=1234567890.12345"));
      await world.expect(204, "POST", at(world, "/fake-v"), { headers: { "x-versions-enabled": "true" } });
      const head = await world.expect(204, "HEAD", at(world, "/fake-v"));
      world.same("enabled", head.headers.get("x-versions-enabled"), "True");
      const first = await put(world, "/fake-v/o", "one", { "x-object-meta-n": "1", "content-type": "text/plain" });
      const id = first.headers.get("x-object-version-id") ?? "";
      world.same("an id", /^\d{10}\.\d{5}$/.test(id), true);
      const second = await put(world, "/fake-v/o", "twotwo", { "content-type": "text/html" });
      const current = await world.expect(200, "GET", at(world, "/fake-v/o"));
      world.same(
        "current",
        [current.text, current.headers.get("x-object-version-id"), current.headers.get("content-location")],
        [
          "twotwo",
          second.headers.get("x-object-version-id"),
          `${account(world)}/fake-v/o?version-id=${second.headers.get("x-object-version-id")}`,
        ],
      );
      const old = await world.expect(200, "GET", at(world, `/fake-v/o?version-id=${id}`));
      world.same(
        "old",
        ["x-object-version-id", "x-object-meta-n", "content-type", "etag", "content-location"].map((h) => old.headers.get(h)),
        [id, "1", "text/plain", md5("one"), null],
      );
      const link = await world.expect(200, "HEAD", at(world, "/fake-v/o?symlink=get"));
      world.same(
        "the link to the version",
        ["x-symlink-target", "x-symlink-target-etag", "x-symlink-target-bytes", "etag", "content-length"].map((h) =>
          link.headers.get(h),
        ),
        [`fake-v/o?version-id=${second.headers.get("x-object-version-id")}`, md5("twotwo"), "6", md5(""), "0"],
      );
      await world.expect(400, "POST", at(world, `/fake-v/o?version-id=${id}`), { headers: { "x-object-meta-n": "2" } });
      await world.expect(400, "GET", at(world, "/fake-v/o?version-id=junk"));
      await world.expect(404, "GET", at(world, "/fake-v/o?version-id=1234567890.12345"));
      await world.expect(404, "GET", at(world, "/fake-v/o?version-id=null"));
      await world.expect(202, "POST", at(world, "/fake-v/o"), { headers: { "x-object-meta-posted": "yes" } });
      world.same(
        "a POST makes no version and keeps the type",
        ["x-object-meta-posted", "content-type"].map((h) => current.headers.get(h) ?? h),
        ["x-object-meta-posted", "text/html"],
      );
      world.same("posted", (await world.expect(200, "HEAD", at(world, "/fake-v/o"))).headers.get("x-object-meta-posted"), "yes");
      world.same(
        "null version",
        (await world.expect(200, "HEAD", at(world, "/fake-v/early"))).headers.get("x-object-version-id"),
        "null",
      );
      const rows = await versions(world, "fake-v");
      world.same(
        "rows",
        rows.map((row) => [row.name, row.is_latest, row.hash, row.version_id === "null"]),
        [
          ["early", true, md5("before versioning"), true],
          ["o", true, md5("twotwo"), false],
          ["o", false, md5("one"), false],
        ],
      );
      world.keys("row", rows[2], ["bytes", "hash", "name", "content_type", "last_modified", "version_id", "is_latest"]);
      const paged = await versions(world, "fake-v", `&marker=o&version_marker=${rows[1]?.version_id}&limit=5`);
      world.same(
        "page",
        paged.map((row) => row.version_id),
        [rows[2]?.version_id],
      );
      world.same("after null", (await versions(world, "fake-v", "&marker=early&version_marker=9999999999.99999")).length, 2);
      world.same("marker alone", (await versions(world, "fake-v", "&marker=o")).length, 0);
      await world.expect(400, "GET", at(world, "/fake-v?versions&version_marker=1&format=json"));
      const listed = (await world.expect(200, "GET", at(world, "/fake-v?format=json"))).json;
      world.same(
        "listed",
        [listed?.[1]?.bytes, listed?.[1]?.hash, listed?.[1]?.symlink_path, listed?.[1]?.version_symlink],
        [6, md5("twotwo"), `/v1/${account(world).split("/")[2]}/fake-v/o?version-id=${rows[1]?.version_id}`, true],
      );
      world.keys("plain row", listed?.[0], ["bytes", "hash", "name", "content_type", "last_modified"]);
      const gone = await world.expect(204, "DELETE", at(world, "/fake-v/o"));
      await world.expect(404, "GET", at(world, "/fake-v/o"));
      world.same(
        "marker",
        (await versions(world, "fake-v", "&prefix=o")).map((row) => [row.version_id, row.content_type, row.is_latest])[0],
        [gone.headers.get("x-object-version-id"), "application/x-deleted;swift_versions_deleted=1", true],
      );
      await world.expect(404, "GET", at(world, `/fake-v/o?version-id=${gone.headers.get("x-object-version-id")}`));
      world.contains(
        "not empty",
        (await world.expect(409, "DELETE", at(world, "/fake-v"))).text,
        "Delete all versions before deleting container.",
      );
      await world.expect(404, "DELETE", at(world, "/fake-v/never"));
      world.same("a marker for what never was", (await versions(world, "fake-v", "&prefix=never")).length, 1);
      const dropped = await world.expect(204, "DELETE", at(world, `/fake-v/o?version-id=${id}`));
      world.same(
        "dropped",
        ["x-object-version-id", "x-object-current-version-id"].map((h) => dropped.headers.get(h)),
        [id, "null"],
      );
      await world.expect(404, "DELETE", at(world, `/fake-v/o?version-id=${id}`));
      await world.expect(204, "POST", at(world, "/fake-v"), { headers: { "x-versions-enabled": "false" } });
      world.same("off", (await world.expect(204, "HEAD", at(world, "/fake-v"))).headers.get("x-versions-enabled"), "False");
      const unversioned = await put(world, "/fake-v/o", "three");
      world.same("no id", unversioned.headers.get("x-object-version-id"), null);
      world.same("null", (await world.expect(200, "HEAD", at(world, "/fake-v/o"))).headers.get("x-object-version-id"), "null");
      await world.expect(204, "DELETE", at(world, "/fake-v/o"));
      world.same("no marker while off", (await versions(world, "fake-v", "&prefix=o")).length, 2);
      await dissolve(world, "fake-v");
    },
  },
  {
    name: "swift: versions in another container",
    async run(world) {
      await world.expect(201, "PUT", at(world, "/fake-h"));
      await world.expect(201, "PUT", at(world, "/fake-w"), { headers: { "x-history-location": "fake-h" } });
      world.same("history", (await world.expect(204, "HEAD", at(world, "/fake-w"))).headers.get("x-history-location"), "fake-h");
      world.contains(
        "one kind only",
        (await world.expect(400, "POST", at(world, "/fake-w"), { headers: { "x-versions-enabled": "true" } })).text,
        REFUSED,
      );
      await put(world, "/fake-w/o", "one");
      await put(world, "/fake-w/o", "two");
      const old = (await world.expect(200, "GET", at(world, "/fake-h?format=json"))).json;
      world.same("archived", [old?.length, old?.[0]?.name.startsWith("001o/"), old?.[0]?.hash], [1, true, md5("one")]);
      await world.expect(204, "POST", at(world, "/fake-w"), { headers: { "x-versions-location": "fake-h" } });
      const head = await world.expect(204, "HEAD", at(world, "/fake-w"));
      world.same(
        "stack instead",
        ["x-history-location", "x-versions-location"].map((h) => head.headers.get(h)),
        [null, "fake-h"],
      );
      await world.expect(204, "DELETE", at(world, "/fake-w/o"));
      world.same("popped", (await world.expect(200, "GET", at(world, "/fake-w/o"))).text, "one");
      world.same("none left", (await world.expect(200, "GET", at(world, "/fake-h?format=json"))).json, []);
      await world.expect(204, "POST", at(world, "/fake-w"), { headers: { "x-remove-versions-location": "x" } });
      await world.expect(204, "DELETE", at(world, "/fake-w/o"));
      await world.expect(204, "POST", at(world, "/fake-w"), { headers: { "x-versions-location": "fake-none" } });
      await put(world, "/fake-w/o", "one");
      await world.expect(412, "PUT", at(world, "/fake-w/o"), { body: "two" });
      await world.expect(204, "POST", at(world, "/fake-w"), { headers: { "x-versions-location": "" } });
      await world.expect(204, "DELETE", at(world, "/fake-w/o"));
      await world.expect(204, "DELETE", at(world, "/fake-w"));
      await world.expect(204, "DELETE", at(world, "/fake-h"));
    },
  },
  {
    name: "swift: symlinks",
    async run(world) {
      await world.expect(201, "PUT", at(world, "/fake-t"));
      await world.expect(201, "PUT", at(world, "/fake-k"));
      await put(world, "/fake-t/a%20b", "target", { "content-type": "text/plain", "x-object-meta-t": "1" });
      const link = async (name: string, headers: Record<string, string>, status = 201, body = "") =>
        await world.expect(status, "PUT", at(world, `/fake-k/${name}`), { headers, body: Buffer.from(body) });
      await link("soft", { "x-symlink-target": "fake-t/a%20b", "x-object-meta-own": "2" });
      await link("hard", { "x-symlink-target": "fake-t/a%20b", "x-symlink-target-etag": md5("target") });
      await link("loose", { "x-symlink-target": "fake-t/none" });
      await link("chain", { "x-symlink-target": "fake-k/soft" });
      await link("long", { "x-symlink-target": "fake-k/chain" });
      const followed = await world.expect(200, "GET", at(world, "/fake-k/soft"));
      world.same(
        "followed",
        [followed.text, ...["content-location", "x-object-meta-t", "x-object-meta-own"].map((h) => followed.headers.get(h))],
        ["target", `${account(world)}/fake-t/a%20b`, "1", null],
      );
      const itself = await world.expect(200, "HEAD", at(world, "/fake-k/soft?symlink=get"));
      const SHOWN = ["x-symlink-target", "x-symlink-target-account", "x-symlink-target-etag", "x-symlink-target-bytes"];
      world.same(
        "itself",
        [...SHOWN, "x-object-meta-own", "content-type", "etag", "content-length"].map((h) => itself.headers.get(h)),
        ["fake-t/a%20b", null, null, null, "2", "application/symlink", md5(""), "0"],
      );
      const hard = await world.expect(200, "HEAD", at(world, "/fake-k/hard?symlink=get"));
      world.same(
        "hard",
        [...SHOWN, "content-type"].map((h) => hard.headers.get(h)),
        ["fake-t/a%20b", null, md5("target"), "6", "text/plain"],
      );
      world.same("two links far", (await world.expect(200, "GET", at(world, "/fake-k/chain"))).text, "target");
      world.contains(
        "three",
        (await world.expect(409, "GET", at(world, "/fake-k/long"))).text,
        "Too many levels of symbolic links, maximum allowed is 2",
      );
      await world.expect(404, "GET", at(world, "/fake-k/loose"));
      const rows = (await world.expect(200, "GET", at(world, "/fake-k?format=json"))).json;
      const row = (name: string) => rows?.find((each: { name: string }) => each.name === name);
      const path = `/v1/${account(world).split("/")[2]}/fake-t/a%20b`;
      world.keys("soft row", row("soft"), ["bytes", "hash", "name", "content_type", "last_modified", "symlink_path"]);
      world.same("soft row", [row("soft")?.symlink_path, row("soft")?.bytes, row("soft")?.hash], [path, 0, md5("")]);
      world.same(
        "hard row",
        [row("hard")?.symlink_path, row("hard")?.symlink_etag, row("hard")?.symlink_bytes, row("hard")?.bytes],
        [path, md5("target"), 6, 0],
      );
      const refused = async (status: number, headers: Record<string, string>, part: string, body = "") =>
        world.contains(part, (await link("refused", headers, status, body)).text, part);
      await refused(400, { "x-symlink-target": "fake-t/x" }, "Symlink requests require a zero byte body", "bytes");
      await refused(400, { "x-symlink-target": "fake-k/refused" }, "Symlink cannot target itself");
      await refused(412, { "x-symlink-target": "fake-t" }, "must be of the form <container name>/<object name>");
      await refused(412, { "x-symlink-target": "/fake-t/x" }, "must be of the form <container name>/<object name>");
      const none = { "x-symlink-target": "fake-t/none", "x-symlink-target-etag": md5("x") };
      await refused(409, none, "X-Symlink-Target does not exist");
      const other = { "x-symlink-target": "fake-t/a%20b", "x-symlink-target-etag": md5("x") };
      await refused(409, other, "does not match X-Symlink-Target-Etag header");
      await world.expect(400, "POST", at(world, "/fake-k/soft"), { headers: { "x-symlink-target": "fake-t/x" } });
      const posted = await world.expect(307, "POST", at(world, "/fake-k/soft"), { headers: { "x-object-meta-own": "3" } });
      world.same("posted", posted.headers.get("location"), `${account(world)}/fake-t/a%20b`);
      world.same(
        "applied to the link",
        (await world.expect(200, "HEAD", at(world, "/fake-k/soft?symlink=get"))).headers.get("x-object-meta-own"),
        "3",
      );
      await put(world, "/fake-t/a%20b", "changed");
      await world.expect(409, "GET", at(world, "/fake-k/hard"));
      await world.expect(204, "DELETE", at(world, "/fake-k/soft"));
      await world.expect(200, "GET", at(world, "/fake-t/a%20b"));
      for (const name of ["hard", "loose", "chain", "long"]) await world.expect(204, "DELETE", at(world, `/fake-k/${name}`));
      await put(world, "/fake-t/part", "part one");
      await world.expect(201, "PUT", at(world, "/fake-t/slo?multipart-manifest=put"), { json: [{ path: "/fake-t/part" }] });
      const slo = await world.expect(200, "HEAD", at(world, "/fake-t/slo"));
      const manifest = slo.headers.get("x-manifest-etag") ?? "";
      await link("slo", { "x-symlink-target": "fake-t/slo", "x-symlink-target-etag": manifest });
      const listed = (await world.expect(200, "GET", at(world, "/fake-k?format=json"))).json?.[0];
      world.same(
        "a link to a large object",
        [listed?.symlink_etag, listed?.symlink_bytes, listed?.slo_etag],
        [manifest, 8, slo.headers.get("etag")],
      );
      world.same("assembled", (await world.expect(200, "GET", at(world, "/fake-k/slo"))).text, "part one");
      await world.expect(204, "DELETE", at(world, "/fake-k/slo"));
      await world.expect(204, "DELETE", at(world, "/fake-k"));
      for (const name of ["a%20b", "part", "slo"]) await world.expect(204, "DELETE", at(world, `/fake-t/${name}`));
      await world.expect(204, "DELETE", at(world, "/fake-t"));
    },
  },
  {
    name: "swift: a symlink in a versioned container",
    async run(world) {
      await world.expect(201, "PUT", at(world, "/fake-x"), { headers: { "x-versions-enabled": "true" } });
      await put(world, "/fake-x/t", "target");
      await world.expect(201, "PUT", at(world, "/fake-x/l"), { headers: { "x-symlink-target": "fake-x/t" } });
      const row = (await versions(world, "fake-x", "&prefix=l"))[0];
      const id = row?.version_id;
      world.keys("row", row, [..."bytes hash name content_type last_modified version_id is_latest symlink_path".split(" ")]);
      const listed = (await world.expect(200, "GET", at(world, "/fake-x?format=json"))).json?.[0];
      world.same("listed", [listed?.bytes, listed?.hash, listed?.version_symlink], [0, md5(""), true]);
      const itself = await world.expect(200, "HEAD", at(world, `/fake-x/l?symlink=get&version-id=${id}`));
      world.same("itself", itself.headers.get("x-symlink-target"), "fake-x/t");
      world.same("followed", (await world.expect(200, "GET", at(world, "/fake-x/l"))).text, "target");
      await dissolve(world, "fake-x");
    },
  },
  {
    name: "swift: an account's limits",
    async run(world) {
      for (const name of ["x-account-meta-quota-bytes", "x-remove-account-meta-quota-bytes"])
        await world.expect(403, "POST", at(world), { headers: { [name]: "1000" } });
      await world.expect(204, "POST", at(world), { headers: { "x-account-meta-temp-url-key": "secret" } });
      world.same("key", (await world.expect(204, "HEAD", at(world))).headers.get("x-account-meta-temp-url-key"), "secret");
      await world.expect(204, "POST", at(world), { headers: { "x-account-meta-temp-url-key": "" } });
    },
  },
];

/** Swift's part of the contract. */

import { createHash } from "node:crypto";
import type { Check, World } from "./contract.ts";

const md5 = (data: string) => createHash("md5").update(data).digest("hex");
const at = (world: World, path = "") => `${world.urls.object}${path}`;

async function container(world: World, name: string, headers: Record<string, string> = {}): Promise<void> {
  await world.expect(201, "PUT", at(world, `/${name}`), { headers });
}

/** Deletes a container with all that is in it. */
async function empty(world: World, name: string): Promise<void> {
  const listed = await world.expect(200, "GET", at(world, `/${name}?format=json`));
  for (const object of listed.json ?? []) await world.ask("DELETE", at(world, `/${name}/${encodeURIComponent(object.name)}`));
  await world.expect(204, "DELETE", at(world, `/${name}`));
}

export const swiftChecks: readonly Check[] = [
  {
    name: "swift: info, unauthorized, foreign account",
    async run(world) {
      const info = await world.expect(200, "GET", `${new URL(world.urls.object).origin}/info`, { as: "nobody" });
      world.same(
        "limits",
        [info.json?.swift?.container_listing_limit, info.json?.slo?.max_manifest_segments, info.json?.swift?.policies?.[0]?.name],
        [10_000, 1000, "gold"],
      );
      const refused = await world.expect(401, "GET", at(world), { as: "nobody" });
      world.contains("page", refused.text, "<html><h1>Unauthorized</h1>");
      world.contains("challenge", refused.headers.get("www-authenticate") ?? "", 'Swift realm="AUTH_');
      await world.expect(401, "GET", at(world), { as: { token: "junk" } });
      await world.expect(
        403,
        "GET",
        at(world).replace(/AUTH_./, (start) => `AUTH_${start.endsWith("0") ? "1" : "0"}`),
      );
    },
  },
  {
    name: "swift: containers and accounts",
    async run(world) {
      await container(world, "fake-c");
      await world.expect(202, "PUT", at(world, "/fake-c"));
      await container(world, "fake-g", {
        "x-storage-policy": "silver",
        "x-container-read": ".r:*,.rlistings",
        "x-container-meta-foo": "bar",
      });
      const head = await world.expect(204, "HEAD", at(world, "/fake-g"));
      for (const [name, value] of Object.entries({
        "x-storage-policy": "silver",
        "x-container-read": ".r:*,.rlistings",
        "x-container-meta-foo": "bar",
        "x-container-object-count": "0",
      })) {
        world.same(name, head.headers.get(name), value);
      }
      await world.expect(409, "PUT", at(world, "/fake-g"), { headers: { "x-storage-policy": "gold" } });
      world.same(
        "policy",
        (await world.expect(400, "PUT", at(world, "/fake-h"), { headers: { "x-storage-policy": "nosuch" } })).text,
        "Invalid X-Storage-Policy 'nosuch'",
      );
      await world.expect(204, "POST", at(world, "/fake-g"), { headers: { "x-container-meta-two": "2" } });
      const merged = await world.expect(204, "HEAD", at(world, "/fake-g"));
      world.same(
        "POST merges",
        [merged.headers.get("x-container-meta-foo"), merged.headers.get("x-container-meta-two")],
        ["bar", "2"],
      );
      await world.expect(204, "POST", at(world, "/fake-g"), {
        headers: { "x-container-meta-two": "", "x-remove-container-meta-foo": "x" },
      });
      const removed = await world.expect(204, "HEAD", at(world, "/fake-g"));
      world.same(
        "removed",
        [removed.headers.get("x-container-meta-foo"), removed.headers.get("x-container-meta-two")],
        [null, null],
      );
      const account = await world.expect(200, "GET", at(world, "?format=json"));
      world.same(
        "names",
        account.json?.map((each: { name: string }) => each.name),
        ["fake-c", "fake-g"],
      );
      world.keys("row", account.json?.[0], ["name", "count", "bytes", "last_modified", "storage_policy"]);
      await world.expect(204, "POST", at(world), { headers: { "x-account-meta-foo": "bar" } });
      world.same("account metadata", (await world.expect(204, "HEAD", at(world))).headers.get("x-account-meta-foo"), "bar");
      await world.expect(204, "POST", at(world), { headers: { "x-remove-account-meta-foo": "x" } });
      await world.expect(204, "GET", at(world, "/fake-g"), { as: "nobody" });
      await world.expect(401, "GET", at(world, "/fake-c"), { as: "nobody" });
      for (const method of ["GET", "HEAD", "POST", "DELETE"]) await world.expect(404, method, at(world, "/fake-none"));
      await world.expect(404, "PUT", at(world, "/fake-none/o"), { body: "x" });
      await world.expect(201, "PUT", at(world, "/fake-c/o"), { body: "x" });
      await world.expect(409, "DELETE", at(world, "/fake-c"));
      await empty(world, "fake-c");
      await empty(world, "fake-g");
    },
  },
  {
    name: "swift: objects and their metadata",
    async run(world) {
      await container(world, "fake-o");
      const url = at(world, "/fake-o/a/b%20%C3%A9");
      const headers = {
        "x-object-meta-a": "1",
        "x-object-meta-b": "2",
        "content-type": "text/plain",
        "content-encoding": "identity",
        "content-disposition": "inline",
      };
      const put = await world.expect(201, "PUT", url, { headers, body: "hello" });
      world.same("etag", put.headers.get("etag"), md5("hello"));
      const head = await world.expect(200, "HEAD", url);
      world.same(
        "kept",
        [
          "x-object-meta-a",
          "content-type",
          "content-encoding",
          "content-disposition",
          "content-length",
          "etag",
          "accept-ranges",
        ].map((name) => head.headers.get(name)),
        ["1", "text/plain", "identity", "inline", "5", md5("hello"), "bytes"],
      );
      await world.expect(202, "POST", url, { headers: { "x-object-meta-c": "3" } });
      const posted = await world.expect(200, "HEAD", url);
      world.same(
        "POST replaces",
        ["x-object-meta-a", "x-object-meta-c", "content-encoding", "content-type"].map((name) => posted.headers.get(name)),
        [null, "3", null, "text/plain"],
      );
      await world.expect(422, "PUT", at(world, "/fake-o/x"), { headers: { etag: "0".repeat(32) }, body: "abc" });
      await world.expect(404, "GET", at(world, "/fake-o/x"));
      await world.expect(201, "PUT", at(world, "/fake-o/x"), { headers: { etag: md5("abc") }, body: "abc" });
      await world.expect(412, "PUT", at(world, "/fake-o/x"), { headers: { "if-none-match": "*" }, body: "abc" });
      await world.expect(304, "GET", at(world, "/fake-o/x"), { headers: { "if-none-match": md5("abc") } });
      await world.expect(412, "GET", at(world, "/fake-o/x"), { headers: { "if-match": '"zzz"' } });
      await world.expect(200, "GET", at(world, "/fake-o/x"), { headers: { "if-match": md5("abc") } });
      await world.expect(201, "PUT", at(world, "/fake-o/zero"), { body: "" });
      const zero = await world.expect(200, "GET", at(world, "/fake-o/zero"));
      world.same("zero", [zero.headers.get("content-length"), zero.headers.get("etag")], ["0", md5("")]);
      world.contains(
        "long value",
        (await world.expect(400, "POST", url, { headers: { "x-object-meta-big": "v".repeat(300) } })).text,
        "Metadata value longer than 256",
      );
      await world.expect(412, "PUT", at(world, "/fake-o/%00"), { body: "1" });
      await world.expect(412, "PUT", at(world, "/fake-o/%ff"), { body: "1" });
      for (const method of ["GET", "HEAD", "DELETE", "POST"]) await world.expect(404, method, at(world, "/fake-o/none"));
      await empty(world, "fake-o");
    },
  },
  {
    name: "swift: ranges",
    async run(world) {
      await container(world, "fake-r");
      const url = at(world, "/fake-r/x");
      await world.expect(201, "PUT", url, { body: "abc" });
      for (const [range, text, where] of [
        ["bytes=0-1", "ab", "0-1"],
        ["bytes=1-", "bc", "1-2"],
        ["bytes=-2", "bc", "1-2"],
        ["bytes=0-999", "abc", "0-2"],
      ] as const) {
        const part = await world.expect(206, "GET", url, { headers: { range } });
        world.same(range, [part.text, part.headers.get("content-range")], [text, `bytes ${where}/3`]);
      }
      for (const range of ["junk", "bytes=2-1"])
        world.same(range, (await world.expect(200, "GET", url, { headers: { range } })).text, "abc");
      world.same(
        "outside",
        (await world.expect(416, "GET", url, { headers: { range: "bytes=5-" } })).headers.get("content-range"),
        "bytes */3",
      );
      const many = await world.expect(206, "GET", url, { headers: { range: "bytes=0-0,2-2" } });
      world.contains("multipart", many.headers.get("content-type") ?? "", "multipart/byteranges;boundary=");
      world.contains("parts", many.text, "Content-Range: bytes 2-2/3\r\n\r\nc\r\n");
      await empty(world, "fake-r");
    },
  },
  {
    name: "swift: listings",
    async run(world) {
      await container(world, "fake-l");
      for (const name of ["a/1", "a/2", "b", "é", "z"])
        await world.expect(201, "PUT", at(world, `/fake-l/${encodeURIComponent(name)}`), { body: name });
      const list = async (query: string) => (await world.expect(200, "GET", at(world, `/fake-l?format=json&${query}`))).json;
      const names = (rows: { name?: string; subdir?: string }[]) => rows?.map((row) => row.name ?? row.subdir);
      const all = await list("");
      world.same("order", names(all), ["a/1", "a/2", "b", "z", "é"]);
      world.keys("row", all?.[0], ["bytes", "hash", "name", "content_type", "last_modified"]);
      world.same("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/.test(all?.[0]?.last_modified), true);
      world.same("delimiter", names(await list("delimiter=/")), ["a/", "b", "z", "é"]);
      world.same("prefix", names(await list("prefix=a/")), ["a/1", "a/2"]);
      world.same("marker", names(await list("marker=a/2&limit=2")), ["b", "z"]);
      world.same("end marker", names(await list("marker=a/1&end_marker=z")), ["a/2", "b"]);
      world.same("reverse", names(await list("reverse=true&limit=1")), ["é"]);
      world.same("limit 0", await list("limit=0"), []);
      world.same("text", (await world.expect(200, "GET", at(world, "/fake-l?limit=2"))).text, "a/1\na/2\n");
      await world.expect(204, "GET", at(world, "/fake-l?prefix=none"));
      world.same("too many", (await world.expect(412, "GET", at(world, "/fake-l?limit=100000"))).text, "Maximum limit is 10000");
      await empty(world, "fake-l");
    },
  },
  {
    name: "swift: static large objects",
    async run(world) {
      await container(world, "fake-seg");
      await container(world, "fake-slo");
      const [one, two] = ["1".repeat(10), "2".repeat(10)];
      await world.expect(201, "PUT", at(world, "/fake-seg/s1"), { body: one });
      await world.expect(201, "PUT", at(world, "/fake-seg/s2"), { body: two });
      const manifest = [
        { path: "/fake-seg/s1", etag: md5(one), size_bytes: 10 },
        { path: "/fake-seg/s2", range: "2-5" },
        { data: Buffer.from("hello").toString("base64") },
      ];
      const etag = `"${md5(`${md5(one)}${md5(two)}:2-5;${md5("hello")}`)}"`;
      const url = at(world, "/fake-slo/slo");
      const put = await world.expect(201, "PUT", `${url}?multipart-manifest=put`, {
        json: manifest,
        headers: { "x-object-meta-s": "1", "content-type": "video/x" },
      });
      world.same("etag", put.headers.get("etag"), etag);
      const whole = await world.expect(200, "GET", url);
      world.same("assembled", whole.text, `${one}2222hello`);
      world.same(
        "headers",
        ["x-static-large-object", "etag", "content-length", "content-type"].map((name) => whole.headers.get(name)),
        ["True", etag, "19", "video/x"],
      );
      world.same("range", (await world.expect(206, "GET", url, { headers: { range: "bytes=8-12" } })).text, "11222");
      const shown = await world.expect(200, "GET", `${url}?multipart-manifest=get`);
      world.same("manifest etag", shown.headers.get("etag"), whole.headers.get("x-manifest-etag"));
      world.keys("segment", shown.json?.[1], ["name", "bytes", "hash", "content_type", "last_modified", "range"]);
      const raw = await world.expect(200, "GET", `${url}?multipart-manifest=get&format=raw`);
      world.same("raw", raw.json, [
        { etag: md5(one), path: "/fake-seg/s1", size_bytes: 10 },
        { etag: md5(two), path: "/fake-seg/s2", range: "2-5", size_bytes: 10 },
        { data: "aGVsbG8=" },
      ]);
      await world.expect(201, "PUT", `${url}-copy?multipart-manifest=put`, { body: raw.text });
      const nested = await world.expect(201, "PUT", `${url}-nested?multipart-manifest=put`, {
        json: [{ path: "/fake-slo/slo" }],
      });
      world.same("nested etag", nested.headers.get("etag"), `"${md5(etag.replaceAll('"', ""))}"`);
      world.same("nested", (await world.expect(200, "GET", `${url}-nested`)).text, `${one}2222hello`);
      const bad = async (body: unknown, text: string) =>
        world.contains(text, (await world.expect(400, "PUT", `${url}-bad?multipart-manifest=put`, { json: body })).text, text);
      await bad([{ path: "/fake-seg/none" }], "/fake-seg/none, 404 Not Found");
      await bad([{ path: "/fake-seg/s1", etag: "bad" }], "/fake-seg/s1, Etag Mismatch");
      await bad([{ path: "/fake-seg/s1", size_bytes: 5 }], "/fake-seg/s1, Size Mismatch");
      await bad([{ path: "/fake-seg/s1", bogus: 1 }], 'Index 0: extraneous keys "bogus"');
      await bad("junk", "Manifest must be");
      const beat = await world.expect(202, "PUT", `${url}-beat?multipart-manifest=put&heartbeat=on`, { json: manifest });
      world.contains("heartbeat", beat.text, "Response Status: 201 Created");
      const asJson = { json: manifest, headers: { accept: "application/json" } };
      const told = await world.expect(202, "PUT", `${url}-beat?multipart-manifest=put&heartbeat=on`, asJson);
      world.same("heartbeat as JSON", JSON.parse(told.text)["Response Status"], "201 Created");
      world.contains(
        "heartbeat refused",
        (await world.expect(202, "PUT", `${url}-bad?multipart-manifest=put&heartbeat=on`, { json: [{ path: "/fake-seg/none" }] }))
          .text,
        "Response Status: 400 Bad Request",
      );
      const listed = (await world.expect(200, "GET", at(world, "/fake-slo?format=json&prefix=slo"))).json?.[0];
      world.keys("listed", listed, ["bytes", "hash", "name", "content_type", "last_modified", "slo_etag"]);
      world.same("listed", [listed?.bytes, listed?.slo_etag, listed?.hash], [19, etag, whole.headers.get("x-manifest-etag")]);
      await world.expect(204, "DELETE", at(world, "/fake-seg/s1"));
      await world.expect(409, "GET", url);
      await world.expect(200, "HEAD", url);
      world.contains(
        "deleted with segments",
        (await world.expect(200, "DELETE", `${url}?multipart-manifest=delete`)).text,
        "Number Deleted: 2\nNumber Not Found: 1",
      );
      await empty(world, "fake-slo");
      await empty(world, "fake-seg");
    },
  },
  {
    name: "swift: dynamic large objects, expiry",
    async run(world) {
      await container(world, "fake-d");
      for (const name of ["1", "2"]) await world.expect(201, "PUT", at(world, `/fake-d/s${name}`), { body: name.repeat(10) });
      const url = at(world, "/fake-d/dlo");
      await world.expect(201, "PUT", url, { headers: { "x-object-manifest": "fake-d/s" }, body: "" });
      const whole = await world.expect(200, "GET", url);
      world.same(
        "assembled",
        [whole.text, whole.headers.get("etag"), whole.headers.get("x-object-manifest")],
        ["11111111112222222222", `"${md5(`${md5("1".repeat(10))}${md5("2".repeat(10))}`)}"`, "fake-d/s"],
      );
      world.same("head", (await world.expect(200, "HEAD", url)).headers.get("content-length"), "20");
      world.same("range", (await world.expect(206, "GET", url, { headers: { range: "bytes=8-12" } })).text, "11222");
      world.same("manifest", (await world.expect(200, "GET", `${url}?multipart-manifest=get`)).headers.get("etag"), md5(""));
      const rows = (await world.expect(200, "GET", at(world, "/fake-d?format=json&prefix=dlo"))).json;
      world.same("listed with no bytes", rows?.[0]?.bytes, 0);
      await world.expect(201, "PUT", at(world, "/fake-d/exp"), { headers: { "x-delete-after": "100" }, body: "1" });
      world.same(
        "expires",
        /^\d{10}$/.test((await world.expect(200, "HEAD", at(world, "/fake-d/exp"))).headers.get("x-delete-at") ?? ""),
        true,
      );
      await world.expect(202, "POST", at(world, "/fake-d/exp"));
      world.same("POST clears it", (await world.expect(200, "HEAD", at(world, "/fake-d/exp"))).headers.get("x-delete-at"), null);
      world.same(
        "past",
        (await world.expect(400, "PUT", at(world, "/fake-d/e2"), { headers: { "x-delete-at": "100" }, body: "1" })).text,
        "X-Delete-At in past",
      );
      world.same(
        "junk",
        (await world.expect(400, "PUT", at(world, "/fake-d/e2"), { headers: { "x-delete-at": "zz" }, body: "1" })).text,
        "Non-integer X-Delete-At",
      );
      world.same(
        "now",
        (await world.expect(400, "PUT", at(world, "/fake-d/e2"), { headers: { "x-delete-after": "0" }, body: "1" })).text,
        "X-Delete-After in past",
      );
      await empty(world, "fake-d");
    },
  },
  {
    name: "swift: bulk delete",
    async run(world) {
      await container(world, "fake-b");
      await world.expect(201, "PUT", at(world, "/fake-b/x"), { body: "1" });
      const answer = await world.expect(200, "POST", at(world, "?bulk-delete"), {
        headers: { "content-type": "text/plain", accept: "application/json" },
        body: "/fake-b/x\n/fake-none/y",
      });
      world.same(
        "counts",
        [answer.json?.["Number Deleted"], answer.json?.["Number Not Found"], answer.json?.["Response Status"]],
        [1, 1, "200 OK"],
      );
      await empty(world, "fake-b");
    },
  },
];

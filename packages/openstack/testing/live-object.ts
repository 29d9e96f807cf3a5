/** Swift for real: names of all kinds, streamed and broken puts, ranges, large objects. */

import { createHash } from "node:crypto";
import { CodedError } from "@permafrost/std";
import type { Cloud } from "../src/index.ts";
import { check, code, inParts, MIB, noise, read, same } from "./live-checks.ts";

export async function objectChecks(cloud: Cloud): Promise<void> {
  const container = "os-client container ü";
  const swift = cloud.object;
  const plain = noise(3 * MIB);
  const md5 = createHash("md5").update(plain).digest("hex");
  await check("account and info", async () => {
    const info = await swift.info();
    const account = await swift.headAccount();
    same([info.policies.includes("gold"), account.containers], [true, 0], "info");
    await swift.postAccount({ "x-account-meta-os-client": "1" });
    return `${info.policies.join(",")}; ${info.features.size} features`;
  });
  await check("container put, post, head", async () => {
    await swift.putContainer(container, { "x-container-meta-a": "ü", "x-storage-policy": "silver" });
    await swift.postContainer(container, { "x-container-meta-b": "2", "x-container-read": ".r:*" });
    const head = await swift.headContainer(container);
    same(
      [head.storagePolicy, head.headers["x-container-meta-a"], head.headers["x-container-meta-b"], head.objects],
      ["silver", "ü", "2", 0],
      "head",
    );
    same(await Array.fromAsync(swift.listContainers(), (c) => c.name), [container], "list");
  });
  const names = [
    "a/b/c.txt",
    "with space ",
    "ü/漢字",
    "per%cent?q#h&",
    "dots/../up",
    "dots/./here",
    "tra//iling/",
    "plus+semi;colon",
  ];
  await check("objects of all names", async () => {
    for (const name of names)
      await swift.putObject(container, name, Buffer.from(name, "utf8"), { headers: { "x-object-meta-title": "Grüße 漢" } });
    for (const name of names) {
      const got = await swift.getObject(container, name);
      same((await read(got.body)).toString("utf8"), name, "body");
      same(got.headers["x-object-meta-title"], "Grüße 漢", "meta");
    }
    const listed = await Array.fromAsync(swift.listObjects(container), (o) => o.name);
    same([...listed].sort(), [...names].sort(), "names");
  });
  await check("streamed put with etag, 422, chunked", async () => {
    same(
      (
        await swift.putObject(container, "plain", inParts(plain), {
          sizeBytes: plain.length,
          etag: md5,
          headers: { "content-type": "text/x-a" },
        })
      ).etag,
      md5,
      "etag",
    );
    same(
      await code(() => swift.putObject(container, "wrong", inParts(plain), { sizeBytes: plain.length, etag: "0".repeat(32) })),
      "HASH_MISMATCH",
      "422",
    );
    same(await code(() => swift.headObject(container, "wrong")), "NOT_FOUND", "nothing stored");
    same((await swift.putObject(container, "chunked", inParts(plain))).etag, md5, "chunked");
    const row = (await Array.fromAsync(swift.listObjects(container, { prefix: "plain" })))[0];
    same([row?.etag, row?.sizeBytes, row?.contentType], [md5, plain.length, "text/x-a"], "row");
  });
  await check("a source that fails stores nothing", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield plain.subarray(0, MIB);
      throw new CodedError("SOURCE_BROKE", "the source broke");
    }
    same(await code(() => swift.putObject(container, "half", broken(), { sizeBytes: plain.length })), "SOURCE_BROKE", "length");
    same(await code(() => swift.putObject(container, "half2", broken())), "SOURCE_BROKE", "chunked");
    same(
      [await code(() => swift.headObject(container, "half")), await code(() => swift.headObject(container, "half2"))],
      ["NOT_FOUND", "NOT_FOUND"],
      "stored",
    );
  });
  await check("get with range and etag", async () => {
    const got = await swift.getObject(container, "plain", { range: { start: 5, end: 1005 }, etag: md5 });
    same((await read(got.body)).equals(plain.subarray(5, 1005)), true, "range");
    same(await code(() => swift.getObject(container, "plain", { etag: "1".repeat(32) })), "SOURCE_CHANGED", "other version");
  });
  await check("static large object", async () => {
    const segments = ["s1", "s2"].map((name) => ({ name, bytes: noise(MIB + 5) }));
    for (const { name, bytes } of segments) await swift.putObject(container, name, bytes);
    const manifest = segments.map(({ name, bytes }) => ({
      path: `/${container}/${name}`,
      size_bytes: bytes.length,
      etag: createHash("md5").update(bytes).digest("hex"),
    }));
    await swift.putManifest(container, "slo", Buffer.from(JSON.stringify(manifest)), {
      "content-type": "video/x",
      "x-object-meta-k": "v",
    });
    const head = await swift.headObject(container, "slo");
    same(
      [head["x-static-large-object"], head["content-length"], head["content-type"], head["x-object-meta-k"]],
      ["True", String(2 * (MIB + 5)), "video/x", "v"],
      "head",
    );
    const whole = await swift.getObject(container, "slo");
    same((await read(whole.body)).equals(Buffer.concat(segments.map((s) => s.bytes))), true, "bytes");
    const raw = await swift.getObject(container, "slo", { query: { "multipart-manifest": "get", format: "raw" } });
    const text = await read(raw.body);
    same(JSON.parse(text.toString()).length, 2, "raw manifest");
    await swift.putManifest(container, "slo2", text);
    const row = (await Array.fromAsync(swift.listObjects(container, { prefix: "slo" })))[0];
    await read((await swift.getObject(container, "plain", { query: { "multipart-manifest": "get", format: "raw" } })).body);
    same(
      await code(() => swift.putManifest(container, "bad", Buffer.from(JSON.stringify([{ path: `/${container}/nothere` }])))),
      "CLOUD_HTTP",
      "missing segment",
    );
    return `listing etag ${row?.etag}, slo_etag ${row?.sloEtag}, GET etag ${whole.etag}, raw etag ${raw.etag}`;
  });
  await check("dynamic large object", async () => {
    await swift.putObject(container, "part-1", plain.subarray(0, 1000));
    await swift.putObject(container, "part-2", plain.subarray(1000, 2000));
    await swift.putObject(container, "dlo", Buffer.alloc(0), {
      headers: { "x-object-manifest": `${encodeURIComponent(container)}/part-` },
    });
    const got = await swift.getObject(container, "dlo");
    same((await read(got.body)).equals(plain.subarray(0, 2000)), true, "bytes");
    const own = await swift.getObject(container, "dlo", { query: { "multipart-manifest": "get" } });
    same([(await read(own.body)).length, own.headers["x-object-manifest"] !== undefined], [0, true], "manifest");
  });
  await check("post, delete, container not empty", async () => {
    await swift.postObject(container, "plain", { "x-object-meta-z": "1", "x-delete-after": "3600" });
    same((await swift.headObject(container, "plain"))["x-object-meta-z"], "1", "meta");
    same(await code(() => swift.deleteContainer(container)), "CONFLICT", "not empty");
    for await (const { name } of swift.listObjects(container)) await swift.deleteObject(container, name);
    await swift.deleteObject(container, "plain");
    await swift.deleteContainer(container);
    await swift.deleteContainer(container);
    same((await Array.fromAsync(swift.listContainers())).length, 0, "containers");
  });
}

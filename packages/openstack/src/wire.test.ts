/** The edges where wire names become ours: images, patches, names in URLs, microversions, messages. */

import { expect, it } from "vitest";
import { chooseMicroversion, compareMicroversions } from "./http/microversion.ts";
import { retryAfterMs } from "./http/retry-policy.ts";
import { serviceMessage } from "./http/status-error.ts";
import { imageFromWire, imagePatch } from "./image/images.ts";
import { unquoted } from "./object/containers.ts";
import { objectPath } from "./object/names.ts";
import { volumeFromWire } from "./volume/volumes.ts";

it("keeps unknown image members as properties", () => {
  const image = imageFromWire({
    id: "i",
    name: null,
    size: null,
    os_hash_value: null,
    hw_x: "1",
    block_device_mapping: [{ a: 1 }],
    gone: null,
    stores: "file",
    os_hidden: true,
  });
  expect(image).toMatchObject({
    id: "i",
    name: "",
    sizeBytes: 0,
    hashValue: "",
    hidden: true,
    properties: { hw_x: "1", block_device_mapping: '[{"a":1}]' },
  });
  expect(Object.keys(image.properties)).toEqual(["hw_x", "block_device_mapping"]);
});

it("writes patches with escaped pointers", () => {
  expect(imagePatch({ hidden: false, properties: { "a/b~c": "1" }, removeProperties: ["d"] })).toEqual([
    { op: "replace", path: "/os_hidden", value: false },
    { op: "add", path: "/a~1b~0c", value: "1" },
    { op: "remove", path: "/d" },
  ]);
  expect(imagePatch({})).toEqual([]);
});

it("reads a volume of an old and of a new Cinder", () => {
  const volume = volumeFromWire({
    id: "v",
    status: "available",
    size: 3,
    bootable: "true",
    volume_type: null,
    encryption_key_id: "k",
  });
  expect(volume).toMatchObject({
    bootable: true,
    sizeGiB: 3,
    volumeType: "",
    encryptionKeyId: "k",
    metadata: {},
    attachments: [],
  });
});

it.each([
  ["a/b c", "/c/a/b%20c"],
  ["ü?#%", "/c/%C3%BC%3F%23%25"],
  ["a/../b", "/c/a%2F..%2Fb"],
  ["./a", "/c/.%2Fa"],
  ["..a/b..", "/c/..a/b.."],
])("object %s is at %s", (name, path) => {
  expect(objectPath("c", name)).toBe(path);
});

it("compares microversions as numbers", () => {
  expect(compareMicroversions("3.9", "3.70")).toBeLessThan(0);
  expect(chooseMicroversion({ versions: [{ version: "3.71", min_version: "3.0" }] }, "3.70")).toBe("3.70");
  expect(chooseMicroversion({ versions: [{ version: "3.9", min_version: "3.0" }] }, "3.70")).toBe("3.9");
  expect(chooseMicroversion({ version: { version: "2.96", min_version: "2.1" } }, "2.100")).toBe("2.96");
  expect(chooseMicroversion({ versions: [{ version: "3.99", min_version: "3.80" }] }, "3.70")).toBeUndefined();
  expect(chooseMicroversion({ versions: [{ id: "v2.9", version: "" }] }, "3.70")).toBeUndefined();
  expect(chooseMicroversion([], "3.70")).toBeUndefined();
});

it.each([
  ['{"badRequest":{"message":"no","code":400}}', "no"],
  ['{"error":{"title":"Unauthorized"}}', "Unauthorized"],
  ['{"message":"gone.<br /><br />\\n"}', "gone."],
  ["<html><head><title>404</title></head><body><h1>Not Found</h1><p>It &amp; that</p></body></html>", "Not Found It that"],
  ["{broken", "{broken"],
  ["", ""],
])("the message of %s is %s", (body, message) => {
  expect(serviceMessage(body)).toBe(message);
});

it("reads Retry-After in both forms and ignores others", () => {
  expect(retryAfterMs({ "retry-after": "1.5" }, 0)).toBe(1500);
  expect(retryAfterMs({ "retry-after": "Thu, 01 Jan 1970 00:00:10 GMT" }, 4000)).toBe(6000);
  expect(retryAfterMs({ "retry-after": "soon" }, 0)).toBeUndefined();
  expect(retryAfterMs({}, 0)).toBeUndefined();
});

it("takes quotes from etags", () => {
  expect([unquoted('"a"'), unquoted('W/"a"'), unquoted("a")]).toEqual(["a", "a", "a"]);
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeCloud, startFakeCloud } from "../fakes/openstack/index.ts";
import { compareProjects } from "./compare.ts";
import { BYTES_PER_GIB, changeOnePercent, seedTenant } from "./seed.ts";

let cloud: FakeCloud;
let ids: { readonly a: string; readonly b: string };

beforeAll(async () => {
  cloud = await startFakeCloud({ bytesPerGib: BYTES_PER_GIB });
  const [a, b] = ["a", "b"].map((name) => cloud.seed.tenant(name).project.id);
  ids = { a: a ?? "", b: b ?? "" };
  for (const name of ["a", "b"]) await seedTenant(cloud, name, { name: `${name}-user`, password: `${name}-pw` });
});
afterAll(() => cloud.close());

test("two projects seeded alike are alike, and a few hundred MiB large", () => {
  const { resources, bytes, differences } = compareProjects(cloud, ids.a, ids.b);
  expect(differences).toEqual([]);
  expect(resources).toBe(8);
  expect(bytes).toBeGreaterThan(300 * 2 ** 20);
});

test("one flipped bit, one field and one missing object are three differences", () => {
  const [volume] = cloud.read.volumes(ids.b);
  const offset = 5_000_001;
  const byte = volume?.bytes.read(offset, 1) ?? Buffer.alloc(1);
  cloud.seed.writeVolume(volume?.id ?? "", offset, Buffer.from([byte.readUInt8(0) ^ 1]));
  const [image] = cloud.read.images(ids.b);
  if (image !== undefined) image.properties.os_version = "12";
  cloud.seed.removeObject("b", "photos", "empty");
  const { differences } = compareProjects(cloud, ids.a, ids.b);
  expect(differences).toEqual([
    'image debian-13-raw: os_version: "13", found "12"',
    "volume database: bytes differ at or after 0",
    expect.stringContaining("container photos: names: "),
  ]);
});

test("the change is about one percent, and seen", () => {
  const total = compareProjects(cloud, ids.a, ids.a).bytes;
  const changed = changeOnePercent(cloud, "a");
  expect(changed / total).toBeGreaterThan(0.005);
  expect(changed / total).toBeLessThan(0.02);
  expect(compareProjects(cloud, ids.a, ids.b).differences.length).toBeGreaterThan(3);
});

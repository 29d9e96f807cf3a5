import { expect, it } from "vitest";
import { ALLOWED_DIFFERENCES } from "./allowed-differences.ts";
import { compareInventories, compareWithManifest, leftovers } from "./compare.ts";
import type { Inventory, TenantManifest } from "./inventory.ts";

const VOLUME = {
  id: "v1",
  name: "data",
  description: "",
  sizeGib: 1,
  status: "available",
  type: "fast",
  zone: "nova",
  bootable: false,
  metadata: { app: "crm" },
  imageMetadata: { image_id: "i1" },
  sha256: "aa",
  bytes: 3,
};
const SOURCE: Inventory = {
  projectId: "proj1",
  images: [],
  volumes: [VOLUME],
  others: [],
  containers: [{ name: "c", headers: { "x-container-read": "proj1:*" } }],
  objects: [{ container: "c", name: "o", headers: {}, sha256: "bb", bytes: 4 }],
};
const TARGET: Inventory = {
  ...SOURCE,
  projectId: "proj2",
  volumes: [{ ...VOLUME, id: "v2", type: "standard", imageMetadata: {} }],
  containers: [{ name: "c", headers: { "x-container-read": "proj2:*" } }],
};
const MANIFEST: TenantManifest = {
  projects: { source: { id: "proj1", name: "a" }, target: { id: "proj2", name: "b" }, partner: { id: "p3", name: "c" } },
  images: [],
  volumes: [{ id: "v1", name: "data", sha256: "aa", bytes: 3 }],
  objects: [{ container: "c", name: "o", kind: "plain", sha256: "bb", bytes: 4 }],
};

it("allows exactly what the list explains", () => {
  expect(compareInventories(SOURCE, TARGET, ALLOWED_DIFFERENCES)).toEqual([]);
  expect(compareInventories(SOURCE, TARGET, []).length).toBe(3);
});

it("names a field that differs, is missing or is new", () => {
  const other = { ...TARGET, volumes: [{ ...VOLUME, metadata: { tier: "x" }, sha256: "cc" }] };
  expect(compareInventories(SOURCE, other, ALLOWED_DIFFERENCES)).toEqual([
    'volume data: metadata.app is "crm" in the source, absent in the target',
    'volume data: sha256 is "aa" in the source, "cc" in the target',
    'volume data: metadata.tier is absent in the source, "x" in the target',
  ]);
});

it("refuses an access list that still names the old project, and a type that no map explains", () => {
  expect(compareInventories(SOURCE, { ...TARGET, containers: SOURCE.containers }, ALLOWED_DIFFERENCES)).toHaveLength(1);
  const slow = { ...TARGET, volumes: [{ ...VOLUME, type: "slow" }] };
  expect(compareInventories(SOURCE, slow, ALLOWED_DIFFERENCES)).toEqual([
    'volume data: type is "fast" in the source, "slow" in the target',
  ]);
});

it("names what is on one side only", () => {
  expect(compareInventories(SOURCE, { ...TARGET, objects: [] }, ALLOWED_DIFFERENCES)).toEqual(["object c/o: only in the source"]);
  expect(compareInventories({ ...SOURCE, volumes: [] }, TARGET, ALLOWED_DIFFERENCES)).toEqual([
    "volume data: only in the target",
  ]);
});

it("finds missing, changed and unknown bytes against a manifest", () => {
  expect(compareWithManifest(SOURCE, MANIFEST)).toEqual([]);
  const changed = {
    ...SOURCE,
    volumes: [{ ...VOLUME, sha256: "dd" }],
    objects: [{ container: "c", name: "p", headers: {}, sha256: "bb", bytes: 4 }],
  };
  expect(compareWithManifest(changed, MANIFEST)).toEqual([
    "object c/o is missing",
    "object c/p is in no manifest",
    "volume data: SHA-256 and bytes are dd 3, not aa 3",
  ]);
});

it("calls everything of ours a leftover", () => {
  expect(leftovers(SOURCE)).toEqual([]);
  const dirty = {
    ...SOURCE,
    volumes: [{ ...VOLUME, name: "permafrost-tmp-1" }],
    others: [{ kind: "volume snapshot", id: "s1", name: null }],
  };
  expect(leftovers(dirty)).toEqual(["volume snapshot  (s1)", "volume permafrost-tmp-1 (v1)"]);
});

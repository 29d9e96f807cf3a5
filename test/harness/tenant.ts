/** A small tenant of everything the main job protects, in the fake cloud, and the comparison of what a restore made of it. */

import { createCipheriv, createHash } from "node:crypto";
import { canonicalJson, type Json } from "@permafrost/std";
import { type FakeCloud, SparseBytes, startFakeCloud } from "../fakes/openstack/index.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** A "GiB" of the fake: small volumes make quick tests. */
const BYTES_PER_GIB = 8 * MIB;

/** Incompressible bytes that differ for every `label`. */
export function noise(label: string, sizeBytes: number): Buffer {
  const key = createHash("md5").update(label).digest();
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

export interface SmallTenant {
  readonly cloud: FakeCloud;
  readonly cloudsYaml: string;
  readonly sourceId: string;
  readonly targetId: string;
  readonly volumeIds: readonly string[];
  /** Changes a block of a volume, one object, and adds one image. */
  change(): Promise<void>;
}

/** Projects `source` (filled) and `target` (empty), with clouds of the same names. */
export async function smallTenant(): Promise<SmallTenant> {
  const cloud = await startFakeCloud({ bytesPerGib: BYTES_PER_GIB });
  const { seed } = cloud;
  const source = seed.tenant("source", { roles: ["member", "swiftoperator"] });
  const target = seed.tenant("target", { roles: ["member", "swiftoperator"] });
  const project = source.project.id;
  await seed.image({
    project,
    name: "raw image",
    bytes: noise("raw", 3 * MIB + 5),
    tags: ["b", "a"],
    properties: { os_distro: "debian", hw_disk_bus: "virtio" },
    minDisk: 1,
  });
  await seed.image({ project, name: "second", bytes: noise("second", MIB), protected: true });
  const volumes = [
    seed.volume({
      project,
      name: "full",
      size: 1,
      bytes: noise("full", BYTES_PER_GIB),
      metadata: { tier: "gold", note: "naïve" },
    }),
    seed.volume({ project, name: "sparse", size: 2, bytes: sparse() }),
    seed.volume({
      project,
      name: "boot",
      size: 1,
      bytes: noise("boot", 2 * MIB),
      bootable: true,
      imageMetadata: { hw_firmware_type: "uefi", image_name: "base" },
    }),
  ];
  seed.container({ project, name: "files", headers: { "x-container-meta-owner": "ann", "x-container-read": ".r:*,.rlistings" } });
  for (let i = 0; i < 30; i++) {
    seed.object({
      project,
      container: "files",
      name: `dir ${i % 3}/ümlaut-${i}`,
      bytes: noise(`object ${i}`, i * 4000),
      contentType: "text/x-thing",
      headers: { "x-object-meta-number": String(i) },
    });
  }
  seed.object({ project, container: "files", name: "zero", bytes: new Uint8Array(0) });
  seed.object({
    project,
    container: "files",
    name: "expires",
    bytes: noise("expires", 100),
    headers: { "x-delete-at": "4102444800" },
  });
  seed.object({
    project,
    container: "files",
    name: "dynamic",
    bytes: new Uint8Array(0),
    headers: { "x-object-manifest": "segments/part-" },
  });
  seed.object({ project, container: "segments", name: "part-1", bytes: noise("part 1", MIB) });
  seed.object({ project, container: "segments", name: "part-2", bytes: noise("part 2", 100_001) });
  const entry = (tenant: typeof source, name: string) => ({
    cloudName: name,
    userName: tenant.user.name,
    password: `${name}-pw`,
    projectName: name,
  });
  const cloudsYaml = cloud.cloudsYaml(entry(source, "source"), entry(target, "target"));
  await putSlo(cloud, cloudsYaml);
  return {
    cloud,
    cloudsYaml,
    sourceId: project,
    targetId: target.project.id,
    volumeIds: volumes.map((v) => v.id),
    change: async () => {
      seed.writeVolume(volumes[0]?.id ?? "", 3 * 64 * KIB, noise("changed", 64 * KIB));
      seed.object({ project, container: "files", name: "dir 0/ümlaut-0", bytes: noise("changed object", 5000) });
      await seed.image({ project, name: "third", bytes: noise("third", 500_000) });
    },
  };
}

function sparse(): SparseBytes {
  const bytes = new SparseBytes(2 * BYTES_PER_GIB);
  bytes.write(5 * MIB, noise("sparse", 300_000));
  return bytes;
}

/** A static large object of the two parts, made as a client makes one. */
async function putSlo(cloud: FakeCloud, cloudsYaml: string): Promise<void> {
  if (!cloudsYaml.includes("source")) throw new Error("no source in clouds.yaml");
  const auth = {
    identity: {
      methods: ["password"],
      password: { user: { name: "source-user", password: "source-pw", domain: { id: "default" } } },
    },
    scope: { project: { name: "source", domain: { id: "default" } } },
  };
  const login = await fetch(`${cloud.authUrl}/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ auth }),
  });
  const token = login.headers.get("x-subject-token") ?? "";
  const { token: body } = (await login.json()) as {
    token: { catalog: { type: string; endpoints: { interface: string; url: string }[] }[] };
  };
  const url = body.catalog.find((s) => s.type === "object-store")?.endpoints.find((e) => e.interface === "public")?.url;
  const md5 = (label: string, size: number) => createHash("md5").update(noise(label, size)).digest("hex");
  const manifest = [
    { path: "/segments/part-1", etag: md5("part 1", MIB), size_bytes: MIB },
    { path: "/segments/part-2", etag: md5("part 2", 100_001), size_bytes: 100_001 },
  ];
  const put = await fetch(`${url}/files/static?multipart-manifest=put`, {
    method: "PUT",
    headers: { "x-auth-token": token, "content-type": "video/mp4", "x-object-meta-kind": "slo" },
    body: JSON.stringify(manifest),
  });
  if (put.status !== 201) throw new Error(`seeding the SLO: ${put.status} ${await put.text()}`);
}

/** What a project holds: every byte and the fields that count, by the fake's own memory; a line of text per object. */
export function contentsOf(cloud: FakeCloud, projectId: string): ReadonlyMap<string, string> {
  const sha = (bytes: SparseBytes | undefined) =>
    bytes === undefined ? "" : createHash("sha256").update(bytes.read()).digest("hex");
  const all = new Map<string, string>();
  const add = (name: string, value: unknown) => all.set(name, canonicalJson((value ?? null) as Json));
  for (const i of cloud.read.images(projectId)) {
    const { minDisk, diskFormat, properties } = i;
    const tags = [...i.tags].sort();
    add(`image ${i.name}`, { sha: sha(i.bytes), tags, properties, minDisk, protected: i.protected, diskFormat });
  }
  for (const v of cloud.read.volumes(projectId)) {
    const { size, metadata, bootable } = v;
    const imageMetadata = v.imageMetadata ?? {};
    add(`volume ${v.name}`, { sha: sha(v.bytes), size, metadata, bootable, imageMetadata, type: v.type.name });
  }
  for (const container of cloud.read.containers(projectId)) {
    const { name } = container;
    add(`container ${name}`, container.headers);
    for (const o of container.objects.values()) {
      // A manifest's own bytes hold times and are made anew by Swift: its segments are compared as objects, its list by the verification.
      const bytes = o.name === "static" ? {} : { sha: sha(o.bytes), etag: o.etag };
      add(`object ${name}/${o.name}`, { ...bytes, contentType: o.contentType, headers: o.headers });
    }
  }
  return all;
}

/** What differs, a line each. */
export function differencesOf(expected: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((name) => expected.get(name) !== found.get(name))
    .map((name) => `${name}: expected ${expected.get(name) ?? null}, found ${found.get(name) ?? null}`);
}

/** What differs between source and target. */
export function differences({ cloud, sourceId, targetId }: SmallTenant): string[] {
  return differencesOf(contentsOf(cloud, sourceId), contentsOf(cloud, targetId));
}

/** Objects made through the API as temporaries that are still there. */
export function temporariesLeft(tenant: SmallTenant): string[] {
  const { cloud, sourceId, targetId } = tenant;
  return [sourceId, targetId].flatMap((id) =>
    [...cloud.read.images(id), ...cloud.read.volumes(id), ...cloud.read.snapshots(id)]
      .map((r) => r.name ?? "")
      .filter((n) => n.startsWith("permafrost-")),
  );
}

/**
 * What the demo's project owns: a few hundred MiB of images, volumes and objects with contents that are made from a
 * seed, so that two runs do the same work; and the change of about one percent between two backups.
 */

import { createCipheriv, createHash } from "node:crypto";
import { type FakeCloud, SparseBytes } from "../fakes/openstack/index.ts";

const MIB = 1024 * 1024;
/** What the demo's cloud calls a GiB: volumes come in whole ones, and this machine has other work to do. */
export const BYTES_PER_GIB = 64 * MIB;

/** Bytes that look random and differ for every `name`. */
function randomBytes(name: string, sizeBytes: number): Buffer {
  const key = createHash("md5").update(name).digest();
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

/** Bytes that compress to about half, as files of a system do. */
function plainBytes(name: string, sizeBytes: number): Buffer {
  return Buffer.from(
    randomBytes(name, Math.ceil(sizeBytes / 2))
      .toString("hex")
      .slice(0, sizeBytes),
    "latin1",
  );
}

/** One eighth already compressed, the rest plain. */
function diskBytes(name: string, sizeBytes: number): Buffer {
  const packed = Math.floor(sizeBytes / 8);
  return Buffer.concat([plainBytes(`${name}/plain`, sizeBytes - packed), randomBytes(`${name}/packed`, packed)]);
}

/** A qcow2 image as far as its header goes, which is as far as a backup looks. */
function qcow2Bytes(name: string, sizeBytes: number, virtualBytes: number): Buffer {
  const bytes = diskBytes(name, sizeBytes);
  bytes.write("QFI\xfb", 0, "latin1");
  bytes.writeUInt32BE(3, 4);
  bytes.writeBigUInt64BE(0n, 8);
  bytes.writeUInt32BE(0, 16);
  bytes.writeUInt32BE(16, 20);
  bytes.writeBigUInt64BE(BigInt(virtualBytes), 24);
  return bytes;
}

/** Fills `project`. */
export async function seedTenant(cloud: FakeCloud, project: string, user: { name: string; password: string }): Promise<void> {
  const { seed } = cloud;
  await seed.image({
    project,
    name: "debian-13-raw",
    bytes: diskBytes("debian", 48 * MIB),
    minDisk: 1,
    tags: ["base", "golden"],
    properties: { os_distro: "debian", os_version: "13", hw_disk_bus: "virtio" },
  });
  await seed.image({ project, name: "appliance-qcow2", diskFormat: "qcow2", bytes: qcow2Bytes("appliance", 24 * MIB, 64 * MIB) });

  seed.volume({ project, name: "database", size: 1, bytes: diskBytes("database", BYTES_PER_GIB), metadata: { tier: "gold" } });
  seed.volume({
    project,
    name: "root",
    size: 1,
    bytes: diskBytes("root", BYTES_PER_GIB),
    bootable: true,
    imageMetadata: { image_name: "debian-13-raw" },
  });
  const sparse = new SparseBytes(2 * BYTES_PER_GIB);
  for (let at = 0; at < 8; at++) sparse.write(at * 15 * MIB, diskBytes(`sparse/${at}`, 2 * MIB));
  seed.volume({ project, name: "mostly empty", size: 2, bytes: sparse });

  seed.container({ project, name: "photos", headers: { "x-container-meta-owner": "anna" } });
  for (let at = 0; at < 150; at++) {
    seed.object({
      project,
      container: "photos",
      name: `2026/${String(at % 12).padStart(2, "0")}/bild-ü-${at}.jpg`,
      bytes: randomBytes(`photo/${at}`, 20_000 + at * 1500),
      contentType: "image/jpeg",
      headers: { "x-object-meta-camera": `model-${at % 3}` },
    });
  }
  seed.object({ project, container: "photos", name: "empty", bytes: Buffer.alloc(0) });
  seed.object({ project, container: "photos", name: "film.mkv", bytes: randomBytes("film", 12 * MIB) });
  await seedLargeObjects(cloud, project, user);
}

/** A static and a dynamic large object. The manifest of a static one is the service's to make, so it goes over HTTP. */
async function seedLargeObjects(cloud: FakeCloud, project: string, user: { name: string; password: string }): Promise<void> {
  const { seed } = cloud;
  for (const name of ["archive", "archive_segments"]) seed.container({ project, name });
  const segment = (name: string, at: number, sizeBytes: number) =>
    seed.object({ project, container: "archive_segments", name: `${name}/${at}`, bytes: plainBytes(`${name}/${at}`, sizeBytes) });
  const manifest = Array.from({ length: 4 }, (_, at) => {
    const { etag, bytes } = segment("slo", at, 4 * MIB);
    return { path: `/archive_segments/slo/${at}`, etag, size_bytes: bytes.size };
  });
  for (let at = 0; at < 3; at++) segment("dlo", at, MIB);
  seed.object({
    project,
    container: "archive",
    name: "dynamic.tar",
    bytes: Buffer.alloc(0),
    headers: { "x-object-manifest": "archive_segments/dlo/" },
  });
  const { token, account } = await logIn(cloud, project, user);
  const answer = await fetch(`${account}/archive/static.tar?multipart-manifest=put`, {
    method: "PUT",
    headers: { "x-auth-token": token, "content-type": "application/x-tar", "x-object-meta-kind": "slo" },
    body: JSON.stringify(manifest),
  });
  if (answer.status !== 201) throw new Error(`the static large object was not made: ${answer.status} ${await answer.text()}`);
}

async function logIn(
  cloud: FakeCloud,
  project: string,
  user: { name: string; password: string },
): Promise<{ readonly token: string; readonly account: string }> {
  const domain = { name: "Default" };
  const answer = await fetch(`${cloud.authUrl}/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      auth: {
        identity: { methods: ["password"], password: { user: { ...user, domain } } },
        scope: { project: { name: project, domain } },
      },
    }),
  });
  const token = answer.headers.get("x-subject-token");
  const id = cloud.read.project(project)?.id;
  if (token === null || id === undefined) throw new Error(`no token for ${user.name}: ${answer.status}`);
  return { token, account: `${cloud.urls.object}/v1/AUTH_${id}` };
}

/** Overwrites about one percent, scattered, and adds, replaces and removes a few objects. Answers the bytes that changed. */
export function changeOnePercent(cloud: FakeCloud, project: string): number {
  const id = cloud.read.project(project)?.id ?? "";
  const blockBytes = 64 * 1024;
  let changedBytes = 0;
  for (const volume of cloud.read.volumes(id)) {
    const blocks = volume.bytes.size / blockBytes;
    const changed = Math.max(1, Math.floor(blocks / 100));
    for (let at = 0; at < changed; at++) {
      const block = Math.floor(((at + 0.5) * blocks) / changed);
      cloud.seed.writeVolume(volume.id, block * blockBytes, plainBytes(`change/${volume.name}/${at}`, blockBytes));
      changedBytes += blockBytes;
    }
  }
  for (const name of ["2026/00/bild-ü-0.jpg", "2026/05/neu.jpg"]) {
    const bytes = randomBytes(`change/${name}`, 100_000);
    cloud.seed.object({ project, container: "photos", name, bytes, contentType: "image/jpeg" });
    changedBytes += bytes.length;
  }
  cloud.seed.removeObject(project, "photos", "2026/01/bild-ü-1.jpg");
  return changedBytes;
}

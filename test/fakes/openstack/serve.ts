/**
 * The fake cloud as a process, for the demo: `node test/fakes/openstack/serve.ts [options]`.
 *
 *   --port N             Keystone on N, Glance N+1, Cinder N+2, Swift N+3, the others after them; default 0, any free ports
 *   --clouds-yaml FILE   where to write clouds.yaml (default clouds.yaml in the working directory)
 *   --gib-bytes N        bytes of a volume's "GiB" (default 64 MiB: a quick demo)
 *   --pace-ms N          how long transitional states last (default 300)
 *   --empty              no seeded tenant
 *
 * Prints one JSON line when ready: urls, authUrl, cloudsYaml, and the clouds `fake-admin`, `acme` and `restore`. Stops on
 * SIGTERM and SIGINT. The seeded tenant `acme` is the same every time.
 */

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { BLOCK_BYTES } from "./bytes.ts";
import { type CloudEntry, type FakeCloud, startFakeCloud } from "./cloud.ts";
import { SERVICE_NAMES } from "./journal.ts";

/** Bytes that do not compress and are the same every time, made from a name. */
function noise(name: string, length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0, n = 0; at < length; at += 64, n++) createHash("sha512").update(`${name}/${n}`).digest().copy(out, at);
  return out;
}

/** A disk of which every third block is written: half text, half noise. */
function disk(name: string, sizeBytes: number) {
  const block = (index: number) => {
    if (index % 3 !== 0) return Buffer.alloc(0);
    return Buffer.concat([Buffer.alloc(BLOCK_BYTES / 2, `${name} block ${index} `), noise(`${name}/${index}`, BLOCK_BYTES / 2)]);
  };
  return { sizeBytes, block };
}

/** A small company's project: two images, three volumes (one attached), objects of every kind. */
export async function seedDemoTenant(cloud: FakeCloud): Promise<CloudEntry> {
  const { seed } = cloud;
  const { project } = seed.tenant("acme", { password: "acme-pw" });
  const gib = cloud.volumes.bytesPerGib;
  await seed.image({
    project: project.id,
    name: "golden",
    bytes: disk("golden", gib / 4),
    tags: ["prod"],
    properties: { os_distro: "debian", hw_disk_bus: "virtio" },
  });
  await seed.image({
    project: project.id,
    name: "installer",
    diskFormat: "iso",
    bytes: Buffer.concat([Buffer.alloc(0x8001), Buffer.from("CD001"), noise("installer", 500_000)]),
  });
  seed.volume({ project: project.id, name: "database", size: 2, bytes: disk("database", 2 * gib), metadata: { tier: "gold" } });
  seed.volume({
    project: project.id,
    name: "web",
    size: 1,
    bytes: disk("web", gib),
    bootable: true,
    imageMetadata: { hw_disk_bus: "virtio" },
    attachments: [{ server_id: "c0ffee00-0000-4000-a000-000000000001", device: "/dev/vda" }],
  });
  seed.volume({ project: project.id, name: "scratch", size: 1, type: "fast" });
  seed.container({ project: project.id, name: "documents", headers: { "x-container-meta-owner": "legal" } });
  for (let n = 0; n < 20; n++) {
    seed.object({
      project: project.id,
      container: "documents",
      name: `2026/report-${n}.txt`,
      bytes: Buffer.alloc(1000 + n * 777, `report ${n} `),
      contentType: "text/plain",
      headers: { "x-object-meta-number": String(n) },
    });
  }
  seed.object({
    project: project.id,
    container: "documents",
    name: "Ünïcode/große Datei.bin",
    bytes: noise("unicode", 3_000_000),
  });
  seed.object({ project: project.id, container: "documents", name: "empty", bytes: Buffer.alloc(0) });
  seed.container({ project: project.id, name: "archive", policy: "silver" });
  seed.object({ project: project.id, container: "archive", name: "blob", bytes: noise("blob", 10_000_000) });
  return { cloudName: "acme", userName: "acme-user", password: "acme-pw", projectName: "acme" };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "0" },
      "clouds-yaml": { type: "string", default: "clouds.yaml" },
      "gib-bytes": { type: "string", default: String(2 ** 26) },
      "pace-ms": { type: "string", default: "300" },
      empty: { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  const ports = port === 0 ? {} : { ports: Object.fromEntries(SERVICE_NAMES.map((name, at) => [name, port + at])) };
  const cloud = await startFakeCloud({
    ...ports,
    bytesPerGib: Number(values["gib-bytes"]),
    pace: { polls: 0, ms: Number(values["pace-ms"]) },
  });
  const stop = () => void cloud.close().then(() => process.exit(0));
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  const entries: CloudEntry[] = [];
  if (!values.empty) {
    entries.push(await seedDemoTenant(cloud));
    cloud.seed.tenant("restore", { password: "restore-pw" });
    entries.push({ cloudName: "restore", userName: "restore-user", password: "restore-pw", projectName: "restore" });
  }
  const cloudsYaml = resolve(values["clouds-yaml"]);
  writeFileSync(cloudsYaml, cloud.cloudsYaml(...entries), { mode: 0o600 });
  console.log(
    JSON.stringify({
      urls: cloud.urls,
      authUrl: cloud.authUrl,
      cloudsYaml,
      clouds: ["fake-admin", ...entries.map((each) => each.cloudName)],
    }),
  );
}

if (import.meta.main) await main();

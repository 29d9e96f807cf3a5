/**
 * The fake cloud as a cloud under test: the same tenant as the lab's, seeded and read through the fake's direct access, so that
 * nothing of the product is between the state of the cloud and what is compared.
 */

import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@permafrost/std";
import { type FakeCloud, type Image, SparseBytes, startFakeCloud, type Volume } from "../fakes/openstack/index.ts";
import { contentOf as objectContent } from "../fakes/openstack/swift-large.ts";
import type { CloudUnderTest } from "./cloud-under-test.ts";
import type { ContainerRow, ImageRow, Inventory, ObjectRow, TenantManifest, VolumeRow } from "./inventory.ts";
import { contentOf, expandSeries, type ImageSpec, imageFile, type ObjectSpec, readTenantSpec, writesOf } from "./tenant.ts";

/** A "GiB" of the fake's volumes: enough for the tenant's writes, small enough for a test. */
const GIB_BYTES = 80 << 20;
const PROJECTS = { source: "pf-acme", target: "pf-target", partner: "pf-partner" } as const;
const SPEC = readTenantSpec();

export interface FakeUnderTest extends CloudUnderTest {
  readonly fake: FakeCloud;
}

/** Starts and seeds a fake cloud; its clouds.yaml goes into `directory`. */
export async function openFakeCloud(directory: string): Promise<FakeUnderTest> {
  const fake = await startFakeCloud({ bytesPerGib: GIB_BYTES });
  const ids = {
    source: fake.seed.tenant(PROJECTS.source, { roles: ["member", "swiftoperator"] }).project.id,
    target: fake.seed.tenant(PROJECTS.target, { roles: ["member", "swiftoperator"] }).project.id,
    partner: fake.seed.project(PROJECTS.partner).id,
  };
  const osConfigFile = join(directory, "clouds.yaml");
  const entry = (name: string) => ({ cloudName: name, userName: `${name}-user`, password: `${name}-pw`, projectName: name });
  await writeFile(osConfigFile, fake.cloudsYaml(entry(PROJECTS.source), entry(PROJECTS.target)));
  const tenant = new FakeTenant(fake, ids);
  await tenant.seed();
  return {
    fake,
    osConfigFile,
    source: PROJECTS.source,
    target: PROJECTS.target,
    manifest: async () => tenant.manifest(),
    change: () => tenant.change(),
    inventory: async (side, depth) => inventoryOf(fake, ids[side], depth === "bytes"),
    close: () => fake.close(),
  };
}

type Ids = Readonly<Record<keyof typeof PROJECTS, string>>;

class FakeTenant {
  readonly #fake: FakeCloud;
  readonly #ids: Ids;
  /** By what the tenant meant to store, not by what the fake kept. */
  readonly #images = new Map<string, TenantManifest["images"][number]>();
  readonly #volumes = new Map<string, { id: string; disk: Buffer }>();
  readonly #objects = new Map<string, TenantManifest["objects"][number]>();

  constructor(fake: FakeCloud, ids: Ids) {
    this.#fake = fake;
    this.#ids = ids;
  }

  async seed(): Promise<void> {
    const { seed } = this.#fake;
    const project = this.#ids.source;
    for (const spec of SPEC.images) await this.#putImage(spec);
    for (const spec of SPEC.volumes) {
      const disk = Buffer.alloc(spec.sizeGib * GIB_BYTES);
      const image = SPEC.images.find((one) => one.name === spec.image);
      const source = this.#fake.read.images(project).find((one) => one.name === spec.image);
      if (image !== undefined) contentOf(image.content, image.name).copy(disk);
      for (const { offset, bytes } of writesOf(spec.writes, spec.name, disk.length)) bytes.copy(disk, offset);
      const { name, description, type, metadata, sizeGib } = spec;
      const fields = { project, name, description, type, metadata: { ...metadata }, size: sizeGib, bytes: disk };
      const origin = source === undefined ? {} : { bootable: true, imageMetadata: imageMetadataOf(source) };
      this.#volumes.set(name, { id: seed.volume({ ...fields, ...origin }).id, disk });
    }
    for (const { name, headers } of SPEC.containers) seed.container({ project, name, headers: wire(headers, project) });
    for (const spec of SPEC.objects.flatMap(expandSeries)) await this.#putObject(spec);
  }

  async change(): Promise<void> {
    const { change } = SPEC;
    for (const { name, writes } of change.volumes) {
      const volume = this.#volumes.get(name);
      if (volume === undefined) throw new Error(`the tenant has no volume ${name}`);
      for (const { offset, bytes } of writesOf(writes, name, volume.disk.length)) {
        bytes.copy(volume.disk, offset);
        this.#fake.seed.writeVolume(volume.id, offset, bytes);
      }
    }
    for (const spec of change.images) await this.#putImage(spec);
    for (const { container, name } of change.deletedObjects) {
      this.#fake.seed.removeObject(this.#ids.source, container, name);
      this.#objects.delete(`${container}/${name}`);
    }
    for (const spec of change.objects) await this.#putObject(spec);
  }

  manifest(): TenantManifest {
    const project = (side: keyof Ids) => ({ id: this.#ids[side], name: PROJECTS[side] });
    return {
      projects: { source: project("source"), target: project("target"), partner: project("partner") },
      images: [...this.#images.values()],
      volumes: [...this.#volumes].map(([name, { id, disk }]) => ({ id, name, ...sealOf(disk) })),
      objects: [...this.#objects.values()],
    };
  }

  async #putImage(spec: ImageSpec): Promise<void> {
    const file = imageFile(spec);
    const { name, diskFormat, minDisk, minRam, visibility, tags, properties } = spec;
    const fields = { name, diskFormat, minDisk, minRam, visibility, tags: [...tags], properties: { ...properties } };
    const image = await this.#fake.seed.image({ project: this.#ids.source, ...fields, protected: spec.protected, bytes: file });
    const now = systemClock.now();
    for (const member of spec.members ?? []) {
      image.members.set(this.#ids[member], { status: "pending", createdMs: now, updatedMs: now });
    }
    this.#images.set(name, { id: image.id, name, ...sealOf(file) });
  }

  async #putObject(spec: ObjectSpec): Promise<void> {
    const { container, name } = spec;
    const kind = spec.slo !== undefined ? "slo" : spec.dlo !== undefined ? "dlo" : "plain";
    const { "content-type": contentType = "application/octet-stream", ...headers } = wire(spec.headers, this.#ids.source);
    if (spec.expiresInSeconds !== undefined) {
      headers["x-delete-at"] = String(Math.floor(systemClock.now() / 1000) + spec.expiresInSeconds);
    }
    const { seed, swift, read } = this.#fake;
    const project = this.#ids.source;
    const place = spec.slo ?? spec.dlo;
    if (place === undefined) {
      const bytes = contentOf(spec.content ?? [], `${container}/${name}`);
      seed.object({ project, container, name, bytes, contentType, headers });
      this.#objects.set(`${container}/${name}`, { container, name, kind, ...sealOf(bytes) });
      return;
    }
    const parts = SPEC.objects
      .flatMap(expandSeries)
      .filter((one) => one.container === place.container && one.name.startsWith(place.prefix))
      .map((one) => ({ spec: one, bytes: contentOf(one.content ?? [], `${one.container}/${one.name}`) }));
    const whole = Buffer.concat(parts.map((one) => one.bytes));
    this.#objects.set(`${container}/${name}`, { container, name, kind, ...sealOf(whole) });
    if (kind === "dlo") headers["x-object-manifest"] = encodeURI(`${place.container}/${place.prefix}`);
    const object = seed.object({ project, container, name, bytes: Buffer.alloc(0), contentType, headers });
    if (kind === "slo") {
      const segments = parts.map((one) => ({
        path: `/${one.spec.container}/${one.spec.name}`,
        hash: createHash("md5").update(one.bytes).digest("hex"),
        bytes: one.bytes.length,
        contentType: "application/octet-stream",
        lastModifiedMs: swift.now(),
      }));
      const etag = createHash("md5")
        .update(segments.map((one) => one.hash).join(""))
        .digest("hex");
      const holder = read.container(project, container);
      if (holder === undefined) throw new Error(`the tenant has no container ${container}`);
      swift.putObject(holder, { ...object, slo: { etag, size: whole.length, segments } });
    }
  }
}

/** What Cinder writes on a volume made of an image. */
function imageMetadataOf(image: Image): Record<string, string> {
  return {
    image_id: image.id,
    image_name: image.name ?? "",
    checksum: image.checksum ?? "",
    container_format: image.containerFormat ?? "",
    disk_format: image.diskFormat ?? "",
    min_disk: String(image.minDisk),
    min_ram: String(image.minRam),
    size: String(image.size),
    ...image.properties,
  };
}

/** Headers as they are on the wire: lower-case names, UTF-8 bytes in latin1 strings. */
function wire(headers: Readonly<Record<string, string>>, projectId: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([key, value]) => [
      key.toLowerCase(),
      Buffer.from(value.replaceAll("{project}", projectId)).toString("latin1"),
    ]),
  );
}

function text(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, Buffer.from(value, "latin1").toString()]));
}

function sealOf(bytes: Uint8Array): { sha256: string; bytes: number } {
  return { sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
}

interface Readable {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

function sealOfSource(source: Readable): { sha256: string; bytes: number } {
  const hash = createHash("sha256");
  const step = 8 << 20;
  for (let at = 0; at < source.size; at += step) hash.update(source.read(at, Math.min(step, source.size - at)));
  return { sha256: hash.digest("hex"), bytes: source.size };
}

function inventoryOf(fake: FakeCloud, projectId: string, withBytes: boolean): Inventory {
  const images = fake.read.images(projectId);
  const containers = fake.read.containers(projectId);
  const account = fake.swift.account(`AUTH_${projectId}`);
  const seal = (source: Readable) => (withBytes ? sealOfSource(source) : {});
  return {
    projectId,
    images: images.map((image) => ({ ...imageRow(image), ...seal(image.bytes ?? new SparseBytes(0)) })),
    volumes: fake.read.volumes(projectId).map((volume) => ({ ...volumeRow(volume), ...seal(volume.bytes) })),
    containers: containers.map(
      ({ name, policy, headers }): ContainerRow => ({ name, headers: { ...text(headers), "x-storage-policy": policy } }),
    ),
    objects: containers.flatMap((container) =>
      fake.swift.listed(container).map((object): ObjectRow => {
        const segments = object.slo?.segments.map((one) => ({
          path: one.path ?? "",
          etag: one.hash ?? "",
          bytes: one.bytes ?? 0,
        }));
        const row = { container: container.name, name: object.name };
        const headers = { ...text(object.headers), "content-type": object.contentType };
        const content = seal(objectContent(fake.swift, account, object).source);
        return { ...row, headers, ...(segments === undefined ? {} : { segments }), ...content };
      }),
    ),
    others: [
      ...fake.read.snapshots(projectId).map(({ id, name }) => ({ kind: "volume snapshot", id, name })),
      ...images.filter(({ status }) => status !== "active").map(({ id, name }) => ({ kind: "image", id, name })),
    ],
  };
}

function imageRow(image: Image): ImageRow {
  return {
    id: image.id,
    name: image.name ?? "",
    status: image.status,
    diskFormat: image.diskFormat ?? "",
    containerFormat: image.containerFormat ?? "",
    minDisk: image.minDisk,
    minRam: image.minRam,
    visibility: image.visibility,
    protected: image.protected,
    hidden: image.hidden,
    tags: image.tags.toSorted(),
    properties: image.properties,
    members: [...image.members.keys()].sort(),
  };
}

function volumeRow(volume: Volume): VolumeRow {
  return {
    id: volume.id,
    name: volume.name ?? "",
    description: volume.description,
    sizeGib: volume.size,
    status: volume.status,
    type: volume.type.name,
    zone: volume.zone,
    bootable: volume.bootable,
    metadata: volume.metadata,
    imageMetadata: volume.imageMetadata ?? {},
  };
}

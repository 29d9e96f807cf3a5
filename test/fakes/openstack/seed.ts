/**
 * Direct access to the fake cloud's state, without HTTP and without journal entries: seeding before a test, changing
 * and reading during one. What is seeded is the tenant's own; what the product makes goes through the API.
 */

import { assert } from "@permafrost/std";
import { type BlockGenerator, SparseBytes } from "./bytes.ts";
import type { Image, Images } from "./images.ts";
import type { Compute, Flavor, KeyPair, Server, ServerGroup } from "./nova/compute.ts";
import { type ComputeSeed, isComputeQuota, type SeededServer } from "./nova/seed.ts";
import { type Account, type Container, md5, type SwiftObject, type SwiftStore } from "./swift-store.ts";
import type { Identities, Project, User } from "./tokens.ts";
import type { Snapshot, Volume, Volumes } from "./volumes.ts";

/** Bytes given whole, or a size and how to make each 64 KiB block of it. */
export type Content = Uint8Array | SparseBytes | { readonly sizeBytes: number; readonly block?: BlockGenerator };

function bytesOf(content: Content | undefined, sizeBytes = 0): SparseBytes {
  if (content === undefined) return new SparseBytes(sizeBytes);
  if (content instanceof SparseBytes) return content.clone(Math.max(sizeBytes, content.size));
  if (content instanceof Uint8Array) {
    const made = SparseBytes.from(content);
    if (made.size < sizeBytes) made.resize(sizeBytes);
    return made;
  }
  return new SparseBytes(Math.max(sizeBytes, content.sizeBytes), content.block);
}

export interface Tenant {
  readonly project: Project;
  readonly user: User;
}

/** Who owns a seeded resource: a project's id or name. */
type Owner = string;

export class Seed {
  readonly #ids: Identities;
  readonly #images: Images;
  readonly #volumes: Volumes;
  readonly #swift: SwiftStore;
  readonly #compute: ComputeSeed;

  constructor(ids: Identities, images: Images, volumes: Volumes, swift: SwiftStore, compute: ComputeSeed) {
    this.#ids = ids;
    this.#images = images;
    this.#volumes = volumes;
    this.#swift = swift;
    this.#compute = compute;
  }

  /** A project and a user in it with `roles` (default member). The user's name is the project's with `-user`. */
  tenant(name: string, options: { password?: string; userName?: string; roles?: readonly string[] } = {}): Tenant {
    const project = this.project(name);
    const user = this.user(options.userName ?? `${name}-user`, options.password ?? `${name}-pw`);
    for (const role of options.roles ?? ["member"]) this.#ids.grant(project.id, user.id, role);
    return { project, user };
  }

  project(name: string): Project {
    return this.#ids.addProject(name);
  }

  user(name: string, password: string): User {
    return this.#ids.addUser(name, password);
  }

  grant(project: Owner, userId: string, role: string): void {
    this.#ids.grant(this.#owner(project), userId, role);
  }

  /** An active image (or, without bytes, a queued one) with its hashes computed. */
  async image(fields: Partial<Omit<Image, "bytes" | "owner">> & { project: Owner; bytes?: Content }): Promise<Image> {
    const { project, bytes, ...rest } = fields;
    const image = this.#images.add(this.#owner(project), {
      diskFormat: "raw",
      containerFormat: "bare",
      ...rest,
      status: "queued",
    });
    if (bytes !== undefined) await this.#images.activate(image, bytesOf(bytes));
    if (rest.status !== undefined) image.status = rest.status;
    return image;
  }

  /** An available volume; with `attachments` it is in-use. `type` is a volume type's name. */
  volume(
    fields: Partial<Omit<Volume, "bytes" | "type" | "projectId">> & {
      project: Owner;
      size: number;
      bytes?: Content;
      type?: string;
    },
  ): Volume {
    const { project, bytes, type, ...rest } = fields;
    const projectId = this.#owner(project);
    const found = type === undefined ? this.#volumes.defaultType : this.#volumes.typeOf(type);
    assert(found !== undefined, `no volume type ${type}`);
    const volume = this.#volumes.addVolume({
      userId: this.#anyUser(projectId),
      status: (rest.attachments?.length ?? 0) > 0 ? "in-use" : "available",
      ...rest,
      projectId,
      type: found,
      bytes: bytesOf(bytes, rest.size * this.#volumes.bytesPerGib),
    });
    assert(volume.bytes.size === rest.size * this.#volumes.bytesPerGib, "the bytes are larger than the volume");
    return volume;
  }

  /** A volume snapshot of a volume as it is now. */
  snapshot(volumeId: string, fields: Partial<Omit<Snapshot, "bytes" | "volumeId">> = {}): Snapshot {
    const volume = this.#volumes.volumes.get(volumeId);
    assert(volume !== undefined, `no volume ${volumeId}`);
    return this.#volumes.addSnapshot(volume, { status: "available", ...fields });
  }

  container(fields: { project: Owner; name: string; policy?: string; headers?: Record<string, string> }): Container {
    return this.#swift.addContainer(this.#account(fields.project), fields.name, fields.policy ?? "gold", fields.headers ?? {});
  }

  /** An object; its container is made when it is not there. Headers in lower case, such as `x-object-meta-a`. */
  object(fields: {
    project: Owner;
    container: string;
    name: string;
    bytes: Content;
    contentType?: string;
    headers?: Record<string, string>;
  }): SwiftObject {
    const account = this.#account(fields.project);
    const container = account.containers.get(fields.container) ?? this.#swift.addContainer(account, fields.container);
    const bytes = bytesOf(fields.bytes);
    return this.#swift.putObject(container, {
      name: fields.name,
      bytes,
      etag: md5(bytes.read()),
      contentType: fields.contentType ?? "application/octet-stream",
      headers: fields.headers ?? {},
    });
  }

  removeObject(project: Owner, container: string, name: string): boolean {
    return this.#account(project).containers.get(container)?.objects.delete(name) ?? false;
  }

  /** Sets quotas of a project, such as `{ snapshots: 1, gigabytes: 3, instances: 2 }`. */
  quota(project: Owner, limits: Record<string, number>): void {
    for (const [name, limit] of Object.entries(limits)) {
      const quota = isComputeQuota(name) ? this.#compute.quota(this.#owner(project)) : this.#volumes.quota(this.#owner(project));
      quota[name] = limit;
    }
  }

  /** A running server: of an image, or of volumes, of which the first is its root. Its volumes are attached. */
  server(fields: SeededServer & { project: Owner }): Server {
    const { project, ...rest } = fields;
    const projectId = this.#owner(project);
    return this.#compute.server({ userId: this.#anyUser(projectId), ...rest, projectId });
  }

  keyPair(fields: { userId: string; name: string; publicKey?: string }): KeyPair {
    return this.#compute.keyPair(fields);
  }

  serverGroup(fields: { project: Owner; name: string; policy: string; rules?: Record<string, number> }): ServerGroup {
    const { project, ...rest } = fields;
    const projectId = this.#owner(project);
    return this.#compute.serverGroup({ userId: this.#anyUser(projectId), ...rest, projectId });
  }

  flavor(fields: Partial<Flavor> & { name: string }): Flavor {
    return this.#compute.flavor(fields);
  }

  /** Writes to the root disk of a server that boots from an image, as its guest would. */
  writeServerDisk(id: string, offset: number, bytes: Uint8Array): void {
    this.#compute.writeDisk(id, offset, bytes);
  }

  /** Writes to a volume as its guest would: allowed in any state, seen by later snapshots only. */
  writeVolume(id: string, offset: number, bytes: Uint8Array): void {
    const volume = this.#volumes.volumes.get(id);
    assert(volume !== undefined, `no volume ${id}`);
    assert(offset + bytes.length <= volume.bytes.size, "a guest cannot write beyond its disk");
    volume.bytes.write(offset, bytes);
  }

  #account(project: Owner): Account {
    return this.#swift.account(`AUTH_${this.#owner(project)}`);
  }

  #owner(project: Owner): string {
    if (this.#ids.projects.has(project)) return project;
    const found = [...this.#ids.projects.values()].find((each) => each.name === project);
    assert(found !== undefined, `no project ${project}`);
    return found.id;
  }

  #anyUser(projectId: string): string {
    return [...this.#ids.users.values()].find((user) => this.#ids.rolesOn(projectId, user.id).size > 0)?.id ?? "";
  }
}

/** Reads the state of the fake cloud. All return undefined when there is no such thing. */
export class Inspect {
  readonly #images: Images;
  readonly #volumes: Volumes;
  readonly #swift: SwiftStore;
  readonly #ids: Identities;
  readonly #compute: Compute;

  constructor(ids: Identities, images: Images, volumes: Volumes, swift: SwiftStore, compute: Compute) {
    this.#ids = ids;
    this.#images = images;
    this.#volumes = volumes;
    this.#swift = swift;
    this.#compute = compute;
  }

  image(id: string): Image | undefined {
    return this.#images.all.get(id);
  }

  volume(id: string): Volume | undefined {
    return this.#volumes.volumes.get(id);
  }

  snapshot(id: string): Snapshot | undefined {
    return this.#volumes.snapshots.get(id);
  }

  container(projectId: string, name: string): Container | undefined {
    return this.#swift.accounts.get(`AUTH_${projectId}`)?.containers.get(name);
  }

  object(projectId: string, container: string, name: string): SwiftObject | undefined {
    return this.container(projectId, container)?.objects.get(name);
  }

  project(name: string): Project | undefined {
    return [...this.#ids.projects.values()].find((project) => project.name === name);
  }

  images(projectId: string): Image[] {
    return [...this.#images.all.values()].filter((image) => image.owner === projectId);
  }

  volumes(projectId: string): Volume[] {
    return [...this.#volumes.volumes.values()].filter((volume) => volume.projectId === projectId);
  }

  snapshots(projectId: string): Snapshot[] {
    return [...this.#volumes.snapshots.values()].filter((snapshot) => snapshot.projectId === projectId);
  }

  server(id: string): Server | undefined {
    return this.#compute.servers.get(id);
  }

  servers(projectId: string): Server[] {
    return [...this.#compute.servers.values()].filter((server) => server.projectId === projectId);
  }

  containers(projectId: string): Container[] {
    return [...(this.#swift.accounts.get(`AUTH_${projectId}`)?.containers.values() ?? [])];
  }
}

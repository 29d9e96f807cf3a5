/**
 * The images of the fake Glance: their records, who sees which, the rules of their bytes, and how they are shown.
 * Cinder makes and reads images here directly, as it does through Glance's API in a real cloud.
 */

import type { Clock } from "@permafrost/std";
import type { SparseBytes } from "./bytes.ts";
import { glanceTime, uuid } from "./ids.ts";
import type { TokenRecord } from "./tokens.ts";

export interface Member {
  status: string;
  readonly createdMs: number;
  updatedMs: number;
}

export interface Image {
  readonly id: string;
  owner: string;
  name: string | null;
  status: "queued" | "saving" | "active" | "killed" | "deactivated" | "importing" | "pending_delete";
  visibility: string;
  protected: boolean;
  hidden: boolean;
  minDisk: number;
  minRam: number;
  diskFormat: string | null;
  containerFormat: string | null;
  tags: string[];
  properties: Record<string, string>;
  size: number | null;
  virtualSize: number | null;
  checksum: string | null;
  hashAlgo: string | null;
  hashValue: string | null;
  stores: string | null;
  readonly createdMs: number;
  updatedMs: number;
  bytes: SparseBytes | undefined;
  readonly members: Map<string, Member>;
  readonly sequence: number;
}

export class Images {
  readonly all = new Map<string, Image>();
  readonly #clock: Clock;
  #sequence = 0;
  /** Unified limits of every project, of `image_size_total` in MiB and the like; without: Glance has none. */
  limits: Readonly<Record<string, number>> = {};
  /** New images get no checksum and no hash, as some clouds' snapshot-born images. */
  nullChecksums = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(owner: string, fields: Partial<Image> = {}): Image {
    const now = this.#clock.now();
    const image: Image = {
      id: uuid(),
      owner,
      name: null,
      status: "queued",
      visibility: "shared",
      protected: false,
      hidden: false,
      minDisk: 0,
      minRam: 0,
      diskFormat: null,
      containerFormat: null,
      tags: [],
      properties: {},
      size: null,
      virtualSize: null,
      checksum: null,
      hashAlgo: null,
      hashValue: null,
      stores: null,
      createdMs: now,
      updatedMs: now,
      bytes: undefined,
      members: new Map(),
      sequence: this.#sequence++,
      ...fields,
    };
    this.all.set(image.id, image);
    return image;
  }

  touch(image: Image): void {
    image.updatedMs = this.#clock.now();
  }

  /** Gives the image its bytes for good: hashes, size, `active`. */
  async activate(image: Image, bytes: SparseBytes): Promise<void> {
    image.bytes = bytes;
    image.size = bytes.size;
    image.virtualSize = virtualSize(image.diskFormat, bytes);
    image.stores = "file";
    if (!this.nullChecksums) {
      const { md5, sha512 } = await bytes.digests();
      Object.assign(image, { checksum: md5, hashAlgo: "sha512", hashValue: sha512 });
    }
    image.status = "active";
    this.touch(image);
  }

  /** The image, if this token may know of it. */
  visible(id: string, token: TokenRecord): Image | undefined {
    const image = this.all.get(id);
    const project = token.project?.id ?? "";
    if (image === undefined || token.roles.has("admin") || image.owner === project) return image;
    if (image.visibility === "public" || image.visibility === "community") return image;
    return image.visibility === "shared" && image.members.has(project) ? image : undefined;
  }

  /** Whether a list without an explicit visibility shows it. */
  listed(image: Image, token: TokenRecord, query: URLSearchParams): boolean {
    const project = token.project?.id ?? "";
    if (token.roles.has("admin") || image.owner === project || image.visibility === "public") return true;
    if (image.visibility === "community") return query.get("visibility") === "community";
    const wanted = query.get("member_status") ?? "accepted";
    const status = image.members.get(project)?.status;
    return image.visibility === "shared" && status !== undefined && (wanted === "all" || status === wanted);
  }
}

/** What the bytes are, by the marks Glance's format inspector knows. */
export function detectFormat(bytes: SparseBytes): "qcow2" | "iso" | "vmdk" | "raw" {
  const head = bytes.read(0, 4);
  if (head.equals(Buffer.from("QFI\xfb", "latin1"))) return "qcow2";
  if (head.toString("latin1") === "KDMV") return "vmdk";
  return bytes.read(0x8001, 5).toString("latin1") === "CD001" ? "iso" : "raw";
}

/** Raw may be anything; a format that has marks must show them. */
export function formatMatches(declared: string | null, bytes: SparseBytes): boolean {
  const found = detectFormat(bytes);
  if (declared === "qcow2" || declared === "vmdk" || declared === "iso") return found === declared;
  return true;
}

function virtualSize(diskFormat: string | null, bytes: SparseBytes): number {
  const head = bytes.read(0, 32);
  return diskFormat === "qcow2" && head.length === 32 ? Number(head.readBigUInt64BE(24)) : bytes.size;
}

/** The image as the API shows it. */
export function imageView(image: Image): Record<string, unknown> {
  return {
    ...image.properties,
    name: image.name,
    disk_format: image.diskFormat,
    container_format: image.containerFormat,
    visibility: image.visibility,
    size: image.size,
    virtual_size: image.virtualSize,
    status: image.status,
    checksum: image.checksum,
    protected: image.protected,
    min_ram: image.minRam,
    min_disk: image.minDisk,
    owner: image.owner,
    os_hidden: image.hidden,
    os_hash_algo: image.hashAlgo,
    os_hash_value: image.hashValue,
    id: image.id,
    created_at: glanceTime(image.createdMs),
    updated_at: glanceTime(image.updatedMs),
    tags: image.tags,
    self: `/v2/images/${image.id}`,
    file: `/v2/images/${image.id}/file`,
    schema: "/v2/schemas/image",
    ...(image.stores === null ? {} : { stores: image.stores }),
  };
}

export function memberView(image: Image, memberId: string, member: Member): Record<string, unknown> {
  return {
    member_id: memberId,
    image_id: image.id,
    status: member.status,
    created_at: glanceTime(member.createdMs),
    updated_at: glanceTime(member.updatedMs),
    schema: "/v2/schemas/member",
  };
}

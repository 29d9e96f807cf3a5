/**
 * The storage tenant as data: test/lab/tenants/storage/tenant.json and the bytes it describes.
 *
 * The lab is filled from the same file by tenant.py; the meaning of a content list must stay the same in both. Only what a qcow2
 * image looks like differs: the lab has qemu-img, here a header and the raw bytes will do.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type Part =
  | { readonly kind: "random" | "text" | "zero"; readonly bytes: number; readonly label?: string }
  | { readonly base64: string };

export interface Write {
  /** Negative: from the end of the volume. */
  readonly offset: number;
  readonly content: readonly Part[];
}

export interface ImageSpec {
  readonly name: string;
  readonly diskFormat: string;
  readonly minDisk: number;
  readonly minRam: number;
  readonly visibility: string;
  readonly protected: boolean;
  readonly tags: readonly string[];
  readonly members?: readonly ("partner" | "target")[];
  readonly properties: Readonly<Record<string, string>>;
  readonly content: readonly Part[];
}

export interface VolumeSpec {
  readonly name: string;
  readonly description: string;
  readonly sizeGib: number;
  readonly type: string;
  readonly image?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly writes: readonly Write[];
}

export interface ObjectSpec {
  readonly container: string;
  /** `{n}` becomes 0000, 0001 … in a series. */
  readonly name: string;
  readonly series?: number;
  readonly content?: readonly Part[];
  readonly slo?: { readonly container: string; readonly prefix: string };
  readonly dlo?: { readonly container: string; readonly prefix: string };
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresInSeconds?: number;
}

export interface TenantSpec {
  readonly images: readonly ImageSpec[];
  readonly volumes: readonly VolumeSpec[];
  readonly containers: readonly { readonly name: string; readonly headers: Readonly<Record<string, string>> }[];
  readonly objects: readonly ObjectSpec[];
  readonly change: {
    readonly volumes: readonly { readonly name: string; readonly writes: readonly Write[] }[];
    readonly images: readonly ImageSpec[];
    readonly deletedObjects: readonly { readonly container: string; readonly name: string }[];
    readonly objects: readonly ObjectSpec[];
  };
}

export function readTenantSpec(): TenantSpec {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../lab/tenants/storage/tenant.json"), "utf8")) as TenantSpec;
}

/** The bytes of a content list; `owner` names parts that have no label of their own. */
export function contentOf(parts: readonly Part[], owner: string): Buffer {
  return Buffer.concat(parts.map((part, index) => bytesOf(part, `${owner}/${index}`)));
}

function bytesOf(part: Part, ownLabel: string): Buffer {
  if ("base64" in part) return Buffer.from(part.base64, "base64");
  const label = part.label ?? ownLabel;
  switch (part.kind) {
    case "random":
      return createHash("shake128", { outputLength: part.bytes }).update(label).digest();
    case "zero":
      return Buffer.alloc(part.bytes);
    case "text":
      return Buffer.alloc(part.bytes, `${label}: the quick brown fox jumps over the lazy dog\n`);
  }
}

/** The writes of a volume of `sizeBytes` as absolute offsets and bytes. */
export function writesOf(writes: readonly Write[], owner: string, sizeBytes: number): { offset: number; bytes: Buffer }[] {
  return writes.map(({ offset, content }) => {
    const at = offset < 0 ? sizeBytes + offset : offset;
    return { offset: at, bytes: contentOf(content, `${owner}/${at}`) };
  });
}

/** One spec per object of a series. */
export function expandSeries(spec: ObjectSpec): ObjectSpec[] {
  return Array.from({ length: spec.series ?? 1 }, (_, n) => ({
    ...spec,
    name: spec.name.replace("{n}", String(n).padStart(4, "0")),
  }));
}

/** An image file of the format; qcow2 is a version 3 header, a cluster of zeros, and the disk's bytes. */
export function imageFile(spec: ImageSpec): Buffer {
  const disk = contentOf(spec.content, spec.name);
  if (spec.diskFormat !== "qcow2") return disk;
  const header = Buffer.alloc(65_536);
  header.write("QFI\xfb", 0, "latin1");
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(16, 20); // cluster bits
  header.writeBigUInt64BE(BigInt(disk.length), 24);
  header.writeUInt32BE(4, 96); // refcount order
  header.writeUInt32BE(104, 100); // header length
  return Buffer.concat([header, disk]);
}

/**
 * Generated disk images: everything follows from (profile, seed, size), and the SHA-256 says whether two machines had the same bytes.
 *
 * Extents are 4 KiB aligned, not 64 KiB: a real file system does not know our block size. A repeated extent copies earlier bytes of the
 * same image. An image is written once and kept beside its hash.
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { fillCompressible, fillRandom, fillText } from "./content.ts";
import { Xoshiro } from "./xoshiro.ts";

const PAGE_BYTES = 4_096;
const EXTENT_MEDIAN_BYTES = 96 * 1024;
const EXTENT_SIGMA = 1.4;
const EXTENT_BYTES_MAX = 64 << 20;
const PIECE_BYTES = 1 << 20;

/** Share of the bytes; the rest is compressible. */
export const PROFILES = {
  "vm-base": { zero: 0.35, repeated: 0.05, random: 0.12, text: 0.06 },
  "vm-db": { zero: 0.15, repeated: 0.02, random: 0.2, text: 0.03 },
  "vm-media": { zero: 0.1, repeated: 0, random: 0.85, text: 0 },
  "brief-40": { zero: 0.3, repeated: 0.28, random: 0, text: 0 },
} as const;

export interface GeneratedImage {
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface ImageOptions {
  readonly file: string;
  readonly profile: keyof typeof PROFILES;
  readonly seed: string;
  readonly sizeBytes: number;
}

/** Generates the image, or finds it generated. `sizeBytes` is a multiple of 4 KiB. */
export function generateImage(options: ImageOptions): GeneratedImage {
  const { file, sizeBytes } = options;
  const known = knownImage(file, sizeBytes);
  if (known !== undefined) return known;
  const label = `${options.profile}/${options.seed}/${sizeBytes}`;
  const random = new Xoshiro(label);
  const shares = PROFILES[options.profile];
  const next = `${file}.new`;
  const fd = openSync(next, "w+");
  try {
    for (let at = 0; at < sizeBytes; ) {
      const length = Math.min(extentBytes(random), sizeBytes - at);
      let draw = random.fraction();
      const is = (share: number) => {
        draw -= share;
        return draw < 0;
      };
      if (is(shares.zero)) writeAll(fd, Buffer.alloc(length), at);
      else if (is(shares.repeated) && at > 0) copyEarlier(fd, random, at, length);
      else if (is(shares.random))
        writeAll(
          fd,
          filled(length, (out) => fillRandom(out, random)),
          at,
        );
      else if (is(shares.text))
        writeAll(
          fd,
          filled(length, (out) => fillText(out, random, label)),
          at,
        );
      else
        writeAll(
          fd,
          filled(length, (out) => fillCompressible(out, random)),
          at,
        );
      at += length;
    }
  } finally {
    closeSync(fd);
  }
  return keepImage(next, file, sizeBytes);
}

/** SHA-256 of a whole file. */
export function sha256OfFile(file: string): string {
  const fd = openSync(file, "r");
  try {
    const hash = createHash("sha256");
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) hash.update(piece.subarray(0, read));
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

/** The image that was made before, if it has this size. */
export function knownImage(file: string, sizeBytes: number): GeneratedImage | undefined {
  if (!existsSync(file) || !existsSync(`${file}.sha256`)) return undefined;
  const fd = openSync(file, "r");
  const found = fstatSync(fd).size;
  closeSync(fd);
  return found === sizeBytes ? { file, sizeBytes, sha256: readFileSync(`${file}.sha256`, "utf8").trim() } : undefined;
}

/** Puts a finished image in place, with its hash beside it. */
export function keepImage(next: string, file: string, sizeBytes: number): GeneratedImage {
  const sha256 = sha256OfFile(next);
  renameSync(next, file);
  writeFileSync(`${file}.sha256`, `${sha256}\n`);
  return { file, sizeBytes, sha256 };
}

function extentBytes(random: Xoshiro): number {
  const bytes = EXTENT_MEDIAN_BYTES * Math.exp(EXTENT_SIGMA * random.normal());
  return Math.min(EXTENT_BYTES_MAX, Math.max(1, Math.round(bytes / PAGE_BYTES)) * PAGE_BYTES);
}

export function filled(length: number, fill: (out: Buffer) => void): Buffer {
  const out = Buffer.allocUnsafe(length);
  fill(out);
  return out;
}

function copyEarlier(fd: number, random: Xoshiro, at: number, length: number): void {
  const from = random.below(at / PAGE_BYTES) * PAGE_BYTES;
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let done = 0; done < length; ) {
    // The copy may run into what it has just written; every read ends where the file does.
    const read = readSync(fd, piece, 0, Math.min(piece.length, length - done, at + done - from - done), from + done);
    writeAll(fd, piece.subarray(0, read), at + done);
    done += read;
  }
}

export function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/**
 * The sealed body of a block or record, as bytes; FORMAT.md, B3. What is inside, and whether it is authentic, is
 * the affair of who holds the key: this file only lays out the fields and refuses what cannot be a sealed body.
 *
 * All 40 bytes of the header are associated data of the seal, so none can be changed and still open.
 */

import { BLOCK_BYTES_MAX } from "@permafrost/model";
import { CodedError } from "@permafrost/std";

export const SEALED_HEADER_BYTES = 40;
export const SEALED_TAG_BYTES = 16;
const VERSION = 1;
const SALT_BYTES = 24;

export type Codec = "raw" | "zstd";
const CODECS: readonly Codec[] = ["raw", "zstd"];

export interface SealedHeader {
  readonly codec: Codec;
  readonly keyEpoch: number;
  /** At most BLOCK_BYTES_MAX. */
  readonly plaintextBytes: number;
  /** 24 bytes. */
  readonly salt: Uint8Array;
  /** From 0; a safe integer. */
  readonly counter: number;
}

export interface SealedParts {
  readonly header: SealedHeader;
  /** The 40 bytes of the header as stored. */
  readonly headerBytes: Uint8Array;
  /** Ciphertext and tag. */
  readonly sealed: Uint8Array;
}

/** Bytes of the body whose (perhaps compressed) content has `contentBytes`. */
export function sealedBodyBytes(contentBytes: number): number {
  return SEALED_HEADER_BYTES + contentBytes + SEALED_TAG_BYTES;
}

/** Writes the header into the first 40 bytes of `body`. RangeError for a field out of its range. */
export function writeSealedHeader(body: Buffer, header: SealedHeader): void {
  if (header.salt.length !== SALT_BYTES) throw new RangeError(`a writer's salt has ${SALT_BYTES} bytes`);
  if (!isPlaintextLength(header.plaintextBytes)) throw new RangeError(`no block has ${header.plaintextBytes} bytes`);
  body[0] = VERSION;
  body[1] = CODECS.indexOf(header.codec);
  body.writeUInt16LE(header.keyEpoch, 2);
  body.writeUInt32LE(header.plaintextBytes, 4);
  body.set(header.salt, 8);
  body.writeUInt32LE(header.counter >>> 0, 32);
  body.writeUInt32LE(Math.floor(header.counter / 2 ** 32), 36);
}

/** Takes a body apart without copying. FORMAT_UNKNOWN for another version; SEAL_BROKEN for fields that no writer writes. */
export function readSealedBody(bytes: Uint8Array): SealedParts {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (body.length < SEALED_HEADER_BYTES + SEALED_TAG_BYTES) throw broken(`it has only ${body.length} bytes`);
  const version = body[0] as number;
  if (version !== VERSION) {
    throw new CodedError("FORMAT_UNKNOWN", `sealed body version ${version} is not known here`, {
      facts: { version, known: VERSION },
      hint: "Run a release that knows this version.",
    });
  }
  const codec = CODECS[body[1] as number];
  if (codec === undefined) throw broken(`codec ${body[1]} is not known`);
  const keyEpoch = body.readUInt16LE(2);
  if (keyEpoch !== 0) throw broken(`key epoch ${keyEpoch} is not known`);
  const plaintextBytes = body.readUInt32LE(4);
  if (!isPlaintextLength(plaintextBytes)) throw broken(`a plaintext of ${plaintextBytes} bytes is too long`);
  const counter = body.readUInt32LE(32) + body.readUInt32LE(36) * 2 ** 32;
  if (!Number.isSafeInteger(counter)) throw broken("its counter is out of range");
  return {
    header: { codec, keyEpoch, plaintextBytes, salt: body.subarray(8, 32), counter },
    headerBytes: body.subarray(0, SEALED_HEADER_BYTES),
    sealed: body.subarray(SEALED_HEADER_BYTES),
  };
}

function isPlaintextLength(length: number): boolean {
  return Number.isInteger(length) && length >= 0 && length <= BLOCK_BYTES_MAX;
}

function broken(reason: string): CodedError {
  return new CodedError("SEAL_BROKEN", `this is not a sealed body: ${reason}`, { facts: { reason }, retry: "elsewhere" });
}

/**
 * Plaintext to sealed body and back, for one open repository; FORMAT.md, B2 and B3.
 *
 * What goes in comes out, or an error: a body opens only under the repository, the block id (or record key and version)
 * it was sealed for, and a block's id is recomputed from what came out. One writer salt per instance.
 */

import type { SealedBlock } from "@permafrost/blocks";
import {
  type BlockKind,
  blake3,
  blockIdFunction,
  compress,
  decompress,
  type IdFunction,
  type IdHash,
  type RepositoryKeys,
  WriterKey,
  WriterKeyring,
} from "@permafrost/crypto";
import { readSealedBody, SEALED_HEADER_BYTES, sealedBodyBytes, writeSealedHeader } from "@permafrost/format";
import { BLOCK_ID_BYTES, type BlockId, MESSAGE_BYTES, type RepositoryId } from "@permafrost/model";
import { CodedError, equalBytes, fromHex, type Random, toHex } from "@permafrost/std";

const REPOSITORY_ID_BYTES = 16;

export class Sealing {
  readonly #id: IdFunction;
  readonly #repositoryId: Uint8Array;
  readonly #blockWriter: WriterKey;
  readonly #blockReaders: WriterKeyring;
  readonly #recordWriter: WriterKey;
  readonly #recordReaders: WriterKeyring;
  readonly #bodies = slabAllocator();
  /** Reused for every block: header ‖ repository id ‖ block id. */
  readonly #blockAssociated = Buffer.alloc(SEALED_HEADER_BYTES + REPOSITORY_ID_BYTES + BLOCK_ID_BYTES);

  constructor(repositoryId: RepositoryId, keys: RepositoryKeys, hash: IdHash, random: Random) {
    this.#repositoryId = fromHex(repositoryId);
    this.#blockAssociated.set(this.#repositoryId, SEALED_HEADER_BYTES);
    this.#id = blockIdFunction(hash, keys.id);
    this.#blockWriter = new WriterKey(keys.data, random);
    this.#blockReaders = new WriterKeyring(keys.data);
    this.#recordWriter = new WriterKey(keys.record, random);
    this.#recordReaders = new WriterKeyring(keys.record);
  }

  id(kind: BlockKind, plaintext: Uint8Array): BlockId {
    return this.#id(kind, plaintext);
  }

  /** Compresses (when it pays), encrypts, and digests what is to be sent. `id` must be the id of `plaintext`. */
  sealBlock(id: BlockId, plaintext: Uint8Array): SealedBlock {
    const body = seal(this.#blockWriter, plaintext, (header) => this.#associatedWithBlock(header, id), this.#bodies);
    return { id, body, digest: blake3(body) };
  }

  /** The plaintext of a block. SEAL_BROKEN if the body is not authentic, ID_MISMATCH if it is another block's. */
  openBlock(kind: BlockKind, id: BlockId, body: Uint8Array): Uint8Array {
    const plaintext = open(this.#blockReaders, body, (header) => this.#associatedWithBlock(header, id));
    if (equalBytes(this.#id(kind, plaintext), id)) return plaintext;
    throw new CodedError("ID_MISMATCH", "an authentic block does not have its id", { facts: { id: toHex(id), kind } });
  }

  sealRecord(key: string, version: bigint, value: Uint8Array): Uint8Array {
    return seal(this.#recordWriter, value, (header) => this.#associatedWithRecord(header, key, version), Buffer.allocUnsafeSlow);
  }

  /** The value of a record; SEAL_BROKEN if it is not what was put under this key and version. */
  openRecord(key: string, version: bigint, body: Uint8Array): Uint8Array {
    return open(this.#recordReaders, body, (header) => this.#associatedWithRecord(header, key, version));
  }

  #associatedWithBlock(header: Uint8Array, id: BlockId): Uint8Array {
    this.#blockAssociated.set(header, 0);
    this.#blockAssociated.set(id, SEALED_HEADER_BYTES + REPOSITORY_ID_BYTES);
    return this.#blockAssociated;
  }

  #associatedWithRecord(header: Uint8Array, key: string, version: bigint): Uint8Array {
    const versionBytes = Buffer.alloc(8);
    versionBytes.writeBigUInt64LE(version);
    return Buffer.concat([header, this.#repositoryId, versionBytes, Buffer.from(key, "utf8")]);
  }
}

/** Bodies that are sent together lie together: one allocation per message, and so much less for the garbage collector. */
function slabAllocator(): (bytes: number) => Buffer {
  let slab = Buffer.alloc(0);
  let used = 0;
  return (bytes) => {
    if (bytes > MESSAGE_BYTES / 4) return Buffer.allocUnsafeSlow(bytes);
    if (used + bytes > slab.length) {
      slab = Buffer.allocUnsafeSlow(MESSAGE_BYTES);
      used = 0;
    }
    used += bytes;
    return slab.subarray(used - bytes, used);
  };
}

type Associate = (header: Uint8Array) => Uint8Array;

function seal(writer: WriterKey, plaintext: Uint8Array, associate: Associate, allocate: (bytes: number) => Buffer): Buffer {
  const frame = compress(plaintext);
  const content = frame ?? plaintext;
  const body = allocate(sealedBodyBytes(content.length));
  const counter = writer.next();
  writeSealedHeader(body, {
    codec: frame ? "zstd" : "raw",
    keyEpoch: 0,
    plaintextBytes: plaintext.length,
    salt: writer.salt,
    counter,
  });
  writer.encryptInto(body, SEALED_HEADER_BYTES, counter, content, associate(body.subarray(0, SEALED_HEADER_BYTES)));
  return body;
}

function open(readers: WriterKeyring, body: Uint8Array, associate: Associate): Uint8Array {
  const { header, headerBytes, sealed } = readSealedBody(body);
  const content = readers.decrypt(header.salt, header.counter, sealed, associate(headerBytes));
  if (header.codec === "zstd") return decompress(content, header.plaintextBytes);
  if (content.length === header.plaintextBytes) return content;
  throw new CodedError("SEAL_BROKEN", "the body does not have the length it was sealed with", {
    facts: { length: header.plaintextBytes, found: content.length },
  });
}

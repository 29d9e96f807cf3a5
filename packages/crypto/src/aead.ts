/**
 * AES-256-GCM as FORMAT.md, B3 uses it: a key per writer, the writer's counter as the nonce.
 *
 * A (key, nonce) pair must never repeat; `WriterKey` is the only way to encrypt and hands out each counter once.
 * Decryption gives the plaintext or SEAL_BROKEN, never a part of it.
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import { assert, CodedError, type Random } from "@permafrost/std";
import { deriveSealingKey, WRITER_SALT_BYTES } from "./key-hierarchy.ts";

export const SEAL_TAG_BYTES = 16;
const NONCE_BYTES = 12;

/** The sealing key of one writer: a salt drawn once and a counter that only grows. Never serialised, never copied. */
export class WriterKey {
  /** 24 bytes, stored with every body. */
  readonly salt: Uint8Array;
  readonly #key: Uint8Array;
  #counter = 0;

  /** `root` is the repository's `data` or `record` subkey. */
  constructor(root: Uint8Array, random: Random) {
    this.salt = random.bytes(WRITER_SALT_BYTES);
    assert(this.salt.length === WRITER_SALT_BYTES, "the randomness came short");
    this.#key = deriveSealingKey(root, this.salt);
  }

  /** The counter of the next body; used once. */
  next(): number {
    assert(this.#counter < Number.MAX_SAFE_INTEGER, "a writer has used up its counter");
    return this.#counter++;
  }

  /**
   * Encrypts `plaintext` and writes ciphertext and tag into `target` at `at` (room: plaintext length + 16).
   * `counter` must come from `next()` and be used for this call alone; `associated` is authenticated with it.
   */
  encryptInto(target: Uint8Array, at: number, counter: number, plaintext: Uint8Array, associated: Uint8Array): void {
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonceOf(counter), { authTagLength: SEAL_TAG_BYTES });
    cipher.setAAD(associated);
    const ciphertext = cipher.update(plaintext);
    target.set(ciphertext, at);
    const rest = cipher.final();
    assert(ciphertext.length === plaintext.length && rest.length === 0, "the cipher changed the length");
    target.set(cipher.getAuthTag(), at + ciphertext.length);
  }
}

/** The sealing keys of many writers, by salt; the last ones used are kept. */
export class WriterKeyring {
  readonly #root: Uint8Array;
  readonly #keys = new Map<string, Uint8Array>();
  readonly #keysMax: number;

  constructor(root: Uint8Array, keysMax = 1024) {
    this.#root = root;
    this.#keysMax = keysMax;
  }

  /** Decrypts ciphertext ‖ tag; SEAL_BROKEN if any bit of it, of the associated data, the salt or the counter differs. */
  decrypt(salt: Uint8Array, counter: number, sealed: Uint8Array, associated: Uint8Array): Uint8Array {
    const end = sealed.length - SEAL_TAG_BYTES;
    if (end < 0) throw broken();
    const decipher = createDecipheriv("aes-256-gcm", this.#key(salt), nonceOf(counter), { authTagLength: SEAL_TAG_BYTES });
    decipher.setAAD(associated);
    decipher.setAuthTag(sealed.subarray(end));
    const plaintext = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch (cause) {
      throw broken(cause);
    }
    return plaintext;
  }

  #key(salt: Uint8Array): Uint8Array {
    const name = Buffer.from(salt.buffer, salt.byteOffset, salt.byteLength).toString("latin1");
    const known = this.#keys.get(name);
    if (known) return known;
    const key = deriveSealingKey(this.#root, salt);
    if (this.#keys.size >= this.#keysMax) {
      for (const oldest of this.#keys.keys()) {
        this.#keys.delete(oldest);
        break;
      }
    }
    this.#keys.set(name, key);
    return key;
  }
}

function nonceOf(counter: number): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64LE(BigInt(counter), 4);
  return nonce;
}

function broken(cause?: unknown): CodedError {
  return new CodedError("SEAL_BROKEN", "the body is not what was sealed here", {
    hint: "Another replica may be intact; a check of the repository shows what is affected.",
    retry: "elsewhere",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * From the repository key to the keys that do the work; FORMAT.md, B1 and B3.
 *
 * Every key has one purpose, named in the `info` of its HKDF, and is bound to its repository by the salt: the same
 * repository key under another repository id gives other keys. A sealing key is bound to one writer by that writer's salt.
 */

import { hkdfSync } from "node:crypto";
import { fromHex } from "@permafrost/std";

export const KEY_BYTES = 32;
/** Random bytes that a writer draws once; see `deriveSealingKey`. */
export const WRITER_SALT_BYTES = 24;

export interface RepositoryKeys {
  /** Keys block ids. */
  readonly id: Uint8Array;
  /** Root of the sealing keys of blocks. */
  readonly data: Uint8Array;
  /** Root of the sealing keys of records. */
  readonly record: Uint8Array;
  /** Keys the content-defined cutter. */
  readonly cut: Uint8Array;
  /** Keys the authentication code of the repository's header. */
  readonly header: Uint8Array;
}

/** The subkeys of a repository, 32 bytes each. `repositoryId` is 32 hex digits. */
export function deriveRepositoryKeys(repositoryKey: Uint8Array, repositoryId: string): RepositoryKeys {
  const salt = fromHex(repositoryId);
  const subkey = (purpose: string) => hkdf(repositoryKey, salt, `permafrost/v1/${purpose}`);
  return { id: subkey("id"), data: subkey("data"), record: subkey("record"), cut: subkey("cut"), header: subkey("header") };
}

/** The AES key of one writer: `root` is `data` or `record`, `writerSalt` what the writer drew. */
export function deriveSealingKey(root: Uint8Array, writerSalt: Uint8Array): Uint8Array {
  return hkdf(root, writerSalt, "permafrost/v1/seal");
}

/** HKDF-SHA-256 with 32 bytes of output. */
export function hkdf(key: Uint8Array, salt: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, info, KEY_BYTES));
}

/**
 * Key slots: the repository key wrapped under a secret, so that any one of several secrets opens the repository
 * and changing a passphrase moves no data. FORMAT.md, B1.
 *
 * A slot is JSON-safe and stored in the clear. AES-256-GCM binds it to its repository, its kind and its parameters:
 * a slot moved to another repository, or with weaker parameters written in, does not open. The costs a stored slot
 * may ask of scrypt are bounded before they are paid.
 */

import { createCipheriv, createDecipheriv, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { CodedError, canonicalJson, concatBytes, fromHex, type Random, toHex, utf8 } from "@permafrost/std";
import { hkdf, KEY_BYTES } from "./key-hierarchy.ts";
import { parseRecoveryKey } from "./recovery-key.ts";
import { keyFileContent, type Secret } from "./secret.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SALT_BYTES = 32;
const SCRYPT_N = 2 ** 15;
const SCRYPT_R = 8;
const SCRYPT_P = 1;
/** 128 N r bytes; a stored slot may not ask for more. */
const SCRYPT_MEMORY_BYTES_MAX = 256 * 1024 * 1024;
const SCRYPT_P_MAX = 16;

const scryptAsync = promisify<string, Uint8Array, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

export type SlotDerivation =
  | { readonly kdf: "scrypt"; readonly salt: string; readonly N: number; readonly r: number; readonly p: number }
  | { readonly kdf: "hkdf-sha-256"; readonly salt: string };

export interface KeySlot {
  readonly kind: Secret["kind"];
  /** How the wrapping key comes from the secret; salts in hex. */
  readonly derivation: SlotDerivation;
  /** Hex, 12 bytes. */
  readonly nonce: string;
  /** Hex: the encrypted repository key and its tag, 48 bytes. */
  readonly wrapped: string;
}

/** Wraps the repository key under `secret`. KEY_FILE_SHORT and RECOVERY_KEY_MALFORMED as the secret deserves. */
export async function wrapRepositoryKey(
  repositoryKey: Uint8Array,
  repositoryId: string,
  secret: Secret,
  random: Random,
): Promise<KeySlot> {
  const salt = toHex(random.bytes(SALT_BYTES));
  const derivation: SlotDerivation =
    secret.kind === "passphrase" ? { kdf: "scrypt", salt, N: SCRYPT_N, r: SCRYPT_R, p: SCRYPT_P } : { kdf: "hkdf-sha-256", salt };
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", await wrappingKey(secret, derivation), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(repositoryId, secret.kind, derivation));
  const wrapped = concatBytes([cipher.update(repositoryKey), cipher.final(), cipher.getAuthTag()]);
  return { kind: secret.kind, derivation, nonce: toHex(nonce), wrapped: toHex(wrapped) };
}

/**
 * The repository key from whichever slot `secret` opens; WRONG_KEY if none does. A slot that cannot be used
 * (such as one that asks scrypt for more than this reader allows) counts as not opening.
 */
export async function unwrapRepositoryKey(slots: readonly KeySlot[], repositoryId: string, secret: Secret): Promise<Uint8Array> {
  for (const slot of slots) {
    if (slot.kind !== secret.kind || !isAffordable(slot.derivation)) continue;
    const wrapped = fromHex(slot.wrapped);
    if (wrapped.length !== KEY_BYTES + TAG_BYTES) continue;
    const key = await wrappingKey(secret, slot.derivation);
    const decipher = createDecipheriv("aes-256-gcm", key, fromHex(slot.nonce), { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(repositoryId, slot.kind, slot.derivation));
    decipher.setAuthTag(wrapped.subarray(KEY_BYTES));
    const repositoryKey = decipher.update(wrapped.subarray(0, KEY_BYTES));
    try {
      decipher.final();
      return repositoryKey;
    } catch {
      // The tag is wrong: another slot of this kind may be the one.
    }
  }
  throw new CodedError("WRONG_KEY", `this ${SECRET_NAMES[secret.kind]} does not open the repository`, {
    facts: { repositoryId, kind: secret.kind, slots: slots.filter((slot) => slot.kind === secret.kind).length },
    hint: "Give the passphrase or key file the repository was made with, or its recovery key.",
  });
}

const SECRET_NAMES = { passphrase: "passphrase", key: "key file", recovery: "recovery key" } as const;

async function wrappingKey(secret: Secret, derivation: SlotDerivation): Promise<Uint8Array> {
  const salt = fromHex(derivation.salt);
  if (derivation.kdf === "scrypt") {
    const { N, r, p } = derivation;
    // One scrypt call takes 128 N r bytes and a little for p; OpenSSL refuses above maxmem.
    return scryptAsync(secret.value.normalize("NFC"), salt, KEY_BYTES, { N, r, p, maxmem: 2 * SCRYPT_MEMORY_BYTES_MAX });
  }
  const material = secret.kind === "recovery" ? parseRecoveryKey(secret.value) : keyFileContent(secret);
  return hkdf(material, salt, `permafrost/v1/slot/${secret.kind}`);
}

/** A power of two for N, and no more memory or passes than this reader is ready to pay. */
function isAffordable(derivation: SlotDerivation): boolean {
  if (derivation.kdf !== "scrypt") return true;
  const { N, r, p } = derivation;
  const whole = [N, r, p].every((value) => Number.isSafeInteger(value) && value >= 1);
  return whole && N > 1 && Number.isInteger(Math.log2(N)) && 128 * N * r <= SCRYPT_MEMORY_BYTES_MAX && p <= SCRYPT_P_MAX;
}

function associatedData(repositoryId: string, kind: Secret["kind"], derivation: SlotDerivation): Uint8Array {
  return utf8(canonicalJson(["permafrost/v1/slot", repositoryId, kind, derivation]));
}

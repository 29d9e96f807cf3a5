/**
 * The record `repository/header`: what one must know of a repository before one has its key; FORMAT.md, B1.
 *
 * Stored in the clear as canonical JSON. Who holds the key can tell a forged header by `mac` (over all members but
 * `mac` and `slots`; each slot is sealed by itself). Reading checks form only.
 */

import type { IdHash, KeySlot, SlotDerivation } from "@permafrost/crypto";
import type { RepositoryId } from "@permafrost/model";
import { CodedError, canonicalJson, fromUtf8, utf8 } from "@permafrost/std";

export const REPOSITORY_HEADER_KEY = "repository/header";
export const REPOSITORY_FORMAT = 1;

export interface RepositoryHeader {
  readonly format: 1;
  readonly repositoryId: RepositoryId;
  /** Chosen by people: 1 to 255 characters. */
  readonly name: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly hash: IdHash;
  /** At least one, at most 16. */
  readonly slots: readonly KeySlot[];
  /** Hex, 32 bytes. */
  readonly mac: string;
}

const NAME_CHARACTERS_MAX = 255;
const SLOTS_MAX = 16;
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const KINDS: readonly string[] = ["passphrase", "key", "recovery"];

/** The bytes that `mac` authenticates. */
export function repositoryHeaderAuthenticated(header: Omit<RepositoryHeader, "slots" | "mac">): Uint8Array {
  const { format, repositoryId, name, createdAt, hash } = header;
  return utf8(canonicalJson({ createdAt, format, hash, name, repositoryId }));
}

export function encodeRepositoryHeader(header: RepositoryHeader): Uint8Array {
  const bytes = utf8(canonicalJson(header));
  decodeRepositoryHeader(bytes); // what we write, we can read
  return bytes;
}

/** Throws FORMAT_UNKNOWN for another format, HEADER_BROKEN for what is not a header. */
export function decodeRepositoryHeader(bytes: Uint8Array): RepositoryHeader {
  let json: unknown;
  try {
    json = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    throw broken("it is not JSON", cause);
  }
  if (!isObject(json)) throw broken("it is not an object");
  if (json.format !== REPOSITORY_FORMAT) {
    throw new CodedError("FORMAT_UNKNOWN", `repository format ${String(json.format)} is not known here`, {
      facts: { format: String(json.format), known: REPOSITORY_FORMAT },
      hint: "Run a release that knows this format.",
    });
  }
  const { repositoryId, name, createdAt, hash, slots, mac } = json;
  if (!isHex(repositoryId, 16)) throw broken("its repository id is not 32 hex digits");
  if (typeof name !== "string" || name.length < 1 || name.length > NAME_CHARACTERS_MAX) throw broken("it has no name");
  if (typeof createdAt !== "string" || !ISO_TIME.test(createdAt)) throw broken("its creation time is none");
  if (hash !== "blake3" && hash !== "hmac-sha256") throw broken("its hash is not known");
  if (!isHex(mac, 32)) throw broken("its mac is not 64 hex digits");
  if (!Array.isArray(slots) || slots.length < 1 || slots.length > SLOTS_MAX)
    throw broken(`it does not have 1 to ${SLOTS_MAX} slots`);
  return { format: REPOSITORY_FORMAT, repositoryId, name, createdAt, hash, slots: slots.map(readSlot), mac };
}

function readSlot(json: unknown): KeySlot {
  if (!isObject(json) || !KINDS.includes(String(json.kind))) throw broken("a slot has no known kind");
  if (!isHex(json.nonce, 12) || !isHex(json.wrapped, 48)) throw broken("a slot has no wrapped key");
  const kind = json.kind as KeySlot["kind"];
  return { kind, derivation: readDerivation(json.derivation, kind), nonce: json.nonce, wrapped: json.wrapped };
}

function readDerivation(json: unknown, kind: KeySlot["kind"]): SlotDerivation {
  if (!isObject(json) || !isHex(json.salt, 32)) throw broken("a slot has no salt");
  const { kdf, salt, N, r, p } = json;
  if (kdf === "hkdf-sha-256" && kind !== "passphrase") return { kdf, salt };
  if (kdf !== "scrypt" || kind !== "passphrase") throw broken("a slot's key derivation does not fit its kind");
  if (!isCount(N) || !isCount(r) || !isCount(p)) throw broken("a slot's scrypt parameters are not counts");
  return { kdf, salt, N, r, p };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isHex(value: unknown, bytes: number): value is string {
  return typeof value === "string" && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function broken(reason: string, cause?: unknown): CodedError {
  return new CodedError("HEADER_BROKEN", `the repository's header is broken: ${reason}`, {
    facts: { reason },
    hint: "Another storage node may hold an intact copy.",
    retry: "elsewhere",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The recovery key: 32 random bytes that a person can write down and type again.
 *
 * Text form: Crockford's base 32 of the key and the first 3 bytes of BLAKE3(`permafrost/v1/recovery` ‖ key), as 14
 * groups of 4. Reading forgives case, spaces, missing or other dashes, and O for 0, I and L for 1. A typing error is
 * caught by the checksum except once in 16 million.
 */

import { CodedError, concatBytes, equalBytes, utf8 } from "@permafrost/std";
import { blake3 } from "./blake3.ts";
import { KEY_BYTES } from "./key-hierarchy.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHECK_BYTES = 3;
const TEXT_CHARACTERS = 56;
const GROUP_CHARACTERS = 4;

/** The text form of a 32-byte recovery key: 14 groups of 4 characters joined by dashes. */
export function formatRecoveryKey(key: Uint8Array): string {
  if (key.length !== KEY_BYTES) throw new RangeError(`a recovery key has ${KEY_BYTES} bytes, not ${key.length}`);
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of concatBytes([key, checksum(key)])) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31];
      if (text.replaceAll("-", "").length % GROUP_CHARACTERS === 0) text += "-";
    }
    held &= (1 << bits) - 1;
  }
  return text.slice(0, -1);
}

/** The 32 bytes of a recovery key's text; RECOVERY_KEY_MALFORMED if a character or the checksum is wrong. */
export function parseRecoveryKey(text: string): Uint8Array {
  const characters = text
    .toUpperCase()
    .replaceAll(/[\s_\u2010-\u2015-]/g, "")
    .replaceAll("O", "0")
    .replaceAll(/[IL]/g, "1");
  if (characters.length !== TEXT_CHARACTERS) {
    throw malformed(`it has ${characters.length} characters instead of ${TEXT_CHARACTERS}`);
  }
  const bytes = new Uint8Array(KEY_BYTES + CHECK_BYTES);
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const [index, character] of [...characters].entries()) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) throw malformed(`character ${index + 1} is none of a recovery key`);
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  const key = bytes.slice(0, KEY_BYTES);
  if (!equalBytes(bytes.subarray(KEY_BYTES), checksum(key))) throw malformed("its checksum is wrong");
  return key;
}

function checksum(key: Uint8Array): Uint8Array {
  return blake3(concatBytes([utf8("permafrost/v1/recovery"), key])).subarray(0, CHECK_BYTES);
}

function malformed(reason: string): CodedError {
  return new CodedError("RECOVERY_KEY_MALFORMED", `this is not a recovery key: ${reason}`, {
    facts: { reason },
    hint: "Type the 14 groups of 4 characters again as they were shown when the repository was made.",
  });
}

/**
 * What a person or a keyring holds to open a repository: a passphrase, a key file or the recovery key.
 * A secret is never part of an error, a log line or a message on the bus.
 */

import { CodedError } from "@permafrost/std";

export const KEY_FILE_BYTES_MIN = 32;

export interface Secret {
  readonly kind: "passphrase" | "key" | "recovery";
  /** The passphrase; the content of the key file in base64; the text of the recovery key. */
  readonly value: string;
}

/** A secret from the content of a key file; KEY_FILE_SHORT below 32 bytes. */
export function secretFromKeyFile(content: Uint8Array): Secret {
  checkKeyFileBytes(content.length);
  return { kind: "key", value: Buffer.from(content).toString("base64") };
}

/** The content of the key file that `secret` carries; KEY_FILE_SHORT below 32 bytes. */
export function keyFileContent(secret: Secret): Uint8Array {
  const content = Buffer.from(secret.value, "base64");
  checkKeyFileBytes(content.length);
  return content;
}

function checkKeyFileBytes(sizeBytes: number): void {
  if (sizeBytes >= KEY_FILE_BYTES_MIN) return;
  throw new CodedError("KEY_FILE_SHORT", `a key file has at least ${KEY_FILE_BYTES_MIN} bytes, not ${sizeBytes}`, {
    facts: { sizeBytes },
    hint: "Make one with `head -c 32 /dev/urandom > permafrost.key`.",
  });
}

/**
 * The secret of a repository: a passphrase from a file or the terminal, or a key file. Never from an argument or a
 * variable's value, where other users and logs would see it.
 */

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { CodedError } from "@permafrost/std";
import type { Secret } from "./api.ts";
import type { CliContext } from "./context.ts";
import { usageError } from "./failure.ts";
import { interrupted } from "./interrupts.ts";
import { unreadable } from "./settings.ts";

export interface SecretFlags {
  readonly passphraseFile?: string;
  readonly keyFile?: string;
  readonly recoveryKeyFile?: string;
}

/** A key file holds at least this much, so that a mistaken empty or tiny file is no key. */
const KEY_FILE_BYTES_MIN = 32;
const KEY_FILE_BYTES_MAX = 64 * 1024;

/**
 * The secret that the flags name, else PERMAFROST_PASSPHRASE_FILE, else asked on the terminal, twice when `confirm`.
 * Throws USAGE when there is no way to get one, SECRET_UNUSABLE for an empty or too small one.
 */
export async function readSecret(flags: SecretFlags, context: CliContext, confirm: boolean): Promise<Secret> {
  const named = [flags.passphraseFile, flags.keyFile, flags.recoveryKeyFile].filter((file) => file !== undefined);
  if (named.length > 1) throw usageError("Name one secret: --passphrase-file, --key-file or --recovery-key-file");
  if (flags.keyFile !== undefined)
    return { kind: { $case: "key", value: await readKeyFile(resolve(context.cwd, flags.keyFile)) } };
  if (flags.recoveryKeyFile !== undefined) {
    return { kind: { $case: "recoveryKey", value: await readLine(resolve(context.cwd, flags.recoveryKeyFile)) } };
  }
  const file = flags.passphraseFile ?? (context.env.PERMAFROST_PASSPHRASE_FILE || undefined);
  if (file !== undefined) return passphrase(await readLine(resolve(context.cwd, file)));
  if (!context.stdinIsTerminal) {
    throw usageError(
      "No passphrase",
      "Name a file with --passphrase-file or PERMAFROST_PASSPHRASE_FILE, or a key file with --key-file.",
    );
  }
  return passphrase(await ask(context, confirm));
}

async function ask(context: CliContext, confirm: boolean): Promise<string> {
  const first = await context.askSecret(confirm ? "Passphrase for the new repository" : "Passphrase of the repository");
  if (first === undefined) throw interrupted();
  if (first === "") throw new CodedError("SECRET_UNUSABLE", "The passphrase is empty");
  if (!confirm) return first;
  const second = await context.askSecret("The same passphrase again");
  if (second === undefined) throw interrupted();
  if (second !== first) throw usageError("The two passphrases differ");
  return first;
}

/** The file's text without its final newline. */
async function readLine(file: string): Promise<string> {
  const text = (await readBytes(file)).toString("utf8").replace(/\r?\n$/, "");
  if (text === "") throw new CodedError("SECRET_UNUSABLE", `${file} is empty`);
  return text;
}

async function readKeyFile(file: string): Promise<Buffer> {
  const bytes = await readBytes(file);
  if (bytes.length < KEY_FILE_BYTES_MIN || bytes.length > KEY_FILE_BYTES_MAX) {
    throw new CodedError(
      "SECRET_UNUSABLE",
      `${file} has ${bytes.length} bytes; a key file has ${KEY_FILE_BYTES_MIN} to ${KEY_FILE_BYTES_MAX}`,
      {
        hint: "Make one with `head -c 32 /dev/urandom > FILE` and keep a copy elsewhere.",
      },
    );
  }
  return bytes;
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function passphrase(value: string): Secret {
  return { kind: { $case: "passphrase", value } };
}

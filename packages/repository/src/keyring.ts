/**
 * The keyring: a directory of files that hold the secrets of repositories, for programs that run without a person.
 *
 * `<name of the repository>.json` or, for all that have none, `default.json`: `{"kind": "passphrase"|"key"|"recovery", "value": …}`.
 * A file that others than its owner may read is refused, since a secret in it is no secret.
 */

import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Secret } from "@permafrost/crypto";
import { CodedError, canonicalJson, randomId } from "@permafrost/std";

const DEFAULT_FILE = "default.json";
const FILE_BYTES_MAX = 1024 * 1024;

/** The secret for a repository; KEY_NOT_IN_KEYRING, KEYRING_EXPOSED or KEYRING_BROKEN. */
export async function loadSecret(directory: string, repository: { readonly name: string }): Promise<Secret> {
  const names = [fileName(repository.name), DEFAULT_FILE];
  for (const name of names) {
    const secret = await readSecret(join(directory, name));
    if (secret) return secret;
  }
  throw new CodedError("KEY_NOT_IN_KEYRING", `the keyring has no key of repository ${repository.name}`, {
    facts: { repository: repository.name, directory },
    hint: `Add it with \`permafrost repository unlock\`, or write ${join(directory, fileName(repository.name))} with mode 0600.`,
  });
}

/** Writes the secret of the repository called `repositoryName`, or of all others when that is undefined; mode 0600. */
export async function saveSecret(directory: string, repositoryName: string | undefined, secret: Secret): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, repositoryName === undefined ? DEFAULT_FILE : fileName(repositoryName));
  const temporary = `${path}.${randomId()}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${canonicalJson({ kind: secret.kind, value: secret.value })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function readSecret(path: string): Promise<Secret | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) {
      throw new CodedError("KEYRING_EXPOSED", `${path} may be read by others than its owner`, {
        facts: { path, mode: (mode & 0o777).toString(8) },
        hint: `chmod 600 ${path}`,
      });
    }
    if (size > FILE_BYTES_MAX) throw broken(path);
    return parseSecret(await file.readFile("utf8"), path);
  } finally {
    await file.close();
  }
}

function parseSecret(text: string, path: string): Secret {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw broken(path); // without the cause, whose message quotes the text
  }
  if (typeof json !== "object" || json === null || !("kind" in json) || !("value" in json)) throw broken(path);
  const { kind, value } = json;
  if ((kind !== "passphrase" && kind !== "key" && kind !== "recovery") || typeof value !== "string") throw broken(path);
  return { kind, value };
}

/** One file name per repository name, whatever characters it has. */
function fileName(repositoryName: string): string {
  return `${encodeURIComponent(repositoryName).replaceAll(".", "%2E")}.json`;
}

function broken(path: string): CodedError {
  return new CodedError("KEYRING_BROKEN", `${path} is not a key of the keyring`, {
    facts: { path },
    hint: 'It must be {"kind": "passphrase", "key" or "recovery", "value": text}.',
  });
}

/**
 * Tokens in files: 32 random bytes as hex that only their owner can read.
 *
 * A token file appears complete or not at all, and of two processes that create it at once both end up with the same token.
 * The token is in no error.
 */

import { link, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { CodedError, type Random, randomId, systemRandom, toHex } from "@permafrost/std";

const TOKEN_BYTES = 32;
const TOKEN_FILE_BYTES_MAX = 4_096;

/** The token in `path`; made with mode 0600 when the file does not exist. Throws as `readTokenFile`. */
export async function ensureTokenFile(path: string, random: Random = systemRandom): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomId(random)}.new`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${toHex(random.bytes(TOKEN_BYTES))}\n`);
    await file.sync();
    await file.close();
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await file.close();
    await rm(draft, { force: true });
  }
  return await readTokenFile(path);
}

/**
 * The token in `path`, without surrounding white space.
 * Throws TOKEN_FILE_UNREADABLE, TOKEN_FILE_OPEN when others may read it, TOKEN_FILE_INVALID when it holds no token.
 */
export async function readTokenFile(path: string): Promise<string> {
  const file = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    throw new CodedError("TOKEN_FILE_UNREADABLE", `the token file ${path} cannot be read (${cause.code})`, {
      facts: { path, reason: cause.code },
      hint: "Check the path, and that this user owns the file.",
      cause,
    });
  });
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw new CodedError("TOKEN_FILE_OPEN", `others than its owner may read the token file ${path} (mode ${shown})`, {
        facts: { path, mode: shown },
        hint: `Run: chmod 600 ${path} - and make a new token if others could have read this one.`,
      });
    }
    const token = size > TOKEN_FILE_BYTES_MAX ? "" : (await file.readFile("utf8")).trim();
    if (!/^[\x21-\x7e]{16,}$/.test(token)) {
      throw new CodedError("TOKEN_FILE_INVALID", `the token file ${path} does not hold a token`, {
        facts: { path },
        hint: "It holds at least 16 printable characters on one line; make one with: openssl rand -hex 32",
      });
    }
    return token;
  } finally {
    await file.close();
  }
}

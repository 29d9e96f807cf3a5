/** Where everything is in a data directory of `up`, and the making of it: directories 0700, files 0600. */

import { chmod, mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";

export interface Layout {
  readonly root: string;
  readonly lockFile: string;
  readonly clientFile: string;
  readonly tokenFile: string;
  readonly keyringDirectory: string;
  readonly configDirectory: string;
  readonly logDirectory: string;
  readonly storageDirectory: string;
  readonly natsDirectory: string;
}

export function layoutOf(root: string): Layout {
  return {
    root,
    lockFile: join(root, "up.lock"),
    clientFile: join(root, "client.json"),
    tokenFile: join(root, "token"),
    keyringDirectory: join(root, "keyring"),
    configDirectory: join(root, "config"),
    logDirectory: join(root, "logs"),
    storageDirectory: join(root, "storage"),
    natsDirectory: join(root, "nats"),
  };
}

/** Makes what is missing. Throws DATA_DIRECTORY_UNUSABLE. */
export async function makeLayout(layout: Layout): Promise<void> {
  const directories = [
    layout.root,
    layout.keyringDirectory,
    layout.configDirectory,
    layout.logDirectory,
    layout.storageDirectory,
    layout.natsDirectory,
  ];
  for (const directory of directories) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // It may have been there with other rights: tokens and keys are below.
      await chmod(directory, 0o700);
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
      throw new CodedError("DATA_DIRECTORY_UNUSABLE", `Cannot use ${directory}: ${reason}`, {
        facts: { directory, reason },
        hint: "Name another directory with --data or PERMAFROST_DATA.",
        cause,
      });
    }
  }
}

/** Replaces a file of mode 0600 in one step: a reader sees the old text or the new one. */
export async function writePrivateFile(file: string, text: string): Promise<void> {
  const next = `${file}.new`;
  const handle = await open(next, "w", 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
}

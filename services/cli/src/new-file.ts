/** Files that a command writes beside its output. They are new: none that is there is ever written over. */

import { open, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { CodedError } from "@permafrost/std";
import { usageError } from "./failure.ts";

/** Before the work begins: USAGE when there is something at `file`, or no directory to put it in. */
export async function checkNewFile(option: string, file: string): Promise<void> {
  if (await exists(file)) throw usageError(`${option}: ${file} is there already`, "Name another file, or move that one away.");
  if (!(await exists(`${dirname(file)}/.`))) throw usageError(`${option}: there is no directory ${dirname(file)}`);
}

/** Whole and on disk, or not there. Throws FILE_UNWRITABLE. */
export async function writeNewFile(file: string, text: string, mode: number): Promise<void> {
  let isOurs = false;
  try {
    await using handle = await open(file, "wx", mode);
    isOurs = true;
    await handle.writeFile(text);
    await handle.sync();
  } catch (cause) {
    if (isOurs) await unlink(file).catch(() => undefined);
    const { code } = cause as NodeJS.ErrnoException;
    throw new CodedError(
      "FILE_UNWRITABLE",
      code === "EEXIST" ? `${file} is there already` : `Cannot write ${file}: ${code ?? cause}`,
      {
        facts: { file },
        cause,
      },
    );
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

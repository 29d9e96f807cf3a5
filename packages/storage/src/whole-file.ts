/** A small file that is there whole or not at all, and durable when it is written. */

import { open, rename } from "node:fs/promises";
import { join } from "node:path";

/** Writes the file in place of one that is there. */
export async function writeWhole(directory: string, name: string, text: string): Promise<void> {
  const temporary = join(directory, `${name}.new`);
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(directory, name));
  const folder = await open(directory, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A process that dies as LevelDB dies of a damaged file: it opens the storage in the directory it is given, and aborts. */

import { openStorage } from "../src/index.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("usage: open-and-abort DIRECTORY");
await openStorage({ directory, keepFreeBytes: 0 });
process.abort();

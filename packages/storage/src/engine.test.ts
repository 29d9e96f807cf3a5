import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blockStoreSuite } from "@permafrost/blocks/testing";
import { openStorage } from "./open-storage.ts";

blockStoreSuite(
  "one node on disk",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "permafrost-storage-"));
    const options = { directory, commitWindowMs: 0, keepFreeBytes: 0 };
    let store = await openStorage(options);
    return {
      store,
      async reopen() {
        await store.close();
        store = await openStorage(options);
        return store;
      },
      async damage(_repositoryId, id) {
        // Flips a bit in the body behind every header that names the block.
        const folder = join(directory, "packs");
        for (const file of await readdir(folder)) {
          const bytes = await readFile(join(folder, file));
          for (let at = bytes.indexOf(id); at >= 0; at = bytes.indexOf(id, at + 1)) {
            if (bytes.toString("latin1", at - 32, at - 28) !== "PFR1") continue;
            const handle = await open(join(folder, file), "r+");
            await handle.write(Buffer.of((bytes[at + 96] ?? 0) ^ 1), 0, 1, at + 96);
            await handle.close();
          }
        }
      },
      close: () => rm(directory, { recursive: true }),
    };
  },
  { reopens: true, damages: true },
);

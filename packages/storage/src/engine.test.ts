import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { blockStoreSuite } from "@permafrost/blocks/testing";
import { bodiesOf, suiteNode } from "../testing/suite-node.ts";

blockStoreSuite(
  "one node on disk",
  () =>
    suiteNode({}, async (id, directory) => {
      const folder = join(directory, "packs");
      for (const file of await readdir(folder)) {
        const bytes = await readFile(join(folder, file));
        for (const at of bodiesOf(bytes, id)) {
          const handle = await open(join(folder, file), "r+");
          await handle.write(Buffer.of((bytes[at] ?? 0) ^ 1), 0, 1, at);
          await handle.close();
        }
      }
    }),
  { reopens: true, damages: true },
);

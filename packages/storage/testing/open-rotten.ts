/** A process that LevelDB may kill: opens the nodes in the directories it is given, one after the other, and prints what became of each. */

import { RotFailure } from "@permafrost/blocks/testing";
import { openStorage, type StorageEngine } from "../src/index.ts";
import { inspect } from "./rot-bits.ts";
import { type Verdict, wholeContent } from "./rot-index.ts";
import { expectWhole, isWhole, readAll, scrubbed } from "./rotten-node.ts";

const content = wholeContent();
const open = (directory: string): Promise<StorageEngine> =>
  openStorage({ directory, keepFreeBytes: 0, commitWindowMs: 0, packBytesMax: 64 * 1024 });

/** Whether the damage was noticed. RotFailure for a wrong answer, and unless the node has everything after a scrub. */
async function survive(directory: string): Promise<boolean> {
  const store = await open(directory);
  const refused = await readAll(store, content, true);
  const found = await scrubbed(store);
  const { indexRebuilds, recovery } = await store.stats();
  await expectWhole(store, content, "after the scrub");
  await store.close();
  const again = await open(directory);
  await expectWhole(again, content, "at the next start");
  const { indexRebuilds: rebuiltAgain } = await again.stats();
  await again.close();
  return !isWhole(refused) || found.length + indexRebuilds + rebuiltAgain + recovery.packsRead > 0;
}

for (const path of process.argv.slice(2)) {
  let verdict: Verdict;
  try {
    verdict = { path, isDetected: await survive(path) };
  } catch (error) {
    verdict = { path, isDetected: false, failure: error instanceof RotFailure ? error.message : inspect(error) };
  }
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
}

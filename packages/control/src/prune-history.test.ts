/** Backups, forgetting, deaths and prunes in random interleavings: no restore point ever lacks a byte, and in the end nothing unused is left. */

import { numbers, turns } from "@permafrost/std/testing";
import { expect, it } from "vitest";
import { type Pieces, PruneWorld } from "../testing/prune-world.ts";

const HISTORIES = Number(process.env.PRUNE_HISTORIES ?? 60);
const ROUNDS = 8;
/** Few, so that what one session gives up another needs in the same moment. */
const PIECES = 8;

async function history(seed: number): Promise<{ readonly deleted: number; readonly spared: number }> {
  const next = numbers(seed);
  const world = await PruneWorld.make({ jitter: () => turns(next(3)) });
  const pieces = (count: number): Pieces => Array.from({ length: count }, () => next(PIECES));
  const names = ["a", "b"];
  let [deleted, spared] = [0, 0];
  const step = async (): Promise<void> => {
    await turns(next(40));
    const what = next(10);
    if (what < 4) await world.backup(names[next(2)] as string, pieces(1 + next(5)), pieces(1 + next(2)), () => turns(next(60)));
    else if (what < 6) {
      const [id] = [...world.points.keys()].slice(next(Math.max(1, world.points.size)));
      if (id !== undefined) await world.forget(id);
    } else if (what === 6) await world.abandoned("dead", pieces(3));
    else if (what === 7) await world.killedPrune(next(30));
    else {
      const { prune } = await world.prune({ graceMs: next(2) === 0 ? 0 : 10_000 });
      deleted += prune?.deletedBlocks ?? 0;
      spared += prune?.sparedBlocks ?? 0;
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: 1 + next(4) }, step));
    world.nowMs += next(12_000);
    await world.expectWhole(`seed ${seed}, round ${round}`);
  }
  for (const id of [...world.points.keys()].slice(1)) await world.forget(id);
  for (let n = 0; n < 2; n++) {
    world.nowMs += 10_000;
    await world.prune({ graceMs: 5_000 });
  }
  await world.expectWhole(`seed ${seed}, at the end`);
  const { prune } = await world.prune({ dryRun: true });
  expect(prune?.unusedBlocks, `seed ${seed}`).toBe(0);
  return { deleted, spared };
}

it(`lose nothing in ${HISTORIES} seeded histories`, async () => {
  let [deleted, spared] = [0, 0];
  for (let seed = 1; seed <= HISTORIES; seed++) {
    const one = await history(seed);
    deleted += one.deleted;
    spared += one.spared;
  }
  // The histories are worth something only if blocks were deleted and spared in them.
  expect(deleted).toBeGreaterThan(HISTORIES * 5);
  expect(spared).toBeGreaterThan(HISTORIES / 4);
}, 600_000);

import { RotTally } from "@permafrost/blocks/testing";
import { expect, it } from "vitest";
import { rotBits } from "../testing/rot-bits.ts";
import { rotIndex } from "../testing/rot-index.ts";
import { rotLarge } from "../testing/rot-large.ts";

/** Every bit, more of everything, and other seeds: `npm run rot`. */
const STRIDE = 67;
const SEED = 1;

/** What became of the damages, and the messages of those that were not handled as they must be. */
async function outcomeOf<R extends object>(
  rot: (run: R & { tally: RotTally; onFailure: (message: string) => void }) => Promise<unknown>,
  run: R,
) {
  const tally = new RotTally();
  const failures: string[] = [];
  await rot({ ...run, tally, onFailure: (message) => failures.push(message) });
  return { failures, ...tally.total() };
}

it("a flipped bit of a pack is noticed or harmless, and what it damaged is repaired from a good copy", async () => {
  const { failures, damages, detected, harmless, repaired } = await outcomeOf(rotBits, { stride: STRIDE, first: SEED });
  expect(failures).toEqual([]);
  expect(damages).toBeGreaterThan(1000);
  expect([detected + harmless, repaired]).toEqual([damages, detected]);
  expect(harmless).toBeLessThan(damages / 10);
}, 120_000);

it("so is a larger damage of a larger pack", async () => {
  const { failures, damages, detected, harmless, repaired } = await outcomeOf(rotLarge, { seed: SEED, damages: 4 });
  expect(failures).toEqual([]);
  expect([detected + harmless, repaired]).toEqual([damages, detected]);
  expect(detected).toBeGreaterThan(damages / 2);
}, 120_000);

it("damaged files of the index lead to no wrong answer, and the node has everything after a scrub", async () => {
  const { failures, damages, detected, harmless } = await outcomeOf(rotIndex, { seed: SEED, damages: 1 });
  expect(failures).toEqual([]);
  expect(damages).toBe(9);
  expect(detected + harmless).toBe(damages);
  expect(detected).toBeGreaterThan(4);
}, 240_000);

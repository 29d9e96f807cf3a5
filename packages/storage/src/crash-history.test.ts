import { expect, it } from "vitest";
import { crashHistory } from "../testing/crash-history.ts";

/** More, and other seeds: `npm run crash`. */
const SEEDS = [1, 2];

it(`what was acknowledged survives every crash of ${SEEDS.length} histories`, async () => {
  let [condemned, deleted] = [0, 0];
  for (const seed of SEEDS) {
    const counts = await crashHistory(seed);
    expect(counts.states).toBe((counts.steps + 1) * 6 * 3 * 2);
    condemned += counts.condemned;
    deleted += counts.deleted;
  }
  expect(condemned).toBeGreaterThan(0);
  expect(deleted).toBeGreaterThan(0);
}, 300_000);

import { RotTally } from "@permafrost/blocks/testing";
import { expect, it } from "vitest";
import { rotBodies } from "../testing/rot-bodies.ts";

/** Every bit: `npm run rot`. */
const STRIDE = 7;

it("no flipped bit of a block, a page, a record or the header is taken by who has the key", async () => {
  const tally = new RotTally();
  const failures: string[] = [];
  await rotBodies({ tally, stride: STRIDE, first: 1, onFailure: (message) => failures.push(message) });
  expect(failures).toEqual([]);
  const { damages, detected } = tally.total();
  expect(damages).toBeGreaterThan(2000);
  expect(detected).toBe(damages);
  expect(tally.rows.size).toBe(7);
}, 120_000);

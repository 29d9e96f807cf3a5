import { RotTally } from "@permafrost/blocks/testing";
import { expect, it } from "vitest";
import { rotCluster } from "./rotten-cluster.ts";

it("a repository on three nodes is read exactly while one of them rots, and that one is repaired", async () => {
  const tally = new RotTally();
  const failures: string[] = [];
  // Every bit: `npm run rot`.
  await rotCluster({ tally, stride: 89, first: 1, onFailure: (message) => failures.push(message) });
  expect(failures).toEqual([]);
  const { damages, detected, harmless, repaired } = tally.total();
  expect(damages).toBeGreaterThan(200);
  expect([detected + harmless, repaired]).toEqual([damages, detected]);
}, 120_000);

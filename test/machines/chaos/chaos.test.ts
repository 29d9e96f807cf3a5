import { expect, it } from "vitest";
import { chaos } from "./chaos.ts";

it("loses nothing and leaves nothing while its processes die, hang and come back", async () => {
  const lines: string[] = [];
  // Hundreds of kills: `npm run chaos`. This seed has kills of every role, a bus server, a hung node, a full and a failing disk, and nobody away for long.
  const result = await chaos({ kills: 6, seed: 181, workers: 2, faultsPerRound: 9, print: (line) => lines.push(line) });
  expect(result.failures, lines.join("\n")).toEqual([]);
  expect(result.kills).toBeGreaterThanOrEqual(6);
  expect(result.points).toBeGreaterThan(0);
  expect(result.restores).toBeGreaterThan(0);
}, 600_000);

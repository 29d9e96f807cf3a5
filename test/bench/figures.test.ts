import { expect, it } from "vitest";
import { type Figure, Figures, figureTable, median } from "./figures.ts";
import { verdicts, verdictTable } from "./targets.ts";

it("sums up rounds: one figure per workload, system and metric, with its unit", () => {
  const figures = new Figures();
  for (const cpuSeconds of [4, 1, 2])
    figures.add("W1/vm-base", "permafrost", 8_000_000, { cpuSeconds, wallSeconds: 3, storedBytes: 5 });
  figures.add("W6/vm-base", "restic", 8_000_000, { cpuSeconds: 2, wallSeconds: 2 });
  const list = figures.list();
  expect(list).toContainEqual({
    ...{ workload: "W1/vm-base", system: "permafrost", metric: "logicalMBPerCpuSecond", unit: "MB/s" },
    ...{ median: 4, min: 2, max: 8, rounds: 3 },
  });
  expect(list.filter((one) => one.system === "restic").map((one) => one.metric)).toEqual([
    "logicalMBPerCpuSecond",
    "cpuSeconds",
    "wallSeconds",
  ]);
  const table = figureTable(list).split("\n");
  expect(table).toHaveLength(4);
  expect(table[2]).toMatch(/^\| W1\/vm-base \| permafrost \| 4 \(2 to 8\) +\| 3\.0 \(3\.0 to 3\.0\)/);
  expect([median([1, 2, 3]), median([1, 2, 3, 10])]).toEqual([2, 2.5]);
});

it("holds ratios of one run against the targets, and says nothing of what was not run", () => {
  const figure = (system: Figure["system"], metric: Figure["metric"], value: number): Figure => ({
    ...{ workload: "W3/M1-64k", system, metric, unit: "", median: value, min: value, max: value, rounds: 1 },
  });
  const judged = verdicts([
    figure("permafrost", "logicalMBPerCpuSecond", 299),
    figure("restic", "logicalMBPerCpuSecond", 100),
    figure("permafrost", "wallSeconds", 1),
    figure("restic", "wallSeconds", 2),
  ]);
  expect(judged.map(({ metric, ratio, isMet }) => [metric, ratio, isMet])).toEqual([
    ["logicalMBPerCpuSecond", 2.99, false],
    ["wallSeconds", 0.5, true],
  ]);
  expect(verdictTable(judged)).toContain("| W3/M1-64k | logicalMBPerCpuSecond | 2.99 × restic | at least 3 | missed |");
});

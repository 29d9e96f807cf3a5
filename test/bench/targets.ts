/** What the project wants to reach against its peers, as data, and whether the figures of a run do: ratios of medians of one run. */

import type { Figure, Metric, SystemName } from "./figures.ts";

export interface Target {
  readonly workload: RegExp;
  readonly metric: Metric;
  readonly against: SystemName;
  /** Ours divided by theirs. */
  readonly ratioMin?: number;
  readonly ratioMax?: number;
}

const perCpuSecond = (workload: RegExp, restic: number, borg?: number): Target[] => [
  { workload, metric: "logicalMBPerCpuSecond", against: "restic", ratioMin: restic },
  ...(borg === undefined ? [] : [{ workload, metric: "logicalMBPerCpuSecond", against: "borg", ratioMin: borg } as const]),
];

export const TARGETS: readonly Target[] = [
  ...perCpuSecond(/^W1\//, 2.5, 1.1),
  ...perCpuSecond(/^W2\//, 2.5, 1.5),
  ...perCpuSecond(/^W3\//, 3, 1.2),
  ...perCpuSecond(/^W6\//, 1.4),
  { workload: /^W1\//, metric: "storedBytes", against: "restic", ratioMax: 1 },
  { workload: /^W[13]\//, metric: "wallSeconds", against: "restic", ratioMax: 1 },
];

export interface Verdict {
  readonly workload: string;
  readonly metric: Metric;
  readonly against: SystemName;
  readonly ratio: number;
  readonly wanted: string;
  readonly isMet: boolean;
}

/** One for every target and workload of which the run has both figures. */
export function verdicts(figures: readonly Figure[], targets: readonly Target[] = TARGETS): Verdict[] {
  const find = (workload: string, system: SystemName, metric: Metric) =>
    figures.find((one) => one.workload === workload && one.system === system && one.metric === metric)?.median;
  return targets.flatMap(({ workload: pattern, metric, against, ratioMin, ratioMax }) =>
    [...new Set(figures.map(({ workload }) => workload))]
      .filter((workload) => pattern.test(workload))
      .flatMap((workload) => {
        const [ours, theirs] = [find(workload, "permafrost", metric), find(workload, against, metric)];
        if (ours === undefined || theirs === undefined) return [];
        const ratio = ours / theirs;
        const isMet = ratio >= (ratioMin ?? 0) && ratio <= (ratioMax ?? Number.POSITIVE_INFINITY);
        const wanted = ratioMin === undefined ? `at most ${ratioMax}` : `at least ${ratioMin}`;
        return [{ workload, metric, against, ratio, wanted, isMet }];
      }),
  );
}

export function verdictTable(all: readonly Verdict[]): string {
  return [
    "| workload | metric | permafrost / peer | wanted | |",
    "|---|---|---|---|---|",
    ...all.map(
      ({ workload, metric, against, ratio, wanted, isMet }) =>
        `| ${workload} | ${metric} | ${ratio.toFixed(2)} × ${against} | ${wanted} | ${isMet ? "met" : "missed"} |`,
    ),
  ].join("\n");
}

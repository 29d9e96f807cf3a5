/** What the bench measures, as it is written to a file and compared: one figure per workload, system and metric, over all rounds. */

export const SYSTEMS = ["permafrost", "restic", "borg"] as const;
export type SystemName = (typeof SYSTEMS)[number];

/** Metric → unit. */
export const METRICS = {
  logicalMBPerCpuSecond: "MB/s",
  cpuSeconds: "s",
  wallSeconds: "s",
  storedBytes: "B",
  workerPeakBytes: "B",
} as const;
export type Metric = keyof typeof METRICS;

export interface Figure {
  /** Such as `W3/M1-64k`. */
  readonly workload: string;
  readonly system: SystemName;
  readonly metric: Metric;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** What one step cost one system once. */
export interface Cost {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** Growth of the repository on disk; absent of a restore. */
  readonly storedBytes?: number;
  readonly workerPeakBytes?: number;
}

const MB = 1_000_000;

export class Figures {
  readonly #samples = new Map<string, number[]>();

  add(workload: string, system: SystemName, logicalBytes: number, cost: Cost): void {
    const { storedBytes, workerPeakBytes, ...times } = cost;
    const values: Partial<Record<Metric, number>> = {
      logicalMBPerCpuSecond: logicalBytes / MB / cost.cpuSeconds,
      ...times,
      ...(storedBytes === undefined ? {} : { storedBytes }),
      ...(workerPeakBytes === undefined ? {} : { workerPeakBytes }),
    };
    for (const [metric, value] of Object.entries(values)) {
      const key = JSON.stringify([workload, system, metric]);
      this.#samples.set(key, [...(this.#samples.get(key) ?? []), value]);
    }
  }

  list(): Figure[] {
    return [...this.#samples].map(([key, samples]) => {
      const [workload, system, metric] = JSON.parse(key) as [string, SystemName, Metric];
      const sorted = samples.toSorted((a, b) => a - b);
      const of = { median: median(sorted), min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0, rounds: sorted.length };
      return { workload, system, metric, unit: METRICS[metric], ...of };
    });
  }
}

/** Of sorted numbers; of an even count the mean of the two in the middle. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

const COLUMNS: readonly { readonly metric: Metric; readonly title: string; readonly text: (value: number) => string }[] = [
  { metric: "logicalMBPerCpuSecond", title: "MB per CPU-second", text: (value) => value.toFixed(0) },
  { metric: "wallSeconds", title: "wall s", text: (value) => value.toFixed(1) },
  { metric: "storedBytes", title: "stored MiB", text: (value) => (value / 2 ** 20).toFixed(1) },
  { metric: "workerPeakBytes", title: "worker peak MiB", text: (value) => (value / 2 ** 20).toFixed(0) },
];

/** A Markdown table: one row per workload and system, the median and, of several rounds, the range. */
export function figureTable(figures: readonly Figure[]): string {
  const rows = [...new Set(figures.map(({ workload }) => workload))].flatMap((workload) =>
    SYSTEMS.filter((system) => figures.some((one) => one.workload === workload && one.system === system)).map((system) => [
      workload,
      system,
      ...COLUMNS.map(({ metric, text }) => {
        const one = figures.find((f) => f.workload === workload && f.system === system && f.metric === metric);
        if (one === undefined) return "";
        return one.rounds === 1 ? text(one.median) : `${text(one.median)} (${text(one.min)} to ${text(one.max)})`;
      }),
    ]),
  );
  const all = [["workload", "system", ...COLUMNS.map(({ title }) => title)], ...rows];
  const widths = (all[0] ?? []).map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(all[0] ?? []), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

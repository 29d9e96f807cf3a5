/** What a contender of the bench answers, and the table of all of them. */

import type { GeneratedImage } from "./image.ts";

export type Phase = "first" | "unchanged" | "changed" | "restore";

export interface Result {
  readonly phase: Phase;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** Growth of the repository on disk; not for a restore. */
  readonly storedBytes?: number;
}

export interface Contender {
  readonly name: string;
  /** Runs the phases in order; the repository is empty before the first. `directory` is the contender's own. */
  run(job: {
    readonly directory: string;
    readonly image: GeneratedImage;
    readonly changed: GeneratedImage;
  }): Promise<readonly Result[]>;
}

export interface ContenderResults {
  readonly name: string;
  readonly results: readonly Result[];
  readonly notes?: readonly string[];
}

const PHASES: readonly { readonly phase: Phase; readonly title: string }[] = [
  { phase: "first", title: "first full" },
  { phase: "unchanged", title: "unchanged" },
  { phase: "changed", title: "1 % changed" },
  { phase: "restore", title: "restore" },
];

const MB = 1_000_000;
const MIB = 1 << 20;

/** MB of the image per CPU-second, with CPU-seconds, wall seconds and MiB stored behind it. */
export function resultTable(sizeBytes: number, all: readonly ContenderResults[]): string {
  const cell = (result: Result | undefined): string => {
    if (result === undefined) return "-";
    const rate = Math.round(sizeBytes / MB / result.cpuSeconds);
    const stored = result.storedBytes === undefined ? "" : ` ${(result.storedBytes / MIB).toFixed(1)} MiB`;
    return `${rate} (${result.cpuSeconds.toFixed(2)} s cpu, ${result.wallSeconds.toFixed(1)} s)${stored}`;
  };
  const rows = [
    ["MB per CPU-second", ...PHASES.map(({ title }) => title)],
    ...all.map(({ name, results }) => [name, ...PHASES.map(({ phase }) => cell(results.find((one) => one.phase === phase)))]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`).join("\n");
}

/**
 * `npm run bench`: what backups and restores of generated disks cost, beside restic and borg in the same run.
 *
 * Permafrost's way is the whole one: a volume of a cloud over HTTP, gRPC, one storage node, encryption and compression on; its CPU time is that
 * of all its processes except NATS and the cloud. The peers read a local file. Rounds are interleaved: each system once, then all again.
 * Absolute figures belong to the machine; compare systems of one run.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Figure, Figures, figureTable } from "./figures.ts";
import { peer } from "./peers.ts";
import { permafrost } from "./permafrost.ts";
import type { System } from "./system.ts";
import { verdicts, verdictTable } from "./targets.ts";
import { type Story, storiesOf, WORKLOADS } from "./workloads.ts";

const USAGE = `usage: npm run bench -- [WORKLOAD ...] [--against restic,borg|none] [--size-mib N] [--rounds N] [--json FILE] [--write-docs]

workloads (default: all)
${Object.entries(WORKLOADS)
  .map(([name, title]) => `  ${name}   ${title}`)
  .join("\n")}

  --against LIST   the peers, restic and borg (default); none: only Permafrost. They are installed when missing (apt-get, root)
  --size-mib N     size of the disks (1024)
  --rounds N       how often each system does it all (5)
  --json FILE      write the figures: a list of {workload, system, metric, unit, median, min, max, rounds}
  --write-docs     write docs/performance.md
`;
const BUSY_LOAD = 0.5;
const ROOT = join(import.meta.dirname, "../..");
const DOCS = join(ROOT, "docs/performance.md");

class UsageError extends Error {}

interface Wish {
  readonly workloads: ReadonlySet<string>;
  readonly against: readonly ("restic" | "borg")[];
  readonly sizeMib: number;
  readonly rounds: number;
  readonly json?: string;
  readonly writesDocs: boolean;
}

function wishOf(args: readonly string[]): Wish | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      against: { type: "string", default: "restic,borg" },
      "size-mib": { type: "string", default: "1024" },
      rounds: { type: "string", default: "5" },
      json: { type: "string" },
      "write-docs": { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return undefined;
  const unknown = positionals.filter((name) => !(name in WORKLOADS));
  if (unknown.length > 0) throw new UsageError(`there is no workload ${unknown.join(", ")}`);
  const against = values.against.split(",").filter((name) => name !== "none" && name !== "");
  if (!against.every((name) => name === "restic" || name === "borg"))
    throw new UsageError("--against takes restic, borg or none");
  const [sizeMib, rounds] = [Number(values["size-mib"]), Number(values.rounds)];
  if (!Number.isInteger(sizeMib) || sizeMib < 16) throw new UsageError("--size-mib takes a whole number from 16 on");
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError("--rounds takes a whole number from 1 on");
  return {
    workloads: new Set(positionals.length === 0 ? Object.keys(WORKLOADS) : positionals),
    against: against as ("restic" | "borg")[],
    sizeMib,
    rounds,
    ...(values.json === undefined ? {} : { json: values.json }),
    writesDocs: values["write-docs"],
  };
}

/** One story by one system, into a repository of its own. */
async function tell(story: Story, system: System, wanted: ReadonlySet<string>, figures: Figures): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "permafrost-bench-"));
  try {
    const opened = await system.open(directory, story.image);
    try {
      for (const { workload, image, run } of story.steps) {
        const cost = await run(opened);
        if (wanted.has(workload.replace(/\/.*/, ""))) figures.add(workload, system.name, image.sizeBytes, cost);
      }
    } finally {
      await opened.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function report(figures: readonly Figure[], systems: readonly System[], wish: Wish, load: number): string {
  const judged = verdicts(figures);
  const processors = cpus();
  return [
    `Disks of ${wish.sizeMib} MiB, ${wish.rounds} ${wish.rounds === 1 ? "round" : "rounds"}, median (range). ${systems
      .map(({ name, version }) => `${name} ${version}`)
      .join(", ")}; borg with \`fixed,65536\` and zstd,1.`,
    `${processors.length} × ${processors[0]?.model ?? "CPU"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}, load ${load.toFixed(1)} before it${load > BUSY_LOAD ? ": a busy machine, its figures are only worth something beside each other" : ""}.`,
    "",
    figureTable(figures),
    ...(judged.length === 0 ? [] : ["", verdictTable(judged)]),
  ].join("\n");
}

async function main(): Promise<number> {
  const wish = wishOf(process.argv.slice(2));
  if (wish === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [load = 0] = loadavg();
  if (load > BUSY_LOAD) process.stderr.write(`note: the machine is busy (load ${load.toFixed(1)}); compare systems, not runs\n`);
  const cache = join(ROOT, ".cache/bench");
  mkdirSync(cache, { recursive: true });
  const systems = [permafrost(), ...wish.against.map(peer)];
  const stories = storiesOf(wish.workloads, wish.sizeMib * 2 ** 20, cache);
  const figures = new Figures();
  for (let round = 1; round <= wish.rounds; round++)
    for (const story of stories)
      for (const system of systems) {
        process.stderr.write(`round ${round} of ${wish.rounds}: ${story.name}, ${system.name}\n`);
        await tell(story, system, wish.workloads, figures);
      }
  const list = figures.list();
  const text = report(list, systems, wish, load);
  process.stdout.write(`${text}\n`);
  if (wish.json !== undefined) writeFileSync(wish.json, `${JSON.stringify(list, null, 2)}\n`);
  if (wish.writesDocs) {
    const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`;
    const head = `# Performance\n\nWritten by \`${command}\`; \`npm run bench -- --help\` says what the workloads are. Every restore was hashed.\n\n`;
    writeFileSync(DOCS, `${head}${text}\n`);
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError) && (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") !== true) throw error;
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}

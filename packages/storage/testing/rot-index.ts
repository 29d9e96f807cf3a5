/**
 * The files of a node's index damaged, with the real LevelDB, which detects little and aborts its process on some damages.
 *
 * The node starts in a child process (`open-rotten.ts`), as often as it is killed by that. It may miss a block until it was scrubbed, since
 * nothing tells LevelDB that a key is gone; it never gives other bytes, and after the scrub it has everything.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { flipBit, RotFailure, testBlock, testScope } from "@permafrost/blocks/testing";
import { utf8 } from "@permafrost/std";
import { numbers } from "@permafrost/std/testing";
import { openStorage } from "../src/index.ts";
import { inspect } from "./rot-bits.ts";
import type { LargeRun } from "./rot-large.ts";
import type { Content } from "./rotten-node.ts";

const CHILD = fileURLToPath(new URL("./open-rotten.ts", import.meta.url));
/** LevelDB may abort the first two starts; the third throws the index away. */
const STARTS_MAX = 3;
const ROUNDS = 3;

/** What was put in the round; each round puts the next version of all records. */
function indexedContent(round: number): Content {
  return {
    blocks: Array.from({ length: 250 }, (_, n) => testBlock(`indexed ${round} ${n}`, 20 + (n % 50))),
    records: Array.from({ length: 20 }, (_, n) => ({
      key: `session/${n}`,
      version: BigInt(round + 1),
      text: n % 5 === 4 && round === ROUNDS - 1 ? undefined : `version ${round + 1}`,
    })),
  };
}

/** Everything that is there at the end. */
export function wholeContent(): Content {
  const rounds = Array.from({ length: ROUNDS }, (_, round) => indexedContent(round));
  return { blocks: rounds.flatMap(({ blocks }) => blocks), records: rounds.at(-1)?.records ?? [] };
}

type Damage = (next: (below: number) => number, files: readonly string[]) => Promise<void>;

const DAMAGES: Readonly<Record<string, Damage>> = {
  "bit of an .ldb file": (next, files) => flipIn(next, files, ".ldb"),
  "bit of the .log file": (next, files) => flipIn(next, files, ".log"),
  "bit of MANIFEST": (next, files) => flipIn(next, files, "MANIFEST"),
  "4 KiB of an .ldb file zeroed": async (next, files) => {
    const file = oneOf(next, files, ".ldb");
    const bytes = await readFile(file);
    const at = 4096 * next(Math.ceil(bytes.length / 4096));
    bytes.subarray(at, at + 4096).fill(0);
    await writeFile(file, bytes);
  },
  "the .log file cut": async (next, files) => {
    const file = oneOf(next, files, ".log");
    await truncate(file, next((await readFile(file)).length));
  },
  "an .ldb file gone": (next, files) => rm(oneOf(next, files, ".ldb")),
  "MANIFEST gone": (next, files) => rm(oneOf(next, files, "MANIFEST")),
  "CURRENT gone": (next, files) => rm(oneOf(next, files, "CURRENT")),
  "CURRENT empty": (next, files) => truncate(oneOf(next, files, "CURRENT")),
};

function oneOf(next: (below: number) => number, files: readonly string[], part: string): string {
  const some = files.filter((file) => file.includes(part)).sort();
  const file = some[next(some.length)];
  if (file === undefined) throw new Error(`the index has no ${part} file`);
  return file;
}

async function flipIn(next: (below: number) => number, files: readonly string[], part: string): Promise<void> {
  const file = oneOf(next, files, part);
  const bytes = await readFile(file);
  flipBit(bytes, next(bytes.length * 8));
  await writeFile(file, bytes);
}

/** Does the damages and counts what becomes of each. Answers how often LevelDB killed its process. */
export async function rotIndex(run: LargeRun): Promise<number> {
  const next = numbers(run.seed);
  const directory = await mkdtemp(join(tmpdir(), "permafrost-rot-"));
  let aborts = 0;
  try {
    const whole = join(directory, "whole");
    await fill(whole);
    const jobs: { kind: string; path: string }[] = [];
    for (const [kind, damage] of Object.entries(DAMAGES)) {
      for (let n = 0; n < run.damages; n++) {
        const path = join(directory, `node-${jobs.length}`);
        await cp(whole, path, { recursive: true });
        const files = (await readdir(join(path, "index"))).map((name) => join(path, "index", name));
        await damage(next, files);
        jobs.push({ kind, path });
      }
    }
    const outcomes = new Map<string, Verdict>();
    const starts = new Map<string, number>();
    for (let rest = jobs; rest.length > 0; rest = rest.filter(({ path }) => !outcomes.has(path))) {
      const { verdicts, signal } = await runChild(rest.map(({ path }) => path));
      for (const verdict of verdicts) outcomes.set(verdict.path, verdict);
      const killed = rest.find(({ path }) => !outcomes.has(path))?.path;
      if (killed === undefined) continue;
      if (signal === "SIGABRT") aborts++;
      starts.set(killed, (starts.get(killed) ?? 0) + 1);
      const isHopeless = signal !== "SIGABRT" || starts.get(killed) === STARTS_MAX;
      if (isHopeless) outcomes.set(killed, { path: killed, failure: `it does not start: ${signal}`, isDetected: false });
    }
    for (const { kind, path } of jobs) {
      const { failure, isDetected } = outcomes.get(path) as Verdict;
      try {
        if (failure !== undefined) throw new RotFailure(failure);
        run.tally.count(kind, {
          isDetected: isDetected || starts.has(path),
          isRepaired: true,
          unusedBytes: "bytes that LevelDB did not need",
        });
      } catch (error) {
        run.onFailure(`${kind}: ${path}: ${error instanceof RotFailure ? error.message : inspect(error)}`);
      }
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  return aborts;
}

/** A line of the child. */
export interface Verdict {
  readonly path: string;
  readonly failure?: string;
  readonly isDetected: boolean;
}

async function runChild(paths: readonly string[]): Promise<{ verdicts: Verdict[]; signal: string | null }> {
  const child = spawn(process.execPath, [CHILD, ...paths], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    text += chunk;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  const verdicts = text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Verdict]));
  return { verdicts, signal: signal ?? (code === 0 ? null : `exit status ${code}`) };
}

/** Each round is another life of the process, so that the index has tables and a log. */
async function fill(directory: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const store = await openStorage({ directory, keepFreeBytes: 0, commitWindowMs: 0, packBytesMax: 64 * 1024 });
    const { blocks, records } = indexedContent(round);
    for (const { key, version, text } of records) {
      if (text === undefined) await store.deleteRecord(testScope(), key, version);
      else await store.putRecord(testScope(), { key, version, body: utf8(text) });
    }
    for (let at = 0; at < blocks.length; at += 50) await store.put(testScope(), blocks.slice(at, at + 50));
    await store.close();
  }
}

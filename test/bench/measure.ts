/**
 * CPU time and bytes of others: of a command with all its children, and of processes that run on.
 *
 * A command runs under bash's `time`, which counts user and system time of everything it waited for. A running process is read
 * from /proc, with its children of now and those it has waited for. Linux only.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface Measured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly stdout: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard output goes into this file. */
  readonly output?: string;
}

const OUTPUT_BYTES_MAX = 64 << 20;

/** Runs a command to its end; throws with what it said when it fails. */
export function measureCommand(command: readonly string[], options: CommandOptions = {}): Measured {
  const script = `TIMEFORMAT='permafrost-time %U %S %R'; time "$@"${options.output === undefined ? "" : ' >"$BENCH_OUTPUT"'}`;
  const child = spawnSync("bash", ["-c", script, "bash", ...command], {
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
    env: { ...process.env, LC_ALL: "C", BENCH_OUTPUT: options.output ?? "", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const times = /permafrost-time ([\d.]+) ([\d.]+) ([\d.]+)\s*$/.exec(child.stderr);
  if (child.status !== 0 || times === null) throw new Error(`${command.join(" ")} ended with ${child.status}: ${child.stderr}`);
  const [user, system, wall] = times.slice(1).map(Number);
  return { cpuSeconds: (user ?? 0) + (system ?? 0), wallSeconds: wall ?? 0, stdout: child.stdout };
}

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly cpuSeconds: number;
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const close = text.lastIndexOf(")");
    const fields = text
      .slice(close + 2)
      .split(" ")
      .map(Number);
    // After the name: state, ppid, …; utime, stime, cutime and cstime are fields 14 to 17 of the line.
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + (fields[field] ?? 0), 0);
    return { pid, parent: fields[1] ?? 0, name: text.slice(text.indexOf("(") + 1, close), cpuSeconds: ticks / TICKS_PER_SECOND };
  } catch {
    return undefined; // ended meanwhile
  }
}

/** CPU seconds so far of a process and everything below it, by pid; processes whose name is in `without` are left out. */
export function treeCpuSeconds(root: number, without: readonly string[]): number {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? []);
  const children = Map.groupBy(all, (one) => one.parent);
  const sum = (one: ProcessStat): number =>
    without.includes(one.name)
      ? 0
      : one.cpuSeconds + (children.get(one.pid) ?? []).reduce((total, child) => total + sum(child), 0);
  const top = all.find((one) => one.pid === root);
  return top === undefined ? 0 : sum(top);
}

/** Peak resident memory of a running process and everything below it, in bytes, by process name. */
export function treePeakBytes(root: number): Readonly<Record<string, number>> {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? []);
  const children = Map.groupBy(all, (one) => one.parent);
  const found: Record<string, number> = {};
  const visit = (one: ProcessStat): void => {
    try {
      const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${one.pid}/status`, "utf8"))?.[1];
      const command = readFileSync(`/proc/${one.pid}/cmdline`, "utf8").split("\0");
      found[`${roleOf(command)} ${one.pid}`] = Number(peak ?? 0) * 1024;
    } catch {
      // ended meanwhile
    }
    for (const child of children.get(one.pid) ?? []) visit(child);
  };
  const top = all.find((one) => one.pid === root);
  if (top !== undefined) visit(top);
  return found;
}

const ROLES = ["nats-server", "coordinator", "storage-node", "worker", "up"];

function roleOf(command: readonly string[]): string {
  return (
    ROLES.find((role) => command.some((word) => word === role || word.endsWith(`/${role}`) || word.includes(`/${role}/`))) ??
    "process"
  );
}

/** Bytes of all files below a directory. */
export function directoryBytes(directory: string): number {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

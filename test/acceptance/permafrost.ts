/**
 * The product as a user has it: the `permafrost` program, its arguments, its output and its exit code. Nothing of the product is imported.
 *
 * `PermafrostUp` is a running `permafrost up`; it is stopped with SIGTERM, as a service manager does. Every call has a limit of time, and
 * its whole output goes to a log beside the data directory, so that a failure can be read afterwards.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, type WriteStream } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@permafrost/std";

export const PROGRAM = join(import.meta.dirname, "../../services/cli/bin/permafrost");
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 900_000;
const POLL_MS = 100;

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Permafrost {
  /** Of `permafrost up`; the roles are below it. */
  readonly pid: number;
  /** Runs a command to its end. `input` goes to its standard input, which is empty otherwise. */
  run(args: readonly string[], input?: Uint8Array): Promise<Outcome>;
  /** Stops it and answers its exit code. Safe to repeat. */
  stop(): Promise<number>;
}

export interface UpOptions {
  readonly dataDirectory: string;
  /** clouds.yaml of the workers. */
  readonly osConfigFile: string;
  readonly logFile: string;
}

/** Starts `permafrost up` and waits for its client.json. */
export async function startPermafrost(options: UpOptions): Promise<Permafrost> {
  const log = createWriteStream(options.logFile, { flags: "a" });
  const args = ["up", "--data", options.dataDirectory, "--os-config", options.osConfigFile, "--quiet"];
  const up = start(args, log, options.dataDirectory);
  const ended = new Promise<number>((done) => up.once("close", (code, signal) => done(code ?? (signal === null ? 1 : 128))));
  let over: number | undefined;
  void ended.then((code) => {
    over = code;
  });
  let said = "";
  up.stdout?.on("data", (text) => {
    said += text;
  });
  up.stderr?.on("data", (text) => {
    said += text;
  });
  const deadline = systemClock.monotonic() + START_TIMEOUT_MS;
  while (!existsSync(join(options.dataDirectory, "client.json"))) {
    if (over !== undefined) throw new Error(`permafrost up ended with ${over}: ${said.trim()}`);
    if (systemClock.monotonic() > deadline) {
      up.kill("SIGKILL");
      throw new Error(`permafrost up made no client.json within ${START_TIMEOUT_MS / 1000} s: ${said.trim()}`);
    }
    await systemClock.sleep(POLL_MS);
  }
  return {
    pid: up.pid ?? 0,
    run: (commandArgs, input) => runCommand(commandArgs, log, options.dataDirectory, input),
    async stop() {
      if (over !== undefined) return over;
      up.kill("SIGTERM");
      const late = new AbortController();
      void systemClock.sleep(STOP_TIMEOUT_MS, late.signal).then(
        () => up.kill("SIGKILL"),
        () => undefined,
      );
      const code = await ended;
      late.abort();
      log.end();
      return code;
    },
  };
}

function start(args: readonly string[], log: WriteStream, dataDirectory: string): ChildProcess {
  // Of the caller's environment only what a program needs to run: a cloud or repository of the caller must not leak in.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, PERMAFROST_DATA: dataDirectory, NO_COLOR: "1" };
  const child = spawn(PROGRAM, args, { stdio: ["pipe", "pipe", "pipe"], env });
  log.write(`$ permafrost ${args.join(" ")}\n`);
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => log.write(text));
  return child;
}

async function runCommand(
  args: readonly string[],
  log: WriteStream,
  dataDirectory: string,
  input?: Uint8Array,
): Promise<Outcome> {
  const child = start(args, log, dataDirectory);
  const said = { stdout: "", stderr: "" };
  child.stdout?.on("data", (text) => {
    said.stdout += text;
  });
  child.stderr?.on("data", (text) => {
    said.stderr += text;
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const late = new AbortController();
  void systemClock.sleep(COMMAND_TIMEOUT_MS, late.signal).then(
    () => child.kill("SIGKILL"),
    () => undefined,
  );
  const exitCode = await new Promise<number>((done, fail) => {
    child.once("error", fail);
    child.once("close", (code, signal) => {
      if (signal === "SIGKILL") said.stderr += `\nended after ${COMMAND_TIMEOUT_MS / 1000} s without an answer`;
      done(code ?? 128);
    });
  });
  late.abort();
  log.write(`exit ${exitCode}\n`);
  return { exitCode, ...said };
}

/**
 * One child that is kept running: started, waited for until it is healthy, started again with a growing delay when it
 * ends by itself, and stopped with SIGTERM, then SIGKILL. Everything it says goes into its log file.
 *
 * It runs in a process group of its own, so that Ctrl-C on the terminal reaches `up` alone and the order of stopping is
 * ours; and it holds a pipe from us, so that it notices when we are killed.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { type Clock, CodedError } from "@permafrost/std";

export interface KeptProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  /** One quick look; false or an exception means not yet. */
  readonly isHealthy: () => Promise<boolean>;
  readonly clock: Clock;
  /** Tells the user what happens to the child. */
  readonly say: (text: string) => void;
  readonly readyMsMax?: number;
  readonly stopMsMax?: number;
}

const READY_MS_MAX = 60_000;
/** A worker gives its tasks back and a node closes its packs in this time; then it is killed, which both survive. */
const STOP_MS_MAX = 20_000;
const POLL_MS = 100;
const LOOK_MS_MAX = 2_000;
const RESTART_MS = 500;
const RESTART_MS_MAX = 30_000;
/** After this long in good health the next crash counts as the first one. */
const STEADY_MS = 60_000;
const LOG_BYTES_MAX = 16 * 1024 * 1024;

export class KeptProcess {
  readonly #options: KeptProcessOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #logStart = 0;
  #exited: Promise<string> = Promise.resolve("");
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: KeptProcessOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  /** Resolves when it is healthy. Throws ROLE_FAILED with its last words if it ends before, or never is. */
  async start(): Promise<void> {
    this.#spawn();
    try {
      await this.#untilHealthy();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#keeping = this.#keep();
  }

  /** Ends it and waits for its end. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#end();
    await this.#keeping;
    // It may have been started again in the moment before it noticed.
    await this.#end();
  }

  #spawn(): void {
    const { command, args, env, logFile } = this.#options;
    turnLog(logFile);
    const log = openSync(logFile, "a", 0o600);
    this.#logStart = fstatSync(log).size;
    try {
      const child = spawn(command, [...args], { env: { ...env }, stdio: ["pipe", log, log], detached: true });
      // The pipe only tells the child that we live; that it closes early is no news.
      child.stdin?.on("error", () => {});
      this.#child = child;
      this.#exited = new Promise((resolve) => {
        child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
        child.once("error", (error) => resolve(error.message));
      });
    } finally {
      closeSync(log);
    }
  }

  async #untilHealthy(): Promise<void> {
    const { clock, isHealthy, name, readyMsMax = READY_MS_MAX } = this.#options;
    const deadlineMs = clock.monotonic() + readyMsMax;
    let ended: string | undefined;
    void this.#exited.then((how) => {
      ended = how;
    });
    while (!this.#stopping.signal.aborted) {
      if (await this.#look(isHealthy)) return;
      if (ended !== undefined) throw this.#failure(`${name} did not start (${ended})`);
      if (clock.monotonic() > deadlineMs) throw this.#failure(`${name} was not ready within ${Math.round(readyMsMax / 1000)} s`);
      await clock.sleep(POLL_MS);
    }
  }

  /** One look at its health: a child that ends, or a stranger on its port that says nothing, must not hold us up. */
  async #look(isHealthy: () => Promise<boolean>): Promise<boolean> {
    const { clock } = this.#options;
    const timer = new AbortController();
    const tooLate = clock.sleep(LOOK_MS_MAX, timer.signal).then(
      () => false,
      () => false,
    );
    const answer = await Promise.race([isHealthy().catch(() => false), this.#exited.then(() => false), tooLate]);
    timer.abort();
    return answer;
  }

  #failure(message: string): CodedError {
    const { logFile } = this.#options;
    // Only what this start said: an older failure in the same log explains nothing.
    const said = lastWords(readFileSync(logFile).subarray(this.#logStart).toString("utf8"));
    return new CodedError("ROLE_FAILED", said === "" ? message : `${message}: ${said}`, {
      facts: { role: this.name, logFile, reason: FATAL.exec(said)?.[1] },
      hint: `Its log is ${logFile}.`,
    });
  }

  /** Starts it again whenever it ends, until stopped. */
  async #keep(): Promise<void> {
    const { clock, say, name, logFile } = this.#options;
    let crashes = 0;
    let healthySinceMs = clock.monotonic();
    for (;;) {
      const how = await this.#exited;
      if (this.#stopping.signal.aborted) return;
      crashes = clock.monotonic() - healthySinceMs > STEADY_MS ? 1 : crashes + 1;
      const delayMs = Math.min(RESTART_MS_MAX, RESTART_MS * 2 ** (crashes - 1));
      say(`${name} ended (${how}); starting it again in ${delayMs / 1000} s. Its log is ${logFile}.`);
      try {
        await clock.sleep(delayMs, this.#stopping.signal);
      } catch {
        return;
      }
      this.#spawn();
      try {
        await this.#untilHealthy();
        if (this.#stopping.signal.aborted) return;
        say(`${name} is up again.`);
      } catch (error) {
        // It ended or hangs; the next turn starts it anew.
        say(CodedError.from(error).message);
        await this.#end();
      }
      healthySinceMs = clock.monotonic();
    }
  }

  async #end(): Promise<void> {
    const { clock, stopMsMax = STOP_MS_MAX } = this.#options;
    const child = this.#child;
    if (child === undefined || this.pid === undefined) return;
    child.kill("SIGTERM");
    const timer = new AbortController();
    await Promise.race([this.#exited, clock.sleep(stopMsMax, timer.signal).catch(() => undefined)]);
    timer.abort();
    if (this.pid !== undefined) {
      this.#options.say(`${this.name} does not stop; killing it.`);
      child.kill("SIGKILL");
    }
    await this.#exited;
  }
}

/** Keeps a log bounded: one that has grown large becomes `FILE.old`, in place of the one before it. */
function turnLog(logFile: string): void {
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.old`);
}

/** What a role said as it died: its last `ROLE: CODE: message` if there is one, else its last line. */
function lastWords(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return (lines.findLast((line) => FATAL.test(line)) ?? lines.at(-1) ?? "").trim().slice(0, 500);
}

const FATAL = /^[a-z-]+: ([A-Z][A-Z_]+): /;

/** A CliContext without a process: collects output, holds time still until told, and lets a test press Ctrl-C. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Clock } from "@permafrost/std";
import type { Endpoint } from "../src/api.ts";
import type { CliContext, Output } from "../src/context.ts";
import { runCli } from "../src/run.ts";
import { FakeCluster } from "./fake-cluster.ts";

/** Time that moves when a test says so, or, with `auto`, whenever someone sleeps. */
export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  readonly #auto: boolean;

  constructor(options: { readonly auto: boolean }) {
    this.#auto = options.auto;
  }

  now(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (this.#auto && signal === undefined) {
        this.#nowMs += ms;
        setImmediate(resolve);
        return;
      }
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake: resolve });
    });
  }

  /** Moves time on and lets everyone act whose time has come. */
  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (let at = this.#sleepers.length - 1; at >= 0; at--) {
      const sleeper = this.#sleepers[at];
      if (sleeper !== undefined && sleeper.atMs <= this.#nowMs) {
        this.#sleepers.splice(at, 1);
        sleeper.wake();
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class FakeOutput implements Output {
  text = "";
  readonly chunks: Buffer[] = [];
  readonly isTerminal: boolean;
  /** Set by a test: the reader is gone. */
  closed = false;

  constructor(isTerminal: boolean) {
    this.isTerminal = isTerminal;
  }

  columns(): number {
    return 100;
  }

  isClosed(): boolean {
    return this.closed;
  }

  async write(data: string | Uint8Array): Promise<void> {
    this.chunks.push(Buffer.from(data));
    this.text += Buffer.from(data).toString("utf8");
  }
}

export interface World {
  readonly context: CliContext;
  readonly cluster: FakeCluster;
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  readonly clock: FakeClock;
  /** A fresh directory that a cluster runs on, as far as the CLI can see. */
  readonly directory: string;
  readonly endpoints: Endpoint[];
  readonly left: number[];
  /** Questions that `confirms` answered. */
  readonly confirmed: string[];
  interrupt(): void;
  run(...argv: string[]): Promise<number>;
}

export interface WorldOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Buffer;
  readonly stdinIsTerminal?: boolean;
  readonly stdoutIsTerminal?: boolean;
  readonly stderrIsTerminal?: boolean;
  /** Answers to prompts, in order; undefined: the user gives up. */
  readonly secrets?: (string | undefined)[];
  readonly confirms?: (boolean | undefined)[];
}

export function createWorld(options: WorldOptions = {}): World {
  const directory = mkdtempSync(join(tmpdir(), "permafrost-cli-"));
  writeFileSync(join(directory, "token"), "0123456789abcdef0123456789abcdef\n", { mode: 0o600 });
  writeFileSync(
    join(directory, "client.json"),
    JSON.stringify({ address: "127.0.0.1:7000", tokenFile: join(directory, "token") }),
  );
  const cluster = new FakeCluster();
  const stdout = new FakeOutput(options.stdoutIsTerminal ?? false);
  const stderr = new FakeOutput(options.stderrIsTerminal ?? false);
  const clock = new FakeClock({ auto: true });
  const handlers = new Set<() => void>();
  const endpoints: Endpoint[] = [];
  const left: number[] = [];
  const secrets = [...(options.secrets ?? [])];
  const confirms = [...(options.confirms ?? [])];
  const confirmed: string[] = [];
  const context: CliContext = {
    env: { PERMAFROST_DATA: directory, ...options.env },
    cwd: directory,
    home: directory,
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    stdinIsTerminal: options.stdinIsTerminal ?? false,
    stdout,
    stderr,
    clock,
    connect: async (endpoint) => {
      endpoints.push(endpoint);
      return cluster;
    },
    isHealthy: async () => true,
    askSecret: async () => secrets.shift(),
    confirm: async (question) => {
      confirmed.push(question);
      return confirms.shift();
    },
    onInterrupt: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    leave: (code) => void left.push(code),
  };
  const interrupt = () => {
    for (const handler of [...handlers]) handler();
  };
  return {
    context,
    cluster,
    stdout,
    stderr,
    clock,
    directory,
    endpoints,
    left,
    confirmed,
    interrupt,
    run: (...argv) => runCli(argv, context),
  };
}

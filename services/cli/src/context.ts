/**
 * Everything a command may touch of the outside world, as one value: streams, environment, time, the cluster.
 * Commands take nothing from `process`, so that a test runs them in its own process with its own world.
 */

import type { Readable } from "node:stream";
import type { Clock } from "@permafrost/std";
import type { Connect } from "./api.ts";

/** Standard output or standard error. */
export interface Output {
  /** Resolves when the text may be forgotten; waits for a slow reader. What a reader that went away misses is dropped. */
  write(data: string | Uint8Array): Promise<void>;
  /** Whether the reader went away (`| head`). */
  isClosed(): boolean;
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 when there is none. */
  columns(): number;
}

export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly stdin: Readable;
  readonly stdinIsTerminal: boolean;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  readonly connect: Connect;
  /** Whether the service at `host:port` on loopback answers its health check. */
  readonly isHealthy: (address: string) => Promise<boolean>;
  /** Asks on the terminal without echo; undefined when the user gave up. */
  readonly askSecret: (question: string) => Promise<string | undefined>;
  /** Asks yes or no on the terminal; undefined when the user gave up. */
  readonly confirm: (question: string) => Promise<boolean | undefined>;
  /** Calls `handler` for each Ctrl-C or SIGTERM until the returned function is called. */
  readonly onInterrupt: (handler: () => void) => () => void;
  /** Leaves at once; for the second Ctrl-C. */
  readonly leave: (code: number) => void;
}

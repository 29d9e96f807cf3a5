/**
 * Logs: one JSON object per line on standard error, or readable lines when that is a terminal.
 *
 * Written synchronously, so that the last line before an exit is not lost; services log events, not blocks. Everything goes
 * through `redact`. Stacks appear at level `debug` and below.
 */

import { type DestinationStream, destination, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import { REDACTED, redact, redactMembers } from "./redact.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type { Logger } from "pino";

export interface LoggerOptions {
  /** The role and node: `worker-1`. */
  readonly name: string;
  readonly level: LogLevel;
  /** Default: standard error. */
  readonly output?: DestinationStream;
  /** Default: true when standard error is a terminal. */
  readonly isPretty?: boolean;
}

const STDERR = 2;
const SECRET_NAMES = [
  "token",
  "password",
  "secret",
  "authorization",
  "Authorization",
  "x-auth-token",
  "X-Auth-Token",
  "adminPass",
];
const SECRET_DEPTH = 4;

function secretPaths(): string[] {
  const levels = Array.from({ length: SECRET_DEPTH }, (_, depth) => "*.".repeat(depth));
  return levels.flatMap((level) =>
    SECRET_NAMES.map((name) => (/^\w+$/.test(name) ? level + name : `${level.slice(0, -1)}["${name}"]`)),
  );
}

/** `logger.info(facts, message)`; `logger.child(facts)`. An error goes under `err`. */
export function createLogger(options: LoggerOptions): Logger {
  const isPretty = options.isPretty ?? (options.output === undefined && process.stderr.isTTY === true);
  const plain = options.output ?? destination({ dest: STDERR, sync: true });
  const output = isPretty
    ? pretty({ destination: (options.output as NodeJS.WritableStream | undefined) ?? STDERR, sync: true, ignore: "pid,hostname" })
    : plain;
  const errors = { withStack: options.level === "debug" || options.level === "trace" };
  return pino(
    {
      name: options.name,
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        bindings: (bindings) => redactMembers(bindings, errors),
        log: (facts) => redactMembers(facts, errors),
      },
      // A child logger's own facts pass no formatter; these paths cover them.
      redact: { paths: secretPaths(), censor: REDACTED },
      // The formatter has made plain data of it already.
      serializers: { err: (value: unknown) => redact(value, errors) },
    },
    output,
  );
}

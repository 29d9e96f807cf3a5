/**
 * The life of a service's process.
 *
 * Start; then wait for SIGTERM, SIGINT or a fatal error; then stop in reverse and exit. The first signal is graceful (status 0), the second
 * exits at once with the status a shell expects (130, 143). A fatal error is printed as code, message and hint, with a stack only when
 * the log level asks for it, and ends with status 1. An error that nobody caught is fatal: the state after it is unknown.
 */

import { type Clock, CodedError } from "@permafrost/std";
import { Lifecycle } from "./lifecycle.ts";

/** The process as this file sees it; tests give another. */
export interface ProcessHost {
  on(event: "SIGTERM" | "SIGINT" | "uncaughtException" | "unhandledRejection", listener: (cause: unknown) => void): unknown;
  exit(code: number): void;
  /** To standard error. */
  write(text: string): void;
}

export interface RunServiceOptions {
  readonly name: string;
  /** Whether fatal errors are printed with their stack; asked when one happens, since the level is known only after the start. */
  readonly withStack?: () => boolean;
  readonly clock?: Clock;
  /** How long one part may take to stop. Default 10 s. */
  readonly partStopMsMax?: number;
  readonly host?: ProcessHost;
}

const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

const thisProcess: ProcessHost = {
  on: (event, listener) => process.on(event, listener),
  exit: (code) => process.exit(code),
  write: (text) => process.stderr.write(text),
};

/** `CODE: message` and the hint, as shown to a person. */
export function formatFatal(error: unknown, withStack: boolean): string {
  const coded = CodedError.from(error);
  const hint = coded.hint === undefined ? "" : `\n${coded.hint}`;
  const stack = withStack ? `\n${(coded.cause instanceof Error ? coded.cause : coded).stack ?? ""}` : "";
  return `${coded.code}: ${coded.message}${hint}${stack}\n`;
}

/** Runs a service until it is told to stop; then ends the process. `start` registers its parts with `lifecycle.onStop` as it goes. */
export async function runService(start: (lifecycle: Lifecycle) => Promise<void>, options: RunServiceOptions): Promise<void> {
  const host = options.host ?? thisProcess;
  const lifecycle = new Lifecycle({
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.partStopMsMax === undefined ? {} : { partStopMsMax: options.partStopMsMax }),
  });
  const signalled = Promise.withResolvers<void>();
  let signals = 0;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    host.on(signal, () => {
      signals++;
      if (signals > 1) host.exit(SIGNAL_STATUS[signal]);
      signalled.resolve();
    });
  }
  host.on("uncaughtException", (error) => lifecycle.fail(error));
  host.on("unhandledRejection", (reason) => lifecycle.fail(reason));

  const report = (error: unknown) => host.write(`${options.name}: ${formatFatal(error, options.withStack?.() ?? false)}`);
  let status = 0;
  const started = start(lifecycle);
  started.catch((error: unknown) => {
    // What a start says because it was told to stop is no failure of its own.
    if (!CodedError.is(error, "STOPPING")) lifecycle.fail(error);
  });
  await Promise.race([
    signalled.promise,
    lifecycle.failed.then((error) => {
      status = 1;
      report(error);
    }),
  ]);
  for (const failure of await lifecycle.stop()) {
    status = 1;
    report(failure);
  }
  host.exit(status);
}

/**
 * How a failure reaches the user: one `Error:` line with its code, then what to do next, on standard error; never
 * a stack unless PERMAFROST_DEBUG is set. With `-f json` the last line is the machine's: `exit_error`.
 */

import { CodedError } from "@permafrost/std";
import type { CliContext } from "./context.ts";
import { type ExitCode, exitCodeOf } from "./exit-codes.ts";

/** A mistake in the command line or in a setting: exit code 2. */
export function usageError(message: string, hint?: string): CodedError {
  return new CodedError("USAGE", message, hint === undefined ? {} : { hint });
}

/** The lines for people: the error, its facts when asked for (`-v`), its hint. */
export function failureLines(error: CodedError, verbose: boolean): string[] {
  const lines = [`Error: ${error.message} (${error.code})`];
  if (verbose) {
    for (const [name, value] of Object.entries(error.facts)) {
      if (value !== undefined) lines.push(`  ${name}: ${value}`);
    }
  }
  if (error.hint !== undefined && error.hint !== "") lines.push(`  ${error.hint}`);
  return lines;
}

/** Says `thrown` on standard error and answers the exit code that goes with it. */
export async function reportFailure(
  context: CliContext,
  thrown: unknown,
  style: { readonly json: boolean; readonly verbose: boolean },
): Promise<ExitCode> {
  const error = CodedError.from(thrown);
  const code = exitCodeOf(error.code);
  const lines = failureLines(error, style.verbose);
  if (context.env.PERMAFROST_DEBUG) lines.push(debugText(error));
  if (style.json) lines.push(exitErrorLine(code, `${error.message} (${error.code})`));
  await context.stderr.write(`${lines.join("\n")}\n`);
  return code;
}

/** The last line on standard error of a failed command under `-f json`. */
export function exitErrorLine(code: ExitCode, message: string): string {
  return JSON.stringify({ message_type: "exit_error", code, message });
}

function debugText(error: CodedError): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : "";
  return `${error.stack}${cause}`;
}

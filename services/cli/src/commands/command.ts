/** What every command file exports: a function that adds itself to its parent and says what to run. */

import type { Command } from "commander";
import type { ExitCode } from "../exit-codes.ts";
import type { Column } from "../output/column.ts";
import type { Run } from "../run-context.ts";

/** Runs one call of a command; the exit code is the answer, an exception a failure. */
export type Action = (run: Run, args: readonly string[], command: Command) => Promise<ExitCode>;

export type Titled = Pick<Column<never>, "title">;

/**
 * Makes `command` run `action`; `run.ts` provides it. `columns` are those that `-c` and `--sort-column` may name: a wrong
 * name is told before anything is done, for a backup or a recovery key must not be lost to a typing error. A function where the
 * options decide.
 */
export type Bind = (
  command: Command,
  columns: readonly Titled[] | ((command: Command) => readonly Titled[]),
  action: Action,
) => void;

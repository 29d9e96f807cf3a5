/**
 * Runs one command line to its exit code. The tree of commands is built anew for each call; nothing is remembered
 * between two. Exceptions end here, as a message and a code; none leaves this function.
 */

import { Command, CommanderError } from "commander";
import { addBackupCommand } from "./commands/backup.ts";
import type { Bind } from "./commands/command.ts";
import { addCompletion } from "./commands/completion.ts";
import { addCopyCommand } from "./commands/copy.ts";
import { addForgetCommand } from "./commands/forget.ts";
import { addPolicyCommands } from "./commands/policy.ts";
import { addPruneCommand } from "./commands/prune.ts";
import { addRecoverCommand } from "./commands/recover.ts";
import { addRepairCommand } from "./commands/repair.ts";
import { addRepositoryCommands } from "./commands/repository.ts";
import { addRestoreCommand } from "./commands/restore.ts";
import { addRoleCommands } from "./commands/roles.ts";
import { addSessionCommands } from "./commands/sessions.ts";
import { addUpCommand } from "./commands/up.ts";
import type { CliContext } from "./context.ts";
import { EXIT, type ExitCode, exitCodesHelp } from "./exit-codes.ts";
import { reportFailure, usageError } from "./failure.ts";
import { withConnection, withOutput } from "./options.ts";
import { findColumn } from "./output/column.ts";
import { Run } from "./run-context.ts";
import type { CommonFlags } from "./settings.ts";
import { VERSION } from "./version.ts";

/** Runs `argv` (without node and script) and answers the exit code. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  const written: Promise<void>[] = [];
  const code = await parse(argv, context, written);
  try {
    await Promise.all(written);
    return code;
  } catch (error) {
    return reportFailure(context, error, styleOf(argv));
  }
}

async function parse(argv: readonly string[], context: CliContext, written: Promise<void>[]): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program = createProgram(context, written, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    const style = styleOf(argv);
    if (!(error instanceof CommanderError)) return reportFailure(context, error, style);
    // Help and the version were asked for; a command group without its command is a mistake.
    if (error.exitCode === 0) return EXIT.ok;
    if (error.code === "commander.help") return EXIT.usage;
    return reportFailure(
      context,
      usageError(firstUpper(error.message.replace(/^error: /, "")), "`permafrost --help` lists commands and options."),
      style,
    );
  }
}

function styleOf(argv: readonly string[]) {
  return { json: wantsJson(argv), verbose: argv.includes("-v") || argv.includes("--verbose") };
}

function createProgram(context: CliContext, written: Promise<void>[], onResult: (code: ExitCode) => void): Command {
  const program = new Command("permafrost")
    .description("Back up what a project owns in an OpenStack cloud, block by block, and restore it anywhere.")
    .version(VERSION, "-V, --version", "print the version")
    .helpCommand("help [command]", "show the help of a command")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => written.push(context.stdout.write(text)),
      writeErr: (text) => written.push(context.stderr.write(text)),
      getOutHelpWidth: () => context.stdout.columns(),
      // Said by `runCli`, like every other error.
      outputError: () => {},
    })
    .addHelpText("after", `\nExit codes:\n${exitCodesHelp()}\n\nStart with \`permafrost up\`; the README has a tour.`);
  withOutput(withConnection(program));
  const bind: Bind = (command, columns, action) => {
    command.action(async () => {
      using run = new Run(context, command.optsWithGlobals<CommonFlags>());
      const known = typeof columns === "function" ? columns(command) : columns;
      for (const name of run.columnNames()) findColumn(known, name);
      try {
        onResult(await action(run, command.args, command));
      } catch (error) {
        throw run.failure(error);
      }
    });
  };
  addUpCommand(program, bind);
  addRepositoryCommands(program, bind);
  addBackupCommand(program, bind);
  addSessionCommands(program, bind);
  addForgetCommand(program, bind);
  addPruneCommand(program, bind);
  addRepairCommand(program, bind);
  addRecoverCommand(program, bind);
  addCopyCommand(program, bind);
  addPolicyCommands(program, bind);
  addRestoreCommand(program, bind);
  addRoleCommands(program, bind);
  addCompletion(program);
  return program;
}

/** For errors that come before the options are known. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some((arg, at) => {
    const value = arg === "-f" || arg === "--format" ? argv[at + 1] : /^(?:-f|--format=)(.+)$/.exec(arg)?.[1];
    return arg === "--json" || value === "json";
  });
}

function firstUpper(text: string): string {
  return text.replace(/^./, (letter) => letter.toUpperCase());
}

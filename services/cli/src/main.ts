/**
 * Entry point of the `permafrost` command: takes the process's own arguments, environment and streams,
 * and ends with the exit code of the command. Everything else is in `run.ts`, which knows no process.
 */

import { processContext } from "./process-context.ts";
import { runCli } from "./run.ts";

const context = processContext();
// A reader that closes the pipe early (`| head`) is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
process.exit(await runCli(process.argv.slice(2), context));

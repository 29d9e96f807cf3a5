/**
 * Entry point of the `permafrost` command: takes the process's own arguments, environment and streams,
 * and ends with the exit code of the command. Everything else is in `run.ts`, which knows no process.
 */

import { processContext } from "./process-context.ts";
import { runCli } from "./run.ts";

process.exit(await runCli(process.argv.slice(2), processContext()));

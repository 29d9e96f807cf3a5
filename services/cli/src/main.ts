/**
 * Entry point of the `permafrost` command: takes the process's own arguments, environment and streams,
 * and ends with the exit code of the command. Everything else is in `run.ts`, which knows no process.
 */

import { keepCompiled } from "./compile-cache.ts";

// Before anything else is loaded.
keepCompiled(process.env);
const [{ processContext }, { runCli }] = await Promise.all([import("./process-context.ts"), import("./run.ts")]);

process.exit(await runCli(process.argv.slice(2), processContext()));

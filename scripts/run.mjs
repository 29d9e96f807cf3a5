/**
 * Runs a TypeScript file of the project on the right Node: `node scripts/run.mjs FILE [arguments]`.
 *
 * Prepares the machine first. Signals are passed on and the exit status is the file's own, so that a caller cannot tell
 * the difference from running it directly.
 */

import { spawn } from "node:child_process";
import { prepareOrExit } from "./prepare.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"];
const EXIT_BY_SIGNAL = 128;
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("usage: node scripts/run.mjs FILE [arguments]\n");
  process.exit(2);
}
const { node, env } = prepareOrExit();
const child = spawn(node, [file, ...args], { stdio: "inherit", env });
for (const signal of SIGNALS) {
  // From a terminal the child has Ctrl-C already, as a member of the same group; a second copy would mean "at once" to a service.
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("error", (error) => {
  process.stderr.write(`run: ${node} did not start: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  process.exit(code ?? EXIT_BY_SIGNAL + (SIGNAL_NUMBERS[signal] ?? 0));
});

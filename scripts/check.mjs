/**
 * Everything that can be said without running the code: format and lint (Biome), types (tsc), generated code up to date.
 *
 * `npm run check`. All checks run even when one fails, so that one run shows everything. `npm run fix` repairs what Biome can.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { prepareOrExit, root } from "./prepare.mjs";

/** Runs each check with its output on the terminal; returns the names of those that failed. */
export function runChecks({ node, env }) {
  const generator = join(root, "scripts", "gen.mjs");
  const checks = [
    { name: "format and lint", command: "biome", args: ["check", "--error-on-warnings", "."] },
    { name: "types", command: "tsc", args: ["-p", "."] },
    ...(existsSync(generator) ? [{ name: "generated code", command: node, args: [generator, "--check"] }] : []),
  ];
  return checks
    .filter(({ name, command, args }) => {
      const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
      const isFailed = status !== 0;
      process.stdout.write(`${isFailed ? "FAILED" : "ok"}: ${name}${error ? ` (${error.message})` : ""}\n`);
      return isFailed;
    })
    .map((check) => check.name);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(runChecks(prepareOrExit()).length === 0 ? 0 : 1);

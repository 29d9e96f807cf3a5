/**
 * The whole proof in one command: prepare, checks, every test. `npm test [-- vitest arguments]`.
 *
 * The last line is always `N passed, N failed`; a failed check or a test file that could not be loaded counts as one failure.
 * The exit status is 0 only when nothing failed and at least one test ran.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChecks } from "./check.mjs";
import { prepareOrExit, root } from "./prepare.mjs";

/** Passed and failed of a Vitest JSON report. A file that failed without a failed test of its own counts once. */
export function countResults(report) {
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles.length };
}

function main() {
  const machine = prepareOrExit();
  const failedChecks = runChecks(machine);
  const reportFile = join(root, ".cache", "vitest.json");
  mkdirSync(dirname(reportFile), { recursive: true });
  rmSync(reportFile, { force: true });
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const args = [
    vitest,
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2),
  ];
  const { status } = spawnSync(machine.node, args, { cwd: root, env: machine.env, stdio: ["ignore", "inherit", "inherit"] });
  const { passed, failed } = existsSync(reportFile)
    ? countResults(JSON.parse(readFileSync(reportFile, "utf8")))
    : { passed: 0, failed: 1 };
  for (const name of failedChecks) process.stdout.write(`failed check: ${name}\n`);
  // Vitest also fails for errors outside any test; the count must not hide them.
  const failures = Math.max(failed, status === 0 ? 0 : 1) + failedChecks.length;
  process.stdout.write(`${passed} passed, ${failures} failed\n`);
  process.exit(failures === 0 && passed > 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();

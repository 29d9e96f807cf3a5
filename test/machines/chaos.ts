/**
 * `npm run chaos`: roles of a real cluster die, hang and come back while it backs up, restores and prunes.
 *
 * The last line is `N kills in M rounds, F failures`; the exit status is 0 only without failures. What is struck when follows from the seed; how
 * far the others have come by then does not.
 */

import { parseArgs } from "node:util";
import { chaos } from "./chaos/chaos.ts";

const USAGE = `usage: npm run chaos -- [--kills N] [--seed N]

  --kills N   end after so many kills (default: 200)
  --seed N    what is struck, and when (default: 1)
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { kills: { type: "string" }, seed: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [kills, seed] = [Number(values.kills ?? 200), Number(values.seed ?? 1)];
  if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const result = await chaos({ kills, seed, print: (line) => process.stdout.write(`${line}\n`) });
  process.stdout.write(`${result.pauses} pauses, ${result.wipes} wiped buses, ${result.points} backups of the tenant\n`);
  process.stdout.write(`${result.kills} kills in ${result.rounds} rounds, ${result.failures.length} failures\n`);
  return result.failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();

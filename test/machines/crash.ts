/**
 * `npm run crash`: crash-point enumeration of a storage node's packs, index, records, condemned blocks, pack clearing and recovery.
 *
 * Plays seeded histories on the real engine over a simulated disk, cuts each off at every step, and starts the node on every legal state of
 * the disk, twice. The last line is `N states of M histories, F failures`; the exit status is 0 only without failures.
 */

import { parseArgs } from "node:util";
import { CrashFailure, crashHistory } from "../../packages/storage/testing/crash-history.ts";

const USAGE = `usage: npm run crash -- [--states N] [--seed N]

  --states N   stop when so many states of the disk were tried (default: 100000)
  --seed N     the first seed; the next histories have the next ones (default: 1)
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { states: { type: "string" }, seed: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [wanted, first] = [Number(values.states ?? 100_000), Number(values.seed ?? 1)];
  if (!Number.isSafeInteger(wanted) || wanted < 1 || !Number.isSafeInteger(first)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const sum = { states: 0, condemned: 0, deleted: 0, histories: 0, failures: 0 };
  for (let seed = first; sum.states < wanted; seed++) {
    try {
      const { states, condemned, deleted } = await crashHistory(seed);
      sum.states += states;
      sum.condemned += condemned;
      sum.deleted += deleted;
    } catch (error) {
      if (!(error instanceof CrashFailure)) throw error;
      sum.failures++;
      process.stdout.write(`FAIL ${error.message}\n`);
      if (sum.failures === 10) break;
    }
    sum.histories++;
    if (sum.histories % 10 === 0) process.stdout.write(`seed ${seed}: ${sum.states} states, ${sum.deleted} blocks deleted\n`);
  }
  process.stdout.write(`condemned ${sum.condemned} blocks, deleted ${sum.deleted}\n`);
  process.stdout.write(`${sum.states} states of ${sum.histories} histories, ${sum.failures} failures\n`);
  return sum.failures === 0 ? 0 : 1;
}

process.exitCode = await main();

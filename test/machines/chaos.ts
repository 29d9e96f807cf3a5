/**
 * `npm run chaos`: roles of a real cluster die, hang and come back, and disks fail, while it backs up, restores, forgets, prunes and checks.
 *
 * The last line is `N kills in M rounds, F failures`; the exit status is 0 only without failures. What is struck when follows from the seed; how
 * far the others have come by then does not. After a failure the cluster's directory with its logs stays.
 */

import { parseArgs } from "node:util";
import { chaos } from "./chaos/chaos.ts";

const USAGE = `usage: npm run chaos -- [--kills N] [--seed N]

  --kills N   end with the round that reaches so many kills (default: 200)
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
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const result = await chaos({ kills, seed, print });
  if (result.disksSkipped !== undefined) print(`full and failing disks were skipped: ${result.disksSkipped}`);
  print(
    `${result.busKills} of the kills were of a nats-server; ${result.pauses} pauses, ${result.rollings} rolling restarts and ${result.wipes} wipes of the bus, ` +
      `${result.diskFaults} disk faults (${result.callsFailed} calls failed); ${result.points} backups, ${result.restores} restores compared`,
  );
  print(`${result.kills} kills in ${result.rounds} rounds, ${result.failures.length} failures`);
  return result.failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();

/**
 * `npm run rot`: damage of everything that is kept, done on purpose and counted.
 *
 * Flips every bit of a small pack, of a repository's blocks, manifest pages, records and header; damages large packs in larger ways, and the
 * files of a real LevelDB. Nobody may be given other bytes than were put, every damage must be detected or lie in bytes that nothing depends
 * on, and where there is a good copy everything must be repaired from it.
 *
 * The last line is `N flips, M detected, K harmless, R repaired, F failures`; the exit status is 0 only without failures.
 */

import { parseArgs } from "node:util";
import { type RotRow, RotTally } from "@permafrost/blocks/testing";
import { rotBodies } from "../../packages/repository/testing/rot-bodies.ts";
import { rotBits } from "../../packages/storage/testing/rot-bits.ts";
import { rotIndex } from "../../packages/storage/testing/rot-index.ts";
import { rotLarge } from "../../packages/storage/testing/rot-large.ts";
import { rotCluster } from "./rotten-cluster.ts";

const USAGE = `usage: npm run rot -- [--stride N] [--damages N] [--index N] [--seed N]

  --stride N    flip every Nth bit only (default: 1)
  --damages N   larger damages of large packs, of each kind (default: 200)
  --index N     damages of a real LevelDB, of each kind (default: 25)
  --seed N      what is drawn follows from it (default: 1)
`;

const FAILURES_SHOWN_MAX = 20;
const COLUMNS = ["flips", "detected", "harmless", "repaired", "failed"];

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: { stride: text, damages: text, index: text, seed: text, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [stride, damages, index, seed] = [values.stride ?? 1, values.damages ?? 200, values.index ?? 25, values.seed ?? 1].map(
    Number,
  );
  if (![stride, damages, index, seed].every((value) => Number.isSafeInteger(value)) || !(Number(stride) >= 1)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const tally = new RotTally();
  const failures = new Map<string, number>();
  let failed = 0;
  const onFailure = (message: string) => {
    const kind = message.slice(0, message.indexOf(":"));
    failures.set(kind, (failures.get(kind) ?? 0) + 1);
    if (++failed <= FAILURES_SHOWN_MAX) process.stdout.write(`FAIL ${message}\n`);
  };
  const bits = { tally, onFailure, stride: stride as number, first: seed as number };
  const drawn = { tally, onFailure, seed: seed as number };
  process.stdout.write(`seed ${seed}, every ${stride === 1 ? "bit" : `${stride}th bit`}\n`);
  await rotBodies(bits);
  await rotBits(bits);
  await rotCluster(bits);
  await rotLarge({ ...drawn, damages: damages as number });
  const aborts = await rotIndex({ ...drawn, damages: index as number });

  process.stdout.write(`${COLUMNS.map((name) => name.padStart(9)).join("")}  kind of damage\n`);
  for (const [kind, row] of tally.rows) process.stdout.write(`${lineOf(kind, row, failures.get(kind) ?? 0)}\n`);
  for (const [kind, count] of failures) if (!tally.rows.has(kind)) process.stdout.write(`${count} failures of: ${kind}\n`);
  process.stdout.write(`LevelDB killed its process ${aborts} times, and the node started again\n`);
  const sum = tally.total();
  const flips = sum.damages + failed;
  process.stdout.write(
    `${flips} flips, ${sum.detected} detected, ${sum.harmless} harmless, ${sum.repaired} repaired, ${failed} failures\n`,
  );
  return failed === 0 && flips > 0 ? 0 : 1;
}

/** `-` for what has no good copy to be repaired from: the store vouches for what it says. */
function lineOf(kind: string, row: RotRow, failed: number): string {
  const harmless = [...row.harmless.values()].reduce((sum, count) => sum + count, 0);
  const numbers = [row.damages + failed, row.detected, harmless, row.repairable ? row.repaired : "-", failed];
  const why = [...row.harmless].map(([bytes, count]) => `${count} in ${bytes}`).join(", ");
  return `${numbers.map((value) => String(value).padStart(9)).join("")}  ${kind}${why === "" ? "" : ` (harmless: ${why})`}`;
}

process.exitCode = await main();

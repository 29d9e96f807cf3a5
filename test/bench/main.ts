/**
 * `npm run bench`: logical MB per CPU-second of a backup and its restore, beside restic and borg, on one generated disk image.
 *
 * Permafrost's way is the whole one: a volume of a cloud over HTTP, gRPC, one storage node, encryption and compression on; its CPU time is that
 * of all its processes except NATS and the cloud. The peers read a local file. Absolute figures belong to the machine;
 * compare columns of one run. --json FILE keeps them.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { changeBlocks, generateImage } from "./image.ts";
import { peers } from "./peers.ts";
import { permafrost } from "./permafrost.ts";
import { type ContenderResults, resultTable } from "./result.ts";

const USAGE = `usage: npm run bench -- [--size-mib N] [--only NAME] [--json FILE]

  --size-mib N   size of the image; a multiple of 1024, because a volume has whole GiB (1024)
  --only NAME    only contenders whose name starts with NAME
  --json FILE    write the figures there as well
`;
const BUSY_LOAD = 0.5;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      "size-mib": { type: "string", default: "1024" },
      only: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const sizeMib = Number(values["size-mib"]);
  if (values.help || !Number.isInteger(sizeMib / 1024) || sizeMib < 1) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const [load = 0] = loadavg();
  if (load > BUSY_LOAD) process.stderr.write(`note: the machine is busy (load ${load.toFixed(1)}); compare columns, not runs\n`);
  const cache = join(import.meta.dirname, "../../.cache/bench");
  mkdirSync(cache, { recursive: true });
  const label = `vm-base-1-${sizeMib}`;
  const image = generateImage({ file: join(cache, `${label}.raw`), profile: "vm-base", seed: "1", sizeBytes: sizeMib << 20 });
  const changed = changeBlocks(image, join(cache, `${label}-changed.raw`), "1");
  process.stdout.write(`image vm-base seed 1, ${sizeMib} MiB, SHA-256 ${image.sha256}\n`);
  const contenders = [permafrost, ...peers()].filter(({ name }) => values.only === undefined || name.startsWith(values.only));
  const all: ContenderResults[] = [];
  for (const contender of contenders) {
    const directory = mkdtempSync(join(tmpdir(), "permafrost-bench-"));
    try {
      process.stderr.write(`running ${contender.name}\n`);
      all.push({ name: contender.name, results: await contender.run({ directory, image, changed }) });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  process.stdout.write(`${resultTable(image.sizeBytes, all)}\n`);
  if (values.json !== undefined) {
    const report = {
      image: { profile: "vm-base", seed: "1", sizeBytes: image.sizeBytes, sha256: image.sha256 },
      load,
      contenders: all,
    };
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  return 0;
}

process.exitCode = await main();

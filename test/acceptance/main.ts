/**
 * `npm run accept`: the acceptance suite on a real OpenStack, by default the lab of test/lab, which it brings up and seeds.
 *
 * OS_CLOUD or --cloud names the project that is backed up: `P-acme` of the lab (default pf-acme), or `fake` for the fake cloud. The last line is
 * `N passed, N failed`; the exit status is 0 only if all passed. --keep leaves the data directory and log for a look.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@permafrost/std";
import type { CloudUnderTest } from "./cloud-under-test.ts";
import { openLab } from "./lab-cloud.ts";
import { acceptanceSuite } from "./suite.ts";

const USAGE = `usage: npm run accept -- [--cloud NAME] [--keep]

  --cloud NAME   P-acme: the lab's storage tenant of that prefix (default: OS_CLOUD, then pf-acme); it is emptied and
                 seeded anew. fake: the fake cloud of the tests
  --keep         keep the data directory and the log of all commands
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { cloud: { type: "string" }, keep: { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const name = values.cloud ?? process.env.OS_CLOUD ?? "pf-acme";
  const prefix = /^([a-z][a-z0-9]{0,15})-acme$/.exec(name)?.[1];
  if (prefix === undefined && name !== "fake") {
    process.stderr.write(`${name} is not a tenant whose bytes are known.\n\n${USAGE}`);
    return 2;
  }
  const directory = await mkdtemp(join(tmpdir(), "permafrost-accept-"));
  let passed = 0;
  let failed = 0;
  let close = async () => {};
  try {
    const cloud: CloudUnderTest = prefix === undefined ? await openFake(directory) : await openLab(prefix);
    const suite = acceptanceSuite(cloud, directory);
    close = async () => {
      await suite.close();
      await cloud.close();
    };
    for (const { name: title, run } of suite.cases) {
      const startedAt = systemClock.monotonic();
      const seconds = () => ((systemClock.monotonic() - startedAt) / 1000).toFixed(1).padStart(6);
      try {
        await run();
        passed += 1;
        process.stdout.write(`ok   ${seconds()} s  ${title}\n`);
      } catch (error) {
        failed += 1;
        process.stdout.write(`FAIL ${seconds()} s  ${title}\n${indent(error)}\n`);
      }
    }
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAIL            ${name} cannot be used\n${indent(error)}\n`);
  } finally {
    await close();
    if (values.keep || failed > 0) process.stdout.write(`log and data: ${directory}\n`);
    else await rm(directory, { recursive: true, force: true });
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

async function openFake(directory: string): Promise<CloudUnderTest> {
  const { openFakeCloud } = await import("./fake-cloud.ts");
  return openFakeCloud(directory);
}

function indent(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/^/gm, "       ");
}

process.exitCode = await main();

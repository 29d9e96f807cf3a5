/**
 * `npm run accept`: the acceptance suite on a real OpenStack, by default the lab of test/lab, which it brings up and seeds.
 *
 * OS_CLOUD or --cloud names the project that is backed up: `P-acme` of the lab (default pf-acme), or `fake` for the fake cloud, which has only the
 * storage suite. The full suite has the project `Pfull-acme`. The last line is `N passed, N failed`; the exit status is 0 only if all passed.
 * --keep leaves the data directory and log for a look.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@permafrost/std";
import type { CloudUnderTest } from "./cloud-under-test.ts";
import { elsewhereSuite } from "./full/elsewhere.ts";
import { openFullLab } from "./full/full-cloud.ts";
import { fullSuite } from "./full/suite.ts";
import { openLab } from "./lab-cloud.ts";
import type { Suite } from "./story.ts";
import { acceptanceSuite } from "./suite.ts";

const USAGE = `usage: npm run accept -- [--cloud NAME] [--suite NAME] [--keep]

  --cloud NAME   P-acme: the lab's storage tenant of that prefix (default: OS_CLOUD, then pf-acme); it is emptied and
                 seeded anew, and so is the full tenant Pfull-acme. fake: the fake cloud of the tests
  --suite NAME   only this: storage (images, volumes, objects), full (every service), or elsewhere (restored onto a second lab of a
                 newer OpenStack, which it brings up; never run unless named)
  --keep         keep the data directory and the log of all commands
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      cloud: { type: "string" },
      suite: { type: "string" },
      keep: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const name = values.cloud ?? process.env.OS_CLOUD ?? "pf-acme";
  const prefix = /^([a-z][a-z0-9]{0,11})-acme$/.exec(name)?.[1];
  if (prefix === undefined && name !== "fake") {
    process.stderr.write(`${name} is not a tenant whose bytes are known.\n\n${USAGE}`);
    return 2;
  }
  const suites = prefix === undefined ? ["storage"] : ["storage", "full"];
  if (values.suite !== undefined && ![...suites, ...(prefix === undefined ? [] : ["elsewhere"])].includes(values.suite)) {
    process.stderr.write(`${name} has no suite ${values.suite}.\n\n${USAGE}`);
    return 2;
  }
  const directory = await mkdtemp(join(tmpdir(), "permafrost-accept-"));
  const count = { passed: 0, failed: 0 };
  for (const suite of values.suite === undefined ? suites : [values.suite]) {
    const open = suite === "storage" ? openStorage : suite === "full" ? openFull : openElsewhere;
    await tell(count, () => open(prefix ?? "", directory), name);
  }
  if (values.keep || count.failed > 0) process.stdout.write(`log and data: ${directory}\n`);
  else await rm(directory, { recursive: true, force: true });
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed === 0 ? 0 : 1;
}

/** Runs the cases of one suite, counts them and prints a line for each. */
async function tell(count: { passed: number; failed: number }, open: () => Promise<Suite>, cloudName: string): Promise<void> {
  let suite: Suite | undefined;
  try {
    suite = await open();
    for (const { name: title, run } of suite.cases) {
      const startedAt = systemClock.monotonic();
      const seconds = () => ((systemClock.monotonic() - startedAt) / 1000).toFixed(1).padStart(6);
      try {
        await run();
        count.passed += 1;
        process.stdout.write(`ok   ${seconds()} s  ${title}\n`);
      } catch (error) {
        count.failed += 1;
        process.stdout.write(`FAIL ${seconds()} s  ${title}\n${indent(error)}\n`);
      }
    }
  } catch (error) {
    count.failed += 1;
    process.stdout.write(`FAIL            ${cloudName} cannot be used\n${indent(error)}\n`);
  } finally {
    await suite?.close();
  }
}

async function openStorage(prefix: string, directory: string): Promise<Suite> {
  const cloud: CloudUnderTest = prefix === "" ? await openFake(directory) : await openLab(prefix);
  const suite = acceptanceSuite(cloud, directory);
  return {
    cases: suite.cases,
    close: async () => {
      await suite.close();
      await cloud.close();
    },
  };
}

function print(line: string): void {
  process.stdout.write(`               ${line}\n`);
}

async function openElsewhere(prefix: string, directory: string): Promise<Suite> {
  return elsewhereSuite(`${prefix}full`, { directory, print });
}

async function openFull(prefix: string, directory: string): Promise<Suite> {
  return fullSuite(await openFullLab(`${prefix}full`), { directory, print });
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

/** The acceptance suite against the fake cloud: the same cases that `npm run accept` runs against a real one. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { openFakeCloud } from "./fake-cloud.ts";
import { acceptanceSuite } from "./suite.ts";

const CASE_TIMEOUT_MS = 180_000;

const directory = await mkdtemp(join(tmpdir(), "permafrost-accept-"));
const cloud = await openFakeCloud(directory);
const suite = acceptanceSuite(cloud, directory);

afterAll(async () => {
  await suite.close();
  await cloud.close();
  await rm(directory, { recursive: true, force: true });
});

describe("acceptance on the fake cloud", () => {
  for (const { name, run } of suite.cases) it(name, run, CASE_TIMEOUT_MS);
});

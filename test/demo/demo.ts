/**
 * `npm run demo`: the whole story on this machine, in under three minutes. A fake cloud with a seeded project; two backups
 * with a change of about one percent between them; a restore into a second project; every byte compared by the demo itself.
 *
 * Ends with one JSON line on standard output and exit code 0, or 1 when anything is missing or different.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { formatBytes, formatDuration } from "../../services/cli/src/amounts.ts";
import { startFakeCloud } from "../fakes/openstack/index.ts";
import { DemoCluster } from "./cluster.ts";
import { compareProjects } from "./compare.ts";
import { BYTES_PER_GIB, changeOnePercent, seedTenant } from "./seed.ts";

/** What `permafrost backup -f json` and `restore -f json` print, as far as the demo reads it. */
interface SessionJson {
  readonly id: string;
  readonly state: string;
  readonly started_at: string;
  readonly ended_at: string;
  readonly logical_size: number;
  readonly read_size: number;
  readonly stored_size: number;
  readonly resource_list: readonly ResourceJson[];
}

interface ResourceJson {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly logical_size: number | null;
  readonly read_size: number | null;
  readonly stored_size: number | null;
  readonly time: number | null;
  readonly verified: string | null;
  readonly mismatches: readonly string[];
}

interface Figures {
  readonly logicalBytes: number;
  readonly readBytes: number;
  readonly storedBytes: number;
  readonly seconds: number;
}

interface Result {
  ok: boolean;
  resources: number;
  restored: number;
  mismatches: number;
  first?: Figures;
  second?: Figures;
}

const { values } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const directory = await mkdtemp(join(tmpdir(), "permafrost-demo-"));
const result: Result = { ok: false, resources: 0, restored: 0, mismatches: 0 };
const startedMs = performance.now();
const cleanups: (() => Promise<void>)[] = [];
let cleaning: Promise<void> | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void cleanUp().then(() => process.exit(130)));

try {
  await demo();
} catch (error) {
  console.error(error instanceof Error ? `Error: ${error.message}` : error);
}
await cleanUp();
console.log(JSON.stringify(result));
process.exitCode = result.ok ? 0 : 1;

async function demo(): Promise<void> {
  say("A cloud with a project `shop`: images, volumes, objects");
  const cloud = await startFakeCloud({ bytesPerGib: BYTES_PER_GIB });
  cleanups.push(() => cloud.close());
  const shop = cloud.seed.tenant("shop");
  const copy = cloud.seed.tenant("copy");
  await seedTenant(cloud, "shop", { name: "shop-user", password: "shop-pw" });
  const cloudsFile = join(directory, "clouds.yaml");
  const entry = (name: string) => ({ cloudName: name, userName: `${name}-user`, password: `${name}-pw`, projectName: name });
  await writeFile(cloudsFile, cloud.cloudsYaml(entry("shop"), entry("copy")), { mode: 0o600 });

  say("permafrost up; permafrost repository init demo");
  const cluster = await DemoCluster.start(join(directory, "data"), cloudsFile);
  cleanups.push(() => cluster.stop());
  const passphraseFile = join(directory, "passphrase");
  await writeFile(passphraseFile, "correct horse battery staple\n", { mode: 0o600 });
  await cluster.run("repository", "init", "demo", "--passphrase-file", passphraseFile);

  say("permafrost backup: the first");
  // What has bytes; `npm test` has the rest of a project both ways.
  const data = ["glance.image", "cinder.volume", "swift.container"].flatMap((type) => ["--include", type]);
  const first = await cluster.run<SessionJson>("backup", "--repository", "demo", "--os-cloud", "shop", ...data);
  result.first = figures(first);
  say(`${formatBytes(changeOnePercent(cloud, "shop"))} of the project change; permafrost backup: the second`);
  const second = await cluster.run<SessionJson>("backup", "--repository", "demo", "--os-cloud", "shop", ...data);
  result.second = figures(second);
  result.resources = second.resource_list.length;

  say("permafrost restore into the project `copy`, verified byte by byte");
  const restore = await cluster.run<SessionJson>(
    "restore",
    "latest",
    "--repository",
    "demo",
    "--to-cloud",
    "copy",
    "--verify",
    "data",
  );
  result.restored = restore.resource_list.filter((resource) => resource.state === "succeeded").length;

  say("Comparing the two projects in the cloud itself");
  const comparison = compareProjects(cloud, shop.project.id, copy.project.id);
  const told = restore.resource_list.flatMap((resource) =>
    resource.mismatches.map((line) => `${resource.type} ${resource.name}: ${line}`),
  );
  const differences = [...told, ...comparison.differences];
  result.mismatches = differences.length;
  for (const difference of differences.slice(0, 20)) console.error(`Difference: ${difference}`);
  const left = [...cloud.read.snapshots(shop.project.id), ...cloud.read.snapshots(copy.project.id)];
  for (const snapshot of left) console.error(`Left in the cloud: volume snapshot ${snapshot.name}`);

  console.log(resourceTable(first, second, restore));
  const total = formatDuration(performance.now() - startedMs);
  console.log(
    `${comparison.resources} resources and ${formatBytes(comparison.bytes)} compared, ${differences.length} differences; ${total} in all.`,
  );
  const complete = [first, second, restore].every((session) => session.state === "succeeded");
  result.ok =
    complete &&
    result.restored === result.resources &&
    result.resources === comparison.resources &&
    differences.length === 0 &&
    left.length === 0;
}

function figures(session: SessionJson): Figures {
  return {
    logicalBytes: session.logical_size,
    readBytes: session.read_size,
    storedBytes: session.stored_size,
    seconds: (Date.parse(session.ended_at) - Date.parse(session.started_at)) / 1000,
  };
}

function resourceTable(first: SessionJson, second: SessionJson, restore: SessionJson): string {
  const table = new Table({
    head: [
      "Type",
      "Name",
      "Logical",
      "Read 1st",
      "Stored 1st",
      "Time 1st",
      "Read 2nd",
      "Stored 2nd",
      "Time 2nd",
      "Restored",
      "Verified",
    ],
    colAligns: ["left", "left", "right", "right", "right", "right", "right", "right", "right", "right", "left"],
    style: { head: [], border: [], compact: true },
  });
  const size = (bytes: number | null | undefined) => (typeof bytes === "number" ? formatBytes(bytes) : "");
  const time = (seconds: number | null | undefined) => (typeof seconds === "number" ? formatDuration(seconds * 1000) : "");
  for (const now of second.resource_list) {
    const same = (resource: ResourceJson) => resource.type === now.type && resource.id === now.id;
    const [before, restored] = [first.resource_list.find(same), restore.resource_list.find(same)];
    table.push([
      ...[now.type, now.name, size(now.logical_size)],
      ...[size(before?.read_size), size(before?.stored_size), time(before?.time)],
      ...[size(now.read_size), size(now.stored_size), time(now.time)],
      ...[time(restored?.time), restored?.verified ?? ""],
    ]);
  }
  const [a, b, c] = [figures(first), figures(second), figures(restore)];
  table.push([
    ...["all", "", size(b.logicalBytes), size(a.readBytes), size(a.storedBytes), time(a.seconds)],
    ...[size(b.readBytes), size(b.storedBytes), time(b.seconds), time(c.seconds), ""],
  ]);
  return table.toString();
}

function say(text: string): void {
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)}s  ${text}`);
}

/** Once, in reverse order; what one step throws does not keep the others from running. */
function cleanUp(): Promise<void> {
  cleaning ??= (async () => {
    for (const cleanup of cleanups.reverse()) await cleanup().catch((error: unknown) => console.error(error));
    if (values.keep) console.error(`Kept: ${directory}`);
    else await rm(directory, { recursive: true, force: true });
  })();
  return cleaning;
}

/**
 * The network's services both ways on a real cloud: seeds a project with load balancers, a VPN, secrets and DNS zones, restores it into a
 * second project, compares field by field by plain requests, takes the restore back and removes what it made.
 *
 *     node scripts/run.mjs test/lab/services/both-ways.ts [CLOUDS.YAML [CLOUD]]
 *
 * Prints a line per finding; exit status 1 if there was one. Uses projects `services-source` and `services-target` of its own.
 */

import { readFile } from "node:fs/promises";
import { memoryBlockStore } from "@permafrost/blocks";
import {
  type DiscoverResult,
  EMPTY_STATS,
  type PlannedResource,
  type PlanResult,
  type ResourceResult,
  type RestoreOptions,
  resourceKeyText,
  type Task,
} from "@permafrost/model";
import { type Cloud, loadCloud, openCloud } from "@permafrost/openstack";
import { runTask } from "@permafrost/protection";
import { initRepository, type Repository } from "@permafrost/repository";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import { differences, shapeOf } from "./compare.ts";
import { emptyProject, makeProject, removeProject, removeZones, seedProject } from "./seed.ts";

const INCLUDE = ["neutron.network", "neutron.subnet", "neutron.router", "barbican.secret", "barbican.container"].concat(
  ["octavia.load-balancer", "designate.zone"],
  ["vpn.ike-policy", "vpn.ipsec-policy", "vpn.endpoint-group", "vpn.service", "vpn.connection"],
);
const SOURCE = "services-source";
const TARGET = "services-target";

const say = (text: string) => process.stdout.write(`${text}\n`);
const [yamlPath = "test/lab/run/openstack-lab/clouds.yaml", adminName = "lab-admin"] = process.argv.slice(2);

let problems = 0;
function problem(text: string): void {
  problems++;
  say(`PROBLEM ${text}`);
}

async function open(project?: string): Promise<Cloud> {
  const config = await loadCloud(adminName, {
    env: { OS_CLIENT_CONFIG_FILE: yamlPath },
    readFile: async (path) => (path === yamlPath ? await readFile(path, "utf8") : undefined),
  });
  return await openCloud(config, { clock: systemClock, random: systemRandom, project });
}

const admin = await open();
const clouds = new Map<string, Cloud>();
const ids = new Map<string, string>();
let tasks = 0;

async function run<R>(
  repository: Repository,
  sessionId: string,
  work: { readonly kind: string } & Record<string, unknown>,
): Promise<R> {
  const scope = { repositoryId: repository.id, sessionId, taskId: `t${++tasks}`, fence: 1n };
  const task = { ...work, id: scope.taskId, sessionId, repositoryId: repository.id } as unknown as Task;
  return (await runTask(task, {
    repository,
    writer: repository.writer(scope),
    scope,
    signal: new AbortController().signal,
    progress: () => undefined,
    clock: systemClock,
    openCloud: async ({ cloud }) => clouds.get(cloud) ?? admin,
  })) as R;
}

/** Applies what is ready until nothing is left; a failure is a problem, and what waits for it is left. */
async function apply(repository: Repository, plan: PlanResult, options: RestoreOptions): Promise<PlannedResource[]> {
  const targets: Record<string, string> = {};
  for (const { kind, id, targetId } of plan.references) if (targetId !== undefined) targets[`${kind}/${id}`] = targetId;
  const keys = new Set(plan.resources.map(resourceKeyText));
  const [made, finished, failed] = [new Map<string, PlannedResource>(), new Set<string>(), new Set<string>()];
  const there = (needed: string) => {
    const [key = "", step] = needed.split("#");
    return !keys.has(key) || (step === "finished" ? finished.has(key) : made.has(key));
  };
  const work = async (todo: { readonly kind: string } & Record<string, unknown>, of: PlannedResource) => {
    const key = resourceKeyText(of);
    try {
      const done = await run<ResourceResult>(repository, "restore", { ...todo, options, targets: { ...targets } });
      for (const warning of done.warnings ?? []) say(`  warning ${of.type} ${of.name}: ${warning}`);
      return done;
    } catch (error) {
      problem(`${of.type} ${of.name}: ${CodedError.from(error).message}`);
      failed.add(key);
      return undefined;
    }
  };
  for (let before = -1; before !== made.size + finished.size; ) {
    before = made.size + finished.size;
    for (const resource of plan.resources) {
      const key = resourceKeyText(resource);
      if (failed.has(key) || resource.action === "conflict" || resource.action === "skip") continue;
      if (!made.has(key) && resource.dependsOn.every(there)) {
        const done = await work({ kind: "apply", resource }, resource);
        if (done === undefined) continue;
        if (done.targetId !== undefined) targets[key] = done.targetId;
        made.set(key, { ...resource, ...done });
        if (resource.finishAfter === undefined) finished.add(key);
      }
      const target = made.get(key);
      if (target === undefined || finished.has(key) || !(resource.finishAfter ?? []).every(there)) continue;
      if (!(resource.finishWaitsFor ?? []).every((awaited) => made.has(awaited) || failed.has(awaited) || !keys.has(awaited))) continue;
      if ((await work({ kind: "apply", step: "finish", resource: target }, resource)) !== undefined) finished.add(key);
    }
  }
  for (const r of plan.resources.filter((each) => !finished.has(resourceKeyText(each))))
    problem(`not restored: ${r.type} ${r.name}: ${String(r.action)} ${r.actionReason ?? ""}`);
  for (const resource of made.values()) {
    const verified = await run<ResourceResult>(repository, "verify", { kind: "verify", options, resource, targets, level: "metadata" });
    for (const mismatch of verified.mismatches ?? []) problem(`verify ${resource.type} ${resource.name}: ${mismatch}`);
  }
  return [...made.values()];
}

async function bothWays(source: Cloud, target: Cloud): Promise<void> {
  await seedProject(source, SOURCE);
  say("seeded");
  const secret = { kind: "key", value: Buffer.alloc(32, 3).toString("base64") } as const;
  const { repository } = await initRepository(memoryBlockStore(), { name: "services", secret });
  const selection = { include: INCLUDE, exclude: [] };
  const found = await run<DiscoverResult>(repository, "backup", { kind: "discover", source: { cloud: SOURCE }, selection });
  for (const { type, failure } of found.unlisted) if (INCLUDE.includes(type)) problem(`not listed: ${type}: ${failure.message}`);
  const results = found.resources.map(({ type, id, name, document }) => ({
    ...{ type, id, name, document, state: "succeeded", streams: {}, stats: EMPTY_STATS },
  }));
  say(`found ${results.map((r) => `${r.type} ${r.name}`).join(", ")}`);
  const expected = await shapeOf(source);
  const before = await shapeOf(target);
  // A zone's name is one in the cloud: the source has to give it up.
  await removeZones(source);
  const options: RestoreOptions = { target: { cloud: TARGET }, maps: {}, onConflict: "create" };
  const plan = await run<PlanResult>(repository, "restore", { kind: "plan", options, resources: results, others: [] });
  for (const r of plan.resources) for (const w of r.warnings ?? []) say(`  plan ${r.type} ${r.name}: ${w}`);
  const made = await apply(repository, plan, options);
  say(`restored ${made.length} of ${plan.resources.length}`);
  for (const difference of differences(expected, await shapeOf(target))) problem(difference);
  for (const resource of [...made].reverse())
    await run(repository, "restore", { kind: "undo", target: { cloud: TARGET }, restoreId: "restore", journalId: "restore", resource });
  for (const difference of differences(before, await shapeOf(target))) problem(`after the undo, ${difference}`);
}

try {
  for (const name of [SOURCE, TARGET]) {
    ids.set(name, await makeProject(admin, name));
    const cloud = await open(name);
    clouds.set(name, cloud);
    await emptyProject(cloud);
  }
  await bothWays(clouds.get(SOURCE) ?? admin, clouds.get(TARGET) ?? admin);
} finally {
  for (const [name, cloud] of clouds) {
    await emptyProject(cloud);
    await removeProject(admin, ids.get(name) ?? "");
    await cloud.close();
  }
  await admin.close();
}
say(problems === 0 ? "both ways: no problem" : `both ways: ${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;

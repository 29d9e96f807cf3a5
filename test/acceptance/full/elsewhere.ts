/**
 * The suite of another cloud: the full project of one lab is restored into a project of a second lab, of a newer release of OpenStack, where
 * every id is another one. As plan, apply and verify; the bytes of what came are compared by a client that is not ours, and undo takes all of it back.
 *
 * Not part of `.ci/run`: it needs both labs at once and takes half an hour.
 */

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { lab, labFolder } from "../lab-cloud.ts";
import { type Permafrost, startPermafrost } from "../permafrost.ts";
import { needed, type SessionJson, type Suite, same, tail } from "../story.ts";
import { type FullCloud, openFullLab } from "./full-cloud.ts";
import type { FullInventory } from "./inventory.ts";
import type { FullSuiteOptions } from "./suite.ts";

/** The second lab: beside the first, of Debian's unstable release. The environment may name another. */
const SECOND = {
  LAB_NAME: process.env.ELSEWHERE_LAB_NAME ?? "openstack-lab-2",
  LAB_ADDR: process.env.ELSEWHERE_LAB_ADDR ?? "127.0.0.2",
  LAB_SUITE: process.env.ELSEWHERE_LAB_SUITE ?? "sid",
};
/** Prefix of the projects of the second lab: not those of the first, so that no name is there by chance. */
const PREFIX = "elsewhere";
const REPOSITORY = "elsewhere";
/** Types of the inventory whose bytes are compared, by name. */
const BYTES = ["glance.image", "cinder.volume", "swift.object", "barbican.secret"];

type Clouds = Record<"clouds", Record<string, unknown>>;

export async function elsewhereSuite(prefix: string, { directory, print }: FullSuiteOptions): Promise<Suite> {
  const cloud: FullCloud = await openFullLab(prefix);
  await lab(["up"], SECOND);
  await lab(["seed", "--homes", "--prefix", PREFIX], SECOND);
  const target = `${PREFIX}-target-admin`;
  const osConfigFile = join(directory, "clouds.yaml");
  const [own, other] = await Promise.all(
    [cloud.osConfigFile, join(labFolder(SECOND), "clouds.yaml")].map(
      async (file) => parse(await readFile(file, "utf8")) as Clouds,
    ),
  );
  const walled = `${PREFIX}-acme-admin`;
  const clouds = { ...own?.clouds, [target]: other?.clouds[target], [walled]: other?.clouds[walled] };
  await writeFile(osConfigFile, stringify({ clouds }), { mode: 0o600 });
  const inventory = async (name = target) => JSON.parse(await lab(["inventory", name, "--full"], SECOND)) as FullInventory;

  let running: Permafrost | undefined;
  const known: { before?: FullInventory; empty?: FullInventory; plan?: SessionJson; applied?: SessionJson } = {};
  const run = async (...args: string[]): Promise<SessionJson> => {
    const outcome = await needed(running, "permafrost up").run([...args, "-f", "json"]);
    assert.ok([0, 3].includes(outcome.exitCode), `permafrost ${args.join(" ")} ended with ${outcome.exitCode}\n${tail(outcome)}`);
    return JSON.parse(outcome.stdout) as SessionJson;
  };
  const undone = (session: SessionJson) =>
    session.resource_list
      .filter(({ state, action }) => ["failed", "skipped"].includes(state) && action !== "skip")
      .map(({ type, name, state, failure, reason }) => `${type} ${name}: ${state} ${failure?.message ?? reason ?? ""}`);

  const cases: Suite["cases"] = [
    {
      name: "elsewhere: the project of the first cloud is noted and backed up",
      async run() {
        known.before = await cloud.inventory("source", "bytes");
        known.empty = await inventory();
        await mkdir(join(directory, "elsewhere"), { recursive: true });
        running = await startPermafrost({
          dataDirectory: join(directory, "elsewhere"),
          osConfigFile,
          logFile: join(directory, "elsewhere.log"),
        });
        const passphrase = join(directory, "elsewhere-passphrase");
        await writeFile(passphrase, "correct horse battery staple\n", { mode: 0o600 });
        const made = await running.run(["repository", "init", REPOSITORY, "--passphrase-file", passphrase]);
        assert.equal(made.exitCode, 0, tail(made));
        same(undone(await run("backup", "--repository", REPOSITORY, "--os-cloud", cloud.administrator.source)), "backup");
      },
    },
    {
      name: "elsewhere: the plan finds the flavors, types, roles and networks of the other cloud, and what has another name by maps",
      async run() {
        const { prefix: mine } = await cloud.manifest();
        const maps = [`project:${mine}-globex=${PREFIX}-globex`, `role:${mine}-operator=${PREFIX}-operator`];
        known.plan = await run(
          ...["restore", "plan", "latest", "--repository", REPOSITORY, "--to-cloud", target],
          ...maps.flatMap((map) => ["--map", map]),
        );
        const conflicts = known.plan.resource_list.filter(({ action }) => action === "conflict");
        same(
          conflicts
            .map(({ type, name, reason }) => `${type} ${name}: ${reason}`)
            .filter((one) => !ABSENT_THERE.some((absent) => absent.test(one))),
          "conflicts",
        );
      },
    },
    {
      name: "elsewhere: the plan is applied and verified",
      async run() {
        const plan = needed(known.plan, "the plan");
        const users = join(directory, "elsewhere-users.json");
        known.applied = await run(
          "restore",
          "apply",
          plan.id,
          "--repository",
          REPOSITORY,
          "--verify",
          "hash",
          "--users-report",
          users,
        );
        for (const one of undone(known.applied)) print(`not restored: ${one}`);
        for (const { type, name, mismatches } of known.applied.resource_list)
          for (const one of mismatches) print(`differs there: ${type} ${name}: ${one}`);
        same(
          undone(known.applied).filter((one) => ![...ABSENT_THERE, ...REFUSED_THERE].some((known) => known.test(one))),
          "not restored",
        );
      },
    },
    {
      name: "elsewhere: what came has the bytes that it had, by another client",
      async run() {
        const after = await inventory();
        const differences: string[] = [];
        let compared = 0;
        for (const type of BYTES) {
          const there = new Map((after.resources[type] ?? []).map((row) => [String(row.name ?? ""), String(row.id ?? "")]));
          for (const row of needed(known.before, "the inventory").resources[type] ?? []) {
            const bytes = known.before?.data?.[type]?.[String(row.id ?? "")];
            const name = String(row.name ?? "");
            if (bytes === undefined || name === "" || name.startsWith("permafrost-key-")) continue;
            const copy = after.data?.[type]?.[there.get(name) ?? ""];
            if (copy?.sha256 === bytes.sha256) compared++;
            else if (!OTHER_BYTES.some((one) => one.test(`${type} ${name}`)))
              differences.push(`${type} ${name}: ${bytes.sha256} is ${copy?.sha256}`);
          }
        }
        print(`the bytes of ${compared} streams compared`);
        same(differences);
        assert.ok(compared > 30, `only ${compared} streams were there to be compared`);
      },
    },
    {
      name: "elsewhere: undo leaves the other cloud as it was",
      async run() {
        await run("restore", "undo", needed(known.applied, "the restore").id, "--yes");
        const ids = ({ resources }: FullInventory) =>
          Object.entries(resources).flatMap(([type, rows]) => rows.map((row) => `${type} ${String(row.id ?? row.name ?? "")}`));
        const before = new Set(ids(needed(known.empty, "the first inventory")));
        same(ids(await inventory()).filter((id) => !before.has(id)));
      },
    },
    {
      name: "elsewhere: a firewall of the newer cloud, which the older does not have, is backed up, emptied and restored",
      async run() {
        const before = walls(await inventory(walled));
        assert.ok(before.length > 10, `only ${before.join(", ")}`);
        same(undone(await run("backup", "--repository", REPOSITORY, "--os-cloud", walled)), "backup");
        await lab(["empty", walled], SECOND);
        same(
          undone(await run("restore", "latest", "--repository", REPOSITORY, "--to-cloud", walled, "--verify", "metadata")),
          "restored",
        );
        assert.deepEqual(walls(await inventory(walled)), before);
      },
    },
  ];
  return {
    cases,
    close: async () => {
      await running?.stop();
      running = undefined;
    },
  };
}

/** Of a firewall's objects: what is another's in any other object. */
const OF_THE_OBJECT = new Set(["id", "created_at", "updated_at", "revision_number"]);

/** Every firewall group, policy and rule, with names in place of ids, and ports as the subnets they are on. */
function walls({ resources }: FullInventory): string[] {
  const names = new Map<string, string>();
  for (const type of ["neutron.firewall-policy", "neutron.firewall-rule", "neutron.subnet"])
    for (const row of resources[type] ?? []) names.set(String(row.id), String(row.name));
  for (const port of resources["neutron.port"] ?? [])
    for (const { subnet_id } of (port.fixed_ips ?? []) as readonly { subnet_id: string }[])
      names.set(String(port.id), `port on ${names.get(subnet_id)}`);
  const named = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(named) : typeof value === "string" ? (names.get(value) ?? value) : value;
  return ["group", "policy", "rule"]
    .flatMap((kind) => resources[`neutron.firewall-${kind}`] ?? [])
    .map((row) => {
      const kept = Object.entries(row).filter(([name]) => !OF_THE_OBJECT.has(name));
      const sorted = kept.sort(([a], [b]) => (a < b ? -1 : 1));
      return JSON.stringify(Object.fromEntries(sorted.map(([name, value]) => [name, named(value)])));
    })
    .sort();
}

/** What only an administrator of the second cloud could make, and the homes there do not come with. */
const ABSENT_THERE: readonly RegExp[] = [/^cinder\.group group: .*group type lab-group/];
/** What the newer release itself refuses: an allowed address pair whose MAC is not of VRRP's, and so the server at that port and its DNS name. */
const REFUSED_THERE: readonly RegExp[] = [
  /^nova\.server web-1: failed .*does not belong to the RFC 5798 VRRP/,
  /^neutron\.port web-1: failed .*dns_name/,
];
/** Volumes whose bytes a restore changes, as the full suite allows: a guest writes a line when it boots, an encrypted one is larger. */
const OTHER_BYTES: readonly RegExp[] = [/^cinder\.volume (boot|root|secret|encrypted)/];

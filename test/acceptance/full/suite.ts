/**
 * The full suite: a project with one of everything is backed up, emptied to the last object, and restored; and restored into a second
 * project beside the first. Once as an administrator of the project, once as a plain member.
 *
 * The cases are one story and run in order. What comes back is compared by a client that is not ours with what was noted before anything
 * was deleted: every field of every resource, every byte of every disk, image, object and secret.
 */

import assert from "node:assert/strict";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Permafrost, startPermafrost } from "../permafrost.ts";
import { needed, type ResourceJson, type SessionJson, type Suite, same, tail } from "../story.ts";
import type { Scenario } from "./allowed-differences.ts";
import { compareFull } from "./compare.ts";
import type { FullCloud, FullManifest, Side } from "./full-cloud.ts";
import type { FullInventory } from "./inventory.ts";
import { leftOutOf, missingTypes } from "./left-out.ts";

const REPOSITORY = "acceptance";

export interface FullSuiteOptions {
  /** Files go below it; it must exist. */
  readonly directory: string;
  /** Gets what a reader of the run should know although nothing failed. */
  readonly print: (line: string) => void;
}

export function fullSuite(cloud: FullCloud, { directory, print }: FullSuiteOptions): Suite {
  const dataDirectory = join(directory, "full");
  let running: Permafrost | undefined;
  const known: {
    manifest?: FullManifest;
    before?: FullInventory;
    byAdministrator?: SessionJson;
    byMember?: SessionJson;
  } = {};

  /** Runs a session, all of which must be done; a restore of a scenario without what nobody can restore there. */
  const session = async (args: readonly string[], scenario?: Scenario): Promise<SessionJson> => {
    const outcome = await needed(running, "permafrost up").run([...args, "-f", "json"]);
    assert.ok([0, 3].includes(outcome.exitCode), `permafrost ${args.join(" ")} ended with ${outcome.exitCode}\n${tail(outcome)}`);
    const result = JSON.parse(outcome.stdout) as SessionJson;
    const undone = result.resource_list.filter((row) => ["failed", "skipped"].includes(row.state));
    const isLeftOut = ({ type, name }: ResourceJson) => scenario !== undefined && leftOutOf(type, name, scenario) !== undefined;
    same(
      undone
        .filter((row) => !isLeftOut(row))
        .map(
          (row) => `${row.type} ${row.name}: ${row.state} ${row.failure?.code ?? ""} ${row.failure?.message ?? row.reason ?? ""}`,
        ),
      `not done by ${args[0]}`,
    );
    same(
      result.resource_list.flatMap((row) => (row.mismatches ?? []).map((one) => `${row.type} ${row.name}: ${one}`)),
      "verify",
    );
    for (const { type, name, failure, reason } of undone) {
      assert.ok((failure?.message ?? reason ?? "") !== "", `${type} ${name} is not done, and nothing says why`);
      print(`not restored: ${type} ${name}: ${failure?.message ?? reason}`);
    }
    assert.equal(outcome.exitCode, undone.some((row) => row.state === "failed") ? 3 : 0, tail(outcome));
    return result;
  };
  const backup = (osCloud: string, ...options: string[]) =>
    session(["backup", "--repository", REPOSITORY, "--os-cloud", osCloud, ...options]);
  const reportOf = (osCloud: string) => join(directory, `users-of-${osCloud}.json`);
  const restore = (point: SessionJson | undefined, osCloud: string, scenario: Scenario, ...options: string[]) =>
    session(
      [
        ...["restore", needed(point, "the backup").id, "--repository", REPOSITORY, "--to-cloud", osCloud],
        ...["--users-report", reportOf(osCloud), ...options],
      ],
      scenario,
    );

  async function compare(side: Side, scenario: Scenario): Promise<void> {
    const { users, projects, prefix } = needed(known.manifest, "the manifest");
    const after = await cloud.inventory(side, "bytes");
    const idsOf = (name: string) => [
      users[name] ?? "",
      // Of a user who was made anew.
      ...(after.resources["keystone.user"] ?? []).filter((row) => row.name === `${prefix}-${name}`).map((row) => String(row.id)),
    ];
    const outside = Object.fromEntries([
      ...Object.keys(users).flatMap((name) => idsOf(name).map((id) => [id, `user ${name}`])),
      [projects.globex.id, "the neighbour"],
    ]);
    const result = compareFull({ before: needed(known.before, "the inventory"), after, scenario, outside });
    for (const line of result.leftOut) print(`left out: ${line}`);
    print(`${result.rows} resources and the bytes of ${result.streams} streams compared`);
    same(result.differences);
  }

  const cases: Suite["cases"] = [
    {
      name: "full: the project has one of everything, and the bytes of its manifest",
      async run() {
        known.manifest = await cloud.manifest();
        const before = await cloud.inventory("source", "bytes");
        known.before = before;
        same(missingTypes(before.resources), "the project has no");
        for (const [type, rows] of Object.entries(known.manifest.data)) {
          for (const [id, { sha256, bytes }] of Object.entries(rows)) {
            const found = before.data?.[type]?.[id];
            assert.deepEqual([found?.sha256, found?.bytes], [sha256, bytes], `${type} ${id}`);
          }
        }
      },
    },
    {
      name: "full: an administrator of the project backs up every resource of it, with its temporary objects in another project",
      async run() {
        await mkdir(dataDirectory, { recursive: true });
        running = await startPermafrost({
          dataDirectory,
          osConfigFile: cloud.osConfigFile,
          logFile: join(directory, "full.log"),
        });
        const passphrase = join(directory, "full-passphrase");
        await writeFile(passphrase, "correct horse battery staple\n", { mode: 0o600 });
        const made = await running.run(["repository", "init", REPOSITORY, "--passphrase-file", passphrase]);
        assert.equal(made.exitCode, 0, tail(made));
        const { target } = needed(known.manifest, "the manifest").projects;
        known.byAdministrator = await backup(cloud.administrator.source, "--temporary-project", target.name);
      },
    },
    {
      name: "full: a plain member backs up what a member can see",
      async run() {
        known.byMember = await backup(cloud.member.source);
      },
    },
    {
      name: "full: the backups changed nothing in the project and left nothing there",
      async run() {
        const { before } = known;
        const after = await cloud.inventory("source", "fields");
        const ids = (inventory: FullInventory) =>
          Object.entries(inventory.resources)
            .flatMap(([type, rows]) => rows.map((row) => `${type} ${String(row.id ?? row.name ?? "")}`))
            .sort();
        assert.deepEqual(ids(after), ids(needed(before, "the inventory")));
        const { resources } = await cloud.inventory("target", "fields");
        const left = ["cinder.volume", "cinder.snapshot", "glance.image"].flatMap((type) =>
          (resources[type] ?? []).map(({ name }) => `${type} ${String(name)}`),
        );
        same(left, "left in the other project");
      },
    },
    { name: "full: every object of the project is deleted, and whose home it is", run: () => cloud.empty("source") },
    {
      name: "full: an administrator restores the emptied project",
      run: async () => {
        await restore(known.byAdministrator, cloud.administrator.source, "emptied");
        const file = reportOf(cloud.administrator.source);
        const { users } = JSON.parse(await readFile(file, "utf8")) as { users: { user: string; password: string }[] };
        const { prefix } = needed(known.manifest, "the manifest");
        assert.deepEqual(users.map((one) => one.user).sort(), [`${prefix}-acme`, `${prefix}-acme-user`]);
        assert.equal((await stat(file)).mode & 0o777, 0o600);
      },
    },
    { name: "full: what came back is what was there, by another client", run: () => compare("source", "emptied") },
    {
      name: "full: a plain member restores a second project beside the first",
      async run() {
        const { projects, users } = needed(known.manifest, "the manifest");
        // Who it is shared with stays who it was: a member sees neither other projects nor people, and says so by maps.
        const others = [projects.globex.id, ...Object.values(users)];
        const maps = [
          `project:${projects.acme.id}=${projects.target.id}`,
          `project:${others[0]}=${others[0]}`,
          ...others.slice(1).map((id) => `keystone.user:${id}=${id}`),
        ];
        await restore(known.byMember, cloud.member.target, "second", ...maps.flatMap((map) => ["--map", map]));
      },
    },
    { name: "full: the second project is the first again, by another client", run: () => compare("target", "second") },
    {
      name: "full: SIGTERM stops everything in order",
      async run() {
        assert.equal(await needed(running, "permafrost up").stop(), 0);
        running = undefined;
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

/**
 * The acceptance suite: the main job, as a user does it, on a cloud that is given. The same cases run against the fake and the lab.
 *
 * The cases are one story and run in order; each states what must hold at its point. What Permafrost says (exit codes, JSON) is
 * compared with what a client that is not ours sees in the cloud.
 */

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ALLOWED_DIFFERENCES } from "./allowed-differences.ts";
import type { CloudUnderTest } from "./cloud-under-test.ts";
import { compareInventories, compareWithManifest, leftovers } from "./compare.ts";
import type { Inventory, TenantManifest } from "./inventory.ts";
import { type Outcome, type Permafrost, startPermafrost } from "./permafrost.ts";
import { fails, needed, type ResourceJson, type SessionJson, type Suite, same, tail } from "./story.ts";

const REPOSITORY = "acceptance";
const BLOCK_BYTES = 65_536;
/** This suite is about bytes; the rest of a tenant has its own. */
const STORAGE = ["glance.image", "cinder.volume", "swift.container"];

/** The cases for one cloud; files go under `directory`, which must exist. */
export function acceptanceSuite(cloud: CloudUnderTest, directory: string): Suite {
  const passphraseFile = join(directory, "passphrase");
  const dataDirectory = join(directory, "data");
  const logFile = join(directory, "permafrost.log");
  let running: Permafrost | undefined;
  const known: {
    firstManifest?: TenantManifest;
    secondManifest?: TenantManifest;
    source?: Inventory;
    first?: SessionJson;
    second?: SessionJson;
    restore?: SessionJson;
  } = {};

  const up = () => startPermafrost({ dataDirectory, osConfigFile: cloud.osConfigFile, logFile });
  const permafrost = (...args: string[]): Promise<Outcome> => needed(running, "permafrost up").run(args);
  const ok = async <T>(...args: string[]): Promise<T> => {
    const outcome = await permafrost(...args, "-f", "json");
    assert.equal(outcome.exitCode, 0, `permafrost ${args.join(" ")} ended with ${outcome.exitCode}\n${tail(outcome)}`);
    return JSON.parse(outcome.stdout) as T;
  };
  const backup = () =>
    ok<SessionJson>(
      "backup",
      "--repository",
      REPOSITORY,
      "--os-cloud",
      cloud.source,
      ...STORAGE.flatMap((t) => ["--include", t]),
    );

  const restore = (session: SessionJson | undefined) =>
    restoreArguments(cloud, needed(session, "the backup"), needed(known.firstManifest, "the manifest"));

  const cases: Suite["cases"][number][] = [
    {
      name: "the tenant holds the bytes of its manifest",
      async run() {
        known.firstManifest = await cloud.manifest();
        const source = await cloud.inventory("source", "bytes");
        same(compareWithManifest(source, known.firstManifest));
        same(leftovers(source));
        const { images, volumes, objects } = known.firstManifest;
        assert.ok(images.length >= 2 && volumes.length >= 3 && objects.length >= 30, "the tenant is large enough");
        assert.ok(["slo", "dlo"].every((kind) => objects.some((one) => one.kind === kind)));
        assert.ok(source.images.some((one) => one.diskFormat === "qcow2"));
      },
    },
    {
      name: "`up` starts a whole cluster, and `repository init` prints a recovery key",
      async run() {
        await mkdir(dataDirectory, { recursive: true });
        await writeFile(passphraseFile, "correct horse battery staple\n", { mode: 0o600 });
        running = await up();
        const made = await ok<{ name: string; unlocked: boolean; recovery_key: string }>(
          "repository",
          "init",
          REPOSITORY,
          "--passphrase-file",
          passphraseFile,
        );
        assert.equal(made.name, REPOSITORY);
        assert.ok(made.recovery_key.length > 20);
      },
    },
    {
      name: "what cannot be done is said with its exit code, and no session is left",
      async run() {
        const wrongFile = join(directory, "wrong-passphrase");
        await writeFile(wrongFile, "battery horse\n", { mode: 0o600 });
        await fails(permafrost("repository", "unlock", REPOSITORY, "--passphrase-file", wrongFile), 12);
        await fails(permafrost("backup", "--repository", "nonesuch", "--os-cloud", cloud.source), 10);
        await fails(permafrost("backup", "--repository", REPOSITORY, "--os-cloud", cloud.source, "--nonesuch"), 2);
        await fails(permafrost("session", "show", "nonesuch"), 1);
        await fails(permafrost("backup", "--repository", REPOSITORY, "--os-cloud", "nonesuch"), 1);
        const points = await ok<SessionJson[]>("sessions", "--repository", REPOSITORY, "--state", "succeeded");
        assert.deepEqual(points, []);
      },
    },
    {
      name: "the first backup captures every image, volume and container",
      async run() {
        const session = await backup();
        known.first = session;
        const manifest = needed(known.firstManifest, "the manifest");
        assert.equal(session.state, "succeeded");
        assert.equal(session.failed, 0);
        assert.equal(session.project_id, manifest.projects.source.id);
        assert.deepEqual(names(session, "glance.image"), manifest.images.map((one) => one.name).sort());
        assert.deepEqual(names(session, "cinder.volume"), manifest.volumes.map((one) => one.name).sort());
        assert.deepEqual(names(session, "swift.container"), [...new Set(manifest.objects.map((one) => one.container))].sort());
        for (const row of session.resource_list) assert.equal(row.state, "succeeded", `${row.type} ${row.name}`);
        for (const row of ofType(session, "glance.image")) assert.equal(row.source_hash, "verified", `image ${row.name}`);
        assert.ok(session.read_size > 0 && session.new_size > 0 && session.new_size < session.logical_size);
      },
    },
    { name: "the first backup left nothing in the cloud", run: () => clean("source") },
    {
      name: "the second backup reads no unchanged image or object, and stores only changed blocks",
      async run() {
        await cloud.change();
        known.secondManifest = await cloud.manifest();
        const [before, after] = [needed(known.firstManifest, "the first manifest"), known.secondManifest];
        const session = await backup();
        known.second = session;
        assert.equal(session.state, "succeeded");
        assert.equal(session.parent_id, needed(known.first, "the first backup").id);
        const oldImages = new Set(before.images.map((one) => one.name));
        for (const row of ofType(session, "glance.image")) {
          const skipped = oldImages.has(row.name);
          assert.equal(row.source_hash, skipped ? "skipped" : "verified", `image ${row.name}`);
          if (skipped) assert.equal(row.read_size, 0, `image ${row.name}`);
        }
        for (const row of ofType(session, "cinder.volume")) {
          const hash = (manifest: TenantManifest) => manifest.volumes.find((one) => one.name === row.name)?.sha256;
          if (hash(before) === hash(after)) assert.equal(row.new_size, 0, `volume ${row.name} stored new bytes`);
          else
            assert.ok(
              (row.new_size ?? 0) > 0 && (row.new_size ?? 0) <= 16 * BLOCK_BYTES,
              `volume ${row.name}: ${row.new_size} new bytes`,
            );
        }
        for (const row of ofType(session, "swift.container")) {
          const changed = changedBytes(before, after, row.name);
          assert.ok((row.read_size ?? 0) <= changed, `container ${row.name}: ${row.read_size} bytes read, ${changed} changed`);
        }
      },
    },
    { name: "the second backup left nothing in the cloud", run: () => clean("source") },
    {
      name: "both restore points are listed, newest first, and shown with their resources",
      async run() {
        const [first, second] = [needed(known.first, "the first backup"), needed(known.second, "the second backup")];
        const listed = await ok<SessionJson[]>(
          "sessions",
          "--repository",
          REPOSITORY,
          "--kind",
          "backup",
          "--state",
          "succeeded",
        );
        assert.deepEqual(
          listed.map((one) => one.id),
          [second.id, first.id],
        );
        const shown = await ok<SessionJson>("session", "show", second.id);
        assert.equal(shown.state, "succeeded");
        assert.ok(shown.consistency_window_ms >= 0, "the consistency window was measured");
        const resources = await ok<ResourceJson[]>("resources", second.id);
        assert.equal(resources.length, second.resource_list.length);
      },
    },
    {
      name: "a plan says what the restore would do and touches nothing",
      async run() {
        const plan = await ok<SessionJson>("restore", "plan", ...restore(known.second).slice(1));
        assert.ok(plan.resource_list.length > 0);
        for (const row of plan.resource_list) assert.equal(row.action, "create", `${row.type} ${row.name}`);
        const target = await cloud.inventory("target", "fields");
        assert.deepEqual([target.images, target.volumes, target.containers, target.others], [[], [], [], []]);
      },
    },
    {
      name: "the restore into another project verifies every byte",
      async run() {
        const session = await ok<SessionJson>(...restore(known.second), "--verify", "data");
        known.restore = session;
        assert.equal(session.state, "succeeded");
        for (const row of session.resource_list) {
          assert.deepEqual(row.mismatches, [], `${row.type} ${row.name}`);
          assert.equal(row.verified, "data", `${row.type} ${row.name}`);
        }
      },
    },
    {
      name: "a client that is not ours finds the same bytes and fields in both projects",
      async run() {
        const manifest = needed(known.secondManifest, "the second manifest");
        const source = await cloud.inventory("source", "bytes");
        const target = await cloud.inventory("target", "bytes");
        same(compareWithManifest(source, manifest), "source");
        same(compareWithManifest(target, manifest), "target");
        same(compareInventories(source, target, ALLOWED_DIFFERENCES));
        same([...leftovers(source), ...leftovers(target)], "left over");
        const targetIds = new Set(needed(known.restore, "the restore").resource_list.map((row) => row.target_id));
        for (const row of [...target.images, ...target.volumes])
          assert.ok(targetIds.has(row.id), `${row.name} is in no restore report`);
      },
    },
    {
      name: "after a restart the older restore point still brings its own bytes back",
      async run() {
        assert.equal(await needed(running, "permafrost up").stop(), 0);
        running = await up();
        const first = needed(known.first, "the first backup");
        const volume = needed(changedVolume(known.firstManifest, known.secondManifest), "a changed volume");
        const session = await ok<SessionJson>(
          ...restore(first),
          "--include",
          `cinder.volume/${volume.id}`,
          "--name-prefix",
          "older-",
          "--verify",
          "hash",
        );
        assert.equal(session.state, "succeeded");
        const target = await cloud.inventory("target", "bytes");
        assert.equal(target.volumes.find((one) => one.name === `older-${volume.name}`)?.sha256, volume.sha256);
        same(leftovers(target));
      },
    },
    {
      name: "`check --read-data` proves every block; after `forget` the other restore point is whole",
      async run() {
        const [first, second] = [needed(known.first, "the first backup"), needed(known.second, "the second backup")];
        const all = await ok<SessionJson>("check", "--repository", REPOSITORY, "--read-data");
        assert.equal(all.state, "succeeded");
        await ok("forget", first.id, "--yes");
        const listed = await ok<SessionJson[]>(
          "sessions",
          "--repository",
          REPOSITORY,
          "--kind",
          "backup",
          "--state",
          "succeeded",
        );
        assert.deepEqual(
          listed.map((one) => one.id),
          [second.id],
        );
        await fails(permafrost("session", "show", first.id), 1);
        const rest = await ok<SessionJson>("check", second.id, "--repository", REPOSITORY, "--read-data");
        assert.equal(rest.state, "succeeded");
      },
    },
    {
      name: "standard input comes back as it went in",
      async run() {
        const bytes = Buffer.from("a line of standard input\n".repeat(20_000));
        const stored = await needed(running, "permafrost up").run(
          ["backup", "--repository", REPOSITORY, "--input", "stream", "--name", "lines", "-f", "json"],
          bytes,
        );
        assert.equal(stored.exitCode, 0, tail(stored));
        const { id } = JSON.parse(stored.stdout) as SessionJson;
        const back = await permafrost("restore", id, "--repository", REPOSITORY, "--to-stdout", "--quiet");
        assert.equal(back.exitCode, 0, tail(back));
        assert.equal(back.stdout, bytes.toString());
      },
    },
    {
      name: "SIGTERM stops everything in order",
      async run() {
        assert.equal(await needed(running, "permafrost up").stop(), 0);
        running = undefined;
      },
    },
  ];

  async function clean(side: "source" | "target"): Promise<void> {
    const found = await cloud.inventory(side, "fields");
    same(leftovers(found));
    const manifest = await cloud.manifest();
    assert.deepEqual(found.images.map((one) => one.id).sort(), manifest.images.map((one) => one.id).sort());
    assert.deepEqual(found.volumes.map((one) => one.id).sort(), manifest.volumes.map((one) => one.id).sort());
    assert.equal(found.objects.length, manifest.objects.length);
  }

  return {
    cases,
    close: async () => {
      await running?.stop();
      running = undefined;
    },
  };
}

function restoreArguments(cloud: CloudUnderTest, session: SessionJson, manifest: TenantManifest): string[] {
  const { source, target } = manifest.projects;
  const maps = ["--map", "volume-type:fast=standard", "--map", `project:${source.id}=${target.id}`];
  return ["restore", session.id, "--repository", REPOSITORY, "--to-cloud", cloud.target, ...maps];
}

function ofType(session: SessionJson, type: string): ResourceJson[] {
  return session.resource_list.filter((row) => row.type === type);
}

function names(session: SessionJson, type: string): string[] {
  return ofType(session, type)
    .map((row) => row.name)
    .sort();
}

/** Bytes of the container's objects that are new or other in `after`. */
function changedBytes(before: TenantManifest, after: TenantManifest, container: string): number {
  const old = new Map(before.objects.map((one) => [`${one.container}/${one.name}`, one.sha256]));
  return after.objects
    .filter((one) => one.container === container && old.get(`${container}/${one.name}`) !== one.sha256)
    .reduce((sum, one) => sum + one.bytes, 0);
}

function changedVolume(before: TenantManifest | undefined, after: TenantManifest | undefined) {
  return before?.volumes.find((one) => one.sha256 !== after?.volumes.find((other) => other.id === one.id)?.sha256);
}

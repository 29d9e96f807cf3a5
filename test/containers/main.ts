/**
 * `npm run containers`: the image of deploy/Dockerfile and the cluster of deploy/compose.yaml, hurt: backups and restores of a tree of files go on
 * without a storage node, after the coordinator's death, and with a worker that is cut off. Needs a Docker engine and takes some minutes.
 * The last line is `N passed, N failed`; the exit status is 0 only if all passed.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@permafrost/std";
import { ComposeCluster, type Said } from "./compose-cluster.ts";

const READY_MS = 90_000;
const TREE = "/tmp/tree";
const REPOSITORY = ["--repository", "production"];

function ok(said: Said): Said {
  assert.equal(said.exitCode, 0, said.output.slice(-3000));
  return said;
}

/** What is only just starting answers in time. */
async function inTime(call: () => Promise<Said>): Promise<void> {
  const until = systemClock.monotonic() + READY_MS;
  for (let said = await call(); said.exitCode !== 0; said = await call()) {
    if (systemClock.monotonic() > until) throw new Error(said.output.slice(-3000));
    await systemClock.sleep(2000);
  }
}

async function main(): Promise<number> {
  // The reaper would be an image of somebody else's; everything is removed here.
  process.env.TESTCONTAINERS_RYUK_DISABLED = "true";
  const count = { passed: 0, failed: 0 };
  let cluster: ComposeCluster | undefined;
  const up = () => {
    if (cluster === undefined) throw new Error("the cluster is not up because an earlier case failed");
    return cluster;
  };
  const directory = await mkdtemp(join(tmpdir(), "permafrost-containers-"));
  const shell = (script: string) => up().run(["sh", "-c", script]);
  const hashes = async (path: string) => ok(await shell(`cd ${path} && find . -type f | sort | xargs sha256sum`)).output;
  const backup = async () => ok(await up().cli("backup", ...REPOSITORY, "--input", "fs", "--name", "tree", "-q", TREE));
  const restored = async (to: string) => {
    ok(await up().cli("restore", "latest", ...REPOSITORY, "--name", "tree", "--to-path", to, "-q"));
    assert.equal(await hashes(to), await hashes(TREE));
  };

  const cases: Readonly<Record<string, () => Promise<void>>> = {
    "the image builds": async () => {
      await ComposeCluster.build();
    },
    "the cluster of compose.yaml comes up, and the command line reaches it": async () => {
      const clouds = join(directory, "clouds.yaml");
      await writeFile(clouds, "clouds: {}\n", { mode: 0o644 });
      cluster = await ComposeCluster.start(clouds);
      assert.equal(ok(await shell("id -u")).output.trim(), "10001");
      ok(await shell("printf 'correct horse battery staple\\n' > /tmp/passphrase && chmod 600 /tmp/passphrase"));
      await inTime(() => up().cli("repository", "init", "production", "--passphrase-file", "/tmp/passphrase", "-q"));
    },
    "a tree of files is backed up and restored": async () => {
      ok(await shell(`mkdir -p ${TREE} && for i in 1 2 3 4; do head -c 16M /dev/urandom > ${TREE}/$i; done`));
      await backup();
      await restored("/tmp/first");
    },
    "a storage node is killed: the next backup and its restore go on without it": async () => {
      await up().kill("storage-1");
      ok(await shell(`head -c 1M /dev/urandom > ${TREE}/5`));
      await backup();
      await restored("/tmp/second");
      await up().again("storage-1");
    },
    "the coordinator is killed and comes back: what was stored is there": async () => {
      await up().kill("coordinator");
      await up().again("coordinator");
      await inTime(() => up().cli("sessions", ...REPOSITORY, "-q"));
      await restored("/tmp/third");
    },
    "a worker is cut off: the other one does the work": async () => {
      await up().cut("worker-1");
      ok(await shell(`head -c 1M /dev/urandom > ${TREE}/6`));
      await backup();
      await restored("/tmp/fourth");
      await up().heal("worker-1");
      await restored("/tmp/fifth");
    },
  };
  for (const [name, run] of Object.entries(cases)) {
    const startedAt = systemClock.monotonic();
    let line = "";
    try {
      await run();
      count.passed += 1;
      line = "ok  ";
    } catch (error) {
      count.failed += 1;
      line = "FAIL";
      process.stdout.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    }
    process.stdout.write(`${line} ${((systemClock.monotonic() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${name}\n`);
  }
  await cluster?.stop();
  await rm(directory, { recursive: true, force: true });
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed === 0 ? 0 : 1;
}

process.exit(await main());

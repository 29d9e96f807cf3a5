import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@permafrost/std";
import { afterEach, expect, test } from "vitest";
import { KeptProcess, type KeptProcessOptions } from "./kept-process.ts";
import { isAlive } from "./lock.ts";

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A child of one line of JavaScript; healthy once it made the file `ready`. */
function kept(script: string, more: Partial<KeptProcessOptions> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "permafrost-kept-"));
  const said: string[] = [];
  const ready = join(directory, "ready");
  const child = new KeptProcess({
    name: "role-1",
    command: process.execPath,
    args: ["-e", script, ready],
    env: process.env,
    logFile: join(directory, "log"),
    isHealthy: async () => readFileSync(ready, "utf8").length > 0,
    clock: systemClock,
    say: (text) => said.push(text),
    ...more,
  });
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  cleanups.push(() => child.stop());
  return { child, said, directory, ready };
}

const READY = "require('fs').writeFileSync(process.argv[1], String(process.pid)); setInterval(() => {}, 1000);";

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !condition(); turn++) await systemClock.sleep(50);
  expect(condition()).toBe(true);
}

test("starts, is healthy, stops with SIGTERM, and logs what it said", async () => {
  const { child, said, directory, ready } = kept(
    `process.on('SIGTERM', () => { console.log('bye'); process.exit(0); }); ${READY}`,
  );
  await child.start();
  const pid = Number(readFileSync(ready, "utf8"));
  expect(child.pid).toBe(pid);
  await child.stop();
  await child.stop();
  expect([isAlive(pid), child.pid, said]).toEqual([false, undefined, []]);
  expect(readFileSync(join(directory, "log"), "utf8")).toBe("bye\n");
});

test("a child that ends before it is healthy is an error with its last words", async () => {
  const { child, directory } = kept("console.error('worker: CONFIG_INVALID: no such key\\nCorrect the file.'); process.exit(3);");
  writeFileSync(join(directory, "log"), "worker: STORE_FULL: an older story\n");
  await expect(child.start()).rejects.toMatchObject({
    code: "ROLE_FAILED",
    message: "role-1 did not start (exit code 3): worker: CONFIG_INVALID: no such key",
    facts: { reason: "CONFIG_INVALID" },
  });
});

test("a child that never gets healthy is given up and ended", async () => {
  const { child } = kept("setInterval(() => {}, 1000);", { readyMsMax: 300 });
  await expect(child.start()).rejects.toMatchObject({ code: "ROLE_FAILED", message: "role-1 was not ready within 0 s" });
  expect(child.pid).toBeUndefined();
});

test("a look that never answers does not hide that the child ended", async () => {
  const { child } = kept("process.exit(4);", { isHealthy: () => new Promise(() => {}) });
  await expect(child.start()).rejects.toMatchObject({ code: "ROLE_FAILED", message: "role-1 did not start (exit code 4)" });
});

test("a program that cannot be run is an error too", async () => {
  const { child } = kept("", { command: "/nonexistent/program" });
  await expect(child.start()).rejects.toMatchObject({ code: "ROLE_FAILED" });
});

test("a crashed child is started again, and it is said", async () => {
  const { child, said, ready } = kept(READY);
  await child.start();
  const first = child.pid ?? 0;
  writeFileSync(ready, "");
  process.kill(first, "SIGKILL");
  await until(() => said.some((line) => line === "role-1 is up again."));
  expect(said[0]).toMatch(/^role-1 ended \(SIGKILL\); starting it again in 0\.5 s\./);
  expect(child.pid).not.toBe(first);
  await child.stop();
  expect(said).toHaveLength(2);
});

test("a child that does not stop is killed, and it is said", async () => {
  const { child, said } = kept(`process.on('SIGTERM', () => {}); ${READY}`, { stopMsMax: 200 });
  await child.start();
  const pid = child.pid ?? 0;
  await child.stop();
  expect([isAlive(pid), said]).toEqual([false, ["role-1 does not stop; killing it."]]);
});

test("a log that has grown large is turned", async () => {
  const { child, directory } = kept(`console.log('hello'); ${READY}`);
  writeFileSync(join(directory, "log"), Buffer.alloc(16 * 1024 * 1024 + 1, "x"));
  await child.start();
  expect(readFileSync(join(directory, "log"), "utf8")).toBe("hello\n");
  expect(readFileSync(join(directory, "log.old"))).toHaveLength(16 * 1024 * 1024 + 1);
});

test("stopping during the pause before a restart starts nothing", async () => {
  const { child, said } = kept(READY);
  await child.start();
  process.kill(child.pid ?? 0, "SIGKILL");
  await until(() => said.length === 1);
  await child.stop();
  await systemClock.sleep(700);
  expect([child.pid, said.length]).toEqual([undefined, 1]);
});

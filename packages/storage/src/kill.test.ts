import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TEST_REPOSITORY, testBlock } from "@permafrost/blocks/testing";
import { fromUtf8, systemClock } from "@permafrost/std";
import { expect, it } from "vitest";
import { openStorage } from "./open-storage.ts";

const CHILD = fileURLToPath(new URL("../testing/put-and-print.ts", import.meta.url));
const ROUNDS = 5;
const ACKS_BEFORE_KILL = [1, 40, 90, 7, 150];

/** Runs the child until it has acknowledged `acks` and a little more, kills it, and gives all it has printed whole. */
async function runAndKill(directory: string, round: number, acks: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, directory, String(round)], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let text = "";
  child.stdout.setEncoding("utf8");
  const enough = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: string) => {
      text += chunk;
      if (text.split("\n").length > acks) resolve();
    });
  });
  await Promise.race([enough, exited]);
  await systemClock.sleep(round * 3);
  child.kill("SIGKILL");
  const [, signal] = await exited;
  expect(signal).toBe("SIGKILL");
  return text.slice(0, text.lastIndexOf("\n")).split("\n");
}

it("a process killed again and again has every block and record it acknowledged", async () => {
  const directory = await mkdtemp(join(tmpdir(), "permafrost-kill-"));
  const blocks: string[] = [];
  let version = 0n;
  for (let round = 0; round < ROUNDS; round++) {
    for (const line of await runAndKill(directory, round, ACKS_BEFORE_KILL[round] ?? 1)) {
      const [kind, what] = line.split(" ");
      if (kind === "block" && what) blocks.push(what);
      if (kind === "record" && what) version = BigInt(what);
    }
    const store = await openStorage({ directory, keepFreeBytes: 0 });
    expect((await store.stats()).cleanStart).toBe(false);
    for (let at = 0; at < blocks.length; at += 500) {
      const expected = blocks.slice(at, at + 500).map((seed) => testBlock(seed, 300 + 1700 * Number(seed.slice(-1))));
      const got = await store.get(
        TEST_REPOSITORY,
        expected.map((block) => block.id),
      );
      for (const [i, block] of expected.entries()) expect(Buffer.compare(got[i]?.body ?? Buffer.of(), block.body)).toBe(0);
    }
    const record = await store.getRecord(TEST_REPOSITORY, "session/1");
    expect((record?.version ?? 0n) >= version).toBe(true);
    if (record) expect(fromUtf8(record.body)).toBe(String(record.version));
    for await (const finding of store.scrub()) expect(finding).toBeUndefined();
    if (round % 2 === 0) await store.close();
    else {
      await store.rebuildIndex();
      await store.close();
    }
  }
  expect(blocks.length).toBeGreaterThan(100);
  await rm(directory, { recursive: true });
}, 120_000);

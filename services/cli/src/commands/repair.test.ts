/** `permafrost repair`: what is asked for and what is said of it. */

import { expect, test } from "vitest";
import { session } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";

const MIB = 1n << 20n;
const repair = { blocks: 5000n, copies: 300n, copiedBytes: 18n * MIB, recordCopies: 4n, lostBlocks: 0n, shortBlocks: 0n };

test("says how many copies it made, to people and to programs", async () => {
  const world = createWorld();
  world.cluster.ended = session({ kind: "repair", resources: 1, repair });
  expect(await world.run("repair", "--repository", "production")).toBe(0);
  expect(world.cluster.requestOf("startRepair")).toEqual({ repository: "production" });
  expect(world.stdout.text).toContain("5000 blocks looked at, 300 copies made (18 MiB), 4 of records\n");
  world.stdout.text = "";
  expect(await world.run("repair", "--repository", "production", "--json")).toBe(0);
  expect(JSON.parse(world.stdout.text)).toMatchObject({ kind: "repair", repaired_copies: 300, lost_blocks: 0, short_blocks: 0 });
});

test("fails when something is lost", async () => {
  const world = createWorld();
  const failure = { code: "REPAIR_INCOMPLETE", message: "1 blocks are whole on no storage node", hint: "check", facts: {} };
  world.cluster.ended = session({ kind: "repair", state: "failed", failure, repair: { ...repair, lostBlocks: 1n } });
  expect(await world.run("repair", "--repository", "production")).toBe(1);
  expect(world.stderr.text).toContain("whole on no storage node");
  expect(await world.run("repair")).toBe(2);
});

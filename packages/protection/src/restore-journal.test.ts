/** The journal over a restore, an undo and the same plan applied again. */

import { memoryBlockStore } from "@permafrost/blocks";
import { initRepository } from "@permafrost/repository";
import { expect, it } from "vitest";
import { RestoreJournal } from "./restore-journal.ts";

async function journal(): Promise<RestoreJournal> {
  const { repository } = await initRepository(memoryBlockStore(), {
    name: "acme",
    secret: { kind: "key", value: Buffer.alloc(32, 7).toString("base64") },
  });
  return new RestoreJournal(repository.records({ repositoryId: repository.id, sessionId: "s1", taskId: "t", fence: 1n }), "s1");
}

it("notes what was made, once and again for another target", async () => {
  const noted = await journal();
  expect(await noted.entry("glance.image", "a")).toBeUndefined();
  await noted.note("glance.image", "a", "t1");
  await noted.note("glance.image", "a", "t1");
  expect(await noted.find("glance.image", "a")).toBe("t1");
  await noted.note("glance.image", "a", "t2");
  expect(await noted.entry("glance.image", "a")).toEqual({ targetId: "t2" });
  expect(await noted.find("glance.image", "b")).toBeUndefined();
});

it("what is struck is not there, and can be noted again", async () => {
  const noted = await journal();
  for (const target of ["t1", "t2", "t2"]) {
    await noted.note("glance.image", "a", target);
    expect(await noted.find("glance.image", "a")).toBe(target);
    await noted.strike("glance.image", "a");
    await noted.strike("glance.image", "a");
    expect(await noted.entry("glance.image", "a")).toBeUndefined();
  }
});

it("keeps how a thing was before the first change of it, also in a second restore after an undo", async () => {
  const noted = await journal();
  await noted.noteChanged("keystone.project", "p", "t1", { name: "old" });
  await noted.noteChanged("keystone.project", "p", "t1", { name: "changed" });
  expect(await noted.entry("keystone.project", "p")).toEqual({ targetId: "t1", before: { name: "old" } });
  await noted.strike("keystone.project", "p");
  await noted.noteChanged("keystone.project", "p", "t1", { name: "older" });
  expect(await noted.entry("keystone.project", "p")).toEqual({ targetId: "t1", before: { name: "older" } });
});

it("tells two things apart whose ids only differ far behind their beginning", async () => {
  const noted = await journal();
  const long = "x".repeat(200);
  await noted.note("swift.container", `${long}1`, "t1");
  await noted.note("swift.container", `${long}2`, "t2");
  expect([await noted.find("swift.container", `${long}1`), await noted.find("swift.container", `${long}2`)]).toEqual([
    "t1",
    "t2",
  ]);
});

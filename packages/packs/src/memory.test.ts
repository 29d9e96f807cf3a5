import { utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { packStoreSuite } from "../testing/suite.ts";
import { type CrashMode, memoryPacks } from "./memory.ts";

packStoreSuite("memory", async () => ({ packs: memoryPacks({ capacityBytes: 1 << 20 }) }));

describe("memory packs with faults", () => {
  it.each<[CrashMode, string[], string]>([
    ["lost", ["old"], "synced"],
    ["kept", ["new", "old"], "synced+more"],
    ["zero-tail", ["new", "old"], "synced\0\0\0\0\0"],
    ["entry-lost", ["old"], "synced+more"],
    ["process", ["new", "old"], "synced+more"],
  ])("crash: %s", async (mode, names, content) => {
    const packs = memoryPacks();
    await packs.create("old");
    await packs.append("old", 0, [utf8("synced")]);
    await packs.sync("old");
    await packs.syncDirectory();
    await packs.append("old", 6, [utf8("+more")]);
    await packs.create("new");
    const after = packs.afterCrash(mode);
    expect((await after.list()).map((pack) => pack.name)).toEqual(names);
    expect((await after.read("old", 0, 100)).toString()).toBe(content);
  });

  it("keeps in memory, not on disk, what a process that ended had not synced", async () => {
    const packs = memoryPacks();
    await packs.create("a");
    await packs.append("a", 0, [utf8("unsynced")]);
    const after = packs.afterCrash("process");
    expect((await after.read("a", 0, 100)).toString()).toBe("unsynced");
    expect(await after.afterCrash("lost").list()).toEqual([]);
    await after.syncDirectory();
    expect(await after.afterCrash("lost").sizeBytes("a")).toBe(0);
    await after.sync("a");
    expect(await after.afterCrash("lost").sizeBytes("a")).toBe(8);
  });

  it("tears unsynced writes at sectors", async () => {
    const packs = memoryPacks();
    await packs.create("a");
    await packs.append("a", 0, [Buffer.alloc(512 * 4, 1)]);
    const after = await packs.afterCrash("torn").read("a", 0, 4096);
    expect([0, 512, 1024, 1536].map((at) => after[at])).toEqual([1, 0, 1, 0]);
  });

  it("fails what its hook fails, mapped as a disk's errors, and never syncs again after a failed sync", async () => {
    let code: string | undefined;
    const packs = memoryPacks({
      onOperation: () => {
        if (code) throw Object.assign(new Error(code), { code });
      },
    });
    await packs.create("a");
    code = "ENOSPC";
    await expect(packs.append("a", 0, [utf8("x")])).rejects.toMatchObject({ code: "PACK_NO_SPACE", retry: "elsewhere" });
    code = "EIO";
    await expect(packs.append("a", 0, [utf8("x")])).rejects.toMatchObject({ code: "PACK_IO", facts: { errno: "EIO" } });
    await expect(packs.sync("a")).rejects.toMatchObject({ code: "PACK_SYNC_FAILED" });
    code = undefined;
    await expect(packs.sync("a")).rejects.toMatchObject({ code: "PACK_SYNC_FAILED" });
  });

  it("is full at its capacity, with a torn write behind", async () => {
    const packs = memoryPacks({ capacityBytes: 6 });
    await packs.create("a");
    await expect(packs.append("a", 0, [utf8("12345678")])).rejects.toMatchObject({ code: "PACK_NO_SPACE" });
    expect(await packs.sizeBytes("a")).toBe(6);
    expect((await packs.space()).freeBytes).toBe(0);
  });
});

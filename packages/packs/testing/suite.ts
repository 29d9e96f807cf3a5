/** What every PackStore must do; each adapter runs it. `open` gives a fresh, empty store for each test. */

import { utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PackStore } from "../src/packs.ts";

export interface OpenedPacks {
  readonly packs: PackStore;
  /** Releases what `open` took. */
  readonly release?: () => Promise<void>;
}

export function packStoreSuite(name: string, open: () => Promise<OpenedPacks>): void {
  describe(`${name} as a PackStore`, () => {
    let opened: OpenedPacks;
    let packs: PackStore;
    beforeEach(async () => {
      opened = await open();
      packs = opened.packs;
    });
    afterEach(async () => {
      await packs.close();
      await opened.release?.();
    });
    const text = async (pack: string, offset = 0, length = 100) => (await packs.read(pack, offset, length)).toString();

    it("makes packs once and lists them by name with their size", async () => {
      expect(await packs.list()).toEqual([]);
      await packs.create("b");
      await packs.create("a");
      await packs.append("b", 0, [utf8("four")]);
      await packs.syncDirectory();
      expect(await packs.list()).toEqual([
        { name: "a", sizeBytes: 0 },
        { name: "b", sizeBytes: 4 },
      ]);
      expect(await packs.sizeBytes("b")).toBe(4);
      await expect(packs.create("a")).rejects.toMatchObject({ code: "PACK_EXISTS" });
    });

    it("appends parts in order, reads ranges, and fewer bytes only at the end", async () => {
      await packs.create("a");
      await packs.append("a", 0, [utf8("one "), utf8(""), utf8("two ")]);
      await packs.append("a", 8, [utf8("three")]);
      await packs.sync("a");
      expect(await text("a")).toBe("one two three");
      expect(await text("a", 4, 3)).toBe("two");
      expect(await text("a", 8)).toBe("three");
      expect(await text("a", 50)).toBe("");
    });

    it("takes many parts in one append", async () => {
      await packs.create("a");
      await packs.append(
        "a",
        0,
        Array.from({ length: 3000 }, (_, i) => utf8(`${i % 10}`)),
      );
      expect(await packs.sizeBytes("a")).toBe(3000);
      expect(await text("a", 995, 10)).toBe("5678901234");
    });

    it("cuts and writes again from there", async () => {
      await packs.create("a");
      await packs.append("a", 0, [utf8("0123456789")]);
      await packs.truncate("a", 4);
      await packs.append("a", 4, [utf8("x")]);
      expect(await text("a")).toBe("0123x");
    });

    it("deletes, and sets aside so that the pack is gone from list and read", async () => {
      await packs.create("a");
      await packs.create("b");
      await packs.append("b", 0, [utf8("x")]);
      await packs.delete("a");
      await packs.quarantine("b");
      await packs.syncDirectory();
      expect(await packs.list()).toEqual([]);
      await expect(packs.read("b", 0, 1)).rejects.toMatchObject({ code: "PACK_MISSING" });
    });

    it("says PACK_MISSING for what is not there, elsewhere it may be", async () => {
      for (const work of [
        () => packs.read("no", 0, 1),
        () => packs.append("no", 0, [utf8("x")]),
        () => packs.sizeBytes("no"),
        () => packs.delete("no"),
        () => packs.quarantine("no"),
        () => packs.truncate("no", 0),
      ]) {
        await expect(work()).rejects.toMatchObject({ code: "PACK_MISSING", retry: "elsewhere" });
      }
    });

    it("knows its space", async () => {
      const { freeBytes, totalBytes } = await packs.space();
      expect(freeBytes).toBeGreaterThan(0);
      expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
    });
  });
}

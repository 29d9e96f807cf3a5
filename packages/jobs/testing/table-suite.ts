/** The table of every bus: compare-and-set, listing, expiry, watching. */

import { CodedError, fromUtf8, randomId, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { type BusHarness, codeOf, eventually } from "./harness.ts";

export function tableSuite(harness: () => BusHarness): void {
  const newTable = (ttlMs?: number) => harness().bus.table(`t-${randomId()}`, ttlMs === undefined ? {} : { ttlMs });

  describe("table", () => {
    it("gives what was put, with a growing revision", async () => {
      const table = await newTable();
      expect(await table.get("a")).toBeUndefined();
      const first = await table.put("a", utf8("1"));
      const second = await table.put("a", utf8("2"));
      expect(second).toBeGreaterThan(first);
      const entry = await table.get("a");
      expect([entry?.key, fromUtf8(entry?.value ?? utf8("")), entry?.revision]).toEqual(["a", "2", second]);
    });

    it("creates a key once, and again after it was deleted", async () => {
      const table = await newTable();
      await table.create("a", utf8("1"));
      expect(await codeOf(table.create("a", utf8("2")))).toBe("REVISION_CONFLICT");
      await table.delete("a");
      await table.delete("a");
      expect(await table.get("a")).toBeUndefined();
      await table.create("a", utf8("3"));
      expect(fromUtf8((await table.get("a"))?.value ?? utf8(""))).toBe("3");
    });

    it("updates only the revision that was read", async () => {
      const table = await newTable();
      const first = await table.put("a", utf8("1"));
      const second = await table.update("a", utf8("2"), first);
      expect(await codeOf(table.update("a", utf8("3"), first))).toBe("REVISION_CONFLICT");
      expect(await codeOf(table.update("absent", utf8("3"), first))).toBe("REVISION_CONFLICT");
      await table.delete("a");
      expect(await codeOf(table.update("a", utf8("3"), second))).toBe("REVISION_CONFLICT");
    });

    it("lets one of many updaters win each round", async () => {
      const table = await newTable();
      await table.put("count", utf8("0"));
      const add = async () => {
        for (;;) {
          const entry = await table.get("count");
          if (entry === undefined) throw new Error("the counter vanished");
          try {
            await table.update("count", utf8(String(Number(fromUtf8(entry.value)) + 1)), entry.revision);
            return;
          } catch (error) {
            if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
          }
        }
      };
      await Promise.all(Array.from({ length: 8 }, add));
      expect(fromUtf8((await table.get("count"))?.value ?? utf8(""))).toBe("8");
    });

    it("lists keys by prefix, in order, whether or not the prefix ends at a dot", async () => {
      const table = await newTable();
      for (const key of ["s1.b", "s1.a", "s10.a", "s2", "x/y=z"]) await table.put(key, utf8(key));
      await table.put("s1.gone", utf8("x"));
      await table.delete("s1.gone");
      const keys = async (prefix: string) => (await table.list(prefix)).map((entry) => entry.key);
      expect(await keys("s1.")).toEqual(["s1.a", "s1.b"]);
      expect(await keys("s1")).toEqual(["s1.a", "s1.b", "s10.a"]);
      expect(await keys("s1.a")).toEqual(["s1.a"]);
      expect(await keys("")).toEqual(["s1.a", "s1.b", "s10.a", "s2", "x/y=z"]);
      expect(await keys("none")).toEqual([]);
    });

    it("lets entries vanish that were not changed for their time to live", async () => {
      const table = await newTable(1_200);
      await table.put("stale", utf8("1"));
      await table.put("kept", utf8("1"));
      const refresher = setInterval(() => void table.put("kept", utf8("2")), 150);
      try {
        await eventually(async () => ((await table.get("stale")) === undefined ? true : undefined));
        expect((await table.list("")).map((entry) => entry.key)).toEqual(["kept"]);
      } finally {
        clearInterval(refresher);
      }
    });

    it("watches: what is there, then every change, until aborted", async () => {
      const table = await newTable();
      await table.put("p.old", utf8("0"));
      await table.put("other", utf8("0"));
      const aborter = new AbortController();
      const seen: string[] = [];
      const watching = (async () => {
        for await (const change of table.watch("p.", aborter.signal)) {
          seen.push(`${change.key}=${change.value === undefined ? "deleted" : fromUtf8(change.value)}`);
        }
      })();
      const until = (text: string) => eventually(async () => (seen.includes(text) ? true : undefined));
      await until("p.old=0");
      await table.put("p.new", utf8("1"));
      await until("p.new=1");
      await table.put("other", utf8("1"));
      await table.put("p.new", utf8("2"));
      await table.delete("p.old");
      await until("p.old=deleted");
      aborter.abort();
      await watching;
      expect(seen).toEqual(["p.old=0", "p.new=1", "p.new=2", "p.old=deleted"]);
    });

    it("watches: tells of entries whose time to live ended", async () => {
      const table = await newTable(1_200);
      await table.put("a", utf8("1"));
      const aborter = new AbortController();
      const seen: (string | undefined)[] = [];
      for await (const change of table.watch("", aborter.signal)) {
        seen.push(change.value && fromUtf8(change.value));
        if (change.value === undefined) break;
      }
      expect(seen).toEqual(["1", undefined]);
    });

    it("shows one member's writes to the others", async () => {
      const tableName = `t-${randomId()}`;
      const mine = await harness().bus.table(tableName);
      const theirs = await harness().other.table(tableName);
      const revision = await mine.put("a", utf8("1"));
      expect((await theirs.get("a"))?.revision).toBe(revision);
    });

    it("refuses keys outside the alphabet", async () => {
      const table = await newTable();
      for (const key of ["", ".a", "a.", "a..b", "a b", "a*", "ä", ">"])
        expect(await codeOf(table.put(key, utf8("")))).toBe("KEY_INVALID");
      expect(await codeOf(harness().bus.table("a/b"))).toBe("KEY_INVALID");
    });
  });
}

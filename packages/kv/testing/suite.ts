/** What every Kv must do; each adapter runs it. `open` gives a fresh, empty store for each test. */

import { fromUtf8, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Kv } from "../src/kv.ts";

export interface OpenedKv {
  readonly kv: Kv;
  /** Releases what `open` took; the store may be closed already. */
  readonly release?: () => Promise<void>;
}

export function kvSuite(name: string, open: () => Promise<OpenedKv>): void {
  describe(`${name} as a Kv`, () => {
    let opened: OpenedKv;
    let kv: Kv;
    beforeEach(async () => {
      opened = await open();
      kv = opened.kv;
    });
    afterEach(async () => {
      await kv.close();
      await opened.release?.();
    });
    const put = (key: string, value: string) => ({ type: "put", key: utf8(key), value: utf8(value) }) as const;
    const remove = (key: string) => ({ type: "delete", key: utf8(key) }) as const;
    const text = (value: Uint8Array | undefined) => value && fromUtf8(value);
    const all = async (range: ReturnType<Kv["range"]>) => {
      const out: string[] = [];
      for await (const [key, value] of range) out.push(`${fromUtf8(key)}=${fromUtf8(value)}`);
      return out;
    };

    it("answers undefined for what is not there", async () => {
      expect(await kv.get(utf8("a"))).toBeUndefined();
      expect(await kv.getMany([])).toEqual([]);
    });

    it("applies a batch in order and gives values in the order of the keys", async () => {
      await kv.batch([put("a", "1"), put("b", "2"), put("a", "3"), put("c", "4"), remove("c")], { sync: true });
      expect((await kv.getMany([utf8("b"), utf8("x"), utf8("a"), utf8("c")])).map(text)).toEqual([
        "2",
        undefined,
        "3",
        undefined,
      ]);
      await kv.batch([remove("a"), remove("nothing")], { sync: false });
      expect(await kv.get(utf8("a"))).toBeUndefined();
      expect(text(await kv.get(utf8("b")))).toBe("2");
    });

    it("takes any bytes as keys and orders them unsigned", async () => {
      const keys = [Buffer.of(0x7f), Buffer.of(0xff, 0x00), Buffer.of(0x00), Buffer.of(0x80), Buffer.of(0x00, 0xff)];
      await kv.batch(
        keys.map((key) => ({ type: "put", key, value: key })),
        { sync: false },
      );
      const found: string[] = [];
      for await (const [key] of kv.range(Buffer.of(0), Buffer.of(0xff, 0xff))) found.push(Buffer.from(key).toString("hex"));
      expect(found).toEqual(["00", "00ff", "7f", "80", "ff00"]);
    });

    it("gives a half-open range, of the state at the call", async () => {
      await kv.batch([put("a", "1"), put("b", "2"), put("c", "3"), put("d", "4")], { sync: false });
      const range = kv.range(utf8("b"), utf8("d"));
      await kv.batch([put("bb", "x"), remove("c")], { sync: false });
      expect(await all(range)).toEqual(["b=2", "c=3"]);
      expect(await all(kv.range(utf8("b"), utf8("d")))).toEqual(["b=2", "bb=x"]);
    });

    it("ranges over more than it fetches at once, and may be left early", async () => {
      const many = Array.from({ length: 2500 }, (_, i) => put(String(i).padStart(5, "0"), "v"));
      await kv.batch(many, { sync: false });
      expect(await all(kv.range(utf8("0"), utf8("1")))).toHaveLength(2500);
      for await (const [key] of kv.range(utf8("00007"), utf8("1"))) {
        expect(fromUtf8(key)).toBe("00007");
        break;
      }
    });

    it("refuses every call after close, and takes a second close", async () => {
      await kv.close();
      await kv.close();
      await expect(kv.get(utf8("a"))).rejects.toMatchObject({ code: "KV_CLOSED" });
      await expect(kv.getMany([utf8("a")])).rejects.toMatchObject({ code: "KV_CLOSED" });
      await expect(kv.batch([put("a", "1")], { sync: true })).rejects.toMatchObject({ code: "KV_CLOSED" });
      expect(() => kv.range(utf8("a"), utf8("b"))).toThrow(expect.objectContaining({ code: "KV_CLOSED" }));
    });
  });
}

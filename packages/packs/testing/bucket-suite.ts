/** What every ObjectBucket must do; each adapter runs it. `open` gives an empty bucket for each test. */

import { utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ObjectBucket } from "../src/object-bucket.ts";

export interface OpenedBucket {
  readonly bucket: ObjectBucket;
  readonly release?: () => Promise<void>;
}

export function objectBucketSuite(name: string, open: () => Promise<OpenedBucket>): void {
  describe(`${name} as an ObjectBucket`, () => {
    let opened: OpenedBucket;
    let bucket: ObjectBucket;
    beforeEach(async () => {
      opened = await open();
      bucket = opened.bucket;
    });
    afterEach(async () => {
      await bucket.close();
      await opened.release?.();
    });
    const keys = async (prefix: string) => {
      const found: string[] = [];
      for await (const { key, sizeBytes } of bucket.list(prefix)) found.push(`${key} ${sizeBytes}`);
      return found;
    };

    it("gives back what was put, and ranges of it", async () => {
      await bucket.put("a/b-c", utf8("0123456789"));
      expect((await bucket.get("a/b-c", 0, 10)).toString()).toBe("0123456789");
      expect((await bucket.get("a/b-c", 3, 4)).toString()).toBe("3456");
      expect((await bucket.get("a/b-c", 9, 1)).toString()).toBe("9");
      expect((await bucket.get("a/b-c", 4, 0)).length).toBe(0);
      expect(await bucket.sizeBytes("a/b-c")).toBe(10);
      await bucket.put("a/b-c", utf8("other"));
      expect(await bucket.sizeBytes("a/b-c")).toBe(5);
    });

    it("takes any bytes, none included", async () => {
      const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256));
      await bucket.put("bytes", bytes);
      expect(Buffer.compare(await bucket.get("bytes", 0, bytes.length), bytes)).toBe(0);
      await bucket.put("empty", new Uint8Array(0));
      expect(await bucket.sizeBytes("empty")).toBe(0);
    });

    it("puts what is not there, and never over what is", async () => {
      expect(await bucket.putNew("new", utf8("first"))).toBe(true);
      expect(await bucket.putNew("new", utf8("second"))).toBe(false);
      expect((await bucket.get("new", 0, 5)).toString()).toBe("first");
    });

    it("lists by prefix, in order, with sizes", async () => {
      for (const key of ["p/b", "p/a", "q/a", "p/c/d"]) await bucket.put(key, utf8(key));
      expect(await keys("p/")).toEqual(["p/a 3", "p/b 3", "p/c/d 5"]);
      expect(await keys("none/")).toEqual([]);
    });

    it("deletes, also what is gone", async () => {
      await bucket.put("a", utf8("a"));
      await bucket.delete("a");
      await bucket.delete("a");
      expect(await bucket.sizeBytes("a")).toBeUndefined();
      expect(await keys("")).toEqual([]);
    });

    it("says PACK_MISSING for what is not there, and PACK_IO for bytes that an object does not have", async () => {
      await expect(bucket.get("no", 0, 1)).rejects.toMatchObject({ code: "PACK_MISSING", retry: "elsewhere" });
      await bucket.put("short", utf8("abc"));
      await expect(bucket.get("short", 0, 4)).rejects.toMatchObject({ code: "PACK_IO" });
      await expect(bucket.get("short", 7, 1)).rejects.toMatchObject({ code: "PACK_IO" });
    });
  });
}

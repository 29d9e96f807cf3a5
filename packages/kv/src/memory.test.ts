import { utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { kvSuite } from "../testing/suite.ts";
import { memoryKv } from "./memory.ts";

kvSuite("memory", async () => ({ kv: memoryKv() }));

describe("memory kv after a crash", () => {
  it("has the synced batches, and the others only if they were kept", async () => {
    const kv = memoryKv();
    await kv.batch([{ type: "put", key: utf8("a"), value: utf8("1") }], { sync: false });
    await kv.batch([{ type: "put", key: utf8("b"), value: utf8("2") }], { sync: true });
    await kv.batch([{ type: "put", key: utf8("c"), value: utf8("3") }], { sync: false });
    const keys = [utf8("a"), utf8("b"), utf8("c")];
    expect((await kv.afterCrash("all").getMany(keys)).map((v) => v !== undefined)).toEqual([true, true, true]);
    expect((await kv.afterCrash("synced").getMany(keys)).map((v) => v !== undefined)).toEqual([true, true, false]);
    await expect(kv.get(utf8("a"))).rejects.toMatchObject({ code: "KV_CLOSED" });
  });

  it("fails a batch by its hook", async () => {
    const kv = memoryKv({
      onBatch: () => {
        throw new Error("no");
      },
    });
    await expect(kv.batch([], { sync: true })).rejects.toThrow("no");
  });
});

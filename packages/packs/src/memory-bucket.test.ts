import { utf8 } from "@permafrost/std";
import { expect, it } from "vitest";
import { objectBucketSuite } from "../testing/bucket-suite.ts";
import { memoryBucket, noAnswer } from "./memory-bucket.ts";
import { prefixedBucket } from "./prefixed-bucket.ts";

objectBucketSuite("memory", async () => ({ bucket: memoryBucket() }));
objectBucketSuite("a prefix", async () => {
  const whole = memoryBucket();
  await whole.put("else", utf8("x"));
  return { bucket: prefixedBucket(whole, "node-1/") };
});

it("loses calls before they are applied, and answers after", async () => {
  for (const when of ["before", "after"] as const) {
    const bucket = memoryBucket({
      onCall: (call, key, at) => {
        if (call === "put" && at === when) throw noAnswer(call, key);
      },
    });
    await expect(bucket.put("a", utf8("a"))).rejects.toMatchObject({ code: "PACK_UNREACHABLE", retry: "later" });
    expect(await bucket.sizeBytes("a")).toBe(when === "after" ? 1 : undefined);
  }
});

it("lists as it was some changes ago", async () => {
  const bucket = memoryBucket();
  await bucket.put("a", utf8("a"));
  await bucket.put("b", utf8("b"));
  await bucket.delete("a");
  const listed = async (lag: number) => {
    bucket.listingLagChanges = lag;
    return (await Array.fromAsync(bucket.list(""))).map(({ key }) => key).join("");
  };
  expect([await listed(0), await listed(1), await listed(2), await listed(9)]).toEqual(["b", "ab", "a", ""]);
});

import { utf8 } from "@permafrost/std";
import { numbers } from "@permafrost/std/testing";
import { describe, expect, it } from "vitest";
import { S3_TEST_CREDENTIALS, startS3Server } from "../testing/s3-server.ts";
import { packStoreSuite } from "../testing/suite.ts";
import { bucketError } from "./errors.ts";
import { type BucketCall, memoryBucket, noAnswer } from "./memory-bucket.ts";
import { type ObjectPackStore, type ObjectPackStoreOptions, openObjectPacks } from "./object.ts";
import type { ObjectBucket } from "./object-bucket.ts";
import { openS3Bucket } from "./s3.ts";

const who = { gatewayId: "1".repeat(32), nodeId: "a".repeat(32) };
const clock = { now: () => 0, monotonic: () => 0, sleep: async () => undefined };

/** The packs of a bucket, claimed as by the next gateway that comes. */
async function next(bucket: ObjectBucket, options: ObjectPackStoreOptions = {}): Promise<ObjectPackStore> {
  const packs = openObjectPacks(bucket, { clock, ...options });
  await packs.claim(await packs.owner(), who);
  return packs;
}

/** Writes all of it durably at the end of the pack, which is made if it is not there. */
async function write(packs: ObjectPackStore, name: string, text: string): Promise<void> {
  const isThere = (await packs.list()).some((pack) => pack.name === name);
  if (!isThere) await packs.create(name);
  await packs.append(name, await packs.sizeBytes(name), [utf8(text)]);
  await packs.sync(name);
  if (!isThere) await packs.syncDirectory();
}

async function contents(packs: ObjectPackStore): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { name, sizeBytes } of await packs.list()) all[name] = (await packs.read(name, 0, sizeBytes + 1)).toString();
  return all;
}

/** A bucket in which no object may be replaced. */
function neverTwice() {
  const bucket = memoryBucket({
    onCall: (call, key, at) => {
      if (call === "put" && at === "before" && bucket.objects.has(key)) throw new Error(`${key} is put again`);
    },
  });
  return bucket;
}

packStoreSuite("object", async () => ({ packs: await next(memoryBucket(), { capacityBytes: 1 << 20 }) }));
packStoreSuite("object over S3", async () => {
  const server = await startS3Server();
  const bucket = openS3Bucket({ endpoint: server.url, bucket: "bucket", ...S3_TEST_CREDENTIALS });
  return { packs: await next(bucket), release: () => server.close() };
});

describe("object packs", () => {
  it("put one object for each sync, none for what is not synced, and never one twice", async () => {
    const bucket = neverTwice();
    const packs = await next(bucket);
    await packs.create("a");
    for (const part of ["one ", "two ", "three "]) await packs.append("a", await packs.sizeBytes("a"), [utf8(part)]);
    expect([...bucket.objects.keys()].filter((key) => key.startsWith("packs/"))).toEqual([]);
    await packs.sync("a");
    await packs.sync("a");
    await write(packs, "a", "four");
    await packs.append("a", 18, [utf8("lost")]);
    expect([...bucket.objects].filter(([key]) => key.startsWith("packs/")).map(([, bytes]) => bytes.toString())).toEqual([
      "one two three ",
      "four",
    ]);
    expect(await contents(packs)).toEqual({ a: "one two three fourlost" });
    expect((await packs.read("a", 11, 6)).toString()).toBe("ee fou");
    expect((await packs.read("a", 16, 4)).toString()).toBe("urlo");
    expect(await contents(await next(bucket))).toEqual({ a: "one two three four" });
  });

  it("are the same for the next owner after any history of appends, cuts, syncs and owners", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const draw = numbers(seed);
      const bucket = neverTwice();
      let packs = await next(bucket);
      const synced = new Map<string, string>();
      const now = new Map<string, string>();
      for (let step = 0; step < 40; step++) {
        const name = `p${draw(3)}`;
        const text = now.get(name);
        const kind = draw(12);
        if (text === undefined) {
          await packs.create(name);
          now.set(name, "");
        } else if (kind < 5) {
          const more = `${seed}.${step};`.slice(0, draw(6));
          await packs.append(name, text.length, [utf8(more)]);
          now.set(name, text + more);
        } else if (kind < 7) {
          const size = draw(text.length + 1);
          await packs.truncate(name, size);
          now.set(name, text.slice(0, size));
        } else if (kind < 10) {
          await packs.sync(name);
          await packs.syncDirectory();
          synced.set(name, text);
          for (const other of now.keys()) if (!synced.has(other)) synced.set(other, "");
        } else if (kind === 10) {
          await packs.delete(name);
          now.delete(name);
          synced.delete(name);
        } else {
          packs = await next(bucket);
          expect(await contents(packs), `seed ${seed} step ${step}`).toEqual(Object.fromEntries(synced));
          now.clear();
          for (const [other, content] of synced) now.set(other, content);
        }
        expect(await contents(packs), `seed ${seed} step ${step}`).toEqual(Object.fromEntries(now));
      }
    }
  });

  it("find all that was synced when listings lag, however far", async () => {
    for (const lag of [1, 3, 7, 20, 1000]) {
      const bucket = memoryBucket();
      for (const owner of ["x", "y"]) {
        const packs = await next(bucket);
        for (let i = 0; i < 3; i++) await write(packs, `${owner}1`, `${i}`);
        await write(packs, `${owner}2`, "gone");
        await write(packs, `${owner}3`, "there");
        await packs.delete(`${owner}2`);
        bucket.listingLagChanges = lag;
      }
      expect(await contents(await next(bucket)), `lag ${lag}`).toEqual({ x1: "012", x3: "there", y1: "012", y3: "there" });
    }
  });

  it("are deleted from their end, so that a deletion that is cut off leaves the beginning of a pack", async () => {
    let failing = false;
    let left = 1;
    const bucket = memoryBucket({
      onCall: (call, key) => {
        if (failing && call === "delete" && left-- <= 0) throw noAnswer(call, key);
      },
    });
    const packs = await next(bucket);
    for (const part of ["one", "two", "three"]) await write(packs, "a", part);
    failing = true;
    left = 2;
    await expect(packs.delete("a")).rejects.toMatchObject({ code: "PACK_UNREACHABLE" });
    expect(await contents(await next(bucket))).toEqual({ a: "onetwo" });
  });

  it("say PACK_IO where an object of theirs is gone, and read on behind it", async () => {
    const bucket = memoryBucket();
    const packs = await next(bucket);
    for (const part of ["one", "two", "three"]) await write(packs, "a", part);
    const key = [...bucket.objects].find(([, bytes]) => bytes.toString() === "two")?.[0] ?? "";
    bucket.objects.delete(key);
    for (const one of [packs, await next(bucket)]) {
      await expect(one.read("a", 2, 3)).rejects.toMatchObject({ code: "PACK_IO" });
      expect((await one.read("a", 0, 3)).toString()).toBe("one");
      expect((await one.read("a", 6, 9)).toString()).toBe("three");
      expect(await one.sizeBytes("a")).toBe(11);
    }
  });

  it("keep what was set aside, unlisted", async () => {
    const bucket = memoryBucket();
    const packs = await next(bucket);
    await write(packs, "a", "odd");
    await packs.quarantine("a");
    expect(await (await next(bucket)).list()).toEqual([]);
    expect([...bucket.objects.values()].some((bytes) => bytes.toString() === "odd")).toBe(true);
  });

  it("have the room they were given", async () => {
    const packs = await next(memoryBucket(), { capacityBytes: 6 });
    await write(packs, "a", "1234");
    expect(await packs.space()).toEqual({ freeBytes: 2, totalBytes: 6 });
    await expect(packs.append("a", 4, [utf8("567")])).rejects.toMatchObject({ code: "PACK_NO_SPACE" });
  });

  it("cannot be written before they are claimed, but read", async () => {
    const bucket = memoryBucket();
    await write(await next(bucket), "a", "x");
    const packs = openObjectPacks(bucket);
    expect(await contents(packs)).toEqual({ a: "x" });
    await expect(packs.create("b")).rejects.toMatchObject({ code: "ASSERTION" });
    await expect(packs.delete("a")).rejects.toMatchObject({ code: "ASSERTION" });
  });
});

describe("a write that fails", () => {
  it.each([
    ["is not written again, other packs are", "before", 503, "PACK_UNREACHABLE"],
    ["whose answer is lost", "after", 503, "PACK_UNREACHABLE"],
    ["for lack of space", "before", 507, "PACK_NO_SPACE"],
    ["for lack of rights", "before", 403, "PACK_DENIED"],
  ] as const)("%s (%s, %i)", async (_, when, status, code) => {
    let failing = false;
    const bucket = memoryBucket({
      onCall: (call, key, at) => {
        if (failing && call === "put" && at === when) throw bucketError({ operation: call, key, status, reason: "" });
      },
    });
    const packs = await next(bucket);
    await write(packs, "a", "one");
    await packs.append("a", 3, [utf8("two")]);
    failing = true;
    await expect(packs.sync("a")).rejects.toMatchObject({ code });
    failing = false;
    await expect(packs.sync("a")).rejects.toMatchObject({ code: "PACK_SYNC_FAILED" });
    expect(await packs.sizeBytes("a")).toBe(3);
    await expect(packs.append("a", 3, [utf8("x")])).rejects.toMatchObject({ code: "PACK_SYNC_FAILED" });
    expect((await packs.read("a", 0, 9)).toString()).toBe("one");
    await write(packs, "b", "three");
    const later = await next(bucket);
    expect(await contents(later)).toEqual({ a: when === "after" ? "onetwo" : "one", b: "three" });
  });

  it("leaves nothing behind when the pack it began is deleted", async () => {
    let failing = true;
    const bucket = memoryBucket({
      onCall: (call, key, at) => {
        if (failing && call === "put" && key.startsWith("packs/") && at === "after") throw noAnswer(call, key);
      },
    });
    const packs = await next(bucket);
    await packs.create("a");
    await packs.append("a", 0, [utf8("x")]);
    await expect(packs.sync("a")).rejects.toMatchObject({ code: "PACK_UNREACHABLE" });
    failing = false;
    await packs.delete("a");
    expect([...bucket.objects.keys()].filter((key) => key.startsWith("packs/"))).toEqual([]);
    // Its number is counted all the same: what comes after it is found.
    await write(packs, "b", "y");
    bucket.listingLagChanges = 1000;
    expect(await contents(await next(bucket))).toEqual({ b: "y" });
  });
});

describe("two gateways on one prefix", () => {
  it("the one that was taken over acknowledges nothing, whatever it does, and what it wrote says nothing", async () => {
    const bucket = memoryBucket();
    const old = await next(bucket);
    await write(old, "a", "one");
    const now = await next(bucket);
    await now.append("a", 3, [utf8(" footer")]);
    await now.sync("a");
    await old.append("a", 3, [utf8("a late write of the old one")]);
    for (const work of [
      () => old.sync("a"),
      () => old.create("b").then(() => old.syncDirectory()),
      () => old.delete("a"),
      () => old.quarantine("a"),
    ]) {
      await expect(work()).rejects.toMatchObject({ code: "PACK_FENCED", retry: "elsewhere" });
    }
    await expect(old.sync("a")).rejects.toMatchObject({ code: "PACK_SYNC_FAILED" });
    expect(await contents(now)).toEqual({ a: "one footer" });
  });

  it("at whatever call the takeover comes: the new one has all that the old one acknowledged", async () => {
    for (let at = 1, isOver = false; !isOver; at++) {
      const bucket = memoryBucket();
      let calls = 0;
      let successor: ObjectPackStore | undefined;
      const watched = bucket.client({
        onCall: async () => {
          if (++calls === at) successor = await next(bucket);
        },
      });
      const old = openObjectPacks(watched, { clock });
      const acknowledged: Record<string, string> = {};
      const failure = await (async () => {
        await old.claim(undefined, who);
        for (const text of ["1", "2", "3"]) {
          for (const name of ["a", "b"]) {
            await write(old, name, text);
            acknowledged[name] = (acknowledged[name] ?? "") + text;
          }
        }
      })().catch((error: unknown) => error);
      isOver = successor === undefined;
      if (!successor) continue;
      const has = await contents(successor);
      for (const [name, text] of Object.entries(acknowledged)) {
        expect(has[name]?.startsWith(text), `call ${at}: ${JSON.stringify(has)}, ${JSON.stringify(acknowledged)}`).toBe(true);
      }
      // The last call of all may be the check that came in time.
      if (failure !== undefined) expect(failure).toMatchObject({ code: "PACK_FENCED" });
    }
  });

  it("sees after its claim what it had not seen before, and counts its packs anew", async () => {
    const bucket = memoryBucket();
    const first = await next(bucket);
    const packs = openObjectPacks(bucket, { clock });
    expect(await contents(packs)).toEqual({});
    await write(first, "a", "one");
    await packs.claim(await packs.owner(), who);
    expect(await contents(packs)).toEqual({ a: "one" });
    await write(packs, "b", "two");
    await packs.claim(await packs.owner(), who);
    await write(packs, "c", "three");
    bucket.listingLagChanges = 1000;
    expect(await contents(await next(bucket))).toEqual({ a: "one", b: "two", c: "three" });
  });

  it("that claim at once: one of them gets it", async () => {
    const bucket = memoryBucket();
    const [a, b] = [openObjectPacks(bucket), openObjectPacks(bucket)];
    const last = await a.owner();
    const claims = await Promise.allSettled([a.claim(last, who), b.claim(last, who)]);
    expect(claims.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(claims.find((one) => one.status === "rejected")).toMatchObject({ reason: { code: "PACK_FENCED" } });
  });

  it("knows its own claim when the answer to it was lost", async () => {
    let isLost = true;
    const bucket = memoryBucket();
    const { putNew } = bucket;
    const packs = openObjectPacks({
      ...bucket,
      // As a bucket that repeats the call by itself.
      putNew: async (key, bytes) => {
        const isMade = await putNew(key, bytes);
        if (!isLost) return isMade;
        isLost = false;
        return await putNew(key, bytes);
      },
    });
    expect(await packs.claim(undefined, who)).toBe(1);
  });

  it("are refused on a store that replaces in spite of If-None-Match", async () => {
    const bucket = memoryBucket();
    const unfit = { ...bucket, putNew: (key: string, bytes: Uint8Array) => bucket.put(key, bytes).then(() => true) };
    await expect(openObjectPacks(unfit).claim(undefined, who)).rejects.toMatchObject({ code: "BUCKET_UNFIT" });
  });

  it("says who was last, and whether it ended in order", async () => {
    const bucket = memoryBucket();
    const packs = await next(bucket);
    expect(await packs.owner()).toEqual({ epoch: 1, ...who, isReleased: false });
    await packs.close();
    bucket.listingLagChanges = 100;
    expect(await openObjectPacks(bucket).owner()).toEqual({ epoch: 1, ...who, isReleased: true });
    await bucket.put("owner/00000002", utf8("{}"));
    await expect(openObjectPacks(bucket).owner()).rejects.toMatchObject({ code: "FORMAT_UNKNOWN" });
  });
});

it("costs one PUT and one look at the owner for each sync, and range reads", async () => {
  const bucket = memoryBucket();
  const packs = await next(bucket);
  await write(packs, "a", "x".repeat(100));
  bucket.calls.clear();
  await packs.append("a", 100, [utf8("y".repeat(100))]);
  await packs.sync("a");
  await packs.read("a", 50, 100);
  const count = (call: BucketCall) => bucket.calls.get(call) ?? 0;
  expect([count("put"), count("sizeBytes"), count("get"), count("list")]).toEqual([1, 1, 2, 0]);
});

import type { BlockStore, SealedBlock } from "@permafrost/blocks";
import { TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { CRASH_MODES } from "@permafrost/packs";
import { CodedError, fromUtf8, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { NodeMachine } from "../testing/node-machine.ts";
import type { StorageEngine } from "./engine.ts";

const scope = testScope();

/** What the node has acknowledged: the least it must have after any crash. */
interface Acknowledged {
  readonly blocks: SealedBlock[];
  /** By key: version and text, or undefined once its deletion was acknowledged. */
  readonly records: Map<string, { version: bigint; text: string | undefined }>;
}

/** Puts in groups that run at once, records that change and go; two packs are sealed on the way. Stops at the first failure. */
async function workload(store: BlockStore, acked: Acknowledged): Promise<void> {
  const put = async (blocks: SealedBlock[]) => {
    await store.put(scope, blocks);
    acked.blocks.push(...blocks);
  };
  const record = async (key: string, version: bigint, text: string | undefined) => {
    if (text === undefined) await store.deleteRecord(scope, key, version);
    else await store.putRecord(scope, { key, version, body: utf8(text) });
    acked.records.set(key, { version, text });
  };
  await put([testBlock("w1", 100), testBlock("w2", 1500)]);
  await Promise.all([put([testBlock("w3", 3000)]), put([testBlock("w4", 700)]), record("session/1", 1n, "one")]);
  await put([testBlock("w5", 4000)]);
  await record("session/1", 2n, "two");
  await put([testBlock("w6", 5000), testBlock("w7", 2000), testBlock("w8", 513)]);
  await record("session/2", 1n, "gone");
  await record("session/2", 2n, undefined);
  await put([testBlock("w9", 20)]);
}

async function checkAcknowledged(store: BlockStore, acked: Acknowledged): Promise<void> {
  const ids = acked.blocks.map((block) => block.id);
  expect(await store.confirm(scope, ids)).toEqual(ids.map(() => true));
  const got = await store.get(TEST_REPOSITORY, ids);
  for (const [i, block] of acked.blocks.entries()) expect(Buffer.compare(got[i]?.body ?? Buffer.of(), block.body)).toBe(0);
  for (const [key, { version, text }] of acked.records) {
    const found = await store.getRecord(TEST_REPOSITORY, key);
    // A newer version than the acknowledged one may have become durable before the crash.
    if (found && found.version > version) continue;
    if (found === undefined && text !== undefined) expect(key).toBe("session/2");
    else
      expect(found && { version: found.version, text: fromUtf8(found.body) }).toEqual(
        text === undefined ? undefined : { version, text },
      );
  }
}

/** Everything that can be read: the same before and after another restart. */
async function contents(store: StorageEngine): Promise<unknown> {
  const { blocks } = await store.stats();
  const records = await store.listRecords(TEST_REPOSITORY, "");
  const names = Array.from({ length: 9 }, (_, i) => testBlock(`w${i + 1}`).id);
  return { blocks, records: records.map((r) => [r.key, r.version]), present: await store.confirm(scope, names) };
}

async function stepsOf(work: (machine: NodeMachine) => Promise<unknown>): Promise<number> {
  const machine = new NodeMachine();
  await work(machine);
  return machine.steps;
}

describe("a crash at any step", () => {
  it("loses nothing acknowledged, and recovers to the same every time", async () => {
    const steps = await stepsOf(async (machine) => workload(await machine.open(), { blocks: [], records: new Map() }));
    expect(steps).toBeGreaterThan(60);
    let recoveries = 0;
    for (let crashAt = 1; crashAt <= steps + 1; crashAt++) {
      const machine = new NodeMachine();
      machine.crashAt = crashAt;
      const acked: Acknowledged = { blocks: [], records: new Map() };
      await machine
        .open()
        .then((store) => workload(store, acked))
        .catch((error) => expect(error).toBeInstanceOf(Error));
      for (const mode of CRASH_MODES) {
        for (const keep of ["synced", "all", "nothing"] as const) {
          const restarted = machine.restart(mode, keep);
          const store = await restarted.open();
          await checkAcknowledged(store, acked);
          const before = await contents(store);
          // What a recovery has answered for is durable: power is lost right after it.
          const again = await restarted.restart(mode === "process" ? "lost" : mode, keep).open();
          expect(await contents(again)).toEqual(before);
          for await (const finding of again.scrub()) expect(finding).toBeUndefined();
          await again.put(scope, [testBlock("after")]);
          expect(await again.confirm(scope, [testBlock("after").id])).toEqual([true]);
          recoveries++;
        }
      }
    }
    expect(recoveries).toBe((steps + 1) * CRASH_MODES.length * 3);
  }, 120_000);

  it("in the middle of a recovery loses nothing either", async () => {
    const acked: Acknowledged = { blocks: [], records: new Map() };
    const machine = new NodeMachine();
    await workload(await machine.open(), acked);
    const steps = await stepsOf(async () => {}).then(async () => {
      const probe = machine.restart("torn", "nothing");
      await probe.open();
      return probe.steps;
    });
    expect(steps).toBeGreaterThan(5);
    for (let crashAt = 1; crashAt <= steps; crashAt++) {
      for (const mode of CRASH_MODES) {
        const second = machine.restart("torn", "nothing");
        second.crashAt = crashAt;
        await expect(second.open()).rejects.toThrow();
        await checkAcknowledged(await second.restart(mode, "synced").open(), acked);
      }
    }
  }, 60_000);
});

describe("a footer that reached the disk before the bodies it names", () => {
  const before = testBlock("before", 500);
  const last = testBlock("last", 9000);

  /** A machine that lost power in the sync of a batch that sealed its pack, with `last` in it: its body did not reach the disk. */
  async function tornAt(isPackNew: boolean, keep: "synced" | "nothing"): Promise<NodeMachine> {
    let on = false;
    const machine = new NodeMachine({
      onStep: (step, at) => {
        if (on && step === "sync" && at === "before") throw new Error("the machine is off");
      },
    });
    const store = await machine.open();
    await store.put(scope, isPackNew ? [before, testBlock("more", 9000)] : [before]);
    await store.putRecord(scope, { key: "session/1", version: 1n, body: utf8("one") });
    if (isPackNew) await store.put(scope, [testBlock("yet more", 9000)]);
    on = true;
    await expect(store.put(scope, [last])).rejects.toThrow();
    const restarted = machine.restart("kept", keep, {});
    const at = await Promise.all(
      (await restarted.packs.list()).map(async ({ name }) => ({ name, at: restarted.packs.raw(name).indexOf(last.id) })),
    );
    const place = at.find((one) => one.at >= 0);
    restarted.packs.raw(place?.name ?? "").fill(0, (place?.at ?? 0) + 1000, (place?.at ?? 0) + 2000);
    return restarted;
  }

  it.each([
    ["a pack the index knows", false, "synced"],
    ["a pack the index does not know", true, "synced"],
    ["the newest pack of a node that lost its index", false, "nothing"],
    ["a new pack of a node that lost its index", true, "nothing"],
  ] as const)("%s: what was not acknowledged is not taken for present", async (_what, isPackNew, keep) => {
    const store = await (await tornAt(isPackNew, keep)).open();
    expect(await store.reserve(scope, [before.id, last.id])).toEqual([true, false]);
    expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version).toBe(1n);
    await store.put(scope, [last]);
    const got = await store.get(TEST_REPOSITORY, [before.id, last.id]);
    expect(got.map((block) => block?.body.length)).toEqual([500, 9000]);
  });
});

describe("a change that fails", () => {
  /** Opens a node whose `step` fails with `code` from now on, until `heal`. */
  async function failing(step: string, code: string) {
    let on = false;
    let calls = 0;
    const machine = new NodeMachine({
      onStep: (now, at) => {
        if (!on || now !== step || at !== "before") return;
        calls++;
        throw Object.assign(new Error(code), { code });
      },
    });
    const store = await machine.open();
    await store.put(scope, [testBlock("before")]);
    on = true;
    return {
      machine,
      store,
      calls: () => calls,
      heal: () => {
        on = false;
      },
    };
  }
  const codeOf = async (work: Promise<unknown>) =>
    CodedError.from(
      await work.then(
        () => undefined,
        (error) => error,
      ),
    ).code;

  it("for lack of space: nothing is stored, reads go on, and later puts succeed", async () => {
    const { machine, store, heal } = await failing("append", "ENOSPC");
    expect(await codeOf(store.put(scope, [testBlock("x")]))).toBe("STORE_FULL");
    expect(await codeOf(store.putRecord(scope, { key: "k", version: 1n, body: utf8("v") }))).toBe("STORE_FULL");
    expect(await store.confirm(scope, [testBlock("x").id, testBlock("before").id])).toEqual([false, true]);
    expect(await store.get(TEST_REPOSITORY, [testBlock("before").id])).toHaveLength(1);
    heal();
    await store.put(scope, [testBlock("x")]);
    const after = await machine.restart("lost", "synced").open();
    expect(await after.confirm(scope, [testBlock("x").id, testBlock("before").id])).toEqual([true, true]);
  });

  it.each([
    ["append", "EIO", "a pack could not be written"],
    ["sync", "EIO", "a pack could not be synced"],
    ["batch", "EIO", "the index could not be written"],
  ])("%s with %s: the node reads only, says why, and tries nothing again", async (step, code, reason) => {
    const { machine, store, calls, heal } = await failing(step, code);
    expect(await codeOf(store.put(scope, [testBlock("x")]))).toBe("STORE_READ_ONLY");
    expect(calls()).toBe(1);
    heal();
    expect(await codeOf(store.put(scope, [testBlock("y")]))).toBe("STORE_READ_ONLY");
    expect(await codeOf(store.deleteRecord(scope, "k", 1n))).toBe("STORE_READ_ONLY");
    expect((await store.stats()).readOnlyReason).toContain(reason);
    expect((await store.status())[0]?.readOnlyReason).toContain(reason);
    expect(await store.confirm(scope, [testBlock("x").id])).toEqual([false]);
    expect((await store.get(TEST_REPOSITORY, [testBlock("before").id]))[0]?.body.length).toBe(1000);
    await store.close();
    const after = await machine.restart("lost", "synced", {}).open();
    expect(await after.confirm(scope, [testBlock("before").id])).toEqual([true]);
    await after.put(scope, [testBlock("x")]);
  });

  it("in syncing the directory of a new pack: nothing is acknowledged", async () => {
    const machine = new NodeMachine({
      onStep: (step) => {
        if (step === "syncDirectory") throw Object.assign(new Error("EIO"), { code: "EIO" });
      },
    });
    const store = await machine.open();
    expect(await codeOf(store.put(scope, [testBlock("x")]))).toBe("STORE_READ_ONLY");
    expect(await store.reserve(scope, [testBlock("x").id])).toEqual([false]);
  });

  it("and cannot be taken back: the pack is not written again, and the next start cuts it", async () => {
    let on = false;
    const machine = new NodeMachine({
      onStep: (step, at) => {
        if (on && ((step === "append" && at === "after") || (step === "truncate" && at === "before"))) {
          throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
        }
      },
    });
    const store = await machine.open();
    await store.put(scope, [testBlock("before")]);
    on = true;
    expect(await codeOf(store.put(scope, [testBlock("x")]))).toBe("STORE_FULL");
    on = false;
    await store.put(scope, [testBlock("y")]);
    expect(await machine.packs.list()).toHaveLength(2);
    const after = await machine.restart("torn", "synced", {}).open();
    expect(await after.confirm(scope, [testBlock("before").id, testBlock("y").id])).toEqual([true, true]);
  });

  it("keeps the room it is told to keep, for blocks but not for records", async () => {
    const store = await new NodeMachine({ capacityBytes: 10_000, keepFreeBytes: 4000 }).open();
    await store.put(scope, [testBlock("x", 3000)]);
    const error = CodedError.from(await store.put(scope, [testBlock("y", 3000)]).catch((e) => e));
    expect([error.code, error.retry, error.facts.keepFreeBytes]).toEqual(["STORE_FULL", "elsewhere", 4000]);
    await store.put(scope, [testBlock("z", 500)]);
    await store.putRecord(scope, { key: "k", version: 1n, body: Buffer.alloc(3000) });
    await store.deleteRecord(scope, "k", 2n);
  });
});

/** The ledger against a cloud that is a map, with workers that die at each step. */

import { memoryBlockStore } from "@permafrost/blocks";
import { initRepository, type Repository } from "@permafrost/repository";
import { type Clock, CodedError, systemClock } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { Ledger, type TemporaryKind } from "./ledger.ts";

let repository: Repository;
let objects: Map<string, string>;
let number: number;
const quick: Clock = { ...systemClock, sleep: async () => undefined };

beforeEach(async () => {
  ({ repository } = await initRepository(memoryBlockStore(), {
    name: "acme",
    secret: { kind: "key", value: Buffer.alloc(32, 7).toString("base64") },
  }));
  objects = new Map();
  number = 0;
});

function kind(name: string, order: number, removed: string[] = [], refuse = false): TemporaryKind {
  return {
    kind: name,
    order,
    find: async (wanted) =>
      [...objects].filter(([, n]) => n === wanted).map(([id]) => ({ id, usable: !id.startsWith("broken") })),
    remove: async (id) => {
      if (refuse) throw new CodedError("FORBIDDEN", "not allowed");
      objects.delete(id);
      removed.push(name);
    },
  };
}

function ledger(
  sessionId = "s1",
  kinds: readonly TemporaryKind[] = [kind("snapshot", 2), kind("image", 1)],
  clock: Clock = quick,
): Ledger {
  const scope = { repositoryId: repository.id, sessionId, taskId: "t", fence: 1n };
  return new Ledger({ records: repository.records(scope), sessionId, kinds, clock });
}

async function make(name: string): Promise<string> {
  const id = `object-${++number}`;
  objects.set(id, name);
  return id;
}

describe("obtain", () => {
  it("writes the intent before the object exists", async () => {
    await ledger().obtain("snapshot", "v1", async (name) => {
      expect(
        await repository.records({ repositoryId: repository.id, sessionId: "x", taskId: "x", fence: 0n }).list("ledger/s1/"),
      ).toHaveLength(1);
      return await make(name);
    });
  });
  it("makes nothing once its claim is lost", async () => {
    const claim = new AbortController();
    const records = repository.records({ repositoryId: repository.id, sessionId: "s1", taskId: "t", fence: 1n });
    const lost = new Ledger({ records, sessionId: "s1", kinds: [kind("snapshot", 2)], clock: quick, signal: claim.signal });
    const obtaining = lost.obtain("snapshot", "v1", make);
    claim.abort(new CodedError("FENCED", "another has it"));
    await expect(obtaining).rejects.toMatchObject({ code: "FENCED" });
    expect(objects.size).toBe(0);
  });
  it("adopts what an earlier attempt made, and makes no second", async () => {
    const first = await ledger().obtain("snapshot", "v1", make);
    expect(await ledger().obtain("snapshot", "v1", make)).toBe(first);
    expect(objects.size).toBe(1);
  });
  it("makes it when the earlier attempt died before its request", async () => {
    await expect(ledger().obtain("snapshot", "v1", async () => Promise.reject(new Error("killed")))).rejects.toThrow("killed");
    await ledger().obtain("snapshot", "v1", make);
    expect(objects.size).toBe(1);
  });
  it("adopts it when the answer was lost", async () => {
    const id = await ledger().obtain("snapshot", "v1", async (name) => {
      await make(name);
      throw new CodedError("OUTCOME_UNKNOWN", "connection reset", { retry: "later" });
    });
    expect(objects.has(id)).toBe(true);
    expect(objects.size).toBe(1);
  });
  it("adopts it when the earlier attempt's request comes through first, and there can be one of its name only", async () => {
    await expect(ledger().obtain("snapshot", "v1", async () => Promise.reject(new Error("killed")))).rejects.toThrow("killed");
    const taken = new CodedError("CONFLICT", "there is one of that name");
    const id = await ledger().obtain("snapshot", "v1", async (name) => {
      await make(name);
      throw taken;
    });
    expect([...objects.keys()]).toEqual([id]);
    await expect(ledger().obtain("image", "v1", async () => Promise.reject(taken))).rejects.toBe(taken);
    await expect(ledger().obtain("image", "v1", async () => Promise.reject(taken))).rejects.toBe(taken);
  });
  it("removes what an earlier attempt left broken, and makes it anew", async () => {
    const one = ledger();
    await expect(one.obtain("snapshot", "v1", async () => Promise.reject(new Error("killed")))).rejects.toThrow("killed");
    objects.set("broken-1", one.nameOf("snapshot", "v1"));
    const id = await one.obtain("snapshot", "v1", make);
    expect([...objects.keys()]).toEqual([id]);
  });
  it("passes on an unknown outcome that left nothing", async () => {
    const lost = async () => Promise.reject(new CodedError("OUTCOME_UNKNOWN", "connection reset", { retry: "later" }));
    await expect(ledger().obtain("snapshot", "v1", lost)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", retry: "later" });
  });
  it("names objects of different sessions, kinds and subjects differently", () => {
    const names = [
      ledger("s1").nameOf("image", "a"),
      ledger("s2").nameOf("image", "a"),
      ledger("s1").nameOf("image", "b"),
      ledger("s1").nameOf("snapshot", "a"),
    ];
    expect(new Set(names).size).toBe(4);
  });
});

describe("sweep", () => {
  it("removes everything of its session, children first, and nothing else", async () => {
    const removed: string[] = [];
    const kinds = [kind("snapshot", 2, removed), kind("image", 1, removed)];
    const mine = ledger("s1", kinds);
    await mine.obtain("snapshot", "v1", make);
    await mine.obtain("image", "v1", make);
    await ledger("s2", kinds).obtain("image", "v1", make);
    objects.set("foreign", "somebody's image");
    expect(await mine.sweep()).toEqual({ removed: 2, left: [] });
    expect(removed).toEqual(["image", "snapshot"]);
    expect(objects.size).toBe(2);
    expect(await mine.sweep()).toEqual({ removed: 0, left: [] });
  });
  it("finds an object whose request was still under way when it looked first", async () => {
    let name = "";
    await expect(
      ledger().obtain("image", "v1", async (n) => {
        name = n;
        throw new Error("killed");
      }),
    ).rejects.toThrow("killed");
    const late: Clock = { ...systemClock, sleep: async () => void (await make(name)) };
    expect(await ledger("s1", [kind("image", 1)], late).sweep()).toEqual({ removed: 1, left: [] });
    expect(objects.size).toBe(0);
  });
  it("reports what it cannot remove and keeps it in the ledger", async () => {
    await ledger().obtain("image", "v1", make);
    const swept = await ledger("s1", [kind("image", 1, [], true)]).sweep();
    expect(swept.left).toMatchObject([{ code: "FORBIDDEN", facts: { kind: "image" } }]);
    expect(await ledger().sweep()).toEqual({ removed: 1, left: [] });
  });
  it("removes every object of a name that a lost answer made twice", async () => {
    const twice = ledger();
    await twice.obtain("image", "v1", make);
    await make(twice.nameOf("image", "v1"));
    expect((await twice.sweep()).removed).toBe(2);
  });
});

describe("an object that comes late", () => {
  it("is swept, though its twin was released in the meantime", async () => {
    const first = ledger();
    await expect(first.obtain("image", "v1", async () => Promise.reject(new Error("killed")))).rejects.toThrow("killed");
    const second = ledger();
    await second.release("image", "v1", await second.obtain("image", "v1", make));
    await make(second.nameOf("image", "v1"));
    expect(await ledger().sweep()).toEqual({ removed: 1, left: [] });
    expect(objects.size).toBe(0);
  });
  it("is swept when the answer was lost and the attempt went on", async () => {
    const one = ledger();
    const id = await one.obtain("image", "v1", async (name) => {
      await make(name);
      throw new CodedError("OUTCOME_UNKNOWN", "connection reset", { retry: "later" });
    });
    await one.release("image", "v1", id);
    await make(one.nameOf("image", "v1"));
    expect((await ledger().sweep()).removed).toBe(1);
  });
});

describe("an entry that was struck", () => {
  it("is written again by an attempt that begins anew", async () => {
    const one = ledger();
    await one.release("image", "v1", await one.obtain("image", "v1", make));
    await ledger().obtain("image", "v1", make);
    expect(await ledger().sweep()).toEqual({ removed: 1, left: [] });
  });
});

describe("using", () => {
  it("makes a vanished temporary a reason to try again, and passes on everything else", async () => {
    const failing = (code: string, facts = {}) =>
      ledger().using(async () => Promise.reject(new CodedError(code, "no", { facts })));
    await expect(failing("NOT_FOUND")).rejects.toMatchObject({ code: "TEMPORARY_GONE", retry: "later" });
    await expect(failing("RESOURCE_STATE", { status: "deleting" })).rejects.toMatchObject({ code: "TEMPORARY_GONE" });
    await expect(failing("RESOURCE_STATE", { status: "error" })).rejects.toMatchObject({
      code: "RESOURCE_STATE",
      retry: "never",
    });
    await expect(failing("FORBIDDEN")).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await ledger().using(async () => 7)).toBe(7);
  });
});

describe("release", () => {
  it("removes object and entry", async () => {
    const one = ledger();
    await one.release("image", "v1", await one.obtain("image", "v1", make));
    expect(objects.size).toBe(0);
    expect(await one.sweep()).toEqual({ removed: 0, left: [] });
  });
});

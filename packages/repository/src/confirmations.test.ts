import type { BlockStore, Scope } from "@permafrost/blocks";
import { describe, expect, it } from "vitest";
import { Confirmations } from "./confirmations.ts";

const SCOPE: Scope = { repositoryId: "00".repeat(16), sessionId: "s", taskId: "t", fence: 1n };

function idOf(n: number): Uint8Array {
  const id = Buffer.alloc(32);
  id.writeUInt32LE(n);
  return id;
}

/** A store that can only confirm; it has all ids but `lacking`. */
function confirming(lacking?: number) {
  const seen = new Set<number>();
  const confirm: BlockStore["confirm"] = async (_, ids) =>
    ids.map((id) => {
      const n = Buffer.from(id).readUInt32LE();
      seen.add(n);
      return n !== lacking;
    });
  return { seen, store: { confirm } as unknown as BlockStore };
}

describe("confirmations", () => {
  it("ask for every id once, the oldest before the end of a very long stream", async () => {
    const { store, seen } = confirming();
    const confirmations = new Confirmations(store, SCOPE);
    for (let n = 0; n < 300_000; n++) confirmations.add(idOf(n));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.size).toBe(256 * 1024);
    await confirmations.finish();
    expect(seen.size).toBe(300_000);
    seen.clear();
    confirmations.add(idOf(1));
    await confirmations.finish();
    expect([...seen]).toEqual([1]);
  });

  it("remember what was not confirmed on the way", async () => {
    const { store } = confirming(17);
    const confirmations = new Confirmations(store, SCOPE);
    for (let n = 0; n < 256 * 1024; n++) confirmations.add(idOf(n));
    await new Promise((resolve) => setImmediate(resolve));
    confirmations.add(idOf(300_000));
    for (let i = 0; i < 2; i++)
      await expect(confirmations.finish()).rejects.toMatchObject({ code: "NOT_DURABLE", retry: "later" });
  });
});

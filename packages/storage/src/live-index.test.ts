import { memoryKv } from "@permafrost/kv";
import { memoryPacks } from "@permafrost/packs";
import { describe, expect, it } from "vitest";
import { LiveIndex } from "./live-index.ts";
import { packOperation } from "./node-index.ts";
import { PackCatalog } from "./pack-catalog.ts";

const aMoment = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function openIndex(): Promise<LiveIndex> {
  const home = {
    isSuspect: async () => false,
    open: async () => {
      await aMoment(20); // so long a rebuild has no index
      return memoryKv();
    },
    release: async () => undefined,
    destroy: async () => undefined,
  };
  return LiveIndex.open(home, memoryPacks(), new PackCatalog(), async () => undefined);
}

describe("work that holds the index", () => {
  it("waits for a rebuild that is asked for in the same moment", async () => {
    const index = await openIndex();
    const before = index.current;
    const operation = packOperation(new Uint8Array(16), { state: "open", sizeBytes: 1 });
    const held = index.hold(async () => {
      await aMoment(5);
      await index.current.change(async () => ({ operations: [operation] }), { sync: true });
      return index.current;
    });
    const rebuilt = index.rebuild(undefined);
    const used = await held;
    await rebuilt;
    expect(used).not.toBe(before);
    expect((await index.current.packs()).size).toBe(1);
    await index.close(true);
  });

  it("keeps a rebuild away", async () => {
    const index = await openIndex();
    const before = index.current;
    const gate = Promise.withResolvers<void>();
    const held = index.hold(() => gate.promise);
    await aMoment(5);
    const rebuilt = index.rebuild(undefined);
    await aMoment(5);
    expect(index.current).toBe(before);
    gate.resolve();
    await Promise.all([held, rebuilt]);
    expect(index.current).not.toBe(before);
    await index.close(true);
  });
});

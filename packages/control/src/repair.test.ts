/** What a repair does of nodes that come back late, take nothing, or have lost something. */

import { type BlockStore, memoryBlockStore, type RepairedBlocks } from "@permafrost/blocks";
import { testBlock } from "@permafrost/blocks/testing";
import type { SessionRecord } from "@permafrost/model";
import { initRepository } from "@permafrost/repository";
import { CodedError, systemClock } from "@permafrost/std";
import { expect, it } from "vitest";
import { listedBlocks } from "./listed-blocks.ts";
import { runRepair } from "./repair.ts";
import type { RunContext } from "./run-context.ts";
import { firstRecord } from "./run-context.ts";
import { SessionStore } from "./session-store.ts";
import { SessionView } from "./session-view.ts";

const away = new CodedError("NODE_UNREACHABLE", "not yet", { retry: "later" });
const none: RepairedBlocks = { wholeBlocks: 0, copies: 0, copiedBytes: 0, lost: [], short: [] };

/** Runs a repair of a repository of three blocks over a store with these changes; answers its record and the pauses. */
async function repaired(changes: (store: BlockStore) => Partial<BlockStore>): Promise<{ record: SessionRecord; pauses: number }> {
  const store = memoryBlockStore();
  const secret = { kind: "key", value: Buffer.alloc(32, 3).toString("base64") } as const;
  const { repository } = await initRepository(store, { name: "acme", secret });
  const scope = { repositoryId: repository.id, sessionId: "s1", taskId: "t", fence: 0n };
  await store.put(scope, [testBlock(1), testBlock(2), testBlock(3)]);
  let pauses = 0;
  const clock = {
    ...systemClock,
    sleep: async () => {
      pauses++;
    },
  };
  const spec = {
    kind: "repair" as const,
    sessionId: "20261127T000000Z-00000001",
    repositoryId: repository.id,
    startedAt: "2026-11-27T00:00:00Z",
  };
  const sessions = new SessionStore(repository, "test");
  const view = new SessionView(firstRecord(spec, { input: "tenant" }));
  const signal = new AbortController().signal;
  const context = {
    repository,
    store: sessions,
    newWriter: () => repository.writer(scope),
    view,
    clock,
    signal,
    stopped: signal,
  };
  await runRepair(context as unknown as RunContext, { ...store, ...changes(store) });
  return { record: view.record, pauses };
}

it("waits for a node that is not heard yet, and for one that takes nothing yet", async () => {
  let [silent, short] = [2, 2];
  const { record, pauses } = await repaired((store) => ({
    pruning: async () => {
      if (silent-- > 0) throw away;
      return await store.pruning();
    },
    repairBlocks: async (_scope, ids) =>
      short-- > 0 ? { ...none, copies: 1, copiedBytes: 9, short: ids.slice(0, 1) } : { ...none, copies: 1, copiedBytes: 9 },
  }));
  expect(record).toMatchObject({ state: "succeeded", repair: { blocks: 3, copies: 3, copiedBytes: 27, shortBlocks: 0 } });
  expect(pauses).toBe(4);
});

it("says which it could not give all their copies, and which are lost", async () => {
  const { record } = await repaired(() => ({
    repairBlocks: async (_scope, ids) => ({ ...none, short: ids.slice(0, 2), lost: ids.slice(2) }),
  }));
  expect(record).toMatchObject({
    state: "failed",
    failure: { code: "REPAIR_INCOMPLETE" },
    repair: { lostBlocks: 1, shortBlocks: 2 },
  });
  expect(record.failure?.message).toMatch(
    /1 blocks are whole on no storage node, such as [0-9a-f]{64}; 2 blocks have fewer copies/,
  );
});

it("ends when a node stays away, for what that one has is not known", async () => {
  const { record } = await repaired(() => ({ pruning: () => Promise.reject(away) }));
  expect(record).toMatchObject({ state: "failed", failure: { code: "NODE_UNREACHABLE" } });
});

it("looks at each block of any node once, and at none that is condemned wherever it is", async () => {
  const id = (n: number) => Buffer.alloc(32, n);
  const node = (...blocks: readonly (readonly [n: number, condemnedIn: number])[]) => ({
    nodeId: "n",
    async *list() {
      for (const [n, condemnedIn] of blocks) yield [{ id: id(n), bodyBytes: 1, condemnedIn }];
    },
  });
  const nodes = [node([1, 0], [3, 2], [5, 0], [7, 4]), node([2, 0], [3, 2], [5, 0]), node([5, 3], [7, 0])];
  const found: Buffer[] = [];
  for await (const page of listedBlocks(nodes as never, "r")) found.push(...page.map((one) => Buffer.from(one)));
  expect(found.map((one) => one[0])).toEqual([1, 2, 5, 7]);
});

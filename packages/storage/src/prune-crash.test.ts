import type { BlockStore, SealedBlock } from "@permafrost/blocks";
import { condemn, sweep, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { CRASH_MODES } from "@permafrost/packs";
import { equalBytes, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { NodeMachine } from "../testing/node-machine.ts";

const scope = testScope();
const block = (n: number) => testBlock(`p${n}`, 1500 + n);
/** Never condemned, or spared: theirs is the right to stay. */
const LIVING = [0, 2, 4, 6, 8, 10];
const CONDEMNED = [1, 3, 5, 7, 9, 11];

const isSame = (a: SealedBlock, b: SealedBlock) => equalBytes(a.id, b.id);

/** What the node has acknowledged. */
interface Acknowledged {
  /** Those that no later sweep may take. */
  readonly kept: Set<SealedBlock>;
  version: bigint;
}

/** Two cycles over three packs, in the middle of which condemned blocks are asked for again. Stops at the first failure. */
async function workload(store: BlockStore, acked: Acknowledged): Promise<void> {
  for (let n = 0; n < 12; n += 3) {
    const some = [block(n), block(n + 1), block(n + 2)];
    await store.put(scope, some);
    for (const one of some) if (!CONDEMNED.some((c) => isSame(one, block(c)))) acked.kept.add(one);
    await store.putRecord(scope, { key: "session/1", version: acked.version + 1n, body: utf8("x") });
    acked.version++;
  }
  await condemn(
    store,
    1,
    CONDEMNED.map((n) => block(n).id),
  );
  expect(await store.reserve(scope, [block(3).id])).toEqual([true]);
  acked.kept.add(block(3));
  await store.put(scope, [block(7)]);
  acked.kept.add(block(7));
  await sweep(store, 2, 1);
  expect(await store.confirm(scope, [block(1).id, block(3).id])).toEqual([false, true]);
  await store.put(scope, [block(1)]);
  acked.kept.add(block(1));
  for (const one of acked.kept) if ([1, 2].some((n) => isSame(one, block(n)))) acked.kept.delete(one);
  await condemn(store, 3, [block(2).id, block(1).id]);
  await store.confirm(scope, [block(1).id]);
  acked.kept.add(block(1));
  await sweep(store, 4, 3);
}

/** All that was acknowledged is there. */
async function check(store: BlockStore, acked: Acknowledged): Promise<void> {
  const kept = [...acked.kept];
  const got = await store.get(
    TEST_REPOSITORY,
    kept.map(({ id }) => id),
  );
  for (const [i, { body }] of kept.entries()) expect(got[i] && equalBytes(got[i].body, body)).toBe(true);
  const record = await store.getRecord(TEST_REPOSITORY, "session/1");
  expect((record?.version ?? 0n) >= acked.version).toBe(true);
}

describe("a crash at any step of a prune", () => {
  const run = async (machine: NodeMachine) => {
    const acked: Acknowledged = { kept: new Set(), version: 0n };
    await machine
      .open()
      .then((store) => workload(store, acked))
      .catch((error) => expect(error).toBeInstanceOf(Error));
    return acked;
  };

  it("costs nothing that was kept, whatever is swept after it", async () => {
    const whole = new NodeMachine();
    const acked: Acknowledged = { kept: new Set(), version: 0n };
    const store = await whole.open();
    await workload(store, acked);
    await check(store, acked);
    expect(
      await store.confirm(
        scope,
        LIVING.map((n) => block(n).id),
      ),
    ).toEqual([true, false, true, true, true, true]);
    expect(
      await store.reserve(
        scope,
        [5, 9, 11].map((n) => block(n).id),
      ),
    ).toEqual([false, false, false]);
    const { steps } = whole;
    expect(steps).toBeGreaterThan(150);
    for (let crashAt = 1; crashAt <= steps + 1; crashAt++) {
      const machine = new NodeMachine();
      machine.crashAt = crashAt;
      const expected = await run(machine);
      for (const mode of CRASH_MODES) {
        for (const keep of ["synced", "all", "nothing"] as const) {
          const restarted = machine.restart(mode, keep);
          const after = await restarted.open();
          await check(after, expected);
          // Asked for now, it stays from now on, also if power is lost before anything else happens.
          const asked = (crashAt % 2 === 1 ? [3, 5, 7, 9] : [3]).map(block);
          const here = await after.reserve(
            scope,
            asked.map(({ id }) => id),
          );
          const kept = new Set([...expected.kept, ...asked.filter((_, i) => here[i])]);
          const again = await restarted.restart(mode === "process" ? "lost" : mode, keep).open();
          await check(again, { ...expected, kept });
          await sweep(again, 9, 8);
          await check(again, { ...expected, kept });
          for await (const finding of again.scrub()) expect(finding).toBeUndefined();
        }
      }
    }
  }, 240_000);
});

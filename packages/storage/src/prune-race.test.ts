import { condemn, listed, sweep, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { equalBytes, toHex, utf8 } from "@permafrost/std";
import { numbers, turns } from "@permafrost/std/testing";
import { describe, expect, it } from "vitest";
import { NodeMachine } from "../testing/node-machine.ts";
import type { StorageEngine } from "./engine.ts";

const scope = testScope();
const SEEDS = 300;
const BLOCKS = 24;

/** A block with a second copy, from a rebuild in the middle of a move, shows again when the first is deleted: then it is unused once more. */
async function scrubbed(store: StorageEngine): Promise<void> {
  for await (const finding of store.scrub()) expect(finding.kind).toBe("unindexed");
}

describe("what is asked for while it is swept", () => {
  it(`stays if the answer was that it is here, in ${SEEDS} interleavings`, async () => {
    let [stayed, gone] = [0, 0];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const next = numbers(seed);
      const machine = new NodeMachine({ packBytesMax: 4000 + next(12_000), jitter: () => turns(next(3)) });
      const store = await machine.open();
      const blocks = Array.from({ length: BLOCKS }, (_, n) => testBlock(`${seed}-${n}`, 200 + next(2000)));
      const pick = () => blocks[next(BLOCKS)] as (typeof blocks)[number];
      const relied = new Set<string>();
      await Promise.all(
        blocks.map(async (block) => {
          await turns(next(4));
          await store.put(scope, [block]);
        }),
      );
      let version = 0n;
      for (let cycle = 1; cycle < 6; cycle += 2) {
        // A record has versions in several packs, and the older are not wanted.
        await store.putRecord(scope, { key: "session/1", version: ++version, body: utf8(`${cycle}`) });
        const condemned = blocks.filter(() => next(3) > 0).map(({ id }) => id);
        await condemn(store, cycle, condemned);
        relied.clear();
        for (const { id } of blocks) if (!condemned.includes(id)) relied.add(toHex(id));
        const present = (await listed(store))[0] as Map<string, number>;
        for (const id of relied) if (present.get(id) !== 0) relied.delete(id);
        const asking = Array.from({ length: 16 }, async () => {
          const block = pick();
          const how = next(7);
          await turns(next(60));
          const id = toHex(block.id);
          if (how === 0 && (await store.reserve(scope, [block.id]))[0]) relied.add(id);
          if (how === 1 && (await store.confirm(scope, [block.id]))[0]) relied.add(id);
          if (how === 2) {
            await store.put(scope, [block]);
            relied.add(id);
          }
          if (how === 3) {
            const [got] = await store.get(TEST_REPOSITORY, [block.id]);
            expect(got === undefined || equalBytes(got.body, block.body)).toBe(true);
          }
          if (how === 4) await scrubbed(store);
          if (how === 5) await store.rebuildIndex();
          if (how === 6) await store.putRecord(scope, { key: "session/1", version: ++version, body: utf8("more") });
        });
        await Promise.all([sweep(store, cycle + 1, cycle), ...asking]);
        for (const block of blocks) {
          const [got] = await store.get(TEST_REPOSITORY, [block.id]);
          const isRelied = relied.has(toHex(block.id));
          expect(got && equalBytes(got.body, block.body), `seed ${seed}, cycle ${cycle}`).toBe(isRelied ? true : got && true);
          if (isRelied) stayed++;
          else if (!got) gone++;
        }
        expect((await store.getRecord(TEST_REPOSITORY, "session/1"))?.version).toBe(version);
      }
      await scrubbed(store);
      await store.rebuildIndex();
      const found = await store.get(
        TEST_REPOSITORY,
        blocks.map(({ id }) => id),
      );
      for (const [n, got] of found.entries()) if (!got) expect(relied.has(toHex(blocks[n]?.id ?? Buffer.alloc(0)))).toBe(false);
      expect((await store.status())[0]?.blocks).toBe((await listed(store))[0]?.size);
      await store.close();
    }
    expect(stayed).toBeGreaterThan(SEEDS * 10);
    expect(gone).toBeGreaterThan(SEEDS * 10);
  }, 120_000);
});

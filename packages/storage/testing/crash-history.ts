/**
 * One seeded history of a storage node, cut off at each of its steps, on a disk that lost power in each legal way: whatever was acknowledged is
 * there after every one of these crashes, after a second one on top, and after all that is condemned is swept.
 *
 * The model knows what the node has told: blocks whose put, reserve or confirm was answered and that were not condemned since; per record the
 * highest version. It takes a block out before its condemnation is asked for, since that may be durable without an answer.
 */

import type { SealedBlock } from "@permafrost/blocks";
import { condemn, sweep, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { CRASH_MODES } from "@permafrost/packs";
import { CodedError, equalBytes, fromHex, fromUtf8, toHex, utf8 } from "@permafrost/std";
import { numbers } from "@permafrost/std/testing";
import type { StorageEngine } from "../src/index.ts";
import { NodeMachine } from "./node-machine.ts";

const scope = testScope();
const KEEPS = ["synced", "all", "nothing"] as const;
const BLOCKS = 20;
const RECORDS = 3;
/** Above any cycle of a history. */
const LAST_CYCLE = 1000;

export interface CrashCounts {
  /** Disks that a node was started on. */
  readonly states: number;
  readonly steps: number;
  readonly condemned: number;
  readonly deleted: number;
}

export class CrashFailure extends Error {}

type Step = (store: StorageEngine, model: Model) => Promise<void>;

class Model {
  readonly kept = new Map<string, SealedBlock>();
  /** By key: the highest version that was acknowledged; `undefined` text: deleted. */
  readonly records = new Map<string, { readonly version: bigint; readonly text: string | undefined }>();
  condemned = 0;
  deleted = 0;

  keep(block: SealedBlock): void {
    this.kept.set(toHex(block.id), block);
  }

  copy(): Model {
    const copy = new Model();
    for (const block of this.kept.values()) copy.keep(block);
    for (const [key, record] of this.records) copy.records.set(key, record);
    return copy;
  }
}

/** Plays the history of the seed and all its crashes. Throws CrashFailure, which names seed, step and kind of crash. */
export async function crashHistory(seed: number): Promise<CrashCounts> {
  const next = numbers(seed);
  const blocks = Array.from({ length: BLOCKS }, (_, n) => testBlock(`${seed}-${n}`, 1 + next(next(3) === 0 ? 6000 : 1200)));
  const packBytesMax = 3000 + next(12_000);
  const history = stepsOf(next, blocks);
  const play = async (machine: NodeMachine): Promise<Model> => {
    const model = new Model();
    try {
      const store = await machine.open();
      for (const step of history) await step(store, model);
    } catch (error) {
      if (error instanceof CrashFailure || Number.isFinite(machine.crashAt) === false) throw error;
    }
    return model;
  };
  const whole = new NodeMachine({ packBytesMax });
  const { condemned, deleted } = await play(whole);
  let states = 0;
  for (let crashAt = 1; crashAt <= whole.steps + 1; crashAt++) {
    const machine = new NodeMachine({ packBytesMax });
    machine.crashAt = crashAt;
    const model = await play(machine);
    for (const mode of CRASH_MODES) {
      for (const keep of KEEPS) {
        try {
          states += await survive(machine.restart(mode, keep), model.copy(), blocks, next);
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          throw new CrashFailure(`seed ${seed}, step ${crashAt}, packs ${mode}, index ${keep}: ${why}`, { cause: error });
        }
      }
    }
  }
  return { states, steps: whole.steps, condemned, deleted };
}

function stepsOf(next: (below: number) => number, blocks: readonly SealedBlock[]): Step[] {
  const some = (most: number) => Array.from({ length: 1 + next(most) }, () => blocks[next(BLOCKS)] as SealedBlock);
  const unique = (list: readonly SealedBlock[]) => [...new Map(list.map((block) => [toHex(block.id), block])).values()];
  let cycle = 0;
  return Array.from({ length: 8 + next(8) }, (): Step => {
    const kind = next(10);
    if (kind < 3) {
      const groups = [unique(some(4)), ...(next(2) === 0 ? [unique(some(3))] : [])];
      return async (store, model) => {
        await Promise.all(
          groups.map(async (group) => {
            await store.put(scope, group);
            for (const block of group) model.keep(block);
          }),
        );
      };
    }
    if (kind < 5) {
      const key = `session/${next(RECORDS)}`;
      const isDeleted = next(4) === 0;
      return async (store, model) => {
        const version = (model.records.get(key)?.version ?? 0n) + 1n;
        const text = isDeleted ? undefined : `${key} ${version}`;
        if (text === undefined) await store.deleteRecord(scope, key, version);
        else await store.putRecord(scope, { key, version, body: utf8(text) });
        model.records.set(key, { version, text });
      };
    }
    if (kind === 5) {
      const asked = unique(some(5));
      return async (store, model) => {
        const here = await store.reserve(
          scope,
          asked.map(({ id }) => id),
        );
        for (const [i, block] of asked.entries()) if (here[i]) model.keep(block);
      };
    }
    const mine = ++cycle;
    if (kind < 8) {
      const doomed = unique(some(12));
      return async (store, model) => {
        for (const { id } of doomed) model.kept.delete(toHex(id));
        model.condemned += await condemn(
          store,
          mine,
          doomed.map(({ id }) => id),
        );
      };
    }
    return async (store, model) => {
      if (mine < 2) return;
      for (const { deletedBlocks } of await sweep(store, mine, mine - 1)) model.deleted += deletedBlocks;
    };
  });
}

/** Starts the node, crashes it again, sweeps all that is condemned; answers on how many disks it was started. */
async function survive(
  machine: NodeMachine,
  model: Model,
  blocks: readonly SealedBlock[],
  next: (below: number) => number,
): Promise<number> {
  const first = await machine.open();
  await expectAll(first, model, blocks);
  const asked = blocks[next(BLOCKS)] as SealedBlock;
  if ((await first.reserve(scope, [asked.id]))[0]) model.keep(asked);
  const second = machine.restart(next(2) === 0 ? "lost" : "entry-lost", "synced");
  const store = await second.open();
  await expectAll(store, model, blocks);
  await sweep(store, LAST_CYCLE, LAST_CYCLE - 1);
  await expectAll(store, model, blocks);
  for await (const { kind, message, id = "" } of store.scrub()) {
    // A footer, or the index, may have reached the disk before the last bodies that it names, which nobody was told of and nobody is.
    const isCutOff = (kind === "record" || kind === "dangling") && !model.kept.has(id) && !(await isPresent(store, id));
    if (kind !== "unindexed" && !isCutOff) throw new Error(`the scrub found: ${message}`);
  }
  await store.put(scope, blocks);
  const there = await store.confirm(
    scope,
    blocks.map(({ id }) => id),
  );
  if (there.includes(false)) throw new Error("a block cannot be put again");
  return 2;
}

async function isPresent(store: StorageEngine, id: string): Promise<boolean> {
  return (await store.confirm(scope, [fromHex(id)])).includes(true);
}

async function expectAll(store: StorageEngine, model: Model, blocks: readonly SealedBlock[]): Promise<void> {
  const kept = blocks.filter(({ id }) => model.kept.has(toHex(id)));
  const got = await store.get(
    TEST_REPOSITORY,
    kept.map(({ id }) => id),
  );
  for (const [i, block] of kept.entries()) {
    if (!got[i]) throw new Error(`block ${blocks.indexOf(block)} is lost`);
    if (!equalBytes(got[i].body, block.body)) throw new Error(`block ${blocks.indexOf(block)} comes back changed`);
  }
  for (const block of blocks.filter((one) => !kept.includes(one))) {
    // A write that was cut off may have left a part, which is told apart from nothing and never given out.
    const [found] = await store.get(TEST_REPOSITORY, [block.id]).catch((error: unknown) => {
      if (!CodedError.is(error, "BLOCK_CORRUPT")) throw error;
      return [];
    });
    if (found && !equalBytes(found.body, block.body)) throw new Error(`block ${blocks.indexOf(block)} comes back changed`);
  }
  const listed = new Map((await store.listRecords(TEST_REPOSITORY, "")).map((record) => [record.key, record]));
  for (const [key, { version, text }] of model.records) {
    const found = listed.get(key);
    const one = await store.getRecord(TEST_REPOSITORY, key);
    if (found?.version !== one?.version) throw new Error(`record ${key} is listed otherwise than read`);
    // The next version may have become durable without an answer, a deletion too.
    if (found === undefined ? text === undefined : found.version > version) continue;
    if (found === undefined && (await isTombstone(store, key, version))) continue;
    if (found?.version !== version || fromUtf8(found.body) !== text)
      throw new Error(`record ${key} is not of version ${version}`);
  }
}

/** Whether a version above `version` deleted the record: then that version cannot be put. */
async function isTombstone(store: StorageEngine, key: string, version: bigint): Promise<boolean> {
  return await store.putRecord(scope, { key, version: version + 1n, body: utf8("another") }).then(
    () => false,
    () => true,
  );
}

/**
 * Larger damages of larger packs, drawn from a seed: sectors zeroed, bytes of another pack, records swapped, packs cut, stale or gone; on
 * one node, with one or two others that have good copies. And one block damaged on every node: an error that names it, until it is put again.
 */

import { type BlockStore, replicatedStore, type SealedBlock } from "@permafrost/blocks";
import { flipBit, RotFailure, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { RECORD_HEADER_BYTES, recordBytes } from "@permafrost/format";
import { CodedError, toHex } from "@permafrost/std";
import { numbers } from "@permafrost/std/testing";
import { type ScannedRecord, scanRecords } from "../src/pack-scan.ts";
import type { NodeMachine } from "./node-machine.ts";
import { goodNode, hasTornWrites, inspect, type RotRun, surviveRot, unusedBytes } from "./rot-bits.ts";
import { type Content, expectWhole, filledMachine, notClosed } from "./rotten-node.ts";

export interface LargeRun extends RotRun {
  readonly seed: number;
  /** Of each kind. */
  readonly damages: number;
}

const SECTOR_BYTES = 4096;

type Next = (below: number) => number;

interface Target {
  readonly machine: NodeMachine;
  readonly pack: string;
  readonly bytes: Buffer;
  readonly records: readonly ScannedRecord[];
  /** Bytes that nothing depends on. */
  readonly unused: ReadonlyMap<number, string>;
  /** A pack with other content. */
  readonly other: Buffer;
}

/** Each answers what the bytes were that it damaged, if nothing depends on them. */
const DAMAGES: Readonly<Record<string, (next: Next, target: Target) => Promise<string | undefined>>> = {
  "random bit": async (next, { bytes, unused }) => {
    const bit = next(bytes.length * 8);
    flipBit(bytes, bit);
    return unused.get(bit >>> 3);
  },
  "4 KiB zeroed": async (next, { bytes }) => {
    const at = sectorOf(next, bytes);
    bytes.subarray(at, at + SECTOR_BYTES).fill(0);
    return undefined;
  },
  "4 KiB of another pack": async (next, { bytes, other }) => {
    const at = sectorOf(next, bytes.length < other.length ? bytes : other);
    other.copy(bytes, at, at, at + SECTOR_BYTES);
    return undefined;
  },
  "two records swapped": async (next, { bytes, records }) => {
    const alike = new Map<number, ScannedRecord[]>();
    for (const record of records) alike.set(record.bodyBytes, [...(alike.get(record.bodyBytes) ?? []), record]);
    const pairs = [...alike.values()].filter((group) => group.length > 1);
    const group = pairs[next(pairs.length)] as ScannedRecord[];
    const first = next(group.length - 1);
    const [a, b] = [group[first], group[first + 1]] as [ScannedRecord, ScannedRecord];
    const [sizeBytes, copy] = [RECORD_HEADER_BYTES + a.bodyBytes, Buffer.from(bytes)];
    copy.copy(bytes, a.offset, b.offset, b.offset + sizeBytes);
    copy.copy(bytes, b.offset, a.offset, a.offset + sizeBytes);
    return undefined;
  },
  "cut anywhere": (next, target) => cut(target, next(target.bytes.length)),
  "stale: as it was a few records ago": (next, target) => {
    const { offset, bodyBytes } = target.records[next(target.records.length)] as ScannedRecord;
    return cut(target, offset + recordBytes(bodyBytes));
  },
  gone: async (_next, { machine, pack }) => {
    machine.packs.lose(pack);
    return undefined;
  },
};

async function cut({ machine, pack, records }: Target, sizeBytes: number): Promise<string | undefined> {
  await machine.packs.truncate(pack, sizeBytes);
  const { offset, bodyBytes } = records.at(-1) as ScannedRecord;
  return sizeBytes >= offset + RECORD_HEADER_BYTES + bodyBytes ? "a footer, which is written again" : undefined;
}

/** Does the damages and counts what becomes of each. */
export async function rotLarge(run: LargeRun): Promise<void> {
  const next = numbers(run.seed);
  const content = largeContent(next, "large");
  const good = [await goodNode(content), await goodNode(content)];
  const { machine, pack } = await filledMachine(content, true);
  const foreign = await filledMachine(largeContent(next, "foreign"), true);
  const unused = await unusedBytes(machine, pack, true);
  const records: ScannedRecord[] = [];
  for await (const record of scanRecords(machine.packs, pack, machine.packs.raw(pack).length)) records.push(record);
  for (const [kind, damage] of Object.entries(DAMAGES)) {
    for (let n = 0; n < run.damages; n++) {
      const keep = next(2) === 0 ? "all" : "nothing";
      const rotten = machine.restart("kept", keep);
      const bytes = rotten.packs.raw(pack);
      const other = foreign.machine.packs.raw(foreign.pack);
      const unusedHit = await damage(next, { machine: rotten, pack, bytes, records, unused, other });
      // Without index and footer the node alone cannot tell what it had.
      const mayBeTorn = hasTornWrites({ sealed: false, keep });
      try {
        const others = next(2) === 0 ? good : good.slice(0, 1);
        // The index may be all that knows of a deletion in a part that is gone.
        const keepThen = next(2) === 0 ? "all" : "nothing";
        const nextStart = { keep: keepThen, mayBeTorn: keepThen === "nothing" } as const;
        const outcome = await surviveRot(rotten, others, content, { mayBeTorn, next: nextStart });
        run.tally.count(kind, { unusedBytes: unusedHit, ...outcome });
      } catch (error) {
        run.onFailure(`${kind}: number ${n}, index ${keep}: ${error instanceof RotFailure ? error.message : inspect(error)}`);
      }
    }
  }
  await rotEverywhere(run, next, content);
}

/** A block damaged on all nodes is an error; no node counts it as present; putting it again makes all of them whole. */
async function rotEverywhere(run: LargeRun, next: Next, content: Content): Promise<void> {
  const kind = "one block on every node";
  for (let n = 0; n < run.damages; n++) {
    const block = content.blocks[next(content.blocks.length)] as SealedBlock;
    const stores: BlockStore[] = [];
    for (let node = 0; node < 3; node++) {
      const { machine, pack } = await filledMachine(content, true);
      const rotten = machine.restart("kept", "all");
      const bytes = rotten.packs.raw(pack);
      flipBit(bytes, 8 * bytes.indexOf(block.body) + next(8 * block.body.length));
      stores.push(await rotten.open());
    }
    try {
      const nodes = stores.map((store, i) => ({ id: `n${i}`, zone: `z${i}`, weight: 1, store: notClosed(store) }));
      const cluster = replicatedStore({ nodes, replicas: 3, writeQuorum: 2, suspectMs: 0 });
      const error = await cluster.get(TEST_REPOSITORY, [block.id]).catch((reason: unknown) => reason);
      const isNamed = CodedError.is(error, "BLOCK_CORRUPT") && error.facts.block === toHex(block.id);
      if (!isNamed) throw new RotFailure(`the answer is ${inspect(error)}`);
      if ((await cluster.reserve(testScope(), [block.id]))[0] !== false) throw new RotFailure("it is counted as present");
      await cluster.put(testScope(), [block]);
      await cluster.close();
      for (const store of stores) await expectWhole(store, content, "after it was put again");
      run.tally.count(kind, { isDetected: true, isRepaired: true, unusedBytes: undefined });
    } catch (error) {
      run.onFailure(`${kind}: number ${n}: ${error instanceof RotFailure ? error.message : inspect(error)}`);
    }
  }
}

function largeContent(next: Next, name: string): Content {
  const sizes = Array.from({ length: 40 }, (_, n) => (n % 3 === 0 ? 16 * 1024 : 1 + next(24 * 1024)));
  return {
    blocks: sizes.map((sizeBytes, n) => testBlock(`${name} ${n}`, sizeBytes)),
    records: Array.from({ length: 12 }, (_, n) => ({
      key: `session/${n}`,
      version: BigInt(1 + (n % 3)),
      text: n % 4 === 3 ? undefined : `${name} ${"x".repeat(n * 50)}`,
    })),
  };
}

const sectorOf = (next: Next, bytes: Buffer) => SECTOR_BYTES * next(Math.ceil(bytes.length / SECTOR_BYTES));

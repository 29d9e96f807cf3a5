/**
 * Every bit of a small pack flipped, one at a time: header, records, bodies, paddings, footer.
 *
 * The node with the flipped bit starts over its index or without one, is read, is scrubbed, is read through a cluster with one or two nodes
 * that have good copies, and then has everything again, after another start too.
 */

import type { BlockStore } from "@permafrost/blocks";
import { flipBit, RotFailure, type RotOutcome, type RotTally } from "@permafrost/blocks/testing";
import { RECORD_HEADER_BYTES, recordBytes } from "@permafrost/format";
import type { StorageEngine } from "../src/index.ts";
import { scanRecords } from "../src/pack-scan.ts";
import { NodeMachine } from "./node-machine.ts";
import {
  type Content,
  expectWhole,
  filledMachine,
  isWhole,
  putAll,
  readAll,
  readThroughCluster,
  repairBlocks,
  SMALL,
  scrubbed,
} from "./rotten-node.ts";

export interface RotRun {
  readonly tally: RotTally;
  /** Of a damage that was not handled as it must be. */
  readonly onFailure: (message: string) => void;
}

export interface BitRun extends RotRun {
  /** Every so manyth bit, from the bit `first` on. */
  readonly stride: number;
  readonly first: number;
}

interface Start {
  readonly kind: string;
  readonly sealed: boolean;
  readonly keep: "all" | "nothing";
}

/** How a node comes to read the pack. */
const STARTS: readonly Start[] = [
  { kind: "bit of a sealed pack, index kept", sealed: true, keep: "all" },
  { kind: "bit of a sealed pack, index lost", sealed: true, keep: "nothing" },
  { kind: "bit of an unsealed pack, index kept", sealed: false, keep: "all" },
  { kind: "bit of an unsealed pack, index lost", sealed: false, keep: "nothing" },
];

/** Flips the bits and counts what becomes of each. */
export async function rotBits(run: BitRun): Promise<void> {
  const good = [await goodNode(SMALL), await goodNode(SMALL)];
  for (const start of STARTS) {
    const { machine, pack } = await filledMachine(SMALL, start.sealed);
    const unused = await unusedBytes(machine, pack, start.sealed);
    const bits = machine.packs.raw(pack).length * 8;
    for (let bit = run.first % run.stride; bit < bits; bit += run.stride) {
      const rotten = machine.restart("kept", start.keep);
      flipBit(rotten.packs.raw(pack), bit);
      try {
        const others = bit % 2 === 0 ? good : good.slice(0, 1);
        const mayBeTorn = hasTornWrites(start);
        const outcome = await surviveRot(rotten, others, SMALL, {
          mayBeTorn,
          next: { keep: bit % 3 === 0 ? "nothing" : "all", mayBeTorn: false },
        });
        run.tally.count(start.kind, { unusedBytes: unused.get(bit >>> 3), ...outcome });
      } catch (error) {
        run.onFailure(`${start.kind}: bit ${bit} of ${bits}: ${error instanceof RotFailure ? error.message : inspect(error)}`);
      }
    }
  }
}

/** What was written last cannot be told on the node itself from a write that was cut off: only the other nodes know that it was acknowledged. */
export const hasTornWrites = ({ sealed, keep }: Pick<Start, "sealed" | "keep">) => !sealed && keep === "nothing";

export const inspect = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error));

export async function goodNode(content: Content): Promise<StorageEngine> {
  const store = await new NodeMachine({ packBytesMax: 1 << 30 }).open();
  await putAll(store, content);
  return store;
}

/**
 * Starts the node, reads it, scrubs it, reads it through a cluster with `good`, and repairs what it says it does not have. RotFailure if any
 * answer on the way is wrong, or if it does not have everything then, or not after one more start, as `next` says.
 */
export async function surviveRot(
  rotten: NodeMachine,
  good: readonly BlockStore[],
  content: Content,
  { mayBeTorn, next }: Survival,
): Promise<Partial<RotOutcome> & Pick<RotOutcome, "isDetected" | "isRepaired">> {
  const store = await rotten.open();
  const refused = await readAll(store, content, mayBeTorn);
  const found = (await scrubbed(store)).filter(({ kind }) => kind !== "unindexed");
  const { packsCut, packsSetAside, packsMissing } = (await store.stats()).recovery;
  const isDetected = !isWhole(refused) || found.length + packsCut + packsSetAside + packsMissing.length > 0;
  await readThroughCluster(store, good, content);
  if (refused.absent.length > 0) await repairBlocks(store, good, refused.absent);
  await expectWhole(store, content, "after the repair");
  const again = await rotten.restart("kept", next.keep).open();
  const missesDeletion = await expectWhole(again, content, "at the next start", next.mayBeTorn);
  if (!missesDeletion) return { isDetected, isRepaired: true };
  return { isDetected: false, isRepaired: undefined, unusedBytes: "a deletion, which the next read brings again" };
}

interface Survival {
  /** What was written last may be taken for a write that was cut off. */
  readonly mayBeTorn: boolean;
  /** The start after the repair; with `mayBeTorn` it may miss a deletion that only the index had. */
  readonly next: { readonly keep: "all" | "nothing"; readonly mayBeTorn: boolean };
}

/** Bytes of the pack that nothing depends on, and what they are. */
export async function unusedBytes(machine: NodeMachine, pack: string, sealed: boolean): Promise<Map<number, string>> {
  const unused = new Map<number, string>();
  const newest = new Map<string, bigint>();
  const all = [];
  for await (const record of scanRecords(machine.packs, pack, machine.packs.raw(pack).length)) {
    all.push(record);
    if (record.keyText !== undefined) newest.set(record.keyText, record.version);
  }
  for (const { offset, bodyBytes, keyText, version } of all) {
    const end = offset + RECORD_HEADER_BYTES + bodyBytes;
    for (let at = end; at < offset + recordBytes(bodyBytes); at++) unused.set(at, "padding");
    if (sealed || keyText === undefined || newest.get(keyText) === version) continue;
    for (let at = offset; at < end; at++) unused.set(at, "outdated version of a record");
  }
  return unused;
}

/**
 * A node with known blocks and records whose copies rot, beside nodes with good ones, and the oracle of all rot tests: whatever is asked, the
 * answer is exact or a coded error, never other bytes, never an older version, never the absence of a record that is there.
 */

import { type BlockStore, replicatedStore, type SealedBlock } from "@permafrost/blocks";
import { RotFailure, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { CodedError, equalBytes, fromUtf8, toHex, utf8 } from "@permafrost/std";
import type { ScrubFinding, StorageEngine } from "../src/index.ts";
import { NodeMachine } from "./node-machine.ts";

const scope = testScope();

export interface Content {
  readonly blocks: readonly SealedBlock[];
  /** Each is put at every version up to the one that stays. `undefined` text: the last version is its deletion. */
  readonly records: readonly { readonly key: string; readonly version: bigint; readonly text: string | undefined }[];
}

/** A little of everything: bodies that need padding and that need none, versions that follow each other, a deletion. */
export const SMALL: Content = {
  blocks: [1, 24, 100, 333, 1200].map((sizeBytes) => testBlock(`rot ${sizeBytes}`, sizeBytes)),
  records: [
    { key: "repository/header", version: 1n, text: "a header that is not changed for years" },
    { key: "session/1", version: 2n, text: "committed" },
    { key: "ledger/1", version: 2n, text: undefined },
  ],
};

export async function putAll(store: BlockStore, content: Content): Promise<void> {
  for (const { key, version, text } of content.records) {
    for (let before = 1n; before < version; before++) {
      await store.putRecord(scope, { key, version: before, body: utf8(`version ${before}`) });
    }
    if (text === undefined) await store.deleteRecord(scope, key, version);
    else await store.putRecord(scope, { key, version, body: utf8(text) });
  }
  await store.put(scope, content.blocks);
}

/** A machine with one pack, sealed or as a crash left it. */
export async function filledMachine(content: Content, sealed: boolean): Promise<{ machine: NodeMachine; pack: string }> {
  const machine = new NodeMachine({ packBytesMax: 1 << 30 });
  const store = await machine.open();
  await putAll(store, content);
  if (sealed) await store.close();
  return { machine, pack: (await machine.packs.list())[0]?.name ?? "" };
}

export interface Refusals {
  readonly blocks: readonly SealedBlock[];
  /** Codes. */
  readonly records: readonly string[];
  /** Blocks that are said not to be here. */
  readonly absent: readonly SealedBlock[];
  /** Records that are said not to be here. */
  readonly absentRecords: readonly string[];
}

/**
 * Asks for everything one by one. RotFailure for an answer that is not what was put. `mayBeTorn`: the last version of a record may be taken for
 * a write that was cut off; then an earlier one counts as its absence.
 */
export async function readAll(store: BlockStore, { blocks, records }: Content, mayBeTorn = false): Promise<Refusals> {
  const refused = {
    blocks: [] as SealedBlock[],
    records: [] as string[],
    absent: [] as SealedBlock[],
    absentRecords: [] as string[],
  };
  for (const block of blocks) {
    const got = await coded(store.get(TEST_REPOSITORY, [block.id]));
    if (got instanceof CodedError) refused.blocks.push(block);
    else if (got[0] === undefined) refused.absent.push(block);
    else if (!equalBytes(got[0].body, block.body)) throw new RotFailure(`block ${toHex(block.id)} comes back changed`);
  }
  const list = await coded(store.listRecords(TEST_REPOSITORY, ""));
  if (list instanceof CodedError) refused.records.push(list.code);
  const listed = list instanceof CodedError ? undefined : new Map(list.map((record) => [record.key, record]));
  for (const { key, version, text } of records) {
    const got = await coded(store.getRecord(TEST_REPOSITORY, key));
    const answers = listed ? [got, listed.get(key)] : [got];
    for (const answer of answers) {
      if (answer instanceof CodedError) refused.records.push(answer.code);
      else if (answer === undefined) {
        if (text !== undefined) refused.absentRecords.push(key);
      } else if (mayBeTorn && answer.version < version && fromUtf8(answer.body) === `version ${answer.version}`) {
        refused.absentRecords.push(key);
      } else if (text === undefined) throw new RotFailure(`record ${key} is back, which was deleted`);
      else if (answer.version !== version || fromUtf8(answer.body) !== text) {
        throw new RotFailure(`record ${key} comes back as version ${answer.version}: ${fromUtf8(answer.body)}`);
      }
    }
  }
  const known = new Set(records.map(({ key }) => key));
  for (const key of listed?.keys() ?? []) if (!known.has(key)) throw new RotFailure(`there never was a record ${key}`);
  return refused;
}

export function isWhole({ blocks, records, absent, absentRecords }: Refusals): boolean {
  return blocks.length + records.length + absent.length + absentRecords.length === 0;
}

async function coded<T>(work: Promise<T>): Promise<T | CodedError> {
  return work.catch((error: unknown) => {
    if (CodedError.is(error)) return error;
    throw error;
  });
}

/**
 * RotFailure unless the store has everything and counts it as present. `mayBeTorn`: it may have missed deletions, and
 * answers whether it did.
 */
export async function expectWhole(store: BlockStore, content: Content, when: string, mayBeTorn = false): Promise<boolean> {
  const { blocks, records, absent, absentRecords } = await readAll(store, content, mayBeTorn);
  const isDeletion = (key: string) => content.records.some((one) => one.key === key && one.text === undefined);
  if (blocks.length + records.length + absent.length > 0 || !absentRecords.every(isDeletion)) {
    throw new RotFailure(
      `${when}: ${blocks.length} blocks and [${records}] refused, ${absent.length} blocks and [${absentRecords}] absent`,
    );
  }
  const there = await store.confirm(
    scope,
    content.blocks.map(({ id }) => id),
  );
  if (there.includes(false)) throw new RotFailure(`${when}: a block is not counted as present`);
  return absentRecords.length > 0;
}

export async function scrubbed(store: StorageEngine): Promise<ScrubFinding[]> {
  const found: ScrubFinding[] = [];
  for await (const finding of store.scrub()) found.push(finding);
  return found;
}

/** Reads everything through a cluster that asks `rotten` first, and lets it repair. RotFailure unless every answer is exact. */
export async function readThroughCluster(rotten: BlockStore, good: readonly BlockStore[], content: Content): Promise<void> {
  const cluster = clusterOf(rotten, good);
  const refused = await readAll(cluster, content);
  if (!isWhole(refused)) throw new RotFailure(`the cluster does not answer what ${good.length} nodes have`);
  await cluster.close();
}

/** What `permafrost repair` does: reads put back what is damaged, not blocks that a node never heard of. */
export async function repairBlocks(
  rotten: BlockStore,
  good: readonly BlockStore[],
  blocks: readonly SealedBlock[],
): Promise<void> {
  const cluster = clusterOf(rotten, good);
  const { lost, short } = await cluster.repairBlocks(
    scope,
    blocks.map(({ id }) => id),
  );
  if (lost.length + short.length > 0) throw new RotFailure(`a repair left ${lost.length} blocks lost and ${short.length} short`);
  await cluster.close();
}

function clusterOf(rotten: BlockStore, good: readonly BlockStore[]): BlockStore {
  const stores = [rotten, ...good].map(notClosed);
  const nodes = stores.map((store, i) => ({ id: `n${i}`, zone: `z${i}`, weight: i === 0 ? 1e9 : 1, store }));
  const quorum = Math.floor(nodes.length / 2) + 1;
  return replicatedStore({ nodes, replicas: nodes.length, writeQuorum: quorum, suspectMs: 0 });
}

/** The store without its `close`. */
export function notClosed(store: BlockStore): BlockStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === "close") return async () => undefined;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

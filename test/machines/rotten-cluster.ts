/**
 * A repository on three nodes, of which one rots: every bit of the pack that holds its header, a session record, manifest pages of two levels
 * and data is flipped, one at a time. Who has the key reads all of it exactly through the cluster, a check finds nothing missing, and the node
 * has the same as the others afterwards.
 */

import { type BlockStore, replicatedStore } from "@permafrost/blocks";
import { flipBit, RotFailure } from "@permafrost/blocks/testing";
import type { StreamRoot } from "@permafrost/model";
import { checkStream, initRepository, openRepository } from "@permafrost/repository";
import { equalBytes, toHex, utf8 } from "@permafrost/std";
import type { StorageEngine } from "@permafrost/storage";
import { KEY_FILE, MIB, noise, readAll } from "../../packages/repository/testing/world.ts";
import { NodeMachine } from "../../packages/storage/testing/node-machine.ts";
import { type BitRun, inspect, unusedBytes } from "../../packages/storage/testing/rot-bits.ts";
import { notClosed, scrubbed } from "../../packages/storage/testing/rotten-node.ts";

const ZERO_BYTES = 65 * MIB;
const RECORD = { key: "session/1", version: 1n, value: utf8('{"state":"committed"}') };

/** Flips the bits and counts what becomes of each. */
export async function rotCluster(run: BitRun): Promise<void> {
  const kept = await filledCluster();
  const { machine, pack, good } = kept;
  const unused = await unusedBytes(machine, pack, true);
  const bits = machine.packs.raw(pack).length * 8;
  for (let bit = run.first % run.stride; bit < bits; bit += run.stride) {
    const keep = bit % 2 === 0 ? "all" : "nothing";
    const kind = `bit of a repository's pack on one of three nodes`;
    const rotten = machine.restart("kept", keep);
    flipBit(rotten.packs.raw(pack), bit);
    try {
      const store = await rotten.open();
      const { packsCut } = (await store.stats()).recovery;
      const isDetected = (await scrubbed(store)).some((finding) => finding.kind !== "unindexed") || packsCut > 0;
      await expectReadable(clusterOf([store, ...good]), kept);
      await expectSame(store, good[0] as StorageEngine, kept);
      run.tally.count(kind, { isDetected, isRepaired: true, unusedBytes: unused.get(bit >>> 3) });
    } catch (error) {
      run.onFailure(
        `${kind}: bit ${bit} of ${bits}, index ${keep}: ${error instanceof RotFailure ? error.message : inspect(error)}`,
      );
    }
  }
}

interface Kept {
  /** The node that rots, closed; the others are open. */
  readonly machine: NodeMachine;
  readonly pack: string;
  readonly good: readonly StorageEngine[];
  readonly repositoryId: string;
  readonly root: StreamRoot;
  readonly data: Uint8Array;
  readonly ids: readonly Uint8Array[];
}

async function filledCluster(): Promise<Kept> {
  const machines = [0, 1, 2].map(() => new NodeMachine({ packBytesMax: 1 << 30 }));
  const stores = await Promise.all(machines.map((machine) => machine.open()));
  const ids = new Map<string, Uint8Array>();
  const cluster = clusterOf(stores, 3);
  const noting: BlockStore = {
    ...cluster,
    put(scope, blocks) {
      for (const { id } of blocks) ids.set(toHex(id), Uint8Array.from(id));
      return cluster.put(scope, blocks);
    },
  };
  const { repository } = await initRepository(noting, { name: "rot", secret: KEY_FILE });
  const scope = { repositoryId: repository.id, sessionId: "s1", taskId: "t1", fence: 1n };
  const writer = repository.writer(scope);
  const data = noise(300, 1);
  const { root } = await writer.writeStream(zerosThen(data), { chunking: "fixed" });
  await writer.finish();
  await repository.records(scope).put(RECORD.key, RECORD.version, RECORD.value);
  await cluster.close();
  const [machine, store] = [machines[0] as NodeMachine, stores[0] as StorageEngine];
  await store.close();
  const pack = (await machine.packs.list())[0]?.name ?? "";
  return { machine, pack, good: stores.slice(1), repositoryId: repository.id, root, data, ids: [...ids.values()] };
}

/** All replicas on all nodes; the first node is asked first. */
function clusterOf(stores: readonly BlockStore[], writeQuorum = 2): BlockStore {
  const nodes = stores.map((store, i) => ({ id: `n${i}`, zone: `z${i}`, weight: i === 0 ? 1e9 : 1, store: notClosed(store) }));
  return replicatedStore({ nodes, replicas: nodes.length, writeQuorum, suspectMs: 0 });
}

async function expectReadable(cluster: BlockStore, { repositoryId, root, data }: Kept): Promise<void> {
  const repository = await openRepository(cluster, repositoryId, KEY_FILE);
  const got = await readAll(repository.reader().readStream(root, { start: ZERO_BYTES - data.length }));
  if (!equalBytes(got, Buffer.concat([Buffer.alloc(data.length), data]))) throw new RotFailure("other bytes were read");
  const records = repository.records({ repositoryId, sessionId: "read", taskId: "read", fence: 1n });
  for (const one of [await records.get(RECORD.key), (await records.list("session/"))[0]]) {
    if (one?.version !== RECORD.version || !equalBytes(one.value, RECORD.value)) throw new RotFailure("another record was read");
  }
  for (const readData of [false, true]) {
    const { damaged } = await checkStream(repository, root, { readData });
    if (damaged.length > 0) throw new RotFailure(`the check found ${damaged[0]?.code}`);
  }
  await cluster.close();
}

async function expectSame(store: StorageEngine, good: StorageEngine, { repositoryId, ids }: Kept): Promise<void> {
  const [mine, theirs] = await Promise.all([store.get(repositoryId, ids), good.get(repositoryId, ids)]);
  for (const [i, block] of theirs.entries()) {
    if (!block || !equalBytes(mine[i]?.body ?? new Uint8Array(0), block.body)) throw new RotFailure("a block was not repaired");
  }
  const there = await store.confirm({ repositoryId, sessionId: "read", taskId: "read", fence: 1n }, ids);
  if (there.includes(false)) throw new RotFailure("a block is not counted as present");
  const [have, should] = [await store.listRecords(repositoryId, ""), await good.listRecords(repositoryId, "")];
  const isSame =
    have.length === should.length && should.every(({ body }, i) => equalBytes(body, have[i]?.body ?? new Uint8Array(0)));
  if (!isSame) throw new RotFailure("a record was not repaired");
}

async function* zerosThen(data: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < ZERO_BYTES; at += MIB) yield new Uint8Array(MIB);
  yield data;
}
